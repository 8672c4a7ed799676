//! The data that a notebook is made from.

use crate::{run::RunRecord, stats::Tables};

/// A finished run, as far as a notebook needs it.
#[derive(Clone, Copy, Debug)]
pub struct NotebookSource<'a> {
    /// What its manifest records.
    pub record: &'a RunRecord,
    /// The tables of its statistics.
    pub tables: &'a Tables,
    /// Its verdict, line by line.
    pub verdict: &'a [String],
    /// Its folder relative to that of the notebook, with `/` between the parts.
    pub folder: &'a str,
}
