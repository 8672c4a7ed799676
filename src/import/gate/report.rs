//! What the gate says.

use super::{
    check::{CheckResult, Outcome},
    reading::Reading,
};

/// What the gate says of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct GateReport {
    /// Every check, in order.
    pub checks: Vec<CheckResult>,
    /// How the record is to be read.
    pub reading: Reading,
    /// Sequences that were looked at.
    pub sequences: u64,
    /// Positions that were looked at.
    pub positions: u64,
    /// Sequences that have a category; of counts, what was counted together.
    pub categorized: u64,
}

impl GateReport {
    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().filter(|check| check.outcome == Outcome::Failed)
    }
}
