//! Bad input never panics, never loses a result, never passes silently: message, hint and exit code of each.

mod checkpoints;
mod commands;
mod corpora;

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::support::{
    files::{copy_folder, fixture, read_json},
    program::{Outcome, openmoe_with},
};

/// A folder with a checkpoint that may be damaged and a corpus of three good lines.
struct Bench {
    folder: TempDir,
}

impl Bench {
    /// A copy of a bundled checkpoint.
    fn new(checkpoint: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&fixture(checkpoint), &folder.path().join("checkpoint"));
        let lines = "{\"text\": \"One line of text.\"}\n{\"text\": \"A second line.\"}\n{\"text\": \"And a third.\"}\n";
        fs::write(folder.path().join("corpus.jsonl"), lines).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Changes a key of config.json.
    fn configure(&self, key: &str, value: serde_json::Value) {
        let mut config = read_json(&self.path("checkpoint/config.json"));
        config[key] = value;
        self.write("checkpoint/config.json", config.to_string());
    }

    /// Runs route with more arguments.
    fn route(&self, arguments: &[&str]) -> Outcome {
        let (checkpoint, corpus, out) = (self.path("checkpoint"), self.path("corpus.jsonl"), self.path("out"));
        let mut all = vec!["route", checkpoint.to_str().unwrap()];
        if !arguments.contains(&"--corpus") {
            all.extend(["--corpus", corpus.to_str().unwrap()]);
        }
        if !arguments.contains(&"--out") {
            all.extend(["--out", out.to_str().unwrap()]);
        }
        all.extend(["--resamples", "40", "--permutations", "10"]);
        all.extend(arguments);
        let outcome = openmoe_with(&all);
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        outcome
    }

    /// The run is refused with exit code 2 and this message, and nothing was left behind.
    #[track_caller]
    fn refused(&self, arguments: &[&str], message: &Expect) {
        self.route(arguments).refused(message);
        assert!(!self.path("out").join("manifest.json").exists());
    }
}

const TINY: &str = "checkpoints/openmoe-tiny-12.3M";
const SHARDED: &str = "goldens/A_wide_32e";
