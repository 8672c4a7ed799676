//! Documents -> sequences of token ids.

use std::path::PathBuf;

/// One sequence of the run: a document, or a chunk of one that is longer than the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Name of the input file, as given.
    pub source: String,
    /// Document name: the row's `id`, else `file:line`; unique in the corpus (duplicates get a suffix).
    pub document: String,
    /// Category, if the corpus names one.
    pub category: Option<String>,
    /// Token ids, with the BOS where there is one.
    pub token_ids: Vec<u32>,
    /// The rest of the document is in no other sequence.
    pub truncated: bool,
}

/// A line or file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// `file:line`, or `file`.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// An input file with its identity.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct InputFile {
    /// Path as given.
    pub path: PathBuf,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Documents taken from it.
    pub documents: usize,
}

/// Everything that was read: the sequences in input order, what could not be used, and the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// Sequences in input order.
    pub sequences: Vec<Sequence>,
    /// What could not be used, with the reason. Never silent.
    pub skipped: Vec<Skipped>,
    /// The input files.
    pub files: Vec<InputFile>,
}
