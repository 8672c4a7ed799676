//! Helpers of the tests of conversations: files of them, and how they are read.
#![allow(dead_code, unreachable_pub)] // every test file uses a part of this

use std::{
    fs,
    path::{Path, PathBuf},
};

use openmoe_analyze::corpus::{OasstPaths, Tokenizer, TranscriptOptions};
use serde_json::Value;

/// A path below `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The tokenizer of the small checkpoints.
pub fn tokenizer() -> Tokenizer {
    Tokenizer::open(&fixture("tokenizers/small4096")).unwrap().unwrap()
}

/// How conversations are read where a test says nothing else.
pub fn options(paths: &[PathBuf]) -> TranscriptOptions {
    TranscriptOptions {
        paths: paths.to_vec(),
        format: None,
        oasst_paths: OasstPaths::All,
        category_key: None,
        context: 2048,
        bos: Some(0),
        eos: 1,
        vocab_size: 4096,
        max_sequences: None,
        strict: false,
    }
}

/// A folder with one file of JSON lines, and the file.
pub fn lines(rows: &[Value]) -> (tempfile::TempDir, PathBuf) {
    file("chat.jsonl", rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// A folder with one file, and the file.
pub fn file(name: &str, bytes: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    (dir, path)
}
