//! `gate_overlap`: how much of the gate probability stays at the same experts. Chosen view, because capacity does not affect the
//! gate.

use std::borrow::Cow;

use rayon::prelude::*;

use super::{
    course::{Course, Step},
    matching::Matching,
    source::DriftSource,
};
use crate::{
    error::{Error, Result},
    routing::View,
    stats::{BaselineKind, Finding, Statistic},
};

/// Why a checkpoint has no number.
const NO_LOGITS: &str = "the run has no router logits";

/// Gate probabilities of one checkpoint with experts under their common names.
pub(super) struct Gates<'a> {
    probability: Cow<'a, [f32]>,
    /// Column of every expert.
    column: Vec<usize>,
}

impl<'a> Gates<'a> {
    fn new(course: &Course, at: usize, probability: Cow<'a, [f32]>, matching: Option<&Matching>) -> Result<Self> {
        let experts = course.last().data.experts;
        let needed = course.last().trace.len() * experts;
        if probability.len() != needed {
            let (label, found) = (course.points[at].label, probability.len());
            return Err(Error::internal(format!("checkpoint `{label}`: {found} gate probabilities, {needed} needed")));
        }
        Ok(Self { probability, column: matching.map_or_else(|| (0..experts).collect(), Matching::columns) })
    }

    fn at(&self, occurrence: usize, expert: usize) -> f32 {
        self.probability[occurrence * self.column.len() + self.column[expert]]
    }

    /// The sum over the experts of an occurrence: 1 but for the rounding of the softmax.
    fn sum(&self, occurrence: usize) -> f64 {
        let experts = self.column.len();
        self.probability[occurrence * experts..][..experts].iter().map(|p| f64::from(*p)).sum()
    }

    /// The probabilities of an expert in ascending order.
    fn sorted(&self, source: &[u32], expert: usize) -> Vec<f32> {
        let mut column: Vec<f32> = source.iter().map(|t| self.at(*t as usize, expert)).collect();
        column.sort_unstable_by(f32::total_cmp);
        column
    }
}

/// The reference's gate, and its distribution by expert.
pub(super) struct GateReference<'a> {
    gates: Option<Gates<'a>>,
    /// Probabilities in ascending order, `[experts][occurrences]`.
    sorted: Vec<Vec<f32>>,
}

impl<'a> GateReference<'a> {
    /// Sorts the reference's gate probabilities by expert.
    pub(super) fn new(course: &Course, probability: Option<Cow<'a, [f32]>>) -> Result<Self> {
        let gates = probability.map(|gate| Gates::new(course, course.reference, gate, None)).transpose()?;
        let source = &course.last().data.source;
        let experts = 0..gates.as_ref().map_or(0, |gates| gates.column.len());
        let sorted =
            experts.into_par_iter().filter_map(|expert| Some(gates.as_ref()?.sorted(source, expert))).collect();
        Ok(Self { gates, sorted })
    }

    /// The gate of a checkpoint; `None` if the run kept no router logits.
    pub(super) fn of<'s, S: DriftSource + ?Sized>(
        &'s self,
        course: &Course,
        source: &'s S,
        at: usize,
        matching: Option<&Matching>,
    ) -> Result<Option<Gates<'s>>> {
        let own = match (&self.gates, at == course.reference) {
            (None, _) => None,
            (Some(gates), true) => Some(Cow::Borrowed(&*gates.probability)),
            (Some(_), false) => source.gate(at)?,
        };
        own.map(|gate| Gates::new(course, at, gate, matching)).transpose()
    }

    /// Mean over occurrences of sum_e min(g_e(t), g_e(T)), each row brought to the sum 1 in f64 first, so that what is the
    /// same overlaps by 1 and nothing by more. Baseline: the same over all pairs of occurrences, one of each
    /// checkpoint, which is what independent gates with the same distributions would share.
    pub(super) fn overlap(&self, step: &Step, own: Option<&Gates>) -> Finding {
        let course = step.course;
        let finding = step.finding(Statistic::GateOverlap, View::Chosen);
        let (Some(own), Some(last)) = (own, &self.gates) else { return finding.withheld(NO_LOGITS) };
        let source = &course.last().data.source;
        let experts = course.last().data.experts;
        let shared = |row: usize| {
            let t = source[row] as usize;
            let (own_sum, last_sum) = (own.sum(t), last.sum(t));
            let smaller =
                |expert| (f64::from(own.at(t, expert)) / own_sum).min(f64::from(last.at(t, expert)) / last_sum);
            (0..experts).map(smaller).sum::<f64>().min(1.0)
        };
        let finding = course.mean(finding, &course.per_document(shared), &course.occurrences);
        // At the reference these are the sorted probabilities already, under the names of `own`.
        let sorted = |expert: usize| -> Cow<'_, [f32]> {
            if step.at == course.reference {
                self.sorted[own.column[expert]].as_slice().into()
            } else {
                own.sorted(source, expert).into()
            }
        };
        let chance = |expert: usize| mean_minimum(&sorted(expert), &self.sorted[expert]);
        let chance: Vec<f64> = (0..experts).into_par_iter().map(chance).collect();
        finding.against(chance.iter().sum::<f64>().min(1.0), BaselineKind::IndependentOccurrences)
    }
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
