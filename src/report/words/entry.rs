//! A verdict with its words.

use serde::Serialize;

use super::criterion::criterion;
use crate::stats::verdict::Verdict;

/// One of `verdicts` in `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerdictEntry {
    /// What was decided, about what, and by which numbers.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// When this answer is given.
    pub criterion: &'static str,
    /// The same in words.
    pub words: String,
}

impl VerdictEntry {
    /// A verdict with its words; the criterion follows from the answer.
    pub(super) fn new(verdict: Verdict, words: impl Into<String>) -> Self {
        Self { criterion: criterion(verdict.answer), verdict, words: words.into() }
    }
}
