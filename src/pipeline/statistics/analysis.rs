//! What a finished run answers.

use crate::{report::VerdictEntry, stats::Finding};

/// The results of a run.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// `summary.json`, as text.
    pub summary: String,
    /// The answer in at most three sentences.
    pub headline: Vec<String>,
    /// The details of the verdict, line by line.
    pub verdict: Vec<String>,
    /// The verdict, one entry for each answer.
    pub answers: Vec<VerdictEntry>,
    /// The findings that the summary quotes.
    pub findings: Vec<Finding>,
    /// The number of charts in `charts/`.
    pub charts: usize,
}
