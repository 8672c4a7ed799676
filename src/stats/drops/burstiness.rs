//! `burstiness`: how many times more is dropped than if all texts asked for the same experts.
//!
//! The order within a group cannot change how much an expert drops, only how many assignments the group sends to it.
//! Permuting choice vectors across sequences keeps how popular every expert is in the layer (or the data set) and takes
//! away that one text likes it more than another: what is left of the drops is popularity, the rest is burstiness.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    reason::{missing, remarked},
    study::{DropStudy, Permutation, Routed},
};
use crate::{
    routing::ExpertId,
    stats::{BaselineKind, Finding, Statistic, Subject, Variable, study::p_value},
};

/// Fewest dropped assignments after permuting, on average, for a ratio.
const LEAST: f64 = 5.0;

/// Over all, by data set, by expert. `across` was permuted over the whole layer, `within` within data sets: `None` where
/// there is one alone, whose permutations are those of the layer.
pub(super) fn burstiness(study: &DropStudy, across: &Drops<'_>, within: Option<&Drops<'_>>) -> Vec<Finding> {
    let empty = || study.finding(Statistic::Burstiness);
    let mut findings = vec![across.row(empty(), None)];
    for dataset in 0..study.layer.sequences.dataset_names.len() {
        let (permuted, column) = within.map_or((across, None), |within| (within, Some(dataset)));
        if permuted.chosen(column) > 0.0 {
            findings.push(permuted.row(study.about_dataset(empty(), dataset as u16), column));
        }
    }
    for expert in 0..across.counting.columns {
        let finding =
            empty().by(Variable::Expert).about(|subject| Subject { expert: Some(expert as ExpertId), ..subject });
        findings.push(across.row(finding, Some(expert)));
    }
    findings
}

/// Counts the drops of permutations by document and column, which is the expert or, permuted within data sets, the data
/// set.
pub(super) struct DropCounting<'a> {
    study: &'a DropStudy<'a>,
    by_dataset: bool,
    columns: usize,
    /// Dropped in all permutations together, `[documents, columns]`. Integer sums are the same in whatever order the
    /// permutations end.
    sums: Vec<AtomicU64>,
}

impl<'a> DropCounting<'a> {
    /// Nothing counted yet.
    pub(super) fn new(study: &'a DropStudy<'a>, permutation: Permutation) -> Self {
        let by_dataset = permutation == Permutation::AcrossDataset;
        let table = study.layer.sequences;
        let columns = if by_dataset { table.dataset_names.len() } else { study.layer.trace.num_experts };
        let sums = (0..study.documents() * columns).map(|_| AtomicU64::new(0)).collect();
        Self { study, by_dataset, columns, sums }
    }

    fn column(&self, row: usize, expert: ExpertId) -> usize {
        usize::from(if self.by_dataset { self.study.dataset(row) } else { expert })
    }

    fn cell(&self, row: usize, expert: ExpertId) -> usize {
        self.study.document[row] as usize * self.columns + self.column(row, expert)
    }

    /// Adds one permutation; returns its drops by column.
    pub(super) fn add(&self, routed: Routed<'_>) -> Vec<u64> {
        let mut drops = vec![0; self.columns];
        for_counted(self.study, routed, |row, expert, dropped| {
            if dropped {
                self.sums[self.cell(row, expert)].fetch_add(1, Ordering::Relaxed);
                drops[self.column(row, expert)] += 1;
            }
        });
        drops
    }

    /// All permutations, of which `each` are the drops by column, beside what was observed.
    pub(super) fn finish(self, each: Vec<Vec<u64>>) -> Drops<'a> {
        let (mut chosen, mut dropped) = (vec![0; self.sums.len()], vec![0; self.sums.len()]);
        for_counted(self.study, self.study.observed(), |row, expert, lost| {
            chosen[self.cell(row, expert)] += 1;
            dropped[self.cell(row, expert)] += u64::from(lost);
        });
        let permuted = self.sums.iter().map(|sum| sum.load(Ordering::Relaxed)).collect();
        Drops { counting: self, chosen, dropped, permuted, each }
    }
}

