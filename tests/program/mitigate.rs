//! `mitigate` through the binary: conversations, resuming, and what is refused before anything is written.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use expect_test::expect;

use crate::support::{
    files::{fixture, read_json},
    program::{Outcome, contents, floats, integers, openmoe_with, read_table, refusals},
    snapshot::settled,
};

fn path(name: &str) -> String {
    fixture(name).display().to_string()
}

/// `mitigate` of the bundled checkpoint over twelve beginnings of documents.
fn mitigate(out: &Path, more: &[&str]) -> Outcome {
    let (base, text) = (path("checkpoints/openmoe-tiny-12.3M"), path("corpora/domains/stackexchange.jsonl"));
    let all = ["mitigate", &base, "--corpus", &text, "--context", "128", "--truncate", "--max-sequences", "12"];
    openmoe_with(&[&all, &["--quiet", "--resamples", "40", "--out", out.to_str().unwrap()][..], more].concat())
}

/// What is the same whenever a run is repeated.
fn results(run: &Path) -> Vec<(String, Vec<u8>)> {
    let timed = |name: &str| name.ends_with("manifest.json") || name.ends_with("report.html");
    contents(run).into_iter().filter(|(name, _)| !timed(name)).collect()
}

#[test]
fn a_run_says_what_each_strategy_costs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    mitigate(&out, &["--strategy", "early", "top-k=1", "capacity=unlimited"]).done_printing(&expect![[r#"
        Dropping does not measurably hurt the tokens that lose an expert: with capacity the loss of their next token differs by -0.009 [-0.027, 0.030] nats from that without; for the 32 tokens behind one it is -0.0006 [-0.0016, 0.0008].
        Routers that read the input of attention change nothing measurable, +0.029 [-0.003, 0.059] nats per token: 3.7 % [-0.4, 7.2] of what random experts cost.
        1 expert for each token costs 0.075 nats per token [0.046, 0.104]: 9.6 % [6.1, 12.7] of what random experts cost.

        early (routers that read the input of attention): +0.029 [-0.003, 0.059] nats per token, 3.7 % [-0.4, 7.2] of what random experts cost; another first choice for 23 % of the tokens; 2.4 % of the assignments dropped, 1.3 % before.
        top-k=1 (1 expert for each token): +0.075 [0.046, 0.104] nats per token, 9.6 % [6.1, 12.7] of what random experts cost; another first choice for 7.8 % of the tokens; 5.1 % of the assignments dropped, 1.3 % before.
        capacity=unlimited (removing the capacity): +0.0008 [-0.0012, 0.0023] nats per token, 0.1 % [-0.2, 0.3] of what random experts cost; another first choice for 0.1 % of the tokens; 0.0 % of the assignments dropped, 1.3 % before.
        random (random experts): +0.787 [0.698, 0.870] nats per token; another first choice for 93 % of the tokens; 0.0 % of the assignments dropped, 1.3 % before.
        hash (experts by a hash of the token id): +0.746 [0.677, 0.836] nats per token, 95 % [87, 102] of what random experts cost; another first choice for 93 % of the tokens; 3.0 % of the assignments dropped, 1.3 % before.
        Dropping does not measurably hurt the tokens that lose an expert: with capacity the loss of their next token differs by -0.009 [-0.027, 0.030] nats from that without; for the 32 tokens behind one it is -0.0006 [-0.0016, 0.0008].

        4 charts in TEMP/run/charts, the report in TEMP/run/report.html
    "#]]);
    let summary = read_json(&out.join("summary.json"));
    let strategies: BTreeSet<&str> =
        summary["strategies"].as_array().unwrap().iter().map(|row| row["strategy"].as_str().unwrap()).collect();
    assert_eq!(strategies, BTreeSet::from(["capacity=unlimited", "early", "hash", "random", "top-k=1"]));
    let table = read_table(&out.join("stats/mitigation.parquet"));
    assert!(table.height() > 100);
    // One expert for each token, and the mean of the losses in the table is that of the files.
    let losses =
        |pass: &str| floats(&read_table(&out.join(format!("passes/{pass}/losses/part-00000.parquet"))), "loss");
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let change = mean(&losses("top-k_1")) - mean(&losses("unchanged"));
    let of_table = summary["strategies"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["strategy"] == "top-k=1" && row["measure"] == "loss" && row.get("layer").is_none())
        .unwrap()["estimate"]
        .as_f64()
        .unwrap();
    assert!((change - of_table).abs() < 1e-9, "{change}, {of_table}");
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("What the numbers do not tell") && page.contains("<svg"));
    assert!(!page.contains("<script") && !page.contains("href=\"http") && !page.contains(" src="));
}

/// Conversations have turns and roles; a run that is stopped and resumed leaves the same bytes, and so do two threads.
#[test]
fn conversations_are_told_by_turn_and_a_resumed_run_leaves_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, resumed) = (folder.path().join("whole"), folder.path().join("resumed"));
    let (base, questions) = (path("checkpoints/openmoe-tiny-12.3M"), path("corpora/transcripts/openai_messages.jsonl"));
    let run = |out: &Path, more: &[&str]| {
        let all = ["mitigate", &base, "--transcripts", &questions, "--context", "128", "--max-sequences", "16"];
        let rest = ["--quiet", "--resamples", "40", "--strategy", "lookup", "reroute", "--out", out.to_str().unwrap()];
        openmoe_with(&[&all[..], &rest, more].concat())
    };
    let first = run(&whole, &["--threads", "1"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let table = fs::read_to_string(whole.join("stats/mitigation.csv")).unwrap();
    assert!(
        table.lines().any(|line| line.contains(",turn,")) && table.lines().any(|line| line.contains(",role,user,"))
    );
    assert_eq!(run(&resumed, &["--threads", "2"]).code, 0);
    assert!(results(&whole) == results(&resumed), "two threads leave other bytes than one");
    // As if the run had been stopped in its third pass.
    for lost in ["passes/reroute", "passes/random", "stats", "charts"] {
        fs::remove_dir_all(resumed.join(lost)).unwrap();
    }
    fs::remove_file(resumed.join("passes/lookup/losses/part-00000.parquet")).unwrap();
    let again = run(&resumed, &["--resume"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(results(&whole) == results(&resumed), "a resumed run leaves other bytes");
    let other = run(&resumed, &["--resume", "--seed", "3"]);
    assert_eq!(other.code, 2, "the folds of the tables follow from the seed");
}

#[test]
fn one_layer_at_a_time_has_its_own_scale() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let outcome = mitigate(&out, &["--strategy", "early", "--each-layer"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let passes: BTreeSet<String> = fs::read_dir(out.join("passes"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(passes.len(), 1 + 3 * 4, "{passes:?}");
    assert!(passes.contains("early_in_layer_5") && passes.contains("random_in_layer_1"));
    let table = read_table(&out.join("stats/mitigation.parquet"));
    let shares = table.column("share_of_random").unwrap().f64().unwrap();
    let only = table.column("only_layer").unwrap().u16().unwrap();
    assert!((0..table.height()).any(|row| only.get(row) == Some(3) && shares.get(row).is_some()));
    assert!(out.join("charts/loss_by_layer.svg").is_file());
}

/// The table that is written is the one that routes: what it chooses is what the tokens of the calibration text get.
#[test]
fn the_table_of_a_lookup_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let (out, file) = (folder.path().join("run"), folder.path().join("table.parquet"));
    let (file_text, text) = (file.display().to_string(), path("corpora/domains/wikipedia.jsonl"));
    let options = ["--strategy", "lookup", "--calibration", &text, "--write-table", &file_text];
    let first = mitigate(&out, &options);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let table = read_table(&file);
    let names: Vec<&str> = table.get_column_names().iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["layer", "fold", "token_id", "experts", "weights", "n"]);
    assert!(integers(&table, "n").iter().all(|n| *n >= 8));
    assert_eq!(integers(&table, "layer").into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([1, 3, 5]));
    // Nothing was dropped or sent elsewhere on the way: the first choice of a token of the lookup pass is that of its row.
    let trace = read_table(&out.join("passes/lookup/trace/part-00000.parquet"));
    let (ids, choices, experts) =
        (integers(&trace, "token_id"), integers(&trace, "choice"), integers(&trace, "expert"));
    let lists = table.column("experts").unwrap().list().unwrap();
    let (mut compared, layers, rows) = (0, integers(&table, "layer"), integers(&table, "token_id"));
    for (at, row) in rows.iter().enumerate().filter(|(at, _)| layers[*at] == 1) {
        let series = lists.get_as_series(at).unwrap();
        let own = u64::from(series.u16().unwrap().get(0).unwrap());
        for place in (0..ids.len()).filter(|place| ids[*place] == *row && choices[*place] == 0) {
            assert_eq!(experts[place], own, "id {row}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
    let twice = mitigate(&folder.path().join("other"), &options);
    twice.refused(&expect![[r#"
        error: --write-table `TEMP/table.parquet` cannot be written:
          - it is there already; --force replaces it

        hint: choose another file; nothing was touched
    "#]]);
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let own = path("checkpoints/openmoe-tiny-12.3M");
    let inside = format!("{own}/table.parquet");
    let missing = folder.path().join("none/table.parquet").display().to_string();
    let other = format!("frozen={}", path("checkpoints/olmoe-tiny-step1000-tokens8.2M"));
    // One checkpoint by two paths.
    let (one, two) = (format!("frozen={own}"), format!("frozen={own}/../openmoe-tiny-12.3M"));
    let cases: [&[&str]; 14] = [
        &["--strategy", "lokup"],
        &["--strategy", "early", "early"],
        &["--strategy", &one, &two],
        &["--strategy", "top-k=17"],
        &["--strategy", "capacity=-1"],
        &["--strategy", "reroute", "--capacity-rule", "unlimited"],
        &["--strategy", "early", "--calibration", &own],
        &["--strategy", "early", "--write-table", "t.parquet"],
        &["--strategy", "lookup", "--write-table", &inside],
        &["--strategy", "lookup", "--write-table", &missing],
        &["--strategy", &other],
        &["--strategy", "frozen=nowhere/at-all/or/else"],
        &["--capacity-factor", "0"],
        &["--context", "4096"],
    ];
    let messages = refusals(cases.into_iter().map(|more| {
        let filtered: Vec<&str> = more.to_vec();
        if more[0] == "--context" {
            let text = path("corpora/domains/c4.jsonl");
            return openmoe_with(&[
                "mitigate",
                &own,
                "--corpus",
                &text,
                "--out",
                out.to_str().unwrap(),
                "--context",
                "4096",
            ]);
        }
        mitigate(&out, &filtered)
    }));
    expect![[r#"
        error: --strategy lokup; expected one of lookup, lookup=marginal, lookup=embedding, frozen=CKPT, early, capacity=F, capacity=unlimited, rule=t5x, priority=probability, priority=last, priority=random, reroute, top-k=K, random, hash

        hint: did you mean --strategy lookup? docs/mitigate.md explains each

        error: --strategy early is given twice; expected each strategy once

        hint: leave one of them out

        error: --strategy frozen=fixtures/checkpoints/openmoe-tiny-12.3M is given twice; expected each strategy once

        hint: leave one of them out

        error: --strategy top-k=17; decoder layer 1 has 16 experts

        hint: a token has an expert once: ask for at most as many choices as there are experts

        error: --strategy capacity=-1; expected unlimited or a factor from 0.000001 to 1000000

        hint: for example --strategy capacity=1.25

        error: --strategy reroute needs a capacity; this run does not limit the slots of an expert, so nothing is dropped

        hint: for what a limit would do, give --capacity-rule port too

        error: --calibration without a lookup; no table of token ids is made

        hint: add --strategy lookup, or leave --calibration out

        error: --write-table without a lookup; no table of token ids is made

        hint: add --strategy lookup, or leave --write-table out

        error: --write-table `fixtures/checkpoints/openmoe-tiny-12.3M/table.parquet` cannot be written:
          - it lies inside `fixtures/checkpoints/openmoe-tiny-12.3M`, which the run reads

        hint: choose another file; nothing was touched

        error: --write-table `TEMP/none/table.parquet` cannot be written:
          - its folder does not exist

        hint: choose another file; nothing was touched

        error: the checkpoints are not of one run:
          - num_experts: 16 in `openmoe-tiny-12.3M`, 32 in `olmoe-tiny-step1000-tokens8.2M`
          - MoE layers: [1, 3, 5] in `openmoe-tiny-12.3M`, [0, 1, 2, 3] in `olmoe-tiny-step1000-tokens8.2M`
          - router_topk: 2 in `openmoe-tiny-12.3M`, 4 in `olmoe-tiny-step1000-tokens8.2M`
          - num_hidden_layers: 6 in `openmoe-tiny-12.3M`, 4 in `olmoe-tiny-step1000-tokens8.2M`
          - intermediate_size: 96 in `openmoe-tiny-12.3M`, 32 in `olmoe-tiny-step1000-tokens8.2M`
          - head_dim: 32 in `openmoe-tiny-12.3M`, 16 in `olmoe-tiny-step1000-tokens8.2M`
          - rms_norm_eps: 0.000001 in `openmoe-tiny-12.3M`, 0.00001 in `olmoe-tiny-step1000-tokens8.2M`
          - bos_token_id: 0 in `openmoe-tiny-12.3M`, none in `olmoe-tiny-step1000-tokens8.2M`
          - router_capacity_factor_eval: 2 in `openmoe-tiny-12.3M`, none in `olmoe-tiny-step1000-tokens8.2M`
          - router_min_capacity: 4 in `openmoe-tiny-12.3M`, none in `olmoe-tiny-step1000-tokens8.2M`
          - family: OpenMoE in `openmoe-tiny-12.3M`, OLMoE in `olmoe-tiny-step1000-tokens8.2M`

        hint: the same tokens go through all of them: tokenizer, vocabulary, experts and MoE layers must agree

        error: checkpoint `nowhere/at-all/or/else` cannot be used: 1 problem
          - the folder does not exist; expected one with `config.json` and weight files

        hint: give the path of a checkpoint, or its name on the hub, such as OrionZheng/openmoe-8b

        error: --capacity-factor 0; expected a positive number

        hint: for no drops at all use --capacity-rule unlimited

        error: --context 4096; the model takes at most max_position_embeddings = 2048 tokens

        hint: use --context 2048 or less; longer documents are cut into several sequences
    "#]].assert_eq(&messages);
    assert!(!out.exists());
    let base = path("checkpoints/openmoe-tiny-12.3M");
    openmoe_with(&["mitigate", &base, "--out", out.to_str().unwrap()]).refused(&expect![[r#"
        error: neither --corpus nor --transcripts; expected text to predict

        hint: name files or folders with --corpus
    "#]]);
}

/// A model that never drops has no slots to give: the usual strategies leave them out, and one that is asked for is refused.
#[test]
fn a_family_without_capacity_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (out, checkpoint, text): (PathBuf, String, String) = (
        folder.path().join("run"),
        path("checkpoints/olmoe-tiny-step1000-tokens8.2M"),
        path("corpora/domains/c4.jsonl"),
    );
    let run = |more: &[&str]| {
        let all = ["mitigate", &checkpoint, "--corpus", &text, "--context", "64", "--truncate", "--max-sequences", "8"];
        openmoe_with(&[&all[..], &["--quiet", "--resamples", "0", "--out", out.to_str().unwrap()], more].concat())
    };
    run(&["--strategy", "reroute"]).refused(&expect![[r#"
        error: --strategy reroute needs a capacity; OLMoE does not limit the slots of an expert, so nothing is dropped

        hint: for what a limit would do, give --capacity-rule port too
    "#]]);
    let done = run(&[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let manifest = read_json(&out.join("manifest.json"));
    let labels: Vec<&str> =
        manifest["checkpoints"].as_array().unwrap().iter().map(|entry| entry["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["unchanged", "lookup", "early", "random", "hash"]);
}

/// What other commands make of the run: its page stands alone, its passes are runs, and no changed pass stands for a model.
#[test]
fn other_commands_know_what_the_run_is() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let quick = mitigate(&out, &["--strategy", "early"]);
    assert_eq!(quick.code, 0, "{}", quick.stderr);
    let (run, early) = (out.display().to_string(), out.join("passes/early").display().to_string());
    let unchanged = out.join("passes/unchanged").display().to_string();
    let aside = folder.path().join("aside").display().to_string();
    let page = folder.path().join("page.html").display().to_string();
    let messages = refusals([
        openmoe_with(&["report", &run, "--out", &page]),
        openmoe_with(&["reproduce", &run, "--out", &aside]),
        openmoe_with(&["reproduce", &early, "--out", &aside]),
        openmoe_with(&["drift", &early, &unchanged, "--out", &aside]),
        openmoe_with(&["contrast", &run, "--a", "turn=1", "--out", &aside]),
    ]);
    expect![[r#"
        error: `TEMP/run` is a run of mitigate, whose page stands alone

        hint: it is `TEMP/run/report.html`; `openmoe-analyze chart TEMP/run` makes it anew

        error: `TEMP/run` is a run of mitigate; the figures of the paper are those of unchanged models

        hint: compare its sub-folder passes/unchanged

        error: `TEMP/run/passes/early` is a pass with the strategy `early`; the figures of the paper are those of unchanged models

        hint: compare the pass `unchanged` beside it

        error: only a run of one trace can stand for a checkpoint:
          - `TEMP/run/passes/early` was routed with the strategy `early`; expected the model's own routers

        hint: give the checkpoint itself, or one trace of the run: its sub-folder checkpoints/LABEL, or passes/unchanged

        error: run `TEMP/run` holds 4 traces: `unchanged`, `early`, `random`, `hash`

        hint: give the folder of one of them, such as `TEMP/run/passes/unchanged`, or of two
    "#]].assert_eq(&messages);
    assert_eq!(openmoe_with(&["stats", &run, "--quiet", "--resamples", "40"]).code, 0);
    assert_eq!(openmoe_with(&["chart", &run, "--quiet"]).code, 0);
    let figure = openmoe_with(&["chart", &run, "--quiet", "--only", "loss_by_strategy", "--out", &aside]);
    assert_eq!(figure.code, 0, "{}", figure.stderr);
    assert_eq!(openmoe_with(&["notebook", &run]).code, 0);
    assert_eq!(openmoe_with(&["stats", &early, "--quiet", "--resamples", "0", "--permutations", "0"]).code, 0);
    let told = openmoe_with(&[
        "mitigate",
        &path("checkpoints/openmoe-tiny-12.3M"),
        "--corpus",
        &path("corpora/domains/c4.jsonl"),
        "--dry-run",
        "--strategy",
        "early",
        "--context",
        "64",
    ]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(
        settled(&told.stdout).contains("forward passes:\n  unchanged\n  early\n  random\n  hash\n"),
        "{}",
        told.stdout
    );
}
