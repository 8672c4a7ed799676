//! The folder of a run: one writer, whole files, nothing foreign.

mod damage;
mod kept;
mod occupied;
mod weights;

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use expect_test::expect;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    files::read_json,
    program::{Outcome, contents, copy_tree, openmoe_with, refusals, tiny},
    snapshot::settled,
};

const LOCK: &str = ".openmoe-analyze.lock";

/// Finished runs that the tests copy: `r0`, a route run, and `d`, a drift run that reuses it.
struct Finished {
    folder: TempDir,
}

static FINISHED: LazyLock<Finished> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let lines = [("one", "It is a truth"), ("two", "universally acknowledged"), ("one", "that a single man")];
    let rows = lines.map(|(category, text)| json!({"text": text, "category": category}).to_string());
    fs::write(folder.path().join("corpus.jsonl"), rows.join("\n")).unwrap();
    let finished = Finished { folder };
    let outcome = finished.route(&finished.path("r0"), &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let outcome = finished.drift(&finished.path("r0"), &finished.path("d"), &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    finished
});

impl Finished {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, first: &[&str], out: &Path, more: &[&str]) -> Outcome {
        let corpus = self.path("corpus.jsonl").display().to_string();
        let out = out.display().to_string();
        let options = ["--corpus", &corpus, "--resamples", "0", "--permutations", "0", "--out", &out];
        checked(&[first, &options, more].concat())
    }

    fn route(&self, out: &Path, more: &[&str]) -> Outcome {
        self.run(&["route", &tiny("12.3M")], out, more)
    }

    /// Of a finished run and a checkpoint.
    fn drift(&self, reused: &Path, out: &Path, more: &[&str]) -> Outcome {
        let (first, second) = (format!("A={}", reused.display()), format!("B={}", tiny("2.5M")));
        self.run(&["drift", &first, &second], out, more)
    }

    /// A copy of a finished run in a folder of its own.
    fn copy(&self, name: &str) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        copy_tree(&self.path(name), &run);
        (folder, run)
    }
}

/// Runs the binary; a panic is never right.
fn checked(arguments: &[&str]) -> Outcome {
    let outcome = openmoe_with(arguments);
    assert!(!outcome.stderr.contains("panicked") && outcome.code != 101, "{arguments:?}: {}", outcome.stderr);
    println!("{} {}: exit {}\n{}", arguments[0], arguments[1], outcome.code, outcome.stderr);
    outcome
}

fn of(command: &str, run: &Path, more: &[&str]) -> Outcome {
    checked(&[&[command, run.to_str().unwrap()], more].concat())
}

fn change(run: &Path, with: impl FnOnce(&mut Value)) {
    let path = run.join("manifest.json");
    let mut manifest = read_json(&path);
    with(&mut manifest);
    fs::write(path, manifest.to_string()).unwrap();
}

fn flip(file: &Path, from_end: usize) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() - from_end.min(bytes.len());
    bytes[at] ^= 64;
    fs::write(file, bytes).unwrap();
}

/// Everything but the two files that name the time that a run took.
fn results(run: &Path) -> Vec<(String, Vec<u8>)> {
    let timed = |name: &str| name.ends_with("manifest.json") || name.ends_with("report.html");
    contents(run).into_iter().filter(|(name, _)| !timed(name)).collect()
}

fn assert_same(run: &Path, expected: &Path) {
    let (found, expected) = (results(run), results(expected));
    let names = |of: &[(String, Vec<u8>)]| of.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (one, other) in found.iter().zip(&expected) {
        assert!(one == other, "{} differs", one.0);
    }
}
