//! `burstiness`: how much more is dropped than if every text asked for the same experts.
//!
//! The order within a group cannot change how much an expert drops, only how many assignments the group sends to it.
//! Permuting choice vectors across sequences keeps how popular every expert is in the layer (or the data set) and takes
//! away that one text likes it more than another: what is left of the drops is popularity, the rest is burstiness.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    losses::with_reason,
    study::{DropStudy, Permutation, Routed},
};
use crate::{
    routing::ExpertId,
    stats::{Finding, study::p_value},
};

/// Over all, by data set, by expert. `separate`: no routing group holds two documents.
pub(super) fn burstiness(study: &DropStudy, separate: bool) -> Vec<Finding> {
    let empty = || study.finding("burstiness", "ratio");
    let across = Drops::new(study, Permutation::AcrossSequences, separate);
    let mut findings = vec![across.row(empty(), None)];
    // With one data set its own permutations are those of the layer.
    let datasets = study.layer.sequences.dataset_names.len();
    let within = (datasets > 1).then(|| Drops::new(study, Permutation::AcrossDataset, separate));
    for dataset in 0..datasets {
        let (permuted, column) = within.as_ref().map_or((&across, None), |within| (within, Some(dataset)));
        if permuted.chosen(column) > 0.0 {
            findings.push(permuted.row(study.about_dataset(empty(), dataset as u16), column));
        }
    }
    for expert in 0..across.columns {
        let finding = Finding { expert: Some(expert as ExpertId), ..empty().by("expert") };
        findings.push(across.row(finding, Some(expert)));
    }
    findings
}

/// Assignments by document and column, which is the expert or, permuted within data sets, the data set.
struct Drops<'a> {
    study: &'a DropStudy<'a>,
    separate: bool,
    columns: usize,
    /// `[documents, columns]`.
    chosen: Vec<u64>,
    /// Dropped as routed, `[documents, columns]`.
    dropped: Vec<u64>,
    /// Dropped in all permutations together, `[documents, columns]`.
    permuted: Vec<u64>,
    /// Dropped in each permutation, `[permutations][columns]`.
    each: Vec<Vec<u64>>,
}

impl<'a> Drops<'a> {
    fn new(study: &'a DropStudy<'a>, permutation: Permutation, separate: bool) -> Self {
        let by_dataset = permutation == Permutation::AcrossDataset;
        let table = study.layer.sequences;
        let columns = if by_dataset { table.dataset_names.len() } else { study.layer.trace.num_experts };
        let cells = study.documents() * columns;
        let column = |row: usize, expert: ExpertId| usize::from(if by_dataset { study.dataset(row) } else { expert });
        let cell = |row: usize, expert: ExpertId| study.document[row] as usize * columns + column(row, expert);
        // Integer sums are the same in whatever order the permutations end.
        let sums: Vec<AtomicU64> = (0..cells).map(|_| AtomicU64::new(0)).collect();
        let each = study.permutations(permutation, |routed| {
            let mut drops = vec![0; columns];
            for_counted(study, routed, |row, expert, dropped| {
                if dropped {
                    sums[cell(row, expert)].fetch_add(1, Ordering::Relaxed);
                    drops[column(row, expert)] += 1;
                }
            });
            drops
        });
        let (mut chosen, mut dropped) = (vec![0; cells], vec![0; cells]);
        for_counted(study, study.observed(), |row, expert, lost| {
            chosen[cell(row, expert)] += 1;
            dropped[cell(row, expert)] += u64::from(lost);
        });
        let permuted = sums.into_iter().map(AtomicU64::into_inner).collect();
        Self { study, separate, columns, chosen, dropped, permuted, each }
    }

    /// One column, or all, by document.
    fn by_document(&self, cells: &[u64], column: Option<usize>) -> Vec<f64> {
        let of = |cells: &[u64]| column.map_or_else(|| cells.iter().sum(), |column| cells[column]) as f64;
        cells.chunks_exact(self.columns).map(of).collect()
    }

    /// Chosen assignments of a column.
    fn chosen(&self, column: Option<usize>) -> f64 {
        self.by_document(&self.chosen, column).iter().sum()
    }

    fn row(&self, finding: Finding, column: Option<usize>) -> Finding {
        let (study, repetitions) = (self.study, self.each.len() as f64);
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
        if expected.is_nan() || expected == 0.0 {
            let finding = Finding { n, documents: Some(documents as u64), ..finding };
            return finding.withheld(format!("{lost} dropped, none after permuting across sequences"));
        }
        let enough = self.separate && study.resamples.enough(documents);
        let interval = if enough { study.resamples.ratio(&dropped, &permuted) } else { None };
        let each = self.each.iter().map(|drops| column.map_or_else(|| drops.iter().sum(), |c| drops[c]) as f64);
        let finding = finding.measured(lost / expected, interval, n, documents as u64);
        let finding = Finding { p_value: Some(p_value(lost, each)), ..finding.against(1.0, "popular_everywhere") };
        with_reason(study, finding, documents, self.separate)
            .remark(format!("{lost} dropped, {expected:.1} after permuting across sequences"))
    }
}

/// Calls `f` with row, expert and drop of every assignment that counts.
fn for_counted(study: &DropStudy, routed: Routed<'_>, mut f: impl FnMut(usize, ExpertId, bool)) {
    for row in (0..study.len()).filter(|row| study.counts(*row)) {
        routed.choices(row).for_each(|(expert, _, dropped)| f(row, expert, dropped));
    }
}