/// Assignments by document and column, as observed and permuted.
pub(super) struct Drops<'a> {
    counting: DropCounting<'a>,
    /// `[documents, columns]`.
    chosen: Vec<u64>,
    /// Dropped as routed, `[documents, columns]`.
    dropped: Vec<u64>,
    /// Dropped in all permutations together, `[documents, columns]`.
    permuted: Vec<u64>,
    /// Dropped in each permutation, `[permutations][columns]`.
    each: Vec<Vec<u64>>,
}

impl Drops<'_> {
    /// Chosen assignments as routed by document and column.
    pub(super) fn chosen_by_document(&self) -> impl Iterator<Item = &[u64]> + Clone {
        self.chosen.chunks_exact(self.counting.columns)
    }

    /// One column, or all, by document.
    fn by_document(&self, cells: &[u64], column: Option<usize>) -> Vec<f64> {
        let of = |cells: &[u64]| column.map_or_else(|| cells.iter().sum(), |column| cells[column]) as f64;
        cells.chunks_exact(self.counting.columns).map(of).collect()
    }

    /// Chosen assignments of a column.
    fn chosen(&self, column: Option<usize>) -> f64 {
        self.by_document(&self.chosen, column).iter().sum()
    }

    fn row(&self, finding: Finding, column: Option<usize>) -> Finding {
        let (study, repetitions) = (self.counting.study, self.each.len() as f64);
        let chosen = self.by_document(&self.chosen, column);
        let dropped = self.by_document(&self.dropped, column);
        let mut permuted = self.by_document(&self.permuted, column);
        for drops in &mut permuted {
            *drops /= repetitions;
        }
        let documents = chosen.iter().filter(|chosen| **chosen > 0.0).count();
        let units = if finding.expert.is_some() { 1 } else { study.top_k() as u64 };
        let n = chosen.iter().sum::<f64>() as u64 / units;
        let (lost, expected) = (dropped.iter().sum::<f64>(), permuted.iter().sum::<f64>());
        let each = self.each.iter().map(|drops| column.map_or_else(|| drops.iter().sum(), |c| drops[c]) as f64);
        let finding = Finding {
            n,
            documents: Some(documents as u64),
            p_value: (repetitions > 0.0).then(|| p_value(lost, each)),
            ..finding.against(1.0, BaselineKind::PopularEverywhere)
        };
        if repetitions == 0.0 {
            return finding.withheld(format!("{lost} dropped; without permutations there is nothing to compare with"));
        }
        if expected == 0.0 {
            return finding.withheld(format!("{lost} dropped, none after permuting across sequences"));
        }
        if expected < LEAST {
            let counts = format!("{lost} dropped, {expected:.2} after permuting across sequences");
            return finding.withheld(counts).remark("too few after permuting for a ratio");
        }
        let reason = self.missing(lost, documents, &permuted);
        let interval = if reason.is_none() { study.resamples.ratio(&dropped, &permuted) } else { None };
        remarked(finding.measured(lost / expected, interval, n, documents as u64), reason)
            .remark(format!("{lost} dropped, {expected:.1} after permuting across sequences"))
    }

    /// Why there is no interval.
    fn missing(&self, lost: f64, documents: usize, permuted: &[f64]) -> Option<String> {
        let study = self.counting.study;
        missing(study, documents, study.separate).or_else(|| {
            let needed = study.settings.statistics.minimum_documents;
            let losing = permuted.iter().filter(|drops| **drops > 0.0).count();
            if !study.resamples.enough(losing) {
                return Some(format!(
                    "no interval: {losing} documents have drops after permuting, at least {needed} needed"
                ));
            }
            (lost == 0.0).then(|| format!("no interval: nothing was dropped in {documents} documents"))
        })
    }
}

/// Calls `f` with row, expert and drop of every assignment that counts.
fn for_counted(study: &DropStudy, routed: Routed<'_>, mut f: impl FnMut(usize, ExpertId, bool)) {
    for row in (0..study.len()).filter(|row| study.counts(*row)) {
        routed.choices(row).for_each(|(expert, _, dropped)| f(row, expert, dropped));
    }
}
