//! Runs the built program and reads the files that it leaves.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use expect_test::Expect;
use polars::prelude::*;

use super::{files::fixture, snapshot::settled};

/// What a run of the binary left behind.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// A process that was started some other way.
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It ended with exit code 2: the message.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        assert_eq!(self.code, 2, "{}", self.stderr);
        settled(&self.stderr)
    }

    /// It ended with exit code 2 and this message.
    #[track_caller]
    pub(crate) fn refused(&self, message: &Expect) {
        message.assert_eq(&self.refusal());
    }

    /// It ended well, and printed this on standard output.
    #[track_caller]
    pub(crate) fn done_printing(&self, printed: &Expect) {
        assert_eq!(self.code, 0, "{}", self.stderr);
        printed.assert_eq(&settled(&self.stdout));
    }

    /// It ended well, and said this on standard error.
    #[track_caller]
    pub(crate) fn done_saying(&self, notes: &Expect) {
        assert_eq!(self.code, 0, "{}", self.stderr);
        notes.assert_eq(&settled(&self.stderr));
    }
}

/// The messages of runs that all ended with exit code 2, each once: commands that must say the same are seen to say it.
#[track_caller]
pub(crate) fn refusals(outcomes: impl IntoIterator<Item = Outcome>) -> String {
    let mut messages: Vec<String> = Vec::new();
    for outcome in outcomes {
        let message = outcome.refusal();
        if !messages.contains(&message) {
            messages.push(message);
        }
    }
    messages.join("\n")
}

/// Runs the built binary with arguments separated by spaces (no argument here contains one).
pub(crate) fn openmoe(arguments: &str) -> Outcome {
    openmoe_with(&arguments.split_whitespace().collect::<Vec<_>>())
}

/// Runs the built binary.
pub(crate) fn openmoe_with(arguments: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"));
    // Help is wrapped to the terminal, of which there may be one. A path that is not there may be a name of the hub: nobody is asked.
    let output = command.args(arguments).env("COLUMNS", "100").env("HF_HUB_OFFLINE", "1").output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A Parquet file as a data frame.
pub(crate) fn read_table(path: &Path) -> DataFrame {
    ParquetReader::new(File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).finish().unwrap()
}

/// All parts of a folder (`trace`, `router`, `logits`), one below the other in the order of their numbers.
pub(crate) fn read_parts(run: &Path, folder: &str) -> DataFrame {
    let mut paths: Vec<PathBuf> = fs::read_dir(run.join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let mut frames = paths.iter().map(|path| read_table(path));
    let mut all = frames.next().unwrap();
    for frame in frames {
        all.vstack_mut(&frame).unwrap();
    }
    all
}

/// A column of unsigned integers, whatever their width.
pub(crate) fn integers(frame: &DataFrame, name: &str) -> Vec<u64> {
    frame.column(name).unwrap().cast(&DataType::UInt64).unwrap().u64().unwrap().iter().map(Option::unwrap).collect()
}

/// A column of numbers.
pub(crate) fn floats(frame: &DataFrame, name: &str) -> Vec<f64> {
    frame.column(name).unwrap().cast(&DataType::Float64).unwrap().f64().unwrap().iter().map(Option::unwrap).collect()
}

/// Every file below a folder with its bytes, by relative path, sorted.
pub(crate) fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Path of one of the small checkpoints, as `tiny("9.8M")`.
pub(crate) fn tiny(name: &str) -> String {
    fixture("checkpoints").join(format!("openmoe-tiny-{name}")).display().to_string()
}

/// Twelve short documents through what stands in `first` (subcommand and checkpoints); `more` may name an `--out`.
pub(crate) fn twelve_documents(first: &[&str], more: &[&str]) -> Outcome {
    let corpus = fixture("corpora/domains/stackexchange.jsonl").display().to_string();
    let options = ["--corpus", &corpus, "--max-sequences", "12", "--resamples", "40", "--permutations", "10"];
    openmoe_with(&[first, &options, more].concat())
}

/// Copies a folder with everything below it.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    for (name, bytes) in contents(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
