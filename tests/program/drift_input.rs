//! What `drift` refuses, plans, reuses and resumes; nothing is lost and nothing is written before all of it is known.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    files::{copy_folder, fixture, read_json},
    program::{Outcome, contents, copy_tree, openmoe_with, refusals, tiny, twelve_documents},
};

/// Two finished route runs that kept their router logits: `early` of 9.8M and `late` of 12.3M tokens.
fn runs() -> &'static Path {
    static RUNS: OnceLock<TempDir> = OnceLock::new();
    let folder = RUNS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        for (name, checkpoint) in [("early", "9.8M"), ("late", "12.3M")] {
            let out = folder.path().join(name);
            let more = ["--out", out.to_str().unwrap(), "--log-logits"];
            let outcome = twelve_documents(&["route", &tiny(checkpoint)], &more);
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        }
        folder
    });
    folder.path()
}

/// A copy of a finished run with a changed manifest.
fn altered(name: &str, to: &Path, change: impl FnOnce(&mut Value)) -> String {
    copy_tree(&runs().join(name), to);
    alter(&to.join("manifest.json"), change);
    text(to)
}

fn alter(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = read_json(path);
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn drift(checkpoints: &[&str], more: &[&str]) -> Outcome {
    let outcome = twelve_documents(&[&["drift"], checkpoints].concat(), more);
    println!("exit code {}\n{}{}", outcome.code, outcome.stdout, outcome.stderr);
    outcome
}

#[test]
fn everything_wrong_with_paths_order_and_labels_is_named_at_once() {
    let (first, late) = (tiny("2.5M"), tiny("12.3M"));
    let refused = |checkpoints: &[&str], message: &Expect| drift(checkpoints, &["--dry-run"]).refused(message);
    refused(
        &["nowhere", &late, "nothere"],
        &expect![[r#"
        error: 2 checkpoints cannot be used:
          - checkpoint `nowhere` cannot be used: 1 problem
            - the folder does not exist; expected one with `config.json` and weight files
          - checkpoint `nothere` cannot be used: 1 problem
            - the folder does not exist; expected one with `config.json` and weight files

        hint: give the path of a downloaded checkpoint; names of a hub are not looked up, nothing is downloaded
    "#]],
    );
    refused(
        &[&late, &tiny("9.8M"), &first],
        &expect![[r#"
        error: the checkpoints are not in the order of training:
          - `openmoe-tiny-12.3M` stands before `openmoe-tiny-9.8M` but was trained on no fewer tokens
          - `openmoe-tiny-9.8M` stands before `openmoe-tiny-2.5M` but was trained on no fewer tokens

        hint: give the checkpoints in the order of training, or correct the numbers with --tokens
    "#]],
    );
    refused(
        &[&format!("a\nb={first}"), &late],
        &expect![[r#"
        error: label `a\nb` holds a control character; expected text in one line

        hint: name the checkpoint: LABEL=FOLDER
    "#]],
    );
}

#[test]
fn checkpoints_with_another_arithmetic_are_not_of_one_run() {
    let temporary = tempfile::tempdir().unwrap();
    let other = temporary.path().join("other-1M");
    copy_folder(Path::new(&tiny("2.5M")), &other);
    alter(&other.join("config.json"), |config| config["rms_norm_eps"] = json!(0.1));
    drift(&[&text(&other), &tiny("12.3M")], &["--dry-run"]).refused(&expect![[r#"
        error: the checkpoints are not of one run:
          - rms_norm_eps: 0.1 in `other-1M`, 0.000001 in `openmoe-tiny-12.3M`

        hint: the same tokens go through all of them: tokenizer, vocabulary, experts and MoE layers must agree
    "#]]);
}

#[test]
fn out_never_touches_what_is_read() {
    let temporary = tempfile::tempdir().unwrap();
    let [checkpoint, run] = ["checkpoint-1M", "run"].map(|name| temporary.path().join(name));
    copy_folder(Path::new(&tiny("2.5M")), &checkpoint);
    copy_tree(&runs().join("late"), &run);
    let text_inside = run.join("stats/text.jsonl");
    fs::write(&text_inside, "{\"text\": \"One line of text.\"}\n").unwrap();
    let before = contents(temporary.path());
    let (folder, inside) = (text(&checkpoint), text(&checkpoint.join("new/run")));
    let (run, above) = (text(&run), text(temporary.path()));
    for (out, message) in [
        (
            &folder,
            expect![[r#"
        error: --out `TEMP/checkpoint-1M` would change what it is made from:
          - it is `TEMP/checkpoint-1M`, which the run reads

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]],
        ),
        (
            &inside,
            expect![[r#"
        error: --out `TEMP/checkpoint-1M/new/run` would change what it is made from:
          - it lies inside `TEMP/checkpoint-1M`, which the run reads

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]],
        ),
        (
            &above,
            expect![[r#"
        error: --out `TEMP` would change what it is made from:
          - it holds `TEMP/checkpoint-1M`, which the run reads

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]],
        ),
    ] {
        let commands = ["route", "drift", "drops"].into_iter();
        let all =
            commands.flat_map(|command| [&[][..], &["--force"], &["--resume"]].map(|occupied| (command, occupied)));
        let outcomes =
            all.map(|(command, occupied)| twelve_documents(&[command, &folder], &[&["--out", out], occupied].concat()));
        message.assert_eq(&refusals(outcomes));
    }
    let outs = [run.clone(), format!("{run}/../run/checkpoints")];
    let outcomes = outs.iter().map(|out| drift(&[&folder, &run], &["--out", out, "--force"]));
    expect![[r#"
        error: --out `TEMP/run` would change what it is made from:
          - it is `TEMP/run`, which the run reads

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched

        error: --out `TEMP/run/../run/checkpoints` would change what it is made from:
          - it lies inside `TEMP/run`, which the run reads

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]]
    .assert_eq(&refusals(outcomes));
    twelve_documents(&["route", &tiny("2.5M")], &["--out", &folder, "--force"]).refused(&expect![[r#"
        error: --out `TEMP/checkpoint-1M` would change what it is made from:
          - it holds a `config.json`: it is the folder of a checkpoint

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]]);
    let (earlier, other) = (tiny("9.8M"), tiny("12.3M"));
    let commands = [&["route", &other][..], &["drift", &earlier, &other], &["drops", &other]];
    let outcomes = commands.iter().map(|checkpoints| {
        let paths = ["--corpus", &text(&text_inside), "--out", &run, "--force"];
        openmoe_with(&[checkpoints, &paths[..]].concat())
    });
    expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: --out `TEMP/run` would change what it is made from:
          - a run writes `stats` there, where the text `TEMP/run/stats/text.jsonl` lies

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]]
    .assert_eq(&refusals(outcomes));
    assert!(contents(temporary.path()) == before, "nothing was touched");
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let (early, late) = (text(&runs().join("early")), tiny("12.3M"));
    drift(&[&tiny("2.5M"), &early, &late], &["--noise-floor", "--dry-run"]).done_printing(&expect![[r#"
        checkpoints:
          openmoe-tiny-2.5M (2,500,000 training tokens): forward pass
          early: reused, `TEMP/early`
          openmoe-tiny-12.3M (12,300,000 training tokens): forward pass
          openmoe-tiny-12.3M-bf16: forward pass with bf16 activations
        context: 2048 tokens, 12 routing groups (sequence)
        capacity: rule port, factor 2
        waves of up to 5,568 tokens; about # MiB of memory, of # GiB (a quarter of the machine's memory)
        3 forward passes: at least # s at # GFLOP/s, statistics on top
        disk: about 4.0 MiB for the trace; tables and charts on top
        lines that cannot be used: 0
        dry run: nothing was written
    "#]]);
    let more = ["--exact-replay", "1.25", "--dry-run"];
    twelve_documents(&["drops", &late, "--compare", &tiny("12.3M-chat")], &more).done_printing(&expect![[r#"
        checkpoints:
          openmoe-tiny-12.3M: forward pass
          openmoe-tiny-12.3M-chat: forward pass
          openmoe-tiny-12.3M: forward pass at capacity factor 1.25
        context: 2048 tokens, 12 routing groups (sequence)
        capacity: rule port, factor 2
        waves of up to 5,568 tokens; about # MiB of memory, of # GiB (a quarter of the machine's memory)
        3 forward passes: at least # s at # GFLOP/s, statistics on top
        disk: about 1.2 MiB for the trace; tables and charts on top
        lines that cannot be used: 0
        dry run: nothing was written
    "#]]);
    // An --out that is named is checked too, and not made.
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("out");
    assert_eq!(drift(&[&early, &late], &["--dry-run", "--out", &text(&out)]).code, 0);
    assert!(!out.exists());
    drift(&[&tiny("2.5M"), &late], &["--dry-run", "--out", &early]).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --out `TEMP/early` holds a complete run; expected a new or empty folder

        hint: choose another --out, or add --force to replace the run, or --resume to go on with it
    "#]]);
    drift(&[&early, &late], &[]).refused(&expect![[r#"
        error: the following required arguments were not provided:
          --out <DIR>

        Usage: openmoe-analyze drift [OPTIONS] <CHECKPOINT>... --corpus <PATH>... --out <DIR>

        For more information, try '--help'.

        Example:
          openmoe-analyze drift openmoe-8b-200B openmoe-8b-600B openmoe-8b-1T --corpus corpus/domains --out runs/drift

        Checkpoints stand in the order of training. Training tokens are read from names such as openmoe-8b-200B or 2.5M, or given as --tokens 200B 600B 1T.
    "#]]);
}

#[test]
fn runs_that_differ_are_refused_all_at_once_before_anything_is_written() {
    let temporary = tempfile::tempdir().unwrap();
    let path = |name: &str| temporary.path().join(name);
    let out = path("out");
    let rounded = altered("early", &path("rounded"), |manifest| {
        manifest["dtype"] = json!("bf16");
        manifest["config"]["rms_norm_eps"] = json!(0.1);
    });
    let shorter = altered("late", &path("shorter"), |manifest| {
        manifest["layout"]["segments"] = json!(2);
        manifest["complete"] = json!(false);
    });
    let torn = altered("late", &path("torn"), |_| {});
    fs::remove_file(path("torn/logits/part-00001.parquet")).unwrap();
    let more = ["--context", "512", "--out", &text(&out)];
    drift(&[&rounded, &shorter, &torn, &tiny("12.3M")], &more).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 60 documents, in whole or in part
        error: finished runs that cannot stand for checkpoints:
          - `TEMP/rounded`: inputs[0].documents: 12 there, 9 now
          - `TEMP/rounded`: context: 2048 there, 512 now
          - `TEMP/rounded`: dtype: "bf16" there, "f32" now
          - `TEMP/rounded`: config.rms_norm_eps: "0.1" there, "0.000001" now
          - `TEMP/shorter`: inputs[0].documents: 12 there, 9 now
          - `TEMP/shorter`: context: 2048 there, 512 now
          - `TEMP/shorter`: layout.segments: 2 there, 1 now
          - `TEMP/shorter`: is not complete
          - `TEMP/torn`: inputs[0].documents: 12 there, 9 now
          - `TEMP/torn`: context: 2048 there, 512 now
          - `TEMP/torn`: `TEMP/torn/logits/part-00001.parquet` is missing, but other parts of the router logits are there

        hint: give the checkpoint itself, or make the run again with the same text and options
    "#]]);
    let several = altered("late", &path("several"), |manifest| manifest["command"] = json!("drift"));
    drift(&[&tiny("2.5M"), &several], &["--noise-floor", "--out", &text(&out)]).refused(&expect![[r#"
        error: only a route run can stand for a checkpoint:
          - `TEMP/several` holds a run of drift; expected one of route

        hint: give the checkpoint itself, or one trace of the run: its sub-folder checkpoints/LABEL
    "#]]);
    assert!(!out.exists());
    let elsewhere = altered("early", &path("elsewhere"), |manifest| manifest["instruction_set"] = json!("abacus"));
    let outcome = drift(&[&elsewhere, &tiny("12.3M")], &["--dry-run"]);
    let here = read_json(&runs().join("early/manifest.json"))["instruction_set"].as_str().unwrap().to_owned();
    Outcome { stderr: outcome.stderr.replace(&here, "HERE"), ..outcome }.done_saying(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        `TEMP/elsewhere` was made elsewhere, near-ties may differ: instruction_set: "abacus" there, "HERE" now
        openmoe-tiny-12.3M: 5,206 tokens in 12 sequences of 12 documents; MoE layers [1, 3, 5], 16 experts, top-2
    "#]]);
}

#[test]
fn the_noise_floor_of_a_finished_run_runs_its_checkpoint_again() {
    let temporary = tempfile::tempdir().unwrap();
    let path = |name: &str| temporary.path().join(name);
    let out = path("out");
    let late = text(&runs().join("late"));
    let outcome = drift(&[&text(&runs().join("early")), &late], &["--noise-floor", "--out", &text(&out)]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(read_json(&out.join("checkpoints/late-bf16/manifest.json"))["dtype"], "bf16");
    let saturation = read_json(&out.join("summary.json"))["findings"].as_array().unwrap().iter().find_map(|row| {
        (row["statistic"] == "router_saturation" && row["checkpoint"] == "late-bf16" && row["reference"] == "late")
            .then(|| row["estimate"].as_f64().unwrap())
    });
    assert!((0.95..1.0).contains(&saturation.unwrap()), "{saturation:?}");
    let refused = |run: &str, message: &Expect| {
        drift(&[&tiny("2.5M"), run], &["--noise-floor", "--out", &text(&path("other"))]).refused(message);
        assert!(!path("other").exists());
    };
    let gone = altered("late", &path("gone"), |run| run["checkpoint"]["path"] = json!("nowhere"));
    refused(
        &gone,
        &expect![[r#"
        error: --noise-floor needs the last checkpoint itself: `TEMP/gone` is a finished run, and `nowhere`, which it was made from, cannot be opened: checkpoint `nowhere` cannot be used: 1 problem
          - the folder does not exist; expected one with `config.json` and weight files

        hint: give the checkpoint's folder in place of the run, or leave --noise-floor out
    "#]],
    );
    let changed = altered("late", &path("changed"), |run| run["checkpoint"]["weights"][0]["sha256"] = json!("00"));
    refused(
        &changed,
        &expect![[r#"
        error: --noise-floor needs the last checkpoint itself: `TEMP/changed` is a finished run, and `fixtures/checkpoints/openmoe-tiny-12.3M`, which it was made from, has changed since: weights[0].sha256: "00" there, "420752708eabb4c869170cae6dc0ab0f9664275852aafffa2d37c4757d0768b2" now

        hint: give the checkpoint's folder in place of the run, or leave --noise-floor out
    "#]],
    );
}

#[test]
fn finished_runs_are_compared_without_a_checkpoint() {
    let temporary = tempfile::tempdir().unwrap();
    let path = |name: &str| temporary.path().join(name);
    let forget = |run: &mut Value| run["checkpoint"]["path"] = json!("nowhere");
    let early = altered("early", &path("9.8M"), forget);
    let late = altered("late", &path("12.3M"), forget);
    let outcome = drift(&[&early, &late], &["--out", &text(&path("out"))]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(!path("out/checkpoints").exists(), "no forward pass");
    let (again, last) = (format!("9.8M={}", tiny("9.8M")), format!("12.3M={}", tiny("12.3M")));
    assert_eq!(drift(&[&again, &last], &["--out", &text(&path("whole"))]).code, 0);
    for file in ["summary.json", "stats/router_saturation.csv", "stats/gate_overlap.csv"] {
        assert!(fs::read(path("out").join(file)).unwrap() == fs::read(path("whole").join(file)).unwrap(), "{file}");
    }
    let [out, whole] = ["out", "whole"].map(|name| read_json(&path(name).join("manifest.json")));
    let keys = |manifest: &Value| manifest.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&out), keys(&whole));
    for key in ["permutations", "threads", "skipped", "documents_left_out", "label", "layout", "match_experts"] {
        assert!(!out[key].is_null(), "{key}");
    }
    // The text and the options that were typed still count.
    let refused = |more: &[&str], message: &Expect| {
        let other = text(&path("other"));
        drift(&[&early, &late], &[more, &["--out", &other]].concat()).refused(message);
        assert!(!path("other").exists());
    };
    refused(
        &["--truncate"],
        &expect![[r#"
        error: finished runs that cannot stand for checkpoints:
          - `TEMP/9.8M`: truncate: false there, true now
          - `TEMP/12.3M`: truncate: false there, true now

        hint: give the checkpoint itself, or make the run again with the same text and options
    "#]],
    );
    refused(
        &["--corpus", &text(&fixture("corpora/domains/book.jsonl"))],
        &expect![[r#"
        error: finished runs that cannot stand for checkpoints:
          - `TEMP/9.8M`: inputs: a list of 1 there, of 2 now
          - `TEMP/12.3M`: inputs: a list of 1 there, of 2 now

        hint: give the checkpoint itself, or make the run again with the same text and options
    "#]],
    );
    refused(
        &["--context", "4096"],
        &expect![[r#"
        error: --context 4096; the model takes at most max_position_embeddings = 2048 tokens

        hint: use --context 2048 or less; longer documents are cut into several sequences
    "#]],
    );
}

#[test]
fn tokens_of_interest_exist_and_rare_ones_get_a_word() {
    let (early, late) = (text(&runs().join("early")), tiny("12.3M"));
    let chosen = ["--dry-run", "--tokens-of-interest", "4096", "0", "70000"];
    drift(&[&early, &late], &chosen).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --tokens-of-interest 4096 70000; expected ids below vocab_size = 4096

        hint: tokens.parquet of a run lists the ids that occur, with their text
    "#]]);
    let reused = text(&runs().join("late"));
    for (checkpoint, notes) in [
        (
            late,
            expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        warning: token id 0 of --tokens-of-interest occurs 12 times; expert shares are listed from 128 on
        openmoe-tiny-12.3M: 5,206 tokens in 12 sequences of 12 documents; MoE layers [1, 3, 5], 16 experts, top-2
    "#]],
        ),
        (
            reused,
            expect![[r#"
        warning: token id 0 of --tokens-of-interest occurs 12 times; expert shares are listed from 128 on
    "#]],
        ),
    ] {
        drift(&[&early, &checkpoint], &["--dry-run", "--tokens-of-interest", "0"]).done_saying(&notes);
    }
}

/// A finished drift run of two checkpoints, the first of which may be changed.
fn finished(folder: &Path) -> (PathBuf, Vec<String>) {
    let (checkpoint, out) = (folder.join("early-1M"), folder.join("out"));
    copy_folder(Path::new(&tiny("9.8M")), &checkpoint);
    let checkpoints = vec![text(&checkpoint), tiny("12.3M")];
    let outcome = drift(&[&checkpoints[0], &checkpoints[1]], &["--out", &text(&out)]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    (out, checkpoints)
}

#[test]
fn a_resumed_run_may_change_its_statistics_but_stays_complete_if_its_traces_would_change() {
    let temporary = tempfile::tempdir().unwrap();
    let (out, checkpoints) = finished(temporary.path());
    let resume = |more: &[&str]| {
        drift(&[&checkpoints[0], &checkpoints[1]], &[&["--resume", "--out", &text(&out)], more].concat())
    };
    let outcome = resume(&["--match-experts", "--tokens-of-interest", "7"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let manifest = read_json(&out.join("manifest.json"));
    assert_eq!((&manifest["match_experts"], &manifest["tokens_of_interest"]), (&json!(true), &json!([7])));
    assert!(out.join("stats/expert_matching.csv").is_file());
    let before = contents(&out);
    let weights = Path::new(&checkpoints[0]).join("model.safetensors");
    let kept = fs::read(&weights).unwrap();
    let mut changed = kept.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&weights, changed).unwrap();
    resume(&[]).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --resume: `TEMP/out` holds another run; different: checkpoints[0].checkpoint.weights[0].sha256: "6c3b636cd66cf8857d60b9678c8d805bcb1c4848361fb8d849ae5f457947da82" there, "323b9e03d6699c9ce5f17623fd1fa8a0ec4c80975afead8d763f88031ed52b86" now

        hint: repeat the command that made it, or choose another --out
    "#]]);
    fs::write(&weights, kept).unwrap();
    assert!(contents(&out) == before, "nothing was touched");
    alter(&out.join("checkpoints/early-1M/manifest.json"), |manifest| manifest["context"] = json!(64));
    resume(&[]).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --resume: `TEMP/out/checkpoints/early-1M` holds another run; different: context: 64 there, 2048 now

        hint: repeat the command that made it, or choose another --out
    "#]]);
    assert_eq!(read_json(&out.join("manifest.json"))["complete"], true);
}

#[test]
fn a_drops_run_stays_complete_if_it_cannot_be_resumed() {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("out");
    let drops = |more: &[&str]| {
        let first = ["drops", &tiny("9.8M"), "--compare", &tiny("12.3M")];
        twelve_documents(&first, &[&["--exact-replay", "1.25", "--out", &text(&out)], more].concat())
    };
    let outcome = drops(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let before = fs::read(out.join("summary.json")).unwrap();
    assert_eq!(drops(&["--resume", "--bin", "32"]).code, 0);
    assert_eq!(read_json(&out.join("summary.json"))["bin"], 32);
    assert_eq!(drops(&["--resume"]).code, 0);
    assert!(fs::read(out.join("summary.json")).unwrap() == before, "resumed");
    let folders = [
        (
            "checkpoints/openmoe-tiny-12.3M",
            expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --resume: `TEMP/out/checkpoints/openmoe-tiny-12.3M` holds another run; different: version: "0.0.1" there, "VERSION" now

        hint: repeat the command that made it, or choose another --out
    "#]],
        ),
        (
            "exact_replay/1.25",
            expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --resume: `TEMP/out/exact_replay/1.25` holds another run; different: version: "0.0.1" there, "VERSION" now

        hint: repeat the command that made it, or choose another --out
    "#]],
        ),
    ];
    for (folder, message) in folders {
        let manifest = out.join(folder).join("manifest.json");
        let kept = fs::read(&manifest).unwrap();
        alter(&manifest, |manifest| manifest["version"] = json!("0.0.1"));
        drops(&["--resume"]).refused(&message);
        assert_eq!(read_json(&out.join("manifest.json"))["complete"], true);
        fs::write(&manifest, kept).unwrap();
    }
}
