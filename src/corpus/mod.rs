//! Documents -> sequences of token ids.

mod array;
mod build;
mod normalize;
mod parquet;
mod read;
mod row;
mod sentencepiece;
mod source;
#[cfg(test)]
mod tests;
mod tokenizer;
mod trie;

pub use read::CorpusOptions;
pub use tokenizer::Tokenizer;

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
    /// Documents that were read but left out, in whole or in part, because enough sequences had been taken.
    pub documents_left_out: usize,
}

impl Corpus {
    /// Documents of which at least one sequence was taken.
    pub fn documents(&self) -> usize {
        self.files.iter().map(|file| file.documents).sum()
    }

    /// Tokens of all sequences, with the BOS of each.
    pub fn tokens(&self) -> u64 {
        self.sequences.iter().map(|sequence| sequence.token_ids.len() as u64).sum()
    }
}
