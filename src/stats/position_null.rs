//! A stricter baseline for position: the positions of every sequence are shifted circularly.
//!
//! Shuffling choice vectors over occurrences also breaks up documents. Few documents are long enough to reach late positions, so part
//! of what position then seems to add is in fact the document. Shifting the positions of a sequence
//! keeps every document, every token and every neighbour, and only breaks the link between a token and its position.

use super::{
    catalog::Statistic,
    cells::Cells,
    entropy::scan,
    finding::Finding,
    names::{BaselineKind, Variant},
    question::{Counted, Known, Question},
    study::Study,
};
use crate::{
    random::{Purpose, Stream},
    routing::View,
};

/// Findings about position (position bucket given the token) against moved positions, both views.
///
/// `cells` groups the rows by a moved position within the strata; `observed` is the table by the true one.
pub(super) fn shifted_answers(
    study: &Study,
    statistic: Statistic,
    known: &Known,
    observed: &Counted,
    cells: impl Fn(&[u32]) -> Cells + Sync,
) -> Vec<Finding> {
    let data = &study.data;
    let permuted = study.permutations(Purpose::Shift, |stream| {
        let moved = cells(&shifted(study, stream));
        let sums = scan::<false>(&data.patterns, &moved.patterns(data), &moved.start, &study.f, data.experts, |_| ());
        View::ALL.map(|view| sums[view as usize].conditional_entropy())
    });
    let answer = |view: View| {
        let entropies: Vec<f64> = permuted.iter().map(|entropy| entropy[view as usize]).collect();
        Question { study, statistic, known, finer: observed, view }
            .answer(&entropies, BaselineKind::WithinSequenceShift)
            .variant(Variant::WithinSequenceShift)
    };
    View::ALL.map(answer).to_vec()
}

/// Every row's position after the positions of each sequence have been moved circularly by a random amount.
fn shifted(study: &Study, stream: &mut Stream) -> Vec<u32> {
    let mut positions = study.data.position.clone();
    let mut start = 0;
    while start < positions.len() {
        let length = 1 + study.data.follows[start + 1..].iter().take_while(|follows| **follows).count();
        positions[start..start + length].rotate_right(stream.below(length as u32) as usize);
        start += length;
    }
    positions
}
