//! A statistic as a page shows it.

use super::table::{Differences, Table};
use crate::{report::figure::Figure, stats::StatisticInfo};

/// A statistic with the figures that the runs allow.
pub(super) struct DrawnStatistic {
    /// The statistic.
    pub(super) info: &'static StatisticInfo,
    /// Its pictures, in the order in which a reader chooses among them.
    pub(super) figures: Vec<Figure>,
    /// Its numbers, where the page lists them.
    pub(super) table: Option<Table>,
    /// How the runs of the page differ in it, where they are two.
    pub(super) differences: Option<Differences>,
    /// Which of the figures is the picture beside the words.
    pub(super) hero: Option<usize>,
}

impl DrawnStatistic {
    /// Whether the runs have anything of it.
    pub(super) fn is_shown(&self) -> bool {
        self.table.is_some() || !self.figures.is_empty()
    }
}
