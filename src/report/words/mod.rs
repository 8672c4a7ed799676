//! Verdicts in words. The decisions are made in [`crate::stats::verdict`]; the sentences are made here.

mod criterion;
mod drift;
mod drops;
mod entry;
mod headline;
mod layers;
mod mitigation;
mod numbers;
mod route;
mod token;

pub use entry::VerdictEntry;
pub use headline::{headline_entries, headline_lines};
pub(super) use mitigation::subject as strategy_in_words;

use crate::stats::verdict::RunVerdict;

/// The details of a verdict in sentences, one on each line, as terminal, page and notebook show them below [`headline_lines`].
/// Layers beyond the first eight are summarised.
pub fn verdict_lines(verdict: &RunVerdict) -> Vec<String> {
    match verdict {
        RunVerdict::Route(verdict) => route::lines(verdict),
        RunVerdict::Drift(verdict) => drift::lines(verdict),
        RunVerdict::Drops(verdict) => drops::lines(verdict),
        RunVerdict::Mitigation(verdict) => mitigation::lines(verdict),
    }
}

/// The verdict of a run for `summary.json`: one entry for each answer of every layer, with its words.
pub fn verdict_entries(verdict: &RunVerdict) -> Vec<VerdictEntry> {
    match verdict {
        RunVerdict::Route(verdict) => route::entries(verdict),
        RunVerdict::Drift(verdict) => drift::entries(verdict),
        RunVerdict::Drops(verdict) => drops::entries(verdict),
        RunVerdict::Mitigation(verdict) => mitigation::entries(verdict),
    }
}
