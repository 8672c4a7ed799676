//! How unevenly the ranks of an expert-parallel placement are loaded.

use std::collections::BTreeSet;

use crate::stats::{
    Finding, Statistic,
    verdict::{Answer, Evidence, Measured, Verdict},
};

/// The load of one placement, layer by layer.
#[derive(Clone, Debug, PartialEq)]
pub struct RankLoads {
    /// Ranks that share the experts of a layer.
    pub ranks: u32,
    /// Largest over mean load, over all tokens.
    pub over_all: Vec<Evidence>,
    /// The same batch by batch.
    pub by_batch: Vec<Evidence>,
}

impl RankLoads {
    /// The placements in ascending order of their ranks.
    pub(super) fn of(rows: &[&Finding]) -> Vec<Self> {
        let own = || rows.iter().filter(|row| row.statistic == Statistic::RankLoad && row.estimate.is_some());
        let placements: BTreeSet<u32> = own().filter_map(|row| row.expert_parallel).collect();
        let of = |ranks: u32, is_batch: bool| -> Vec<Evidence> {
            let rows = own().filter(|row| row.expert_parallel == Some(ranks) && row.grouping.is_some() == is_batch);
            rows.map(|row| Evidence::estimate(row)).collect()
        };
        let placement = |ranks| Self { ranks, over_all: of(ranks, false), by_batch: of(ranks, true) };
        placements.into_iter().map(placement).collect()
    }

    /// The same as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        let because = self.over_all.iter().chain(&self.by_batch).cloned().collect();
        Verdict::new(Answer::RanksWaitForTheSlowest(Measured::Measured), because)
    }
}
