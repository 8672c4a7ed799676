//! The user's settings for the statistics.

use crate::{routing::is_bos, trace::REPETITIONS};

/// Seed, number of repetitions, and minima. The defaults are those of the documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Seed of every resample, permutation and fold.
    pub seed: u64,
    /// Bootstrap resamples over documents.
    pub resamples: usize,
    /// Permutations behind a baseline.
    pub permutations: usize,
    /// Whether rows at position 0 (the BOS) count; the paper counts them.
    pub include_bos: bool,
    /// Fewest documents for an interval.
    pub minimum_documents: usize,
    /// Fewest occurrences for a number about one token id or one position.
    pub minimum_occurrences: usize,
    /// Fewest documents for cross-validation.
    pub minimum_documents_for_folds: usize,
    /// Folds of the cross-validation of `token_predictability`.
    pub folds: usize,
    /// Positions per `position_bucket`.
    pub bucket: u32,
    /// Length of the lists of `top_tokens`.
    pub top_tokens: usize,
    /// Most rows of `expert_share` about single positions and token ids in a layer.
    pub share_rows: usize,
}

impl Settings {
    /// Most rows of `expert_share` about single positions and token ids in all layers of a run: 0.3 GB of text.
    pub const SHARE_ROWS: usize = 1 << 21;
}

impl Settings {
    /// Whether the rows at a position take part in the counting.
    #[inline]
    pub(super) fn counts(&self, position: u32) -> bool {
        self.include_bos || !is_bos(position)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            resamples: REPETITIONS.0,
            permutations: REPETITIONS.1,
            include_bos: true,
            minimum_documents: 8,
            minimum_occurrences: 128,
            minimum_documents_for_folds: 10,
            folds: 5,
            bucket: 64,
            top_tokens: 10,
            share_rows: Self::SHARE_ROWS,
        }
    }
}
