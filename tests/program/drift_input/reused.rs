//! Finished runs in the place of checkpoints, planned and compared.

use super::*;

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
               openmoe-analyze drift [OPTIONS] <IMPORT>... --out <DIR>

        For more information, try '--help'.

        Examples:
          openmoe-analyze drift openmoe-8b-200B openmoe-8b-600B openmoe-8b-1T --corpus corpus/domains --out runs/drift
          openmoe-analyze drift imports/step1000-tokens4B imports/step5000-tokens20B --out runs/drift

        Checkpoints stand in the order of training. Training tokens are read from names such as openmoe-8b-200B, 2.5M or step1000-tokens4B, or given as --tokens 200B 600B 1T.
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
        error: only a run of one trace can stand for a checkpoint:
          - `TEMP/several` holds a run of drift; expected one of route or import

        hint: give the checkpoint itself, or one trace of the run: its sub-folder checkpoints/LABEL, or passes/unchanged
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
