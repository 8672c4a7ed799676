//! What a run answers first: at most three sentences that a reader understands without the documentation.

mod drift;
mod drops;
mod route;

use super::entry::VerdictEntry;
use crate::stats::verdict::RunVerdict;

/// The most sentences.
const SENTENCES: usize = 3;

/// The answer of a run in at most three sentences, for `summary.json`: what was decided, by which numbers, and the words.
pub fn headline_entries(verdict: &RunVerdict) -> Vec<VerdictEntry> {
    let mut sentences = match verdict {
        RunVerdict::Route(verdict) => route::sentences(verdict),
        RunVerdict::Drift(verdict) => drift::sentences(verdict),
        RunVerdict::Drops(verdict) => drops::sentences(verdict),
        RunVerdict::Mitigation(verdict) => super::mitigation::sentences(verdict),
    };
    sentences.truncate(SENTENCES);
    sentences
}

/// The answer of a run in at most three sentences, as terminal, page and notebook show it before the lines of
/// [`super::verdict_lines`].
pub fn headline_lines(verdict: &RunVerdict) -> Vec<String> {
    headline_entries(verdict).into_iter().map(|entry| entry.words).collect()
}

#[cfg(test)]
mod tests;
