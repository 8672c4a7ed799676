//! What every checkpoint is compared with: tables of the reference alone, worked out once for all checkpoints.

use super::{
    DriftSettings,
    chance::Sets,
    load::{self, LoadFloors},
    margin::MarginBins,
    token::{self, FrequentToken},
};
use crate::{
    routing::View,
    stats::{
        random::{Purpose, Stream},
        share::Shares,
        study::Study,
    },
};

/// The layer at the reference, counted in the ways that the comparisons need. It holds about 8 bytes per occurrence.
pub(super) struct Baseline<'a> {
    /// Occurrences per document.
    pub(super) occurrences: Vec<f64>,
    /// Document names by dense index.
    pub(super) names: Vec<&'a str>,
    /// How often sets of experts were chosen together, over all rows.
    pub(super) sets: Sets,
    /// The rows by their margin.
    pub(super) margins: MarginBins,
    /// Shares over all documents, by view.
    pub(super) load: [Shares; 2],
    /// Noise floors of the load, by view.
    pub(super) load_floors: [LoadFloors; 2],
    /// The token ids with enough occurrences, and their noise floors.
    pub(super) frequent: Vec<FrequentToken>,
    /// The token ids whose expert shares are listed: cell indices, ascending.
    pub(super) listed: Vec<usize>,
}

impl<'a> Baseline<'a> {
    /// Counts the layer at the reference.
    pub(super) fn new(last: &Study<'a>, settings: &DriftSettings) -> Self {
        let data = &last.data;
        let halves = halves(last, settings);
        let load = View::ALL.map(|view| load::overall(last, view));
        let frequent = token::frequent(last, &halves);
        Self {
            occurrences: last.counts[0].occurrences.iter().map(|n| f64::from(*n)).collect(),
            names: names(last),
            sets: Sets::new(data, 0..data.len()),
            margins: MarginBins::new(last, settings),
            load_floors: View::ALL.map(|view| load::floors(last, view, &load[view as usize], &halves)),
            load,
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

fn names<'a>(study: &Study<'a>) -> Vec<&'a str> {
    let mut names = vec![""; study.data.documents()];
    for (row, &t) in study.data.source.iter().enumerate() {
        let document = study.sequences.document[study.trace.sequence[t as usize] as usize] as usize;
        names[study.data.document[row] as usize] = &study.sequences.document_names[document];
    }
    names
}
