//! The same input gives the same bytes: run twice, with other numbers of threads, other wave sizes, killed and resumed.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use expect_test::expect;

use crate::support::{
    files::{fixture, read_json},
    program::{contents, openmoe_with},
};

/// About 40,000 tokens: three segments, so that waves can differ.
fn arguments(out: &Path) -> Vec<String> {
    let corpora = ["book.jsonl", "c4.jsonl"].map(|file| fixture("corpora/domains").join(file).display().to_string());
    let checkpoint = fixture("checkpoints/openmoe-tiny-12.3M").display().to_string();
    let mut all = vec!["route".to_owned(), checkpoint, "--corpus".to_owned()];
    all.extend(corpora);
    all.extend(["--out".to_owned(), out.display().to_string()]);
    all.extend("--context 512 --resamples 40 --permutations 10 --log-logits".split(' ').map(str::to_owned));
    all
}

fn route(out: &Path, more: &[&str]) {
    let all = arguments(out);
    let all: Vec<&str> = all.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let outcome = openmoe_with(&all);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

/// What must not depend on how a run was carried out: everything but the clock in the manifest and the report.
fn results(run: &Path) -> Vec<(String, Vec<u8>)> {
    let timed = ["manifest.json", "report.html"];
    contents(run).into_iter().filter(|(name, _)| !timed.contains(&name.as_str())).collect()
}

fn assert_same(expected: &[(String, Vec<u8>)], found: &[(String, Vec<u8>)], what: &str) {
    let names = |of: &[(String, Vec<u8>)]| of.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(expected), names(found), "{what}: files");
    for ((name, expected), (_, found)) in expected.iter().zip(found) {
        assert!(expected == found, "{what}: {name} differs");
    }
}

#[test]
fn threads_waves_and_repetition_change_no_byte() {
    let temporary = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = temporary.path().join(name);
        route(&out, more);
        results(&out)
    };
    let expected = run("reference", &["--threads", "2"]);
    for folder in ["trace/part-00005.parquet", "router/part-00008.parquet", "logits/part-00000.parquet"] {
        assert!(expected.iter().any(|(name, _)| name == folder), "{folder} is missing: the test sees too little");
    }
    assert_same(&expected, &run("again", &["--threads", "2"]), "the same command again");
    assert_same(&expected, &run("one", &["--threads", "1"]), "one thread");
    assert_same(&expected, &run("small", &["--threads", "2", "--wave-tokens", "1"]), "waves of one routing group");
    assert_same(&expected, &run("two", &["--threads", "1", "--wave-tokens", "33000"]), "waves of two segments");
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let temporary = tempfile::tempdir().unwrap();
    let (whole, killed) = (temporary.path().join("whole"), temporary.path().join("killed"));
    route(&whole, &[]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"))
        .args(arguments(&killed))
        .args(["--wave-tokens", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let patience = Instant::now();
    while !killed.join("trace/part-00001.parquet").exists() {
        assert!(patience.elapsed() < Duration::from_secs(120), "the first parts did not appear");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(read_json(&killed.join("manifest.json"))["complete"], false, "it was killed before it was complete");
    let typed: Vec<String> = arguments(&killed);
    openmoe_with(&typed.iter().map(String::as_str).collect::<Vec<_>>()).refused(&expect![[r#"
        categories: 2 by `domain`
        error: --out `TEMP/killed` holds an incomplete run; expected a new or empty folder

        hint: choose another --out, or add --force to replace the run, or --resume to go on with it
    "#]]);
    route(&killed, &["--resume"]);
    assert_same(&results(&whole), &results(&killed), "killed and resumed");
    // A damaged part costs its segment, the second of three, and no more.
    let part = killed.join("trace/part-00004.parquet");
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    route(&killed, &["--resume"]);
    assert_same(&results(&whole), &results(&killed), "damaged and resumed");
    let manifest = read_json(&killed.join("manifest.json"));
    let (again, all) = (manifest["forward_tokens"].as_u64().unwrap(), manifest["tokens"].as_u64().unwrap());
    assert!(again > 0 && again < all / 2, "{again} of {all} tokens");
    // Another corpus is another run; other settings of the statistics are not.
    let other = |more: &[&str]| {
        openmoe_with(&arguments(&killed).iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
    };
    other(&["--resume", "--max-sequences", "3"]).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 21 documents, in whole or in part
        error: --resume: `TEMP/killed` holds another run; different: inputs[0].documents: 13 there, 1 now; inputs[1].documents: 9 there, 0 now; max_sequences: null there, 3 now

        hint: repeat the command that made it, or choose another --out
    "#]]);
    let again = other(&["--resume", "--seed", "7"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(read_json(&killed.join("summary.json"))["seed"], 7);
}

#[test]
fn stats_and_chart_of_a_run_repeat_its_bytes() {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("run");
    route(&out, &[]);
    let expected = results(&out);
    let run = out.to_str().unwrap();
    for command in ["stats", "chart"] {
        let outcome = openmoe_with(&[command, run]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert_same(&expected, &results(&out), command);
        assert_eq!(read_json(&out.join("manifest.json"))["complete"], true);
    }
    let outcome = openmoe_with(&["stats", run, "--seed", "5", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(summary["seed"], 5);
    assert_eq!(summary, read_json(&out.join("summary.json")));
}
