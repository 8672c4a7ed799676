//! Helpers of the tests of conversations: files of them, and how they are read.

use std::{fs, path::PathBuf};

use openmoe_analyze::corpus::{OasstPaths, Tokenizer, TranscriptOptions};
use serde_json::Value;

use super::files::fixture;

/// The tokenizer of the small checkpoints.
pub(crate) fn tokenizer() -> Tokenizer {
    Tokenizer::open(&fixture("tokenizers/small4096")).unwrap().unwrap()
}

/// How conversations are read where a test says nothing else.
pub(crate) fn options(paths: &[PathBuf]) -> TranscriptOptions {
    TranscriptOptions {
        paths: paths.to_vec(),
        format: None,
        oasst_paths: OasstPaths::All,
        category_key: None,
        context: 2048,
        bos: Some(0),
        eos: Some(1),
        vocab_size: 4096,
        max_sequences: None,
        strict: false,
    }
}

/// A folder with one file of JSON lines, and the file.
pub(crate) fn lines(rows: &[Value]) -> (tempfile::TempDir, PathBuf) {
    file("chat.jsonl", rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// A folder with one file, and the file.
pub(crate) fn file(name: &str, bytes: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    (dir, path)
}
