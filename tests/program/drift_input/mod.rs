//! What `drift` refuses, plans, reuses and resumes; nothing is lost and nothing is written before all of it is known.

mod refused;
mod resumed;
mod reused;

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
