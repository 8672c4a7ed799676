//! What `drift` refuses, plans, reuses and resumes; nothing is lost and nothing is written before all of it is known.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    files::{copy_folder, fixture, read_json},
    program::{Outcome, contents, copy_tree, openmoe_with, tiny, twelve_documents},
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

/// Exit code 2, and a message with every part.
fn assert_refused(outcome: &Outcome, parts: &[&str]) {
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    for part in parts {
        assert!(outcome.stderr.contains(part), "`{part}` is not in:\n{}", outcome.stderr);
    }
}

#[test]
fn everything_wrong_with_paths_order_and_labels_is_named_at_once() {
    let (first, late) = (tiny("2.5M"), tiny("12.3M"));
    let refused = |checkpoints: &[&str], parts: &[&str]| assert_refused(&drift(checkpoints, &["--dry-run"]), parts);
    refused(&["nowhere", &late, "nothere"], &["2 checkpoints cannot be used", "`nowhere`", "`nothere`"]);
    refused(
        &[&late, &tiny("9.8M"), &first],
        &[
            "`openmoe-tiny-12.3M` stands before `openmoe-tiny-9.8M`",
            "`openmoe-tiny-9.8M` stands before `openmoe-tiny-2",
        ],
    );
    refused(&[&format!("a\nb={first}"), &late], &["label `a\\nb` holds a control character"]);
}

