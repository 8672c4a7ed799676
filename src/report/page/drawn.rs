//! What a page shows of a statistic.

use super::table::{Differences, Table};
use crate::{report::figure::Figure, stats::StatisticInfo};

/// A statistic with the figures that the runs allow.
pub(super) struct Drawn {
    pub(super) info: &'static StatisticInfo,
    pub(super) figures: Vec<Figure>,
    pub(super) table: Option<Table>,
    pub(super) differences: Option<Differences>,
    /// Which of the figures is the picture beside the words.
    pub(super) hero: Option<usize>,
}
