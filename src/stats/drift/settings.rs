//! What can be chosen about the statistics of `drift`, and what they do otherwise.

use crate::stats::Settings;

/// What a person may choose about the statistics of `drift`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftSettings {
    /// Seed, resamples and minima.
    pub statistics: Settings,
    /// Whether the experts of every checkpoint are renamed after those of the last one that take the same tokens.
    pub match_experts: bool,
    /// Bins of `agreement_by_margin`.
    pub margin_bins: usize,
    /// Length of the lists of `document_drift`.
    pub documents_listed: usize,
    /// Fewest occurrences for a place in these lists.
    pub minimum_document_occurrences: usize,
    /// How many of the most frequent token ids have their expert shares listed.
    pub tokens_listed: usize,
    /// Token ids whose expert shares are listed whatever their frequency, if it reaches the minimum.
    pub tokens_of_interest: Vec<u32>,
    /// Random splits of the documents into halves behind a noise floor.
    pub splits: usize,
}

impl Default for DriftSettings {
    fn default() -> Self {
        Self {
            statistics: Settings::default(),
            match_experts: false,
            margin_bins: 10,
            documents_listed: 50,
            minimum_document_occurrences: 64,
            tokens_listed: 100,
            tokens_of_interest: Vec::new(),
            splits: 20,
        }
    }
}
