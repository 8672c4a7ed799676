//! The options for reading transcripts.

use std::path::PathBuf;

use super::format::{OasstPaths, TranscriptFormat};

/// What to read and how to cut it.
#[derive(Clone, Debug)]
pub struct TranscriptOptions {
    /// Files as for a corpus, except plain text: `.jsonl`, `.ndjson` and `.json`, each also compressed (`.gz`, `.zst`), and
    /// `.parquet`; folders of these, or `-` for standard input. Every file is a separate data set, named after the file.
    pub paths: Vec<PathBuf>,
    /// The format of all files; `None` to detect it for each file by its first row that has one of the formats' keys.
    pub format: Option<TranscriptFormat>,
    /// Which conversations a tree of replies gives.
    pub oasst_paths: OasstPaths,
    /// Key of the rows that names their category; without it `domain`, then `category`, then `language`.
    pub category_key: Option<String>,
    /// Longest sequence in tokens; a longer conversation is cut there.
    pub context: usize,
    /// Id of the BOS that the template writes; `None` for no BOS.
    pub bos: Option<u32>,
    /// Id of the EOS that the template writes; `None`: the model has none.
    pub eos: Option<u32>,
    /// Ids must be below it.
    pub vocab_size: usize,
    /// Stop after this many sequences, the first in input order.
    pub max_sequences: Option<usize>,
    /// Whether anything that cannot be used is an error instead of an entry in [`Corpus::skipped`](crate::corpus::Corpus::skipped).
    pub strict: bool,
}
