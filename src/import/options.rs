//! What an import is told beside its files.

use std::{fmt, path::PathBuf};

/// Where categories come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CategoryFrom {
    /// What the record names; else the folder of each file, if there are several.
    #[default]
    Auto,
    /// The folder that a file stands in.
    Folder,
    /// The name of a file, without its ending.
    File,
    /// A key of the rows or lines.
    Key(String),
}

impl fmt::Display for CategoryFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Folder => "folder",
            Self::File => "file",
            Self::Key(key) => key,
        })
    }
}

/// What an import is told beside its files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// Name of the format; `None`: recognised.
    pub format: Option<String>,
    /// `config.json` of the model: which layers route, how many experts and choices there are.
    pub model_config: Option<PathBuf>,
    /// `tokenizer.json`, for the text of token ids.
    pub tokenizer: Option<PathBuf>,
    /// Where categories come from.
    pub category_from: CategoryFrom,
    /// Token ids of a format that has none: a file of one id a line, or an array of `numpy`.
    pub tokens: Option<PathBuf>,
    /// Tokens per sequence, where a format has one long row of tokens.
    pub sequence_length: Option<usize>,
    /// Sequences that stand interleaved, token by token, as training engines write them.
    pub micro_batch: Option<usize>,
    /// Whether the first thing that cannot be read is an error, instead of being passed over and counted.
    pub strict: bool,
}
