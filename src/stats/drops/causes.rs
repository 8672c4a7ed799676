//! `drop_causes`: which tokens filled the queues of the experts that dropped most.

use rayon::prelude::*;

use super::{reason::with_reason, study::DropStudy};
use crate::{
    routing::ExpertId,
    stats::{BaselineKind, Finding, Statistic, Subject, Variant},
    trace::Role,
};

/// The kinds of things that fill a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Token,
    Role,
    Turn,
}

impl Cause {
    const ALL: [Self; 3] = [Self::Token, Self::Role, Self::Turn];

    fn variant(self) -> Variant {
        match self {
            Self::Token => Variant::Token,
            Self::Role => Variant::Role,
            Self::Turn => Variant::Turn,
        }
    }

    /// The dense token, role or turn of a row; none in plain text.
    fn of(self, study: &DropStudy, row: usize) -> Option<u32> {
        match self {
            Self::Token => Some(study.token[row]),
            Self::Role => study.role(row).map(|role| role as u32),
            Self::Turn => study.turn(row).map(u32::from),
        }
    }

    fn about(self, study: &DropStudy, finding: Finding, value: u32) -> Finding {
        match self {
            Self::Token => study.about_token(finding, value),
            Self::Role => finding.about(|subject| Subject { role: Some(Role::ALL[value as usize]), ..subject }),
            Self::Turn => finding.about(|subject| Subject { turn: Some(value as u16), ..subject }),
        }
    }
}

/// Per expert, those with most drops first: the most frequent token ids, the roles and the turns in its overflowing
/// queues.
pub(super) fn drop_causes(study: &DropStudy) -> Vec<Finding> {
    let experts = worst(study);
    if experts.is_empty() {
        return vec![study.finding(Statistic::DropCauses).withheld("nothing is dropped")];
    }
    let overall = Cause::ALL.map(|cause| occurrences(study, cause));
    let of = |(expert, dropped): (ExpertId, u64)| Queue::new(study, expert, dropped).rows(&overall);
    experts.into_par_iter().map(of).collect::<Vec<_>>().concat()
}

/// The experts with most dropped assignments and how many, ties lowest.
fn worst(study: &DropStudy) -> Vec<(ExpertId, u64)> {
    let mut dropped: Vec<(ExpertId, u64)> =
        (0..study.layer.trace.num_experts as ExpertId).map(|expert| (expert, 0)).collect();
    for row in (0..study.len()).filter(|row| study.counts(*row)) {
        for (expert, _, lost) in study.observed().choices(row) {
            dropped[usize::from(expert)].1 += u64::from(lost);
        }
    }
    dropped.retain(|(_, drops)| *drops > 0);
    dropped.sort_by_key(|(expert, drops)| (std::cmp::Reverse(*drops), *expert));
    dropped.truncate(study.settings.experts_listed);
    dropped
}

/// Occurrences of every token, role or turn; the last entry counts all rows.
fn occurrences(study: &DropStudy, cause: Cause) -> Vec<u64> {
    let mut counts = Vec::new();
    let mut all = 0;
    for row in (0..study.len()).filter(|row| study.counts(*row)) {
        all += 1;
        if let Some(value) = cause.of(study, row) {
            counts.resize(counts.len().max(value as usize + 1), 0);
            counts[value as usize] += 1;
        }
    }
    counts.push(all);
    counts
}

/// The assignments to one expert in the groups that sent it more than its capacity.
struct Queue<'a> {
    study: &'a DropStudy<'a>,
    expert: ExpertId,
    /// Rows of the assignments, one each.
    rows: Vec<u32>,
    /// Assignments by document.
    by_document: Vec<f64>,
    remark: String,
}

impl<'a> Queue<'a> {
    fn new(study: &'a DropStudy<'a>, expert: ExpertId, dropped: u64) -> Self {
        let trace = study.layer.trace;
        let (mut rows, mut groups) = (Vec::new(), 0);
        for group in &study.groups {
            let before = rows.len();
            rows.extend(group.rows.clone().filter(|row| trace.choices(*row).contains(&expert)).map(|row| row as u32));
            if rows.len() - before > group.capacity as usize {
                groups += 1;
            } else {
                rows.truncate(before);
            }
        }
        rows.retain(|row| study.counts(*row as usize));
        let mut by_document = vec![0.0; study.documents()];
        for row in &rows {
            by_document[study.document[*row as usize] as usize] += 1.0;
        }
        let remark = format!("{dropped} of {} dropped, routing groups: {groups}", rows.len());
        Self { study, expert, rows, by_document, remark }
    }

    fn rows(&self, overall: &[Vec<u64>; 3]) -> Vec<Finding> {
        Cause::ALL.iter().zip(overall).flat_map(|(cause, overall)| self.shares(*cause, overall)).collect()
    }

    /// One row per token id listed, per role, per turn.
    fn shares(&self, cause: Cause, overall: &[u64]) -> Vec<Finding> {
        let (study, all) = (self.study, *overall.last().unwrap_or(&0) as f64);
        let mut entries: Vec<(u32, u32)> = self
            .rows
            .iter()
            .filter_map(|row| Some((cause.of(study, *row as usize)?, study.document[*row as usize])))
            .collect();
        entries.sort_unstable();
        let mut cells: Vec<&[(u32, u32)]> = entries.chunk_by(|a, b| a.0 == b.0).collect();
        if cause == Cause::Token {
            cells.sort_by_key(|cell| std::cmp::Reverse(cell.len()));
            cells.truncate(study.settings.tokens_listed);
        }
        let row = |(index, cell): (usize, &&[(u32, u32)])| {
            let finding = study.finding(Statistic::DropCauses).variant(cause.variant());
            let finding = cause.about(
                study,
                finding.about(|subject| Subject { expert: Some(self.expert), ..subject }),
                cell[0].0,
            );
            let rank = (cause == Cause::Token).then_some(index as u32 + 1);
            let finding = self.measured(finding.about(|subject| Subject { rank, ..subject }), cell);
            finding.against(overall[cell[0].0 as usize] as f64 / all, BaselineKind::OverallShare)
        };
        cells.iter().enumerate().map(row).collect()
    }

    /// The share of a cell in the queue.
    fn measured(&self, finding: Finding, cell: &[(u32, u32)]) -> Finding {
        let mut own = vec![0.0; self.by_document.len()];
        for (_, document) in cell {
            own[*document as usize] += 1.0;
        }
        let documents = self.by_document.iter().filter(|queued| **queued > 0.0).count();
        let enough = self.study.separate && self.study.resamples.enough(documents);
        let interval = if enough { self.study.resamples.ratio(&own, &self.by_document) } else { None };
        let queue = self.rows.len();
        let finding = finding.measured(cell.len() as f64 / queue as f64, interval, queue as u64, documents as u64);
        with_reason(self.study, finding, documents, self.study.separate).remark(self.remark.clone())
    }
}
