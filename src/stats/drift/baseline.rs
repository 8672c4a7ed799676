//! What every checkpoint is compared with: tables of the reference alone, worked out once for all checkpoints.

use super::{
    chance::Sets,
    load::{self, LoadReference},
    margin::MarginBins,
    settings::DriftSettings,
    token::{self, FrequentToken},
};
use crate::{
    random::{Purpose, Stream},
    stats::study::Study,
};

/// The layer at the reference, counted in the ways that the comparisons need: a table for each of them. It holds about 8
/// bytes per occurrence.
pub(super) struct Baseline {
    /// How often sets of experts were chosen together, over all rows.
    pub(super) sets: Sets,
    /// The rows by their margin.
    pub(super) margins: MarginBins,
    /// Shares over all documents, and their noise floors.
    pub(super) load: LoadReference,
    /// The token ids with enough occurrences, and their noise floors.
    pub(super) frequent: Vec<FrequentToken>,
    /// The token ids whose expert shares are listed: cell indices, ascending.
    pub(super) listed: Vec<usize>,
}

impl Baseline {
    /// Counts the layer at the reference.
    pub(super) fn new(last: &Study, settings: &DriftSettings) -> Self {
        let data = &last.data;
        let halves = halves(last, settings);
        let frequent = token::frequent(last, &halves);
        Self {
            sets: Sets::new(data, 0..data.len()),
            margins: MarginBins::new(last, settings),
            load: LoadReference::new(last, &halves),
            listed: load::listed(last, settings, &frequent),
            frequent,
        }
    }
}

/// Random halves of the documents, `[splits][documents]`.
fn halves(last: &Study, settings: &DriftSettings) -> Vec<Vec<bool>> {
    let half = |index: usize| {
        let mut stream = Stream::new(settings.statistics.seed, last.data.layer, Purpose::Halves, index);
        let mut half: Vec<bool> = (0..last.data.documents()).map(|document| document % 2 == 0).collect();
        stream.shuffle(&mut half);
        half
    };
    (0..settings.splits).map(half).collect()
}
