//! A row of a table, as figures need it.

use crate::{run::RunKind, stats::Finding};

/// A row of a run's table.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct FigureRow<'a> {
    /// Index of the run in the report.
    pub(in crate::report) run: usize,
    /// Its kind.
    pub(in crate::report) command: RunKind,
    /// What rows without a checkpoint are about.
    pub(in crate::report) model: &'a str,
    /// The numbers.
    pub(in crate::report) finding: &'a Finding,
}
