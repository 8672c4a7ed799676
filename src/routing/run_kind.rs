//! The kinds of run, with their names and questions in one table.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{ANOTHER_VERSION, Error, Result, run_again};

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
    /// Routes that another engine recorded.
    Import,
    /// The same text again with other routers.
    Mitigate,
}

/// The words for one kind.
struct Words {
    name: &'static str,
    question: &'static str,
    claim: &'static str,
}

impl RunKind {
    /// All kinds, in the order of pages and tables.
    pub const ALL: [Self; 5] = [Self::Route, Self::Drift, Self::Drops, Self::Import, Self::Mitigate];

    fn words(self) -> Words {
        match self {
            Self::Route => Words {
                name: "route",
                question: "Is routing decided by the token id, whatever the context?",
                claim: "Is routing decided by the token id, whatever the context?",
            },
            Self::Drift => Words {
                name: "drift",
                question: "When was the routing learnt, and what still changes?",
                claim: "Is routing learnt early and then fixed?",
            },
            Self::Drops => Words {
                name: "drops",
                question: "Are later tokens dropped more?",
                claim: "Are later tokens dropped more?",
            },
            Self::Import => Words {
                name: "import",
                question: "Is routing decided by the token id, whatever the context?",
                claim: "Is routing decided by the token id, whatever the context?",
            },
            Self::Mitigate => Words {
                name: "mitigate",
                question: "What does it cost to route otherwise, and what would help?",
                claim: "What does it cost to route otherwise, and what would help?",
            },
        }
    }

    /// The kind whose statistics, charts and question it has: imported routes are those of one model over a text.
    #[must_use]
    pub fn studied_as(self) -> Self {
        match self {
            Self::Import => Self::Route,
            kind => kind,
        }
    }

    /// Its name: that of the command.
    pub fn name(self) -> &'static str {
        self.words().name
    }

    /// The question that it asks.
    pub fn question(self) -> &'static str {
        self.words().question
    }

    /// The claim about mixture-of-experts models that its verdict answers, as a question.
    pub fn claim(self) -> &'static str {
        self.words().claim
    }
}

impl FromStr for RunKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Error::run_folder(
                format!("a run of `{text}` is unknown; expected one of route, drift, drops, import or mitigate"),
                run_again(ANOTHER_VERSION),
            )
        })
    }
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_name_in_text_and_in_json() {
        for kind in RunKind::ALL {
            assert_eq!(kind.name().parse::<RunKind>().unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert!(kind.question().ends_with('?') && kind.claim().ends_with('?'));
        }
        assert!("demo".parse::<RunKind>().is_err());
    }
}
