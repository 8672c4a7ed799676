//! The numbers of the paper, and distances that are known.

use super::*;

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

#[test]
fn another_number_of_choices_is_named() {
    let share = paper_shares("fig5_redpajama", "arxiv");
    let run = made_up("route", 32, &[("expert_share", shares("ArXiv", &share, 0.0)), ("routing_std", Vec::new())]);
    let file = run.path().join("manifest.json");
    let mut manifest = read_json(&file);
    manifest["layout"]["top_k"] = 4.into();
    fs::write(&file, manifest.to_string()).unwrap();
    let comparison = compared(&run);
    let sentence = comparison["figures"][0]["sentence"].as_str().unwrap();
    assert!(sentence.contains(", the number of choices a token (2 against 4) and the text"), "{sentence}");
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
