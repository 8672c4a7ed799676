//! What kind of run a folder holds.

use serde_json::Value;

use super::folder::RunDir;
use crate::error::{Error, Result};

/// The commands that leave a run behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// One checkpoint over a text.
    Route,
    /// The same tokens through several checkpoints.
    Drift,
    /// Conversations, and where their tokens are dropped.
    Drops,
}

impl RunKind {
    /// The command that made a run.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the manifest names none of them.
    pub fn of(run: &RunDir, manifest: &Value) -> Result<Self> {
        match manifest["command"].as_str() {
            Some("route") => Ok(Self::Route),
            Some("drift") => Ok(Self::Drift),
            Some("drops") => Ok(Self::Drops),
            _ => Err(Error::run_folder(
                format!(
                    "`{}` holds a run of {}; expected one of route, drift or drops",
                    run.path().display(),
                    manifest["command"]
                ),
                "the run was made by another version: run it again with --force",
            )),
        }
    }

    /// Its name: that of the command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Drift => "drift",
            Self::Drops => "drops",
        }
    }
}
