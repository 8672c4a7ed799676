//! One forward pass over some text, as it was asked for.

use std::path::PathBuf;

use crate::cli::{CommonArgs, RouteArgs};

/// A checkpoint, the text that goes through it, and how.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Checkpoint folder.
    pub(super) checkpoint: PathBuf,
    /// Plain text.
    pub(super) corpus: Vec<PathBuf>,
    /// Everything else.
    pub(super) common: CommonArgs,
}

impl From<&RouteArgs> for Request {
    fn from(arguments: &RouteArgs) -> Self {
        Self {
            checkpoint: arguments.checkpoint.clone(),
            corpus: arguments.corpus.clone(),
            common: arguments.common.clone(),
        }
    }
}
