//! The shuffle of choice vectors over all occurrences: one shuffle serves the information statistics of token,
//! position and document, the spread by token and position, and vocabulary specialization.

use super::{
    cells::Cells,
    entropy::{EntropyCell, Sums, scan},
    information::Strata,
    spread::std_of_counts,
    study::Study,
    vocabulary_sums::{Concentration, VocabularySums},
};

/// What one shuffle yields.
pub(super) struct Shuffled {
    /// Information sums by table and view.
    pub(super) sums: Vec<[Sums; 2]>,
    /// `routing_std` by variable (token, position), view and frequent key.
    pub(super) spread: [[Vec<f64>; 2]; 2],
    /// Vocabulary specialization by view.
    pub(super) vocabulary: [Concentration; 2],
}

/// Shuffles the whole layer, once per permutation.
pub(super) fn shuffles(study: &Study, strata: &Strata) -> Vec<Shuffled> {
    strata.shuffles(study, |shuffled| {
        let mut spread = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
        let mut vocabulary = [VocabularySums::default(); 2];
        let scan = |cells: &Cells, visit: &mut dyn FnMut(&EntropyCell)| {
            scan::<true>(&study.data.patterns, shuffled, &cells.start, &study.f, study.data.experts, visit)
        };
        let by_token = scan(&study.by_token, &mut |cell| {
            let frequent = spreads(study, cell, &mut spread[0]);
            for (view, sums) in vocabulary.iter_mut().enumerate() {
                sums.add(cell.largest[view], cell.assignments[view], frequent);
            }
        });
        let by_position = scan(&study.by_position, &mut |cell| {
            spreads(study, cell, &mut spread[1]);
        });
        let sums = [by_token, by_position].into_iter().chain(strata.sums(study, shuffled)).collect();
        Shuffled { sums, spread, vocabulary: vocabulary.map(|sums| sums.concentration()) }
    })
}

/// Adds the spread of a cell in both views if it is frequent; returns whether it is.
fn spreads(study: &Study, cell: &EntropyCell, spread: &mut [Vec<f64>; 2]) -> bool {
    let frequent = cell.occurrences >= study.settings.minimum_occurrences;
    if frequent {
        for (view, values) in spread.iter_mut().enumerate() {
            values.push(std_of_counts(cell.counts.iter().map(|count| count[view])));
        }
    }
    frequent
}
