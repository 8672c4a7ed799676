//! One forward pass over some text, as it was asked for.

use std::path::PathBuf;

use crate::{
    checkpoint::snapshot,
    cli::{CommonArgs, RouteArgs, TranscriptArgs},
};

/// A checkpoint, the text that goes through it, and how.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Checkpoint folder.
    pub(crate) checkpoint: PathBuf,
    /// Plain text.
    pub(crate) corpus: Vec<PathBuf>,
    /// Conversations.
    pub(crate) transcripts: Option<Transcripts>,
    /// Everything else.
    pub(crate) common: CommonArgs,
}

/// Conversations, and how they become tokens.
#[derive(Clone, Debug)]
pub(crate) struct Transcripts {
    /// Files and folders.
    pub(crate) paths: Vec<PathBuf>,
    /// Format, template.
    pub(crate) how: TranscriptArgs,
}

impl From<&RouteArgs> for Request {
    fn from(arguments: &RouteArgs) -> Self {
        Self {
            checkpoint: snapshot(&arguments.checkpoint),
            corpus: arguments.corpus.clone(),
            transcripts: None,
            common: arguments.common.clone(),
        }
    }
}
