//! `reproduce`: the paper's own numbers against values known independently, made-up runs whose distance from the paper is
//! known, and what it refuses.

use std::{fs, path::Path, process::Command};

use expect_test::{Expect, expect};
use openmoe_analyze::{
    paper::{Paper, TOP_K, checks},
    routing::View,
    stats::{Finding, Statistic, StatisticTable, Subject, Variable, Variant},
};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::{
    files::{fixture, read_json},
    program::{Outcome, openmoe_with},
    snapshot::settled,
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
    let row = |(expert, share): (usize, &f64)| {
        Finding::new(Statistic::ExpertShare, 3, View::Kept)
            .by(Variable::Category)
            .measured(*share, Some((share - half, share + half)), 500, 10)
            .about(|subject| Subject { category: Some(category.to_owned()), expert: Some(expert as u16), ..subject })
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
    expect!["1 of 7 categories are in the run. Spread over experts, as a share of its ceiling: yours is no different within the interval widened by a third in layer 3. Expert by expert (total_variation, jensen_shannon) the two are comparable only if it is the same checkpoint. What differs: the checkpoint (the paper does not name its own; yours is made-up), the layer (the paper shows one and does not say which; yours are layer 3) and the text (64 sequences of each RedPajama subset, at most 2,048 tokens; yours: sample, 1,000 tokens of 10 documents)."].assert_eq(comparison["figures"][0]["sentence"].as_str().unwrap());
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
    expect![
        "the run has expert shares of none of its categories: ar, de, es, fr, he, it, ja, ko, nl, ru, zh-cn, zh-tw"
    ]
    .assert_eq(reason("7"));
    assert_eq!(reason("12"), "no drops run was given");
}

/// Mean drift over token ids at a checkpoint.
fn row_at(tokens: f64, drift: f64) -> Finding {
    Finding::new(Statistic::TokenDrift, 3, View::Kept)
        .by(Variable::Token)
        .variant(Variant::TotalVariation)
        .measured(drift, Some((drift - 0.01, drift + 0.02)), 900, 10)
        .about(|subject| Subject { checkpoint: Some(format!("{tokens}")), training_tokens: Some(tokens), ..subject })
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
    expect![[r#"Total variation between the expert shares of a token at the first matched point and at the last checkpoint: yours (mean over the frequent token ids, weighted by n) is beside "ed" no different within the interval widened by a third in layer 3, beside "an" no different within the interval widened by a third in layer 3; the run has neither token often enough. No checkpoint of the run has the paper's training tokens: points are matched by the part of the way to the last checkpoint (the paper's last, 1.0T, is not the end of its training), within 5 points: 20 %, 60 %; without a checkpoint in the run: 40 %, 80 %. The paper's distances are to 1.0T, yours to your last checkpoint, 1T. What differs: the checkpoint (the paper's stand at 200B to 1.0T training tokens; yours is made-up), the layer (the paper shows one and does not say which; yours are layer 3), the number of experts (32 against 16) and the text (576 and 330 assignments of two tokens of RedPajama; yours: sample, 1,000 tokens of 10 documents)."#]].assert_eq(comparison["figures"][0]["sentence"].as_str().unwrap());
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
    expect![[r#"Total variation between the expert shares of a token at the first matched point and at the last checkpoint: yours (mean over the frequent token ids, weighted by n) is beside "ed" higher in layer 3, beside "an" higher in layer 3; the run has neither token often enough. Points are matched by training tokens, within 1 %: 200B, 400B, 600B, 800B. The paper's distances are to 1.0T, yours to your last checkpoint, 1.1T. What differs: the checkpoint (the paper's stand at 200B to 1.0T training tokens; yours is made-up), the layer (the paper shows one and does not say which; yours are layer 3), the number of experts (32 against 16) and the text (576 and 330 assignments of two tokens of RedPajama; yours: sample, 1,000 tokens of 10 documents)."#]].assert_eq(figure["sentence"].as_str().unwrap());
    // One of the paper's tokens is enough, and then nothing is matched by parts: 380B is 38 % of 1.0T.
    let rows = vec![row_at(200e9, 0.5), row_at(380e9, 0.4), row_at(1e12, 0.0)];
    let comparison = compared(&made_up("drift", 16, &[("token_drift", rows)]));
    expect![[r#"Total variation between the expert shares of a token at the first matched point and at the last checkpoint: yours (mean over the frequent token ids, weighted by n) is beside "ed" higher in layer 3, beside "an" higher in layer 3; the run has neither token often enough. Points are matched by training tokens, within 1 %: 200B; without a checkpoint in the run: 400B, 600B, 800B. The paper's distances are to 1.0T, yours to your last checkpoint, 1T. What differs: the checkpoint (the paper's stand at 200B to 1.0T training tokens; yours is made-up), the layer (the paper shows one and does not say which; yours are layer 3), the number of experts (32 against 16) and the text (576 and 330 assignments of two tokens of RedPajama; yours: sample, 1,000 tokens of 10 documents)."#]].assert_eq(comparison["figures"][0]["sentence"].as_str().unwrap());
}

#[test]
fn drops_are_compared_in_buckets() {
    let finding = |variable: Option<Variable>, position: Option<u32>, ratio: f64, n: u64| {
        let mut row = Finding::new(Statistic::AssignmentDropRatio, 3, View::Chosen).measured(
            ratio,
            Some((ratio / 2.0, ratio * 2.0)),
            n,
            10,
        );
        row.subject.variable = variable;
        row.subject.position = position;
        row.subject.dataset = Some("redpajama_sample".to_owned());
        row
    };
    let ratio = |position: u32| if position < 256 { 0.01 } else { 0.04 };
    let mut rows = vec![finding(None, None, 0.02, 500)];
    rows.extend((0..512).map(|position| finding(Some(Variable::Position), Some(position), ratio(position), 2)));
    rows.extend((0..8).map(|bin| finding(Some(Variable::PositionBucket), Some(64 * bin), ratio(64 * bin), 128)));
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
    let reason = &missing.iter().find(|missing| missing["figure"] == "12b").unwrap()["reason"];
    expect!["its curves, raw and chat, are of MT-Bench answers; no data set of the run (redpajama_sample) holds any"]
        .assert_eq(reason.as_str().unwrap());
}

/// Whatever --compare named stands in the place of "chat", under its own name.
#[test]
fn checkpoints_in_the_places_of_raw_and_chat_keep_their_names() {
    let of = |dataset: &str, checkpoint: Option<&str>, variable: Option<Variable>, position: Option<u32>| {
        let mut row = Finding::new(Statistic::AssignmentDropRatio, 3, View::Chosen).measured(0.1, None, 20, 10);
        row.subject.variable = variable;
        row.subject.position = position;
        row.subject.dataset = Some(dataset.to_owned());
        row.subject.checkpoint = checkpoint.map(str::to_owned);
        row
    };
    let mut rows = Vec::new();
    for dataset in ["mt_bench_answer_a", "mt_bench_answer_b"] {
        for checkpoint in [None, Some("base-200B")] {
            rows.push(of(dataset, checkpoint, None, None));
            rows.push(of(dataset, checkpoint, Some(Variable::Position), Some(3)));
        }
    }
    let comparison = compared(&made_up("drops", 32, &[("assignment_drop_ratio", rows)]));
    let figures = comparison["figures"].as_array().unwrap();
    let section = figures.iter().find(|section| section["figure"] == "12b").unwrap();
    // Both have 32 experts, of which there is nothing to say.
    expect!["2 of 2 curves have a data set in the run. Your made-up on data set mt_bench_answer_a (the first of 2 such data sets; the others are left out) in the place of raw: its drop ratio is compared without an interval in layer 3; its last bucket less its first is not comparable. Your base-200B on data set mt_bench_answer_a (the first of 2 such data sets; the others are left out) in the place of chat: its drop ratio is compared without an interval in layer 3; its last bucket less its first is not comparable. The capacity factor is the run's own, the paper's is not stated with the figure. What differs: the checkpoint (the paper names raw and chat, not which checkpoint; yours is made-up), the layer (the paper shows one and does not say which; yours are layer 3) and the text (64 sequences of each subset, or 80 MT-Bench conversations of which 3 reach the end; yours: sample, 1,000 tokens of 10 documents)."].assert_eq(section["sentence"].as_str().unwrap());
}

#[test]
fn files_and_charts_are_written_and_replaced_only_with_force() {
    let theirs = paper_shares("fig5_redpajama", "arxiv");
    let run = made_up("route", 32, &[("expert_share", shares("arxiv", &theirs, 0.001)), ("routing_std", Vec::new())]);
    let (folder, out) = (text(run.path()), run.path().join("reproduce"));
    let first = reproduce(&[&folder]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(first.stdout.lines().all(|line| line.chars().count() < 160), "{}", first.stdout);
    // The checks are those of the paper alone.
    let (_, figures) = first.stdout.split_once("checks hold\n\n").unwrap();
    expect![[r#"
        Figure 5: expert shares by RedPajama subset (kept), beside TEMP
          measure                 of                        layer             paper [95 %]         n             yours [95 %]         n  yours - paper, or distance
          relative_std            all that both have            3                   0.0440         -  0.0440 [0.0426, 0.0456]       500  +0.0000 [-0.0014, +0.0015]
          profile_distance        all that both have            3                        -         -                        -       500     0.0000 [0.0000, 0.0051]
          total_variation         all that both have            3                        -         -                        -       500     0.0000 [0.0000, 0.0055]
          jensen_shannon          all that both have            3                        -         -                        -       500     0.0000 [0.0000, 0.0000]
          n: the paper's counts kept assignments, yours counts occurrences.
          1 of 7 categories are in the run. Spread over experts, as a share of its ceiling: yours is no different within the interval widened by a third in layer 3.
          Expert by expert (total_variation, jensen_shannon) the two are comparable only if it is the same checkpoint. What differs: the checkpoint (the paper does
          not name its own; yours is made-up), the layer (the paper shows one and does not say which; yours are layer 3) and the text (64 sequences of each RedPajama
          subset, at most 2,048 tokens; yours: sample, 1,000 tokens of 10 documents).

        Figure 6 not compared beside TEMP: the run has expert shares of none of its categories: assembly, blitzmax, java, python
        Figure 7 not compared beside TEMP: the run has expert shares of none of its categories: ar, de, es, fr, he, it, ja, ko, nl, ru, zh-cn, zh-tw
        Figure 8 not compared beside TEMP: the run has expert shares of none of its categories: writing, roleplay, reasoning, math, coding, extraction,
        stem, humanities
        Figure 9a not compared beside TEMP: the run has expert shares of none of its positions: Position 256, Position 512, Position 768, Position 1024,
        Position 1280, Position 1536, Position 1792
        Figure 9b not compared beside TEMP: the run has expert shares of none of its positions: Position 256, Position 257, Position 258, Position 259
        Figure 10 not compared beside TEMP: the run has expert shares of none of its tokens: ., ,, 1, 2, a, an, ed
        Figure 13 not compared beside TEMP: no position of the run has enough occurrences
        Figure 14 not compared beside TEMP: no token id of the run has 128 occurrences
        Figure 11 not compared: no drift run was given
        Figure 12 not compared: no drops run was given
        1 charts in TEMP/reproduce/charts, every number in TEMP/reproduce/comparison.csv
    "#]].assert_eq(&settled(figures));
    for name in ["comparison.csv", "comparison.md", "charts/figure_5_profiles.svg", "charts/figure_5_profiles.png"] {
        assert!(fs::metadata(out.join(name)).unwrap().len() > 500, "{name}");
    }
    let csv = fs::read_to_string(out.join("comparison.csv")).unwrap();
    expect!["figure,run,measure,item,layer,summary,paper,paper_low,paper_high,paper_n,paper_n_unit,yours,yours_low,yours_high,yours_n,yours_n_unit,distance,distance_low,distance_high,unit,intervals"].assert_eq(csv.lines().next().unwrap());
    reproduce(&[&folder]).refused(&expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: --out `TEMP/reproduce` holds an earlier comparison; expected a new or empty folder

        hint: add --force to replace it, or choose another --out
    "#]]);
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
    reproduce(&[&folder]).refused(&expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: --out `TEMP/reproduce` holds an earlier comparison; expected a new or empty folder

        hint: add --force to replace it, or choose another --out
    "#]]);
    assert_eq!(reproduce(&[&folder, "--force"]).code, 0);
    let mut names: Vec<String> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["charts", "comparison.csv", "comparison.json", "comparison.md"]);
    let other = tempdir().unwrap();
    fs::create_dir(other.path().join("charts")).unwrap();
    fs::write(other.path().join("charts/holiday.png"), "mine").unwrap();
    reproduce(&[&folder, "--out", &text(other.path()), "--force"]).refused(&expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: --out `TEMP` holds other files; expected a new or empty folder

        hint: choose another --out
    "#]]);
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

/// What is printed of the paper alone: the checks of Figure 12, and everything else.
fn checks_of_the_paper_alone() -> [String; 2] {
    let folder = tempdir().unwrap();
    let outcome = reproduce(&["--paper-only", "--out", &text(&folder.path().join("paper"))]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let mut printed = [String::new(), String::new()];
    let mut side = 1;
    for line in settled(&outcome.stdout).lines() {
        // What a check was made of stands below it, indented.
        if !line.starts_with(' ') {
            side = usize::from(!line.starts_with("holds   12 "));
        }
        printed[side].extend([line, "\n"]);
    }
    printed
}

#[test]
fn without_a_run_every_check_of_the_paper_is_shown() {
    expect![[r#"
        paper: OpenMoE, arXiv 2402.01739; numbers read from the vector graphics of its PDF, coordinates good to about 1e-5
        verdict figure what must hold                                                                             expected      found
        holds   13, 14 std ceiling of two choices among 32 experts                                        0.121031 ±5.0e-7   0.121031
                         both choices always the same pair: sqrt((1/2 - 1/32)/32)
        holds   13, 14 std ceiling of the kept view                                                       0.173993 ±5.0e-7   0.173993
                         a single choice left: sqrt((1 - 1/32)/32)
        holds   14     noise floor of 129 occurrences, even routing                                       0.010656 ±5.0e-7   0.010656
                         two distinct choices a token; 0.01083 if they could be the same
        holds   13     highest std of a position                                                       <= 0.121031 ±1.0e-5   0.121031
                         1 of 1726 vertices touch it (BOS)
        holds   14     highest std of a token id                                                       <= 0.121031 ±1.0e-5   0.121031
                         2 of 652 vertices touch it: always the same two experts
        holds   14     lowest std of a token id is above twice the floor                                       >= 0.021312   0.032202
                         no token id of Figure 14 looks evenly routed by noise alone
        holds   5-11   shares of a category sum to 1: largest difference                                      <= 0 ±2.0e-5     8.0e-6
                         59 categories, positions and tokens
        holds   9, 11  share x assignments is a whole number: largest difference                                <= 0 ±0.01    0.00101
                         21 categories whose assignments are known and below 1,000
        holds   9, 12  assignments kept = all x (1 - drop ratio): largest difference                            <= 0 ±0.01     4.9e-5
                         11 positions: Figure 9 is the kept view of the RedPajama sequences
        holds   11     total variation of "ed", 200B to 1.0T                                                 0.121 ±5.0e-5   0.121016
                         576 assignments at 200B
        holds   11     total variation of "an", 200B to 1.0T                                                 0.103 ±5.0e-5    0.10303
                         330 assignments at 200B
        holds   13     share of the variance over positions that is sampling noise                            0.746 ±0.005   0.747781
                         positions from 1 on, n(position) of Fig. 12, two distinct choices a token
        holds   13     share of the variance over positions that is sampling noise                            0.771 ±0.005    0.77147
                         the same if both choices could be the same expert
        31 of 31 checks hold
        no figure is compared; the checks are in TEMP/paper/comparison.json and TEMP/paper/comparison.md
    "#]].assert_eq(&checks_of_the_paper_alone()[1]);
}

#[test]
fn without_a_run_every_check_of_figure_12_is_shown() {
    expect![[r#"
        holds   12     ratio x 2 x sequences is a whole number of drops: largest difference                    <= 0 ±0.001   0.000193
                         5592 distinct vertices with drops at which the bounds of the number of sequences agree; the bounds use that n never rises
        holds   12     "raw" of 12b is the MT-Bench curve of 12a: largest difference, percent                 <= 0 ±0.0001     2.0e-5
        holds   12     overall drop ratio of RedPajama, percent                                            0.147 ±0.000735   0.147316
        holds   12     overall drop ratio of TheStack, percent                                             0.765 ±0.003825   0.765403
        holds   12     overall drop ratio of TED, percent                                                   0.992 ±0.00496   0.992336
        holds   12     overall drop ratio of MT-Bench raw, percent                                           1.37 ±0.00685    1.36969
        holds   12     overall drop ratio of MT-Bench chat, percent                                          1.61 ±0.00805    1.60769
        holds   12     drops of RedPajama in five buckets: largest part off                                     <= 0 ±0.01   0.002845
                         [508, 171, 194, 154, 433] counted independently
        holds   12     drops of TheStack in five buckets: largest part off                                      <= 0 ±0.01   0.000513
                         [1292, 896, 609, 346, 1023] counted independently
        holds   12     drops of TED in five buckets: largest part off                                           <= 0 ±0.01   0.000647
                         [728, 1864, 8019, 7682, 1879] counted independently
        holds   12     drops of MTBench in five buckets: largest part off                                       <= 0 ±0.01   0.003072
                         [165, 162, 670, 304, 654] counted independently
        holds   12     drops of chat in five buckets: largest part off                                          <= 0 ±0.01   0.000879
                         [110, 124, 695, 543, 994] counted independently
        holds   12     drop ratio of MT-Bench from position 1536 on, percent                                    10.2 ±0.05    10.2269
                         654 of 6390 assignments; 10 conversations reach 1536, 3 the end at 1972
        holds   12     U-shape of RedPajama: lower end / bottom                                                     >= 1.5    3.15106
                         drops fall before they rise
        holds   12     U-shape of TheStack: lower end / bottom                                                      >= 1.5     3.2222
                         drops fall before they rise
        holds   12     TED rises from bucket to bucket: smallest step                                                 >= 1    1.55963
        holds   12     MTBench rises from bucket to bucket: smallest step                                             >= 1    1.17418
        holds   12     chat rises from bucket to bucket: smallest step                                                >= 1    1.27899
    "#]].assert_eq(&checks_of_the_paper_alone()[0]);
}

#[test]
fn without_a_figure_no_chart_is_claimed() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("paper");
    let outcome = reproduce(&["--paper-only", "--out", &text(&out)]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let csv = fs::read_to_string(out.join("comparison.csv")).unwrap();
    assert!(csv.starts_with("figure,run,measure,item,") && csv.lines().count() == 1, "{csv}");
    assert!(!out.join("charts").exists());
}

/// Every refusal names what is wrong, has a hint, and exits with 2.
fn refused(arguments: &[&str], message: &Expect) {
    reproduce(arguments).refused(message);
}

/// The tables that the figures about a route run need.
fn route_tables() -> Vec<(&'static str, Vec<Finding>)> {
    vec![("expert_share", shares("arxiv", &[0.25; 4], 0.0)), ("routing_std", Vec::new())]
}

#[test]
fn what_is_no_run_or_given_twice_is_refused() {
    let empty = tempdir().unwrap();
    refused(
        &[],
        &expect![[r#"
        error: reproduce needs the folders of finished runs, or --paper-only

        hint: for example: openmoe-analyze reproduce openmoe-out openmoe-out/drift openmoe-out/drops
    "#]],
    );
    refused(
        &[&text(empty.path())],
        &expect![[r#"
        error: `TEMP` is not the folder of a run: manifest.json: No such file or directory (os error 2)

        hint: give the folder that --out named
    "#]],
    );
    let again = text(&empty.path().join("."));
    refused(
        &[&text(empty.path()), &again],
        &expect![[r#"
        error: run `TEMP/.` is given twice

        hint: give every run once
    "#]],
    );
}

#[test]
fn runs_of_different_kinds_of_model_are_refused() {
    let (four, other) = (made_up("route", 4, &route_tables()), made_up("drift", 32, &[("token_drift", Vec::new())]));
    refused(
        &[&text(four.path()), &text(other.path())],
        &expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: runs of different kinds of model: `TEMP` has 4 experts, top-2, MoE layers [3]; `TEMP` has 32 experts, top-2, MoE layers [3]

        hint: compare the runs of one kind of model at a time
    "#]],
    );
}

#[test]
fn runs_that_are_incomplete_or_not_known_are_refused() {
    let strange = made_up("inspect", 4, &route_tables());
    refused(
        &[&text(strange.path())],
        &expect![[r#"
        error: manifest.json of `TEMP` has `command` "inspect"; expected one of `route`, `drift`, `drops`

        hint: the manifest was changed or the run made by another version: run it again with --force
    "#]],
    );
    let without = made_up("route", 4, &route_tables()[..1]);
    refused(
        &[&text(without.path())],
        &expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: `TEMP/stats/routing_std.parquet` does not exist

        hint: make the statistics again with `openmoe-analyze stats RUN`
    "#]],
    );
    let unfinished = made_up("route", 4, &route_tables());
    let manifest = unfinished.path().join("manifest.json");
    let written = fs::read_to_string(&manifest).unwrap().replace("\"complete\":true", "\"complete\":false");
    fs::write(&manifest, written).unwrap();
    refused(
        &[&text(unfinished.path())],
        &expect![[r#"
        error: run `TEMP` is not complete: its statistics may be missing or of other settings

        hint: repeat the command that made it with --resume, or make the statistics with `openmoe-analyze stats RUN`
    "#]],
    );
}

#[test]
fn a_folder_that_holds_something_else_is_not_written_to() {
    let (four, other) = (made_up("route", 4, &route_tables()), made_up("drift", 32, &[("token_drift", Vec::new())]));
    let within = text(&four.path().join("stats/paper"));
    refused(
        &[&text(four.path()), "--out", &within],
        &expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: --out `TEMP/stats/paper` lies in `stats` of the run `TEMP`

        hint: leave --out away to write to RUN/reproduce, or choose a folder of its own
    "#]],
    );
    refused(
        &[&text(four.path()), "--out", &text(other.path())],
        &expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: --out `TEMP` holds other files; expected a new or empty folder

        hint: choose another --out
    "#]],
    );
}
