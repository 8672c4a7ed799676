//! `reproduce`: the paper's own numbers against values known independently, made-up runs whose distance from the paper is
//! known, and what it refuses.

use std::{fs, path::Path, process::Command};

use openmoe_analyze::{
    paper::{Paper, TOP_K, checks},
    routing::View,
    stats::{Finding, Statistic, StatisticTable},
};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::{
    files::{fixture, read_json},
    program::{Outcome, openmoe_with},
};

fn reproduce(arguments: &[&str]) -> Outcome {
    openmoe_with(&[&["reproduce"], arguments].concat())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A finished run that holds these rows.
fn made_up(command: &str, experts: usize, tables: &[(&str, Vec<Finding>)]) -> TempDir {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("stats")).unwrap();
    for (name, rows) in tables {
        let table = StatisticTable { name: (*name).to_owned(), rows: rows.clone() };
        fs::write(folder.path().join(format!("stats/{name}.parquet")), table.to_parquet().unwrap()).unwrap();
    }
    let manifest = json!({
        "command": command, "version": env!("CARGO_PKG_VERSION"), "complete": true, "label": "made-up",
        "seed": 0, "resamples": 1000, "permutations": 100, "exclude_bos": false,
        "corpus": ["texts/sample.jsonl"], "sequences": 10, "documents": 10, "tokens": 1000,
        "layout": {"moe_layers": [3], "num_experts": experts, "top_k": 2, "segments": 1},
    });
    fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    folder
}

/// Kept shares of a category, every one with an interval of this half width.
fn shares(category: &str, share: &[f64], half: f64) -> Vec<Finding> {
    let row = |(expert, share): (usize, &f64)| Finding {
        category: Some(category.to_owned()),
        expert: Some(expert as u16),
        ..Finding::new(Statistic::ExpertShare, 3, View::Kept).by("category").measured(
            *share,
            Some((share - half, share + half)),
            500,
            10,
        )
    };
    share.iter().enumerate().map(row).collect()
}

/// The paper's shares of a category, straight from the file.
fn paper_shares(figure: &str, category: &str) -> Vec<f64> {
    let all = read_json(&fixture("paper/openmoe_fig5_11_E.json"));
    serde_json::from_value(all[figure][category]["E"].clone()).unwrap()
}

/// The comparison of a run, written beside it.
fn compared(run: &TempDir) -> Value {
    let outcome = reproduce(&[&text(run.path()), "--quiet"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    read_json(&run.path().join("reproduce/comparison.json"))
}

fn row<'a>(comparison: &'a Value, figure: &str, measure: &str, item: &str) -> &'a Value {
    let figures = comparison["figures"].as_array().unwrap();
    let section =
        figures.iter().find(|section| section["figure"] == figure).unwrap_or_else(|| panic!("no figure {figure}"));
    let mut rows = section["rows"].as_array().unwrap().iter();
    rows.find(|row| row["measure"] == measure && row["item"] == item)
        .unwrap_or_else(|| panic!("no {measure} of `{item}`"))
}

fn near(value: &Value, expected: f64, tolerance: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
}

