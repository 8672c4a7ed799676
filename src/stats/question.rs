//! One question of information: how much a variable tells about the chosen expert, compared with permutations.

use rayon::prelude::*;

use super::{
    catalog::Statistic,
    cells::Cells,
    entropy::{Jackknife, NORMAL_95, choice_entropy, jackknife_error},
    finding::{Finding, finite},
    names::{BaselineKind, Variable},
    occurrences::NONE,
    study::{Study, mean, p_value},
};
use crate::routing::View;

/// `explained` needs at least this much to explain, in bits.
const LEAST_EXPLAINABLE: f64 = 0.05;

/// A finer table, counted.
pub(super) struct Counted {
    variable: Variable,
    /// By view.
    jackknife: [Jackknife; 2],
}

/// Counts the tables of several variables, each with the choices.
pub(super) fn count_all(study: &Study, tables: &[(Variable, &Cells)]) -> Vec<Counted> {
    let count = |(variable, cells): &(Variable, &Cells)| Counted {
        variable: *variable,
        jackknife: Jackknife::count(&study.data, cells, &study.f),
    };
    tables.par_iter().map(count).collect()
}

impl Counted {
    /// The table of the category, from the counts of documents.
    pub(super) fn of_categories(study: &Study) -> Self {
        let count =
            |view: View| Jackknife::of_documents(&study.counts[view as usize].expert, &study.data.label, &study.f);
        Self { variable: Variable::Category, jackknife: View::ALL.map(count) }
    }
}

/// The counts of strata that all questions about them share.
pub(super) struct Known {
    /// The table of what is known already, by view.
    jackknife: [Jackknife; 2],
    /// The entropy that is left when the variable determines the choices, by view.
    choice_entropy: [f64; 2],
    /// Distinct documents, ascending.
    documents: Vec<usize>,
    occurrences: u64,
}

impl Known {
    /// Counts the table of what is known already, one cell for each of its values.
    pub(super) fn new(study: &Study, cells: &Cells) -> Self {
        let mut seen = vec![false; study.data.documents()];
        cells.rows.iter().for_each(|row| seen[study.data.document[*row as usize] as usize] = true);
        Self {
            jackknife: Jackknife::count(&study.data, cells, &study.f),
            choice_entropy: choice_entropy(&study.data, &cells.rows),
            documents: (0..seen.len()).filter(|document| seen[*document]).collect(),
            occurrences: cells.rows.len() as u64,
        }
    }
}

impl Known {
    /// Of all documents that have a category, from their counts.
    pub(super) fn of_labelled(study: &Study) -> Self {
        let data = &study.data;
        let cell: Vec<u32> = data.label.iter().map(|label| if *label == NONE { NONE } else { 0 }).collect();
        let count = |view: View| Jackknife::of_documents(&study.counts[view as usize].expert, &cell, &study.f);
        let documents: Vec<usize> = (0..cell.len()).filter(|document| cell[*document] != NONE).collect();
        Self {
            jackknife: View::ALL.map(count),
            choice_entropy: [(data.top_k as f64).log2(); 2],
            occurrences: documents.iter().map(|d| u64::from(study.counts[0].occurrences[*d])).sum(),
            documents,
        }
    }
}

/// One information statistic: I(E; variable), or I(E; variable | token).
pub(super) struct Question<'a> {
    /// The layer.
    pub(super) study: &'a Study<'a>,
    /// Which of the two it is.
    pub(super) statistic: Statistic,
    /// What is known before the variable is.
    pub(super) known: &'a Known,
    /// What is known with it.
    pub(super) finer: &'a Counted,
    /// Chosen or kept.
    pub(super) view: View,
}

impl Question<'_> {
    /// The finding, against the entropies that permutations gave.
    pub(super) fn answer(&self, permuted_entropies: &[f64], kind: BaselineKind) -> Finding {
        let study = self.study;
        let mut finding = study.finding(self.statistic, self.view).by(self.finer.variable);
        finding.subject.given = (self.statistic != Statistic::MutualInformation).then_some(Variable::Token);
        let (n, documents) = (self.known.occurrences, self.known.documents.len());
        finding.n = n;
        finding.documents = Some(documents as u64);
        if let Some(reason) = self.reason_to_withhold() {
            return finding.withheld(reason);
        }
        let known_entropy = self.known().total.conditional_entropy();
        let estimate = known_entropy - self.finer().total.conditional_entropy();
        let interval = study.resamples.enough(documents).then(|| self.interval(estimate));
        let permuted = permuted_entropies.iter().map(|entropy| known_entropy - entropy);
        finding = finding.measured(estimate, interval, n, documents as u64);
        finding = finding.against(mean(permuted.clone()), kind);
        finding.p_value = finding.baseline.map(|_| p_value(estimate, permuted));
        finding.ceiling = finite(known_entropy - self.known.choice_entropy[self.view as usize]);
        study.with_reason(explain(finding), documents)
    }

    fn known(&self) -> &Jackknife {
        &self.known.jackknife[self.view as usize]
    }

    fn finer(&self) -> &Jackknife {
        &self.finer.jackknife[self.view as usize]
    }

    fn reason_to_withhold(&self) -> Option<String> {
        let categories = self.study.data.category_documents().iter().filter(|count| **count > 0).count();
        if self.finer.variable == Variable::Category && categories < 2 {
            let noun = if categories == 1 { "category" } else { "categories" };
            return Some(format!("{categories} {noun}: at least 2 needed"));
        }
        (self.known().total.assignments == 0).then(|| "no assignment to count".to_owned())
    }

    fn interval(&self, estimate: f64) -> (f64, f64) {
        let without =
            |d: &usize| self.known().without(*d).conditional_entropy() - self.finer().without(*d).conditional_entropy();
        let half = NORMAL_95 * jackknife_error(&self.known.documents.iter().map(without).collect::<Vec<_>>());
        (estimate - half, estimate + half)
    }
}

/// Fills in `corrected` and `explained` from estimate, baseline and ceiling.
fn explain(mut finding: Finding) -> Finding {
    let (Some(estimate), Some(baseline)) = (finding.estimate, finding.baseline) else { return finding };
    finding.corrected = Some(estimate - baseline);
    finding.corrected_low = finding.low.map(|low| low - baseline);
    finding.corrected_high = finding.high.map(|high| high - baseline);
    let explainable = finding.ceiling.map_or(0.0, |ceiling| ceiling - baseline);
    if explainable >= LEAST_EXPLAINABLE {
        finding.explained = finding.corrected.map(|value| value / explainable);
        finding.explained_low = finding.corrected_low.map(|value| value / explainable);
        finding.explained_high = finding.corrected_high.map(|value| value / explainable);
    }
    finding
}
