//! The shuffle of choice vectors over all occurrences: one shuffle serves the information statistics of token,
//! position and document, the spread by token and position, and vocabulary specialization.

use super::{
    cells::Cells,
    entropy::Sums,
    information::Strata,
    share::frequent,
    spread::std_of_counts,
    study::Study,
    vocabulary::{Concentration, VocabularySums},
};
use crate::routing::View;

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
    let tables = [&study.by_token, &study.by_position];
    let keys = tables.map(|cells| frequent(study, cells));
    strata.shuffles(study, |shuffled| {
        let spread = [0, 1].map(|table| {
            View::ALL.map(|view| {
                let cells = tables[table];
                keys[table]
                    .iter()
                    .map(|cell| std_of_counts(cell_counts(study, view, shuffled, cells, *cell).iter()))
                    .collect()
            })
        });
        Shuffled {
            sums: strata.sums(study, shuffled),
            spread,
            vocabulary: View::ALL.map(|view| vocabulary(study, view, shuffled)),
        }
    })
}

/// Expert counts of one cell filled from shuffled patterns.
fn cell_counts(study: &Study, view: View, shuffled: &[u32], cells: &Cells, cell: usize) -> Vec<u32> {
    let mut counts = vec![0; study.data.experts];
    for pattern in &shuffled[cells.start[cell] as usize..cells.start[cell + 1] as usize] {
        for expert in study.data.patterns.experts(view, *pattern) {
            counts[usize::from(*expert)] += 1;
        }
    }
    counts
}

/// Vocabulary specialization with the tokens' choice vectors taken from `shuffled`.
fn vocabulary(study: &Study, view: View, shuffled: &[u32]) -> Concentration {
    let mut sums = VocabularySums::default();
    let mut counts = vec![0_u32; study.data.experts];
    for bounds in study.by_token.start.windows(2) {
        let cell = &shuffled[bounds[0] as usize..bounds[1] as usize];
        let (mut n, mut largest) = (0, 0);
        for expert in cell.iter().flat_map(|pattern| study.data.patterns.experts(view, *pattern)) {
            let count = &mut counts[usize::from(*expert)];
            *count += 1;
            largest = largest.max(*count);
            n += 1;
        }
        for expert in cell.iter().flat_map(|pattern| study.data.patterns.experts(view, *pattern)) {
            counts[usize::from(*expert)] = 0;
        }
        sums.add(largest, n, cell.len() >= study.settings.minimum_occurrences);
    }
    sums.concentration()
}
