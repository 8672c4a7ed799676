//! `choice_drop_ratio`: of more than two choices how often each finds no slot, the first and second among them.

use super::{
    atoms::Atoms,
    keys::Key,
    reason::{Units, measured_share},
    study::{DropStudy, Routed},
};
use crate::stats::{Finding, Statistic, StatisticTable, Subject, resample::percentile, study::mean};

/// Choices by rank, over all, by data set and by category; without cells where there are no more than two.
pub(super) struct ByRank<'a> {
    study: &'a DropStudy<'a>,
    text: &'a Atoms<Key>,
    cells: usize,
}

impl<'a> ByRank<'a> {
    /// The choices of a layer whose rows fall into cells by their text.
    pub(super) fn new(study: &'a DropStudy<'a>, text: &'a Atoms<Key>) -> Self {
        Self { study, text, cells: if study.top_k() > 2 { text.keys.len() } else { 0 } }
    }

    /// Calls `f` with cell and row of every occurrence that counts.
    fn for_cells(&self, mut f: impl FnMut(usize, usize)) {
        for row in (0..self.study.len()).filter(|_| self.cells > 0) {
            self.text.cells_of_row(row).iter().for_each(|cell| f(*cell as usize, row));
        }
    }

    /// Share of the choices of each rank that found no slot, `[cells, k]`.
    pub(super) fn shares(&self, routed: Routed<'_>) -> Vec<f64> {
        let k = routed.top_k;
        let (mut occurrences, mut dropped) = (vec![0_u64; self.cells], vec![0_u64; self.cells * k]);
        self.for_cells(|cell, row| {
            occurrences[cell] += 1;
            let flags = &routed.dropped[row * k..(row + 1) * k];
            for (sum, dropped) in dropped[cell * k..(cell + 1) * k].iter_mut().zip(flags) {
                *sum += u64::from(*dropped);
            }
        });
        let share = |(index, dropped): (usize, &u64)| *dropped as f64 / occurrences[index / k] as f64;
        dropped.iter().enumerate().map(share).collect()
    }

    /// The table, given the shares after each permutation across the sequences of the layer, and across those of each
    /// data set where there are several; none with one or two choices.
    pub(super) fn table(&self, across: &[Vec<f64>], within: Option<&[Vec<f64>]>) -> Option<StatisticTable> {
        let (study, k) = (self.study, self.study.top_k());
        let observed = self.shares(study.observed());
        let mut counts = vec![Counts::new(study, k); self.cells];
        self.for_cells(|cell, row| counts[cell].add(study, row));
        let mut table = StatisticTable::of(Statistic::ChoiceDropRatio, Vec::new());
        for (cell, (key, counts)) in self.text.keys.iter().zip(&counts).enumerate() {
            let permuted = within.filter(|_| matches!(key, Key::Dataset(_))).unwrap_or(across);
            for rank in 0..k {
                let empty = study
                    .finding(Statistic::ChoiceDropRatio)
                    .about(|subject| Subject { rank: Some(rank as u32 + 1), ..subject });
                let index = cell * k + rank;
                let finding = counts.measured(study, key.about(study, empty), rank, observed[index]);
                let baseline = mean(permuted.iter().map(|shares| shares[index]));
                table.rows.push(finding.against(baseline, key.permutation().kind()));
            }
        }
        (self.cells > 0).then_some(table)
    }
}

/// One cell by document.
#[derive(Clone)]
struct Counts {
    occurrences: Vec<f64>,
    /// `[ranks][documents]`.
    dropped: Vec<Vec<f64>>,
}

impl Counts {
    fn new(study: &DropStudy<'_>, top_k: usize) -> Self {
        let zero = vec![0.0; study.documents()];
        Self { dropped: vec![zero.clone(); top_k], occurrences: zero }
    }

    fn add(&mut self, study: &DropStudy<'_>, row: usize) {
        let document = study.document[row] as usize;
        self.occurrences[document] += 1.0;
        for (sums, (_, _, dropped)) in self.dropped.iter_mut().zip(study.observed().choices(row)) {
            sums[document] += f64::from(u8::from(dropped));
        }
    }

    fn measured(&self, study: &DropStudy<'_>, finding: Finding, rank: usize, share: f64) -> Finding {
        let documents = self.occurrences.iter().filter(|n| **n > 0.0).count();
        let n = self.occurrences.iter().sum::<f64>() as u64;
        let units = Units { n, documents, separate: study.separate };
        let sums = |values: &[f64]| study.resamples.sums(values.iter().copied().enumerate());
        measured_share(study, finding, share, units, || {
            let (dropped, all) = (sums(&self.dropped[rank]), sums(&self.occurrences));
            percentile(&mut dropped.iter().zip(&all).map(|(dropped, all)| dropped / all).collect())
        })
    }
}