/// Known values were computed by other programs.
#[test]
fn the_papers_numbers_satisfy_their_closed_forms() {
    let folder = tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"));
    let output = command.args(["reproduce", "--paper-only", "--json"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let known = [
        ("std ceiling of two choices", 0.121_030_73, 1e-8),
        ("std ceiling of the kept view", 0.173_992_64, 1e-8),
        ("noise floor of 129", 0.010_656_16, 1e-8),
        ("total variation of \"ed\"", 0.1210, 5e-5),
        ("total variation of \"an\"", 0.1030, 5e-5),
        ("overall drop ratio of RedPajama", 0.147_316, 1e-6),
        ("overall drop ratio of TheStack", 0.765_403, 1e-6),
        ("overall drop ratio of TED", 0.992_336, 1e-6),
        ("overall drop ratio of MT-Bench raw", 1.369_694, 1e-6),
        ("overall drop ratio of MT-Bench chat", 1.607_692, 1e-6),
        ("drop ratio of MT-Bench from position 1536", 10.227, 1e-3),
        ("share of the variance over positions", 0.747_78, 1e-5),
    ];
    let checks = document["checks"].as_array().unwrap();
    for (claim, expected, tolerance) in known {
        let check = checks.iter().find(|check| check["claim"].as_str().unwrap().starts_with(claim)).unwrap();
        near(&check["found"], expected, tolerance);
    }
    assert!(checks.iter().all(|check| check["holds"] == true) && checks.len() > 25);
    assert_eq!(document["schema"], 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the paper alone writes nothing");
}

#[test]
fn the_buckets_of_figure_12_are_those_counted_independently() {
    let paper = Paper::load().unwrap();
    let mt_bench = paper.drop_curve("12a MTBench").unwrap();
    let tail = mt_bench.bucket((1536, 2047));
    assert_eq!(tail.positions, (1536, 1972));
    assert_eq!(tail.assignments, 6390.0);
    assert!((tail.dropped - 653.5).abs() < 0.1, "{}", tail.dropped);
    let (low, high) = tail.ratio().interval.unwrap();
    assert!((low - 0.095_08).abs() < 1e-4 && (high - 0.109_94).abs() < 1e-4, "{low} {high}");
    assert_eq!([mt_bench.n(1536), mt_bench.n(1972)].map(|n| n / TOP_K as f64), [10.0, 3.0]);
    assert!(checks(&paper).iter().all(|check| check.holds));
}

#[test]
fn the_same_shares_under_other_labels_have_the_same_profile() {
    let theirs = paper_shares("fig5_redpajama", "arxiv");
    let mut turned = theirs.clone();
    turned.rotate_left(5);
    let run = made_up("route", 32, &[("expert_share", shares("ArXiv", &turned, 0.0)), ("routing_std", Vec::new())]);
    let comparison = compared(&run);
    near(&row(&comparison, "5", "profile_distance", "")["distance"], 0.0, 1e-9);
    near(&row(&comparison, "5", "relative_std", "")["distance"], 0.0, 1e-9);
    let expected: f64 = theirs.iter().zip(&turned).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0;
    near(&row(&comparison, "5", "total_variation", "")["distance"], expected, 1e-4);
    assert!(expected > 0.01);
    let sentence = comparison["figures"][0]["sentence"].as_str().unwrap();
    assert!(sentence.contains("only if it is the same checkpoint"), "{sentence}");
}

/// Two halves of the experts with 3 and 1 of 4 parts of the load: in multiples of even routing 1.5 and 0.5.
#[test]
fn other_numbers_of_experts_are_compared_without_identity() {
    let uneven: Vec<f64> = (0..16).map(|expert| if expert % 2 == 0 { 1.5 / 16.0 } else { 0.5 / 16.0 }).collect();
    let rows = [shares("arxiv", &uneven, 0.001), shares("book", &[1.0 / 16.0; 16], 0.001)].concat();
    let run = made_up("route", 16, &[("expert_share", rows), ("routing_std", Vec::new())]);
    let comparison = compared(&run);
    // std 0.5/16 over the ceiling sqrt((1/2 - 1/16)/16) of 16 experts.
    let relative = row(&comparison, "5", "relative_std", "arxiv");
    near(&relative["yours"], (0.5 / 16.0) / (0.4375f64 / 16.0).sqrt(), 1e-9);
    let ends = ["low", "high"].map(|end| relative[format!("distance_{end}")].as_f64().unwrap());
    assert!(ends[0] < relative["distance"].as_f64().unwrap() && ends[1] > relative["distance"].as_f64().unwrap());
    // Half the area between the sorted multiples, by hand.
    let mut theirs = paper_shares("fig5_redpajama", "arxiv");
    theirs.sort_by(|a, b| b.total_cmp(a));
    let multiples = theirs.iter().enumerate().map(|(i, share)| (32.0 * share - if i < 16 { 1.5 } else { 0.5 }).abs());
    near(&row(&comparison, "5", "profile_distance", "arxiv")["distance"], multiples.sum::<f64>() / 64.0, 1e-5);
    near(&row(&comparison, "5", "between_total_variation", "")["yours"], 0.25, 1e-9);
    let figures = comparison["figures"].as_array().unwrap();
    let rows = figures.iter().flat_map(|section| section["rows"].as_array().unwrap());
    assert!(rows.map(|row| row["measure"].as_str().unwrap()).all(|measure| measure != "total_variation"));
    let missing = comparison["not_compared"].as_array().unwrap();
    let reason = |figure: &str| missing.iter().find(|m| m["figure"] == figure).unwrap()["reason"].as_str().unwrap();
    assert!(reason("7").starts_with("the run has expert shares of none of its categories: ar, de"), "{}", reason("7"));
    assert_eq!(reason("12"), "no drops run was given");
}

/// Mean drift over token ids at a checkpoint.
fn row_at(tokens: f64, drift: f64) -> Finding {
    Finding {
        checkpoint: Some(format!("{tokens}")),
        training_tokens: Some(tokens),
        ..Finding::new(Statistic::TokenDrift, 3, View::Kept).by("token").variant("total_variation").measured(
            drift,
            Some((drift - 0.01, drift + 0.02)),
            900,
            10,
        )
    }
}

#[test]
fn a_course_like_the_papers_has_no_distance() {
    let rows = vec![row_at(190e9, 0.1210), row_at(620e9, 0.3), row_at(1e12, 0.0)];
    let comparison = compared(&made_up("drift", 16, &[("token_drift", rows)]));
    let first = row(&comparison, "11", "token_drift", "\"ed\" at 20 % of the way");
    near(&first["distance"], 0.0, 2e-5);
    // Wilson of 0.121 and n = 576 is [0.0969, 0.1502]; square and add with [0.111, 0.141].
    near(&first["distance_low"], -(0.01f64.powi(2) + 0.0292f64.powi(2)).sqrt(), 2e-4);
    near(&first["distance_high"], (0.02f64.powi(2) + 0.0241f64.powi(2)).sqrt(), 2e-4);
    near(&row(&comparison, "11", "token_drift", "\"an\" at 60 % of the way")["yours"], 0.3, 0.0);
    let rows = comparison["figures"][0]["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| !row["item"].as_str().unwrap().contains("40 %")), "no checkpoint is near 40 %");
    let sentence = comparison["figures"][0]["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("within 5 points: 20 %, 60 %; without a checkpoint in the run: 40 %, 80 %"),
        "{sentence}"
    );
}

/// The released checkpoints end at 1.1T: 600B of 1.1T is 55 %, but it is the paper's 600B.
#[test]
fn the_papers_own_checkpoints_are_matched_by_their_tokens() {
    let at = [200e9, 400e9, 600e9, 798e9, 1e12, 1.1e12];
    let rows = at.iter().enumerate().map(|(place, tokens)| row_at(*tokens, 0.5 - 0.1 * place as f64)).collect();
    let comparison = compared(&made_up("drift", 16, &[("token_drift", rows)]));
    for (label, drift) in [("200B", 0.5), ("400B", 0.4), ("600B", 0.3), ("800B", 0.2)] {
        near(&row(&comparison, "11", "token_drift", &format!("\"ed\" at {label}"))["yours"], drift, 1e-12);
    }
    let figure = &comparison["figures"][0];
    assert_eq!(figure["rows"].as_array().unwrap().len(), 8, "two tokens of the paper at four points");
    assert_eq!(
        [&figure["rows"][0]["paper_n_unit"], &figure["rows"][0]["yours_n_unit"]],
        ["kept assignments", "occurrences"]
    );
    let sentence = figure["sentence"].as_str().unwrap();
    assert!(sentence.contains("matched by training tokens, within 1 %: 200B, 400B, 600B, 800B. "), "{sentence}");
    assert!(sentence.contains("are to 1.0T, yours to your last checkpoint, 1.1T"), "{sentence}");
    assert!(sentence.contains("beside \"ed\" higher in layer 3, beside \"an\" higher in layer 3"), "{sentence}");
    // One of the paper's tokens is enough, and then nothing is matched by parts: 380B is 38 % of 1.0T.
    let rows = vec![row_at(200e9, 0.5), row_at(380e9, 0.4), row_at(1e12, 0.0)];
    let comparison = compared(&made_up("drift", 16, &[("token_drift", rows)]));
    let sentence = comparison["figures"][0]["sentence"].as_str().unwrap();
    assert!(sentence.contains("1 %: 200B; without a checkpoint in the run: 400B, 600B, 800B"), "{sentence}");
}

#[test]
fn drops_are_compared_in_buckets() {
    let finding = |variable: Option<&'static str>, position: Option<u32>, ratio: f64, n: u64| {
        let mut row = Finding::new(Statistic::AssignmentDropRatio, 3, View::Chosen).measured(
            ratio,
            Some((ratio / 2.0, ratio * 2.0)),
            n,
            10,
        );
        row.variable = variable.map(Into::into);
        row.position = position;
        row.dataset = Some("redpajama_sample".to_owned());
        row
    };
    let ratio = |position: u32| if position < 256 { 0.01 } else { 0.04 };
    let mut rows = vec![finding(None, None, 0.02, 500)];
    rows.extend((0..512).map(|position| finding(Some("position"), Some(position), ratio(position), 2)));
    rows.extend((0..8).map(|bin| finding(Some("position_bucket"), Some(64 * bin), ratio(64 * bin), 128)));
    let comparison = compared(&made_up("drops", 16, &[("assignment_drop_ratio", rows)]));
    let bucket = row(&comparison, "12a", "drop_ratio", "RedPajama 256-511");
    near(&bucket["yours"], 0.04, 1e-12);
    near(&bucket["yours_high"], 0.08, 1e-12);
    near(&bucket["paper"], 170.5 / 162_445.0, 1e-6);
    near(&row(&comparison, "12a", "last_over_first", "RedPajama")["yours"], 4.0, 1e-9);
    near(&row(&comparison, "12a", "last_less_first", "RedPajama")["yours"], 0.03, 1e-12);
    let apart = f64::midpoint(0.01 - 508.0 / 205_323.0, 0.04 - 170.5 / 162_445.0);
    near(&row(&comparison, "12a", "curve_distance", "RedPajama")["distance"], apart, 1e-6);
    near(&row(&comparison, "12a", "drop_ratio", "RedPajama")["distance"], 0.02 - 0.001_473_16, 1e-7);
    let overall = row(&comparison, "12a", "drop_ratio", "RedPajama");
    assert_eq!(
        [&overall["yours_n"], &overall["yours_n_unit"], &overall["paper_n_unit"]],
        [&json!(1000), &json!("assignments"), &json!("assignments")],
        "500 occurrences of two choices"
    );
    let missing = comparison["not_compared"].as_array().unwrap();
    let reason = missing.iter().find(|missing| missing["figure"] == "12b").unwrap()["reason"].as_str().unwrap();
    assert!(reason.contains("of MT-Bench answers; no data set of the run (redpajama_sample) holds any"), "{reason}");
}

/// Whatever --compare named stands in the place of "chat", under its own name.
#[test]
fn checkpoints_in_the_places_of_raw_and_chat_keep_their_names() {
    let of = |dataset: &str, checkpoint: Option<&str>, variable: Option<&'static str>, position: Option<u32>| {
        let mut row = Finding::new(Statistic::AssignmentDropRatio, 3, View::Chosen).measured(0.1, None, 20, 10);
        row.variable = variable.map(Into::into);
        row.position = position;
        row.dataset = Some(dataset.to_owned());
        row.checkpoint = checkpoint.map(str::to_owned);
        row
    };
    let mut rows = Vec::new();
    for dataset in ["mt_bench_answer_a", "mt_bench_answer_b"] {
        for checkpoint in [None, Some("base-200B")] {
            rows.push(of(dataset, checkpoint, None, None));
            rows.push(of(dataset, checkpoint, Some("position"), Some(3)));
        }
    }
    let comparison = compared(&made_up("drops", 32, &[("assignment_drop_ratio", rows)]));
    let figures = comparison["figures"].as_array().unwrap();
    let sentence = figures.iter().find(|section| section["figure"] == "12b").unwrap()["sentence"].as_str().unwrap();
    let first =
        "on data set mt_bench_answer_a (the first of 2 such data sets; the others are left out) in the place of";
    assert!(sentence.contains(&format!("Your made-up {first} raw")), "{sentence}");
    assert!(sentence.contains(&format!("Your base-200B {first} chat")), "{sentence}");
    assert!(!sentence.contains("number of experts"), "both have 32: {sentence}");
}

#[test]
fn files_and_charts_are_written_and_replaced_only_with_force() {
    let theirs = paper_shares("fig5_redpajama", "arxiv");
    let run = made_up("route", 32, &[("expert_share", shares("arxiv", &theirs, 0.001)), ("routing_std", Vec::new())]);
    let (folder, out) = (text(run.path()), run.path().join("reproduce"));
    let first = reproduce(&[&folder]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(first.stdout.lines().all(|line| line.chars().count() < 160), "{}", first.stdout);
    assert!(first.stdout.contains("1 of 7 categories are in the run"), "{}", first.stdout);
    for name in ["comparison.csv", "comparison.md", "charts/figure_5_profiles.svg", "charts/figure_5_profiles.png"] {
        assert!(fs::metadata(out.join(name)).unwrap().len() > 500, "{name}");
    }
    let csv = fs::read_to_string(out.join("comparison.csv")).unwrap();
    let header = csv.lines().next().unwrap();
    assert!(
        header.starts_with("figure,run,measure,item,layer,summary,paper,") && header.ends_with("unit,intervals"),
        "{header}"
    );
    let again = reproduce(&[&folder]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("holds an earlier comparison") && again.stderr.contains("hint: add --force"));
    fs::write(out.join("charts/old.svg"), "x").unwrap();
    fs::write(out.join("mine.txt"), "keep").unwrap();
    assert_eq!(reproduce(&[&folder, "--force"]).code, 0);
    assert!(!out.join("charts/old.svg").exists() && out.join("mine.txt").exists());
}

#[test]
fn a_comparison_that_was_stopped_is_replaced_with_force_and_other_files_never_are() {
    let theirs = paper_shares("fig5_redpajama", "arxiv");
    let run = made_up("route", 32, &[("expert_share", shares("arxiv", &theirs, 0.001)), ("routing_std", Vec::new())]);
    let (folder, out) = (text(run.path()), run.path().join("reproduce"));
    fs::create_dir_all(out.join("charts")).unwrap();
    fs::create_dir_all(out.join(".comparison-x1/charts")).unwrap();
    fs::write(out.join("charts/figure_5_profiles.svg"), "half").unwrap();
    let refused = reproduce(&[&folder]);
    assert!(refused.code == 2 && refused.stderr.contains("holds an earlier comparison"), "{}", refused.stderr);
    assert_eq!(reproduce(&[&folder, "--force"]).code, 0);
    let mut names: Vec<String> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["charts", "comparison.csv", "comparison.json", "comparison.md"]);
    let other = tempdir().unwrap();
    fs::create_dir(other.path().join("charts")).unwrap();
    fs::write(other.path().join("charts/holiday.png"), "mine").unwrap();
    let refused = reproduce(&[&folder, "--out", &text(other.path()), "--force"]);
    assert!(refused.code == 2 && refused.stderr.contains("holds other files"), "{}", refused.stderr);
    assert!(other.path().join("charts/holiday.png").exists());
}

/// A comparison that cannot be written leaves the earlier one as it is.
#[cfg(unix)]
#[test]
fn the_earlier_comparison_stays_until_there_is_a_new_one() {
    let theirs = paper_shares("fig5_redpajama", "arxiv");
    let run = made_up("route", 32, &[("expert_share", shares("arxiv", &theirs, 0.001)), ("routing_std", Vec::new())]);
    let (folder, out) = (text(run.path()), run.path().join("reproduce"));
    assert_eq!(reproduce(&[&folder]).code, 0);
    let before = fs::read(out.join("comparison.json")).unwrap();
    // A limit on the size of files stops the writing of the new one.
    let command = format!(
        "ulimit -f 1; trap '' XFSZ; exec '{}' reproduce '{folder}' --force --quiet",
        env!("CARGO_BIN_EXE_openmoe-analyze")
    );
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(fs::read(out.join("comparison.json")).unwrap(), before);
    assert!(out.join("charts/figure_5_profiles.svg").exists() && out.join("comparison.csv").exists());
}

#[test]
fn without_a_figure_the_checks_are_written_and_no_chart_is_claimed() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("paper");
    let outcome = reproduce(&["--paper-only", "--out", &text(&out)]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("no figure is compared; the checks are in ") && !outcome.stdout.contains("charts"));
    let csv = fs::read_to_string(out.join("comparison.csv")).unwrap();
    assert!(csv.starts_with("figure,run,measure,item,") && csv.lines().count() == 1, "{csv}");
    assert!(!out.join("charts").exists());
}

/// Every refusal names what is wrong, has a hint, and exits with 2.
#[test]
fn what_cannot_be_compared_is_refused_with_a_hint() {
    let refused = |arguments: &[&str], message: &str| {
        let outcome = reproduce(arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(message) && outcome.stderr.contains("hint: "),
            "{arguments:?}: {}",
            outcome.stderr
        );
    };
    let empty = tempdir().unwrap();
    refused(&[], "needs the folders of finished runs, or --paper-only");
    refused(&[&text(empty.path())], "is not the folder of a run");
    let again = text(&empty.path().join("."));
    refused(&[&text(empty.path()), &again], "is given twice");
    let shares = || vec![("expert_share", shares("arxiv", &[0.25; 4], 0.0)), ("routing_std", Vec::new())];
    let (four, other) = (made_up("route", 4, &shares()), made_up("drift", 32, &[("token_drift", Vec::new())]));
    refused(&[&text(four.path()), &text(other.path())], "runs of different kinds of model");
    let strange = made_up("inspect", 4, &shares());
    refused(&[&text(strange.path())], "expected route, drift or drops");
    let without = made_up("route", 4, &shares()[..1]);
    refused(&[&text(without.path())], "routing_std.parquet` does not exist");
    let within = text(&four.path().join("stats/paper"));
    refused(&[&text(four.path()), "--out", &within], "lies in `stats` of the run");
    refused(&[&text(four.path()), "--out", &text(other.path())], "holds other files");
    let unfinished = made_up("route", 4, &shares());
    let manifest = unfinished.path().join("manifest.json");
    let written = fs::read_to_string(&manifest).unwrap().replace("\"complete\":true", "\"complete\":false");
    fs::write(&manifest, written).unwrap();
    refused(&[&text(unfinished.path())], "is not complete");
}
