//! What a check is, and all of them in order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::reading::Reading;
use crate::import::routes::{Header, RouteSequence};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not wrong for certain, or put right: the reader should know.
    Warned,
    /// The record cannot be true as it stands.
    Failed,
    /// The record has nothing that this check could look at.
    NotApplicable,
}

/// What a check says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckResult {
    /// Name of the check.
    pub check: String,
    /// How it went.
    pub outcome: Outcome,
    /// The same in a sentence, with the numbers, and what follows from it.
    pub says: String,
    /// The numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, f64>,
}

impl CheckResult {
    /// The result of a check.
    pub fn new(check: &str, outcome: Outcome, says: impl Into<String>) -> Self {
        Self { check: check.to_owned(), outcome, says: says.into(), numbers: BTreeMap::new() }
    }

    /// With a number more.
    #[must_use]
    pub fn with(mut self, name: &str, number: f64) -> Self {
        self.numbers.insert(name.to_owned(), number);
        self
    }
}

/// A look at every sequence of a record. What it keeps must not grow with the number of tokens.
pub(super) trait Check {
    /// Looks at the next sequence.
    fn see(&mut self, header: &Header, sequence: &RouteSequence);

    /// Says what it found, and changes how the record is to be read.
    fn finish(self: Box<Self>, header: &Header, reading: &mut Reading) -> CheckResult;
}
