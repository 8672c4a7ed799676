//! One forward pass over some text, as it was asked for.

use std::path::PathBuf;

use crate::{
    checkpoint::snapshot,
    cli::{CommonArgs, RouteArgs, TranscriptArgs},
};

/// A checkpoint, the text that goes through it, and how.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Checkpoint folder.
    pub(super) checkpoint: PathBuf,
    /// Plain text.
    pub(super) corpus: Vec<PathBuf>,
    /// Conversations.
    pub(super) transcripts: Option<Transcripts>,
    /// Everything else.
    pub(super) common: CommonArgs,
}

/// Conversations, and how they become tokens.
#[derive(Clone, Debug)]
pub(super) struct Transcripts {
    /// Files and folders.
    pub(super) paths: Vec<PathBuf>,
    /// Format, template.
    pub(super) how: TranscriptArgs,
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
