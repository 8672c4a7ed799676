//! What can be chosen about the statistics of `drops`, and what they do otherwise.

use crate::stats::Settings;

/// What a person may choose about the statistics of `drops`.
#[derive(Clone, Debug, PartialEq)]
pub struct DropSettings {
    /// Seed, resamples, permutations and minima.
    pub statistics: Settings,
    /// Positions per bin of the curves.
    pub bin: u32,
    /// Fewest positions of a sequence for `drop_trend`.
    pub minimum_length: u32,
    /// Overflowing experts whose causes are listed, per layer.
    pub experts_listed: usize,
    /// Token ids listed per overflowing expert.
    pub tokens_listed: usize,
    /// Length of the list of `document_drops`.
    pub documents_listed: usize,
    /// Numbers of ranks among which the experts are divided for `rank_load`; empty: there is no such table.
    pub expert_parallel: Vec<u32>,
    /// Whether an engine recorded which choices were dropped. They are taken as they are; queues are known only where the recorded
    /// capacity gives the same drops with every sequence a routing group.
    pub recorded_drops: bool,
}

impl Default for DropSettings {
    fn default() -> Self {
        Self {
            statistics: Settings::default(),
            bin: 64,
            minimum_length: 64,
            experts_listed: 8,
            tokens_listed: 10,
            documents_listed: 50,
            expert_parallel: Vec::new(),
            recorded_drops: false,
        }
    }
}
