//! `choice_drop_ratio`: of more than two choices how often each finds no slot, the first and second among them.

use super::{
    atoms::Atoms,
    keys::Key,
    reason::{Units, measured_share},
    study::{DropStudy, Routed},
};
use crate::stats::{
    Finding, Statistic, StatisticTable, Subject,
    resample::{Resamples, percentile},
    study::mean,
};

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
        let counts = if self.cells > 0 { by_rank(study, self.text) } else { Vec::new() };
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

/// The choices of every cell by rank and document, `[cells]`.
pub(super) fn by_rank(study: &DropStudy<'_>, atoms: &Atoms<Key>) -> Vec<RankCounts> {
    let mut cells = vec![RankCounts::default(); atoms.keys.len()];
    for row in study.by_document.iter().flatten().map(|row| *row as usize) {
        atoms.cells_of_row(row).iter().for_each(|cell| cells[*cell as usize].add(study, row));
    }
    cells
}

/// One cell by document; every occurrence has one choice of each rank.
#[derive(Clone, Debug, Default)]
pub(super) struct RankCounts {
    /// Dense document index and its occurrences; every document once.
    documents: Vec<(u32, u32)>,
    /// Dropped choices, `[documents of the cell, k]`.
    dropped: Vec<u32>,
}

impl RankCounts {
    /// Adds a row; documents come one after the other.
    fn add(&mut self, study: &DropStudy<'_>, row: usize) {
        let (document, k) = (study.document[row], study.top_k());
        if self.documents.last().is_none_or(|(last, _)| *last != document) {
            self.documents.push((document, 0));
            self.dropped.resize(self.dropped.len() + k, 0);
        }
        let (last, from) = (self.documents.len() - 1, self.dropped.len() - k);
        self.documents[last].1 += 1;
        for (sum, (_, _, dropped)) in self.dropped[from..].iter_mut().zip(study.observed().choices(row)) {
            *sum += u32::from(dropped);
        }
    }

    /// Documents with an occurrence.
    pub(super) fn documents(&self) -> usize {
        self.documents.len()
    }

    /// Occurrences.
    pub(super) fn occurrences(&self) -> u64 {
        self.documents.iter().map(|(_, occurrences)| u64::from(*occurrences)).sum()
    }

    /// The dropped choices of a rank, from 0, of every document.
    fn dropped(&self, rank: usize) -> impl Iterator<Item = u32> {
        let k = self.dropped.len() / self.documents.len().max(1);
        self.dropped.iter().skip(rank).step_by(k.max(1)).copied()
    }

    /// How many choices of a rank, from 0, are dropped.
    pub(super) fn lost(&self, rank: usize) -> u64 {
        self.dropped(rank).map(u64::from).sum()
    }

    /// The dropped share of a rank, from 0, in every resample.
    pub(super) fn resampled(&self, resamples: &Resamples, rank: usize) -> Vec<f64> {
        let documents = || self.documents.iter().map(|(document, _)| *document as usize);
        let lost = resamples.sums(documents().zip(self.dropped(rank).map(f64::from)));
        let all = resamples.sums(documents().zip(self.documents.iter().map(|(_, all)| f64::from(*all))));
        lost.iter().zip(&all).map(|(lost, all)| lost / all).collect()
    }

    fn measured(&self, study: &DropStudy<'_>, finding: Finding, rank: usize, share: f64) -> Finding {
        let units = Units { n: self.occurrences(), documents: self.documents(), separate: study.separate };
        measured_share(study, finding, share, units, || percentile(&mut self.resampled(&study.resamples, rank)))
    }
}
