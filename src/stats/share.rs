//! `expert_share`: how the assignments of a category, position or token id spread over the experts.

use rayon::prelude::*;

use super::{
    catalog::Statistic,
    cells::Cells,
    finding::Finding,
    names::{BaselineKind, Variable},
    positions::listing_priority,
    resample::{Interval, percentile},
    study::{Group, Study},
    subject::Subject,
    thousands,
};
use crate::routing::{ExpertId, View};

/// The subject of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShareKey {
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
    /// The subject.
    pub(super) key: ShareKey,
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

    /// The shares and intervals for the rows.
    pub(super) fn summary(&self) -> Summary {
        let total = self.resampled_assignments();
        let interval = |sums: &Vec<u32>| {
            percentile(&mut sums.iter().zip(&total).map(|(sum, total)| f64::from(*sum) / total).collect())
        };
        Summary {
            key: self.key,
            n: self.n,
            documents: self.documents,
            share: self.share(),
            intervals: self.resampled.iter().map(interval).collect(),
        }
    }
}

/// Shares with their intervals: what is left of [`Shares`] once the resamples are no longer needed.
pub(super) struct Summary {
    key: ShareKey,
    n: u64,
    documents: usize,
    share: Vec<f64>,
    /// By expert; empty where the documents are too few.
    intervals: Vec<Interval>,
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
        key: group.category.map_or(ShareKey::All, ShareKey::Category),
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

/// Calls `f` for every frequent cell of `variable`, with its index among them and its shares (chosen, kept); returns the results in
/// the order of the cells.
pub(super) fn map_cells<T: Send>(
    study: &Study,
    variable: Variable,
    cells: &Cells,
    f: impl Fn(usize, [Shares; 2]) -> T + Sync,
) -> Vec<T> {
    let shares = |cell: usize| {
        let rows = cells.cell(cell);
        cell_shares(study, key_of(study, variable, rows[0] as usize), rows)
    };
    frequent(study, cells).into_par_iter().enumerate().map(|(index, cell)| f(index, shares(cell))).collect()
}

/// Which of the frequent cells have rows of `expert_share`, positions and token ids.
pub(super) struct Listed {
    positions: Vec<bool>,
    tokens: Vec<bool>,
}

impl Listed {
    /// All cells, or as many as the limit of rows allows: each variable gets half of it, or what the other leaves.
    pub(super) fn new(study: &Study) -> Self {
        let rows_per_key = View::ALL.len() * study.data.experts;
        let most = study.settings.share_rows / rows_per_key;
        let [positions, tokens] = [&study.by_position, &study.by_token].map(|cells| frequent(study, cells));
        let part = |own: &[usize], other: &[usize]| own.len().min((most / 2).max(most.saturating_sub(other.len())));
        let position = |cell: &usize| study.data.position[study.by_position.cell(*cell)[0] as usize];
        let last = positions.last().map(position);
        let coarse = |cell: usize| listing_priority(position(&cell), last == Some(position(&cell)));
        let often = |cell: usize| study.by_token.cell(cell).len() as u64;
        Self {
            positions: first(&positions, part(&positions, &tokens), coarse),
            tokens: first(&tokens, part(&tokens, &positions), often),
        }
    }

    /// The flags of a variable, by frequent cell.
    pub(super) fn of(&self, variable: Variable) -> &[bool] {
        if variable == Variable::Position { &self.positions } else { &self.tokens }
    }

    /// A row that says what is listed, if not everything is.
    pub(super) fn note(&self, study: &Study, view: View, variable: Variable) -> Option<Finding> {
        let all = self.of(variable);
        let listed = all.iter().filter(|listed| **listed).count();
        let of = format!("of {} with enough occurrences", thousands(all.len() as u64));
        let reason = match variable {
            Variable::Position => format!("{listed} positions {of} are listed, from coarse to fine"),
            _ => format!("{listed} token ids {of} are listed, the most frequent"),
        };
        let empty = || study.finding(Statistic::ExpertShare, view).by(variable);
        (listed < all.len()).then(|| empty().withheld(reason))
    }
}

/// Marks as many of the cells as asked for, those of the highest value, ties in their order.
fn first(cells: &[usize], most: usize, value: impl Fn(usize) -> u64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(value(cells[*index])));
    let mut listed = vec![false; cells.len()];
    order.into_iter().take(most).for_each(|index| listed[index] = true);
    listed
}

