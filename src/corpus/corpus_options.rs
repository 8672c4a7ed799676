//! What of a corpus is read, and how it is cut.

use std::path::PathBuf;

use super::row::AskedKeys;

/// What to read and how to cut it.
#[derive(Clone, Debug)]
pub struct CorpusOptions {
    /// Files, folders, or `-` for JSON lines on standard input.
    pub paths: Vec<PathBuf>,
    /// Key of the rows that names their category, or a path of keys such as `meta.set`. Without it the first of `domain`,
    /// `category` and `language` that the documents have, else, for files in a folder, their names. With it, documents
    /// that lack the key have no category.
    pub category_key: Option<String>,
    /// Key of the rows that holds their text, or a path of keys; without it `text`, or `input_ids`.
    pub text_key: Option<String>,
    /// Longest sequence in tokens, the BOS included.
    pub context: usize,
    /// Keep only the first sequence of a document that is longer than the context, instead of cutting it into several.
    pub truncate: bool,
    /// Id that every sequence made from text starts with; `None` for no BOS. `input_ids` never get one.
    pub bos: Option<u32>,
    /// Ids must be below it.
    pub vocab_size: usize,
    /// Stop after this many sequences, the first in input order.
    pub max_sequences: Option<usize>,
    /// Whether anything that cannot be used is an error instead of an entry in [`Corpus::skipped`](super::Corpus::skipped).
    pub strict: bool,
}

impl CorpusOptions {
    /// The keys that were asked for.
    pub(super) fn asked(&self) -> AskedKeys<'_> {
        AskedKeys { category: self.category_key.as_deref(), text: self.text_key.as_deref() }
    }
}
