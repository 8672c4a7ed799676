//! `gate_overlap`: how much of the gate probability stands where it stood. Chosen view; the gate knows no capacity.

use rayon::prelude::*;

use super::{course::Course, matching::Matching};
use crate::{routing::View, stats::Finding};

/// Why a checkpoint has no number.
const NO_LOGITS: &str = "the run has no router logits";

/// Gate probabilities of one checkpoint with experts under their common names.
struct Gates<'a> {
    probability: &'a [f32],
    /// Column of every expert.
    column: Vec<usize>,
}

impl Gates<'_> {
    fn at(&self, occurrence: usize, expert: usize) -> f32 {
        self.probability[occurrence * self.column.len() + self.column[expert]]
    }

    /// The probabilities of an expert in ascending order, one list per expert.
    fn sorted(&self, source: &[u32]) -> Vec<Vec<f32>> {
        let column = |expert: usize| {
            let mut column: Vec<f32> = source.iter().map(|t| self.at(*t as usize, expert)).collect();
            column.sort_unstable_by(f32::total_cmp);
            column
        };
        (0..self.column.len()).into_par_iter().map(column).collect()
    }
}

/// One row per checkpoint: mean over occurrences of sum_e min(g_e(t), g_e(T)). Baseline: the same over all pairs of
/// occurrences, one of each checkpoint, which is what independent gates with the same distributions would share.
pub(super) fn gate_overlap(course: &Course, gates: &[Option<&[f32]>], matchings: Option<&[Matching]>) -> Vec<Finding> {
    let experts = course.last().data.experts;
    let gates: Vec<Option<Gates<'_>>> = gates
        .iter()
        .enumerate()
        .map(|(index, probability)| {
            let column = matchings.map_or_else(|| (0..experts).collect(), |all| all[index].columns());
            probability.map(|probability| Gates { probability, column })
        })
        .collect();
    let source = &course.last().data.source;
    let last = gates[course.reference].as_ref();
    let sorted = last.map(|gates| gates.sorted(source));
    let occurrences = course.occurrences();
    (0..course.points.len())
        .map(|at| {
            let finding = course.finding("gate_overlap", View::Chosen, "probability", at);
            let (Some(own), Some(last), Some(sorted)) = (&gates[at], last, &sorted) else {
                return finding.withheld(NO_LOGITS);
            };
            let shared = |row: usize| {
                let t = source[row] as usize;
                (0..experts).map(|expert| f64::from(own.at(t, expert).min(last.at(t, expert)))).sum()
            };
            let finding = course.mean(finding, &course.per_document(shared), &occurrences);
            let chance: Vec<f64> = own.sorted(source).par_iter().zip(sorted).map(|(a, b)| mean_minimum(a, b)).collect();
            finding.against(chance.iter().sum(), "independent_occurrences")
        })
        .collect()
}

/// Mean over all pairs of the smaller of two values, of ascending lists; NaN without values.
fn mean_minimum(a: &[f32], b: &[f32]) -> f64 {
    let mut sum = 0.0;
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] <= b[j] {
            sum += f64::from(a[i]) * (b.len() - j) as f64;
            i += 1;
        } else {
            sum += f64::from(b[j]) * (a.len() - i) as f64;
            j += 1;
        }
    }
    sum / (a.len() as f64 * b.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_minimum_is_over_all_pairs() {
        // min: 0, 0, 0; 0.25, 0.5, 0.5; 0.25, 0.5, 1.
        let found = mean_minimum(&[0.0, 0.5, 1.0], &[0.25, 0.5, 1.0]);
        assert!((found - 3.0 / 9.0).abs() < 1e-12, "{found}");
        assert!(mean_minimum(&[], &[]).is_nan());
    }
}
