//! `expert_share`: how the assignments of a category, position or token id spread over the experts.

use rayon::prelude::*;

use super::{
    cells::Cells,
    finding::Finding,
    resample::{Interval, percentile},
    study::{Group, Study},
};
use crate::routing::{ExpertId, View};

/// What a share is given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The whole layer.
    All,
    /// A category index.
    Category(usize),
    /// A raw position.
    Position(u32),
    /// A dense token index.
    Token(usize),
}

/// The expert counts of one key, with their bootstrap.
pub(super) struct Shares {
    /// Whose shares.
    pub(super) key: Key,
    /// Occurrences.
    pub(super) n: u64,
    /// Documents with an occurrence.
    pub(super) documents: usize,
    /// Assignments by expert.
    pub(super) count: Vec<u64>,
    /// Resampled assignments, `[experts][resamples]`; empty where the documents are too few.
    pub(super) resampled: Vec<Vec<u32>>,
}

impl Shares {
    /// Assignments over all experts.
    pub(super) fn assignments(&self) -> u64 {
        self.count.iter().sum()
    }

    /// Share vector: sums to 1, or is empty without assignments.
    pub(super) fn share(&self) -> Vec<f64> {
        shares(&self.count)
    }

    /// Resampled assignments over all experts, `[resamples]`.
    pub(super) fn resampled_assignments(&self) -> Vec<f64> {
        let mut total = vec![0.0; self.resampled.first().map_or(0, Vec::len)];
        for sums in &self.resampled {
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += f64::from(*sum);
            }
        }
        total
    }

    /// The 95 % interval of every expert's share; empty where the documents are too few.
    fn intervals(&self) -> Vec<Interval> {
        let total = self.resampled_assignments();
        let of = |sums: &Vec<u32>| {
            percentile(&mut sums.iter().zip(&total).map(|(sum, total)| f64::from(*sum) / total).collect())
        };
        self.resampled.iter().map(of).collect()
    }
}

/// Counts over their sum; empty if the sum is 0.
pub(super) fn shares(count: &[u64]) -> Vec<f64> {
    let total: u64 = count.iter().sum();
    if total == 0 {
        return Vec::new();
    }
    count.iter().map(|count| *count as f64 / total as f64).collect()
}

/// The shares over all or of one category.
pub(super) fn group_shares(study: &Study, view: View, group: &Group) -> Shares {
    let counts = &study.counts[view as usize];
    let enough = study.resamples.enough(group.documents.len());
    Shares {
        key: group.category.map_or(Key::All, Key::Category),
        n: group.documents.iter().map(|d| u64::from(counts.occurrences[*d])).sum(),
        documents: group.documents.len(),
        count: counts.total(&group.documents),
        resampled: if enough { counts.resampled(&study.resamples, &group.documents) } else { Vec::new() },
    }
}

/// The cells with enough occurrences for a number of their own.
pub(super) fn frequent(study: &Study, cells: &Cells) -> Vec<usize> {
    (0..cells.len()).filter(|cell| cells.cell(*cell).len() >= study.settings.minimum_occurrences).collect()
}

/// What `f` makes of the shares of every frequent cell of `variable`, in the order of the cells.
pub(super) fn map_cells<T: Send>(
    study: &Study,
    view: View,
    variable: &'static str,
    cells: &Cells,
    f: impl Fn(Shares) -> T + Sync,
) -> Vec<T> {
    let shares = |cell: usize| {
        let rows = cells.cell(cell);
        cell_shares(study, view, key_of(study, variable, rows[0] as usize), rows)
    };
    frequent(study, cells).into_par_iter().map(|cell| f(shares(cell))).collect()
}

/// The shares of one cell by token or position; its rows are sorted by document.
fn cell_shares(study: &Study, view: View, key: Key, rows: &[u32]) -> Shares {
    let data = &study.data;
    let runs = || rows.chunk_by(|a, b| data.document[*a as usize] == data.document[*b as usize]);
    let documents = runs().count();
    let enough = study.resamples.enough(documents);
    let mut count = vec![0_u64; data.experts];
    let mut resampled = vec![vec![0; study.resamples.len()]; if enough { data.experts } else { 0 }];
    let mut own = vec![0_u32; data.experts];
    for run in runs() {
        for expert in run.iter().flat_map(|row| data.choices(view, *row as usize)) {
            own[usize::from(*expert)] += 1;
        }
        for expert in 0..data.experts {
            let m = std::mem::take(&mut own[expert]);
            count[expert] += u64::from(m);
            if enough && m > 0 {
                study.resamples.add(data.document[run[0] as usize] as usize, m, &mut resampled[expert]);
            }
        }
    }
    Shares { key, n: rows.len() as u64, documents, count, resampled }
}

/// The key of the cell that a row is in.
fn key_of(study: &Study, variable: &'static str, row: usize) -> Key {
    match variable {
        "token" => Key::Token(study.data.token[row] as usize),
        _ => Key::Position(study.data.position[row]),
    }
}

/// A finding about a key.
pub(super) fn about(study: &Study, finding: Finding, key: Key) -> Finding {
    match key {
        Key::All => finding,
        Key::Category(category) => study.about_category(finding.by("category"), category),
        Key::Position(position) => Finding { position: Some(position), ..finding.by("position") },
        Key::Token(token) => study.about_token(finding.by("token"), token),
    }
}

/// One row per expert: share of the key's assignments, against the overall share (over all: against 1/E).
pub(super) fn expert_share(study: &Study, view: View, shares: &Shares, overall: &[f64]) -> Vec<Finding> {
    let uniform = 1.0 / study.data.experts as f64;
    let share = shares.share();
    let intervals = shares.intervals();
    let row = |expert: usize| {
        let finding = about(study, study.finding("expert_share", view, "share"), shares.key);
        let mut finding = Finding { expert: Some(expert as ExpertId), uniform_baseline: Some(uniform), ..finding };
        finding.n = shares.n;
        finding.documents = Some(shares.documents as u64);
        let Some(estimate) = share.get(expert) else { return finding.withheld("no assignment to count") };
        let interval = intervals.get(expert).copied().flatten();
        let finding = finding.measured(*estimate, interval, shares.n, shares.documents as u64);
        let finding = match shares.key {
            Key::All => finding.against(uniform, "uniform"),
            _ => finding.against(overall.get(expert).copied().unwrap_or(f64::NAN), "overall_share"),
        };
        study.with_reason(finding, shares.documents)
    };
    (0..study.data.experts).map(row).collect()
}
