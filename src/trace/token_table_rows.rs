//! The table of a lookup router as a file, for those who plan the placement of experts or prefetch them.

use polars::prelude::*;

use super::frame::to_parquet;
use crate::{
    error::Result,
    routing::{ExpertId, LayerId},
};

/// Rows of the table, one for each layer, fold and token id.
#[derive(Debug, Default)]
pub struct TokenTableRows {
    layer: Vec<LayerId>,
    fold: Vec<u8>,
    token_id: Vec<u32>,
    experts: Vec<Series>,
    weights: Vec<Series>,
    occurrences: Vec<u64>,
}

impl TokenTableRows {
    /// Adds the row of a token id: the experts that the table chooses, first choice first, with their combine weights, and the
    /// occurrences in the calibration text that they are the mean of.
    pub fn push(
        &mut self,
        (layer, fold, token_id): (LayerId, u8, u32),
        experts: &[ExpertId],
        weights: &[f32],
        occurrences: u64,
    ) {
        self.layer.push(layer);
        self.fold.push(fold);
        self.token_id.push(token_id);
        self.experts.push(Series::new(PlSmallStr::EMPTY, experts));
        self.weights.push(Series::new(PlSmallStr::EMPTY, weights));
        self.occurrences.push(occurrences);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.layer.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layer.is_empty()
    }

    /// The rows as Parquet: `layer`, `fold`, `token_id`, `experts`, `weights` (lists), `n`.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] if they cannot be written as Parquet.
    pub fn to_parquet(self) -> Result<Vec<u8>> {
        let list = |name: &str, rows: Vec<Series>| {
            let rows: ListChunked = rows.into_iter().map(Some).collect();
            rows.with_name(name.into()).into_column()
        };
        to_parquet(vec![
            Column::new("layer".into(), self.layer),
            Column::new("fold".into(), self.fold),
            Column::new("token_id".into(), self.token_id),
            list("experts", self.experts),
            list("weights", self.weights),
            Column::new("n".into(), self.occurrences),
        ])
    }
}