#[test]
fn checkpoints_with_another_arithmetic_are_not_of_one_run() {
    let temporary = tempfile::tempdir().unwrap();
    let other = temporary.path().join("other-1M");
    copy_folder(Path::new(&tiny("2.5M")), &other);
    alter(&other.join("config.json"), |config| config["rms_norm_eps"] = json!(0.1));
    let outcome = drift(&[&text(&other), &tiny("12.3M")], &["--dry-run"]);
    assert_refused(&outcome, &["rms_norm_eps: 0.1 in `other-1M`, 0.000001 in `openmoe-tiny-12.3M`"]);
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
    for out in [&folder, &inside, &above] {
        for occupied in [&[][..], &["--force"], &["--resume"]] {
            for command in ["route", "drift", "drops"] {
                let outcome = twelve_documents(&[command, &folder], &[&["--out", out], occupied].concat());
                assert_refused(&outcome, &["would change what it is made from", "which the run reads"]);
            }
        }
    }
    for out in [&run, &format!("{run}/../run/checkpoints")] {
        assert_refused(&drift(&[&folder, &run], &["--out", out, "--force"]), &["which the run reads"]);
    }
    let outcome = twelve_documents(&["route", &tiny("2.5M")], &["--out", &folder, "--force"]);
    assert_refused(&outcome, &["it is the folder of a checkpoint"]);
    let (earlier, other) = (tiny("9.8M"), tiny("12.3M"));
    for checkpoints in [&["route", &other][..], &["drift", &earlier, &other], &["drops", &other]] {
        let paths = ["--corpus", &text(&text_inside), "--out", &run, "--force"];
        let outcome = openmoe_with(&[checkpoints, &paths].concat());
        assert_refused(&outcome, &["a run writes `stats` there, where the text"]);
    }
    assert!(contents(temporary.path()) == before, "nothing was touched");
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let (early, late) = (text(&runs().join("early")), tiny("12.3M"));
    let outcome = drift(&[&tiny("2.5M"), &early, &late], &["--noise-floor", "--dry-run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let reused = format!("early: reused, `{early}`");
    for part in [
        "openmoe-tiny-2.5M (2,500,000 training tokens): forward pass",
        &reused,
        "openmoe-tiny-12.3M-bf16: forward pass with bf16 activations",
        "3 forward passes: at least ",
        " of memory",
        "dry run: nothing was written",
    ] {
        assert!(outcome.stdout.contains(part), "`{part}` is not in:\n{}", outcome.stdout);
    }
    let more = ["--exact-replay", "1.25", "--dry-run"];
    let outcome = twelve_documents(&["drops", &late, "--compare", &tiny("12.3M-chat")], &more);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("3 forward passes: at least "), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("openmoe-tiny-12.3M: forward pass at capacity factor 1.25"), "{}", outcome.stdout);
    // An --out that is named is checked too, and not made.
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("out");
    assert_eq!(drift(&[&early, &late], &["--dry-run", "--out", &text(&out)]).code, 0);
    assert!(!out.exists());
    assert_refused(&drift(&[&tiny("2.5M"), &late], &["--dry-run", "--out", &early]), &["holds a complete run"]);
    assert_refused(&drift(&[&early, &late], &[]), &["--out"]);
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
    assert_refused(
        &drift(&[&rounded, &shorter, &torn, &tiny("12.3M")], &more),
        &[
            "rounded`: context: 2048 there, 512 now",
            "rounded`: dtype: \"bf16\" there, \"f32\" now",
            "rounded`: config.rms_norm_eps: \"0.1\" there, \"0.000001\" now",
            "shorter`: layout.segments: 2 there, 1 now",
            "shorter`: is not complete",
            "logits/part-00001.parquet` is missing, but other parts of the router logits are there",
        ],
    );
    let several = altered("late", &path("several"), |manifest| manifest["command"] = json!("drift"));
    let outcome = drift(&[&tiny("2.5M"), &several], &["--noise-floor", "--out", &text(&out)]);
    assert_refused(&outcome, &["several` holds a run of drift; expected one of route", "checkpoints/LABEL"]);
    assert!(!out.exists());
    let elsewhere = altered("early", &path("elsewhere"), |manifest| manifest["instruction_set"] = json!("abacus"));
    let outcome = drift(&[&elsewhere, &tiny("12.3M")], &["--dry-run"]);
    assert!(outcome.code == 0 && outcome.stderr.contains("instruction_set: \"abacus\" there"), "{}", outcome.stderr);
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
    let refused = |run: &str, parts: &[&str]| {
        let outcome = drift(&[&tiny("2.5M"), run], &["--noise-floor", "--out", &text(&path("other"))]);
        assert_refused(&outcome, &[&["--noise-floor needs the last checkpoint itself"], parts].concat());
        assert!(!path("other").exists());
    };
    refused(&altered("late", &path("gone"), |run| run["checkpoint"]["path"] = json!("nowhere")), &["`nowhere`"]);
    refused(
        &altered("late", &path("changed"), |run| run["checkpoint"]["weights"][0]["sha256"] = json!("00")),
        &["has changed since: weights[0].sha256: \"00\" there"],
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
    let refused = |more: &[&str], parts: &[&str]| {
        let other = text(&path("other"));
        assert_refused(&drift(&[&early, &late], &[more, &["--out", &other]].concat()), parts);
        assert!(!path("other").exists());
    };
    refused(&["--truncate"], &["9.8M`: truncate: false there, true now", "12.3M`: truncate"]);
    let book = fixture("corpora/domains/book.jsonl").display().to_string();
    refused(&["--corpus", &book], &["12.3M`: inputs: a list of 1 there, of 2 now"]);
    refused(&["--context", "4096"], &["max_position_embeddings = 2048"]);
}

#[test]
fn tokens_of_interest_exist_and_rare_ones_get_a_word() {
    let (early, late) = (text(&runs().join("early")), tiny("12.3M"));
    let outcome = drift(&[&early, &late], &["--dry-run", "--tokens-of-interest", "4096", "0", "70000"]);
    assert_refused(&outcome, &["--tokens-of-interest 4096 70000; expected ids below vocab_size = 4096"]);
    for checkpoint in [late, text(&runs().join("late"))] {
        let outcome = drift(&[&early, &checkpoint], &["--dry-run", "--tokens-of-interest", "0"]);
        let expected =
            "warning: token id 0 of --tokens-of-interest occurs 12 times; expert shares are listed from 128 on";
        assert!(outcome.code == 0 && outcome.stderr.contains(expected), "{}", outcome.stderr);
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
    assert_refused(&resume(&[]), &["checkpoints[0].checkpoint.weights[0].sha256: \""]);
    fs::write(&weights, kept).unwrap();
    assert!(contents(&out) == before, "nothing was touched");
    alter(&out.join("checkpoints/early-1M/manifest.json"), |manifest| manifest["context"] = json!(64));
    assert_refused(&resume(&[]), &["checkpoints/early-1M` holds another run; different: context: 64 there, 2048 now"]);
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
    for folder in ["checkpoints/openmoe-tiny-12.3M", "exact_replay/1.25"] {
        let manifest = out.join(folder).join("manifest.json");
        let kept = fs::read(&manifest).unwrap();
        alter(&manifest, |manifest| manifest["version"] = json!("0.0.1"));
        assert_refused(&drops(&["--resume"]), &[folder, "version: \"0.0.1\" there"]);
        assert_eq!(read_json(&out.join("manifest.json"))["complete"], true);
        fs::write(&manifest, kept).unwrap();
    }
}
