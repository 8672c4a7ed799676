//! Verdicts in words. What is decided is decided in [`crate::stats::verdict`]; here are the sentences.

mod criterion;
mod drift;
mod drops;
mod entry;
mod layers;
mod numbers;
mod route;

pub use entry::VerdictEntry;

use crate::stats::verdict::RunVerdict;

/// The verdict of a run in sentences, a line each, as terminal, page and notebook show it. Of more than eight layers the others
/// are summarised.
pub fn verdict_lines(verdict: &RunVerdict) -> Vec<String> {
    match verdict {
        RunVerdict::Route(verdict) => route::lines(verdict),
        RunVerdict::Drift(verdict) => drift::lines(verdict),
        RunVerdict::Drops(verdict) => drops::lines(verdict),
    }
}

/// The verdict of a run answer by answer, for `summary.json`: of every layer, and each with its words.
pub fn verdict_entries(verdict: &RunVerdict) -> Vec<VerdictEntry> {
    match verdict {
        RunVerdict::Route(verdict) => route::entries(verdict),
        RunVerdict::Drift(verdict) => drift::entries(verdict),
        RunVerdict::Drops(verdict) => drops::entries(verdict),
    }
}
