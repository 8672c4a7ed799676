//! A layer that is laid out, resampled and counted once for all questions about it.

use std::sync::OnceLock;

use crate::{
    routing::View,
    stats::{coactivation::Pairs, study::Study, vocabulary::TokenTotals},
};

/// One layer in one view.
pub(super) struct CountedLayer<'a> {
    /// Its rows, their counts by document, and the resamples.
    pub(super) study: Study<'a>,
    /// Before or after capacity.
    pub(super) view: View,
    token_totals: OnceLock<TokenTotals>,
    pairs: OnceLock<Option<Pairs>>,
}

impl<'a> CountedLayer<'a> {
    /// Nothing beside the study is counted before it is asked for.
    pub(super) fn new(study: Study<'a>, view: View) -> Self {
        Self { study, view, token_totals: OnceLock::new(), pairs: OnceLock::new() }
    }

    /// Expert counts of all token ids.
    pub(super) fn token_totals(&self) -> &TokenTotals {
        self.token_totals.get_or_init(|| TokenTotals::new(&self.study, self.view))
    }

    /// The pairs of experts; `None` where there are none.
    pub(super) fn pairs(&self) -> Option<&Pairs> {
        self.pairs.get_or_init(|| Pairs::new(&self.study, self.view)).as_ref()
    }
}
