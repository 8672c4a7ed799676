//! The kinds of run, in one table: everything that differs from kind to kind and is text is here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The commands that leave a run behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RunKind {
    /// One checkpoint over a text.
    Route,
    /// The same tokens through several checkpoints.
    Drift,
    /// Conversations, and where their tokens are dropped.
    Drops,
}

impl RunKind {
    /// All kinds, in the order of pages and tables.
    pub const ALL: [Self; 3] = [Self::Route, Self::Drift, Self::Drops];

    /// Its name: that of the command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Drift => "drift",
            Self::Drops => "drops",
        }
    }
}

impl RunKind {
    /// The question that it answers.
    pub fn question(self) -> &'static str {
        match self {
            Self::Route => "Is routing decided by the token id, whatever the context?",
            Self::Drift => "When was the routing learnt, and what still changes?",
            Self::Drops => "Are later tokens dropped more?",
        }
    }
}

impl FromStr for RunKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Error::run_folder(
                format!("a run of `{text}` is unknown; expected one of route, drift or drops"),
                "the run was made by another version: run it again with --force",
            )
        })
    }
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