/// The shares of one cell by token or position, both views; its rows are sorted by document. Kept counts are the chosen
/// ones less the dropped ones, which are few.
pub(super) fn cell_shares(study: &Study, key: ShareKey, rows: &[u32]) -> [Shares; 2] {
    let data = &study.data;
    let runs = || rows.chunk_by(|a, b| data.document[*a as usize] == data.document[*b as usize]);
    let documents = runs().count();
    let resamples = if study.resamples.enough(documents) { study.resamples.len() } else { 0 };
    if resamples == 0 {
        return plain_shares(study, key, rows, documents);
    }
    let mut chosen = Tally::new(data.experts, resamples);
    let mut dropped = Tally::new(data.experts, resamples);
    for run in runs() {
        for (expert, kept) in run.iter().flat_map(|row| data.patterns.choices(data.pattern[*row as usize])) {
            chosen.own[usize::from(*expert)] += 1;
            dropped.own[usize::from(*expert)] += u32::from(!kept);
        }
        let document = data.document[run[0] as usize] as usize;
        chosen.close_document(study, document);
        dropped.close_document(study, document);
    }
    let kept = chosen.less(&dropped);
    let shares =
        |tally: Tally| Shares { key, n: rows.len() as u64, documents, count: tally.count, resampled: tally.resampled };
    [shares(chosen), shares(kept)]
}

/// The shares without resamples: no need to know whose counts they are.
fn plain_shares(study: &Study, key: ShareKey, rows: &[u32], documents: usize) -> [Shares; 2] {
    let data = &study.data;
    let mut count = [vec![0; data.experts], vec![0; data.experts]];
    for &(expert, kept) in rows.iter().flat_map(|row| data.patterns.choices(data.pattern[*row as usize])) {
        count[0][usize::from(expert)] += 1;
        count[1][usize::from(expert)] += u64::from(kept);
    }
    count.map(|count| Shares { key, n: rows.len() as u64, documents, count, resampled: Vec::new() })
}

/// Expert counts of a cell, and their resamples.
struct Tally {
    own: Vec<u32>,
    count: Vec<u64>,
    resampled: Vec<Vec<u32>>,
}

impl Tally {
    fn new(experts: usize, resamples: usize) -> Self {
        Self { own: vec![0; experts], count: vec![0; experts], resampled: vec![vec![0; resamples]; experts] }
    }

    /// Moves the counts of a document into the sums.
    fn close_document(&mut self, study: &Study, document: usize) {
        for (expert, own) in self.own.iter_mut().enumerate().filter(|(_, own)| **own > 0) {
            self.count[expert] += u64::from(*own);
            study.resamples.add(document, *own, &mut self.resampled[expert]);
            *own = 0;
        }
    }

    /// These counts minus others.
    fn less(&self, other: &Self) -> Self {
        let subtract = |(a, b): (&Vec<u32>, &Vec<u32>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
        Self {
            own: Vec::new(),
            count: self.count.iter().zip(&other.count).map(|(a, b)| a - b).collect(),
            resampled: self.resampled.iter().zip(&other.resampled).map(subtract).collect(),
        }
    }
}

/// The key of the cell that a row is in.
fn key_of(study: &Study, variable: Variable, row: usize) -> ShareKey {
    match variable {
        Variable::Token => ShareKey::Token(study.data.token[row] as usize),
        _ => ShareKey::Position(study.data.position[row]),
    }
}

/// A finding about a key.
pub(super) fn about(study: &Study, finding: Finding, key: ShareKey) -> Finding {
    match key {
        ShareKey::All => finding,
        ShareKey::Category(category) => study.about_category(finding.by(Variable::Category), category),
        ShareKey::Position(position) => {
            finding.by(Variable::Position).about(|subject| Subject { position: Some(position), ..subject })
        }
        ShareKey::Token(token) => study.about_token(finding.by(Variable::Token), token),
    }
}

/// One row per expert: share of the key's assignments, against the overall share (over all: against 1/E).
pub(super) fn expert_share<'a>(
    study: &'a Study,
    view: View,
    shares: &'a Summary,
    overall: &'a [f64],
) -> impl Iterator<Item = Finding> + 'a {
    let uniform = 1.0 / study.data.experts as f64;
    let row = move |expert: usize| {
        let finding = about(study, study.finding(Statistic::ExpertShare, view), shares.key);
        let mut finding = Finding {
            uniform_baseline: Some(uniform),
            ..finding.about(|subject| Subject { expert: Some(expert as ExpertId), ..subject })
        };
        finding.n = shares.n;
        finding.documents = Some(shares.documents as u64);
        let Some(estimate) = shares.share.get(expert) else { return finding.withheld("no assignment to count") };
        let interval = shares.intervals.get(expert).copied().flatten();
        let finding = finding.measured(*estimate, interval, shares.n, shares.documents as u64);
        let finding = match shares.key {
            ShareKey::All => finding.against(uniform, BaselineKind::Uniform),
            _ => finding.against(overall.get(expert).copied().unwrap_or(f64::NAN), BaselineKind::OverallShare),
        };
        study.with_reason(finding, shares.documents)
    };
    (0..study.data.experts).map(row)
}
