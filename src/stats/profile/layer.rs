//! One layer, from which profiles are made.

use super::{category::CategoryLayer, counted_layer::CountedLayer, expert::ExpertProfile, token::TokenLayer};
use crate::{
    error::Result,
    routing::{ExpertId, View},
    stats::{Settings, study::Study},
    trace::{LayerTrace, SequenceTable},
};

/// A layer that is laid out and resampled once for all questions about it.
pub struct LayerProfiles<'a>(CountedLayer<'a>);

impl<'a> LayerProfiles<'a> {
    /// Lays the layer out. Of the settings, the permutations are not used.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] if the columns of the trace do not belong together.
    pub fn new(
        sequences: &'a SequenceTable,
        trace: &'a LayerTrace,
        settings: &'a Settings,
        view: View,
    ) -> Result<Self> {
        Ok(Self(CountedLayer::new(Study::new(sequences, trace, settings)?, view)))
    }

    /// The tokens that count, and their documents.
    pub fn size(&self) -> (u64, u64) {
        (self.0.study.data.len() as u64, self.0.study.data.documents() as u64)
    }

    /// Up to `most` experts, ascending: all of them, or those that take most of any one category; without categories, of all tokens.
    pub fn telling_experts(&self, most: usize) -> Vec<ExpertId> {
        let (study, view) = (&self.0.study, self.0.view);
        let counts = &study.counts[view as usize];
        let mut largest = vec![0.0_f64; study.data.experts];
        let groups = study.groups();
        for group in groups.iter().filter(|group| group.category.is_some() || groups.len() == 1) {
            let tokens: u64 = group.documents.iter().map(|document| u64::from(counts.occurrences[*document])).sum();
            for (largest, count) in largest.iter_mut().zip(counts.total(&group.documents)) {
                *largest = largest.max(count as f64 / tokens as f64);
            }
        }
        let mut experts: Vec<usize> = (0..study.data.experts).collect();
        experts.sort_by(|a, b| largest[*b].total_cmp(&largest[*a]));
        experts.truncate(most);
        experts.sort_unstable();
        experts.into_iter().map(|expert| expert as ExpertId).collect()
    }

    /// Everything about one of its experts; `top` token ids are listed.
    pub fn expert(&self, expert: ExpertId, top: usize) -> ExpertProfile {
        ExpertProfile::new(&self.0, expert, top)
    }

    /// Tokens with a token id that count.
    pub fn occurrences(&self, token_id: u32) -> u64 {
        self.0.study.rows_of_token(token_id).map_or(0, |rows| rows.len() as u64)
    }

    /// Where a token id goes; `None` if it does not occur. `examples` of its occurrences are shown.
    pub fn token(&self, token_id: u32, examples: usize) -> Option<TokenLayer> {
        TokenLayer::new(&self.0, token_id, examples)
    }

    /// Which experts take a category, by its index; `None` if it has no token. Of the `explained` largest shares it is said what
    /// follows from the token ids of the category alone.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] if the run has nothing but this category.
    pub fn category(&self, category: usize, explained: usize) -> Result<Option<CategoryLayer>> {
        CategoryLayer::new(&self.0, category, explained)
    }
}
