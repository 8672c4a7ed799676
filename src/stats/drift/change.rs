//! `last_change` (StableMoE, arXiv 2204.08396) and `document_drift`. Chosen view.

use super::{
    agreement::agreement_of,
    chance::Sets,
    course::{Course, Step},
};
use crate::{
    routing::{ExpertId, View},
    stats::{BaselineKind, Finding, Statistic, Subject},
};

/// Which occurrences change their first choice from some checkpoint on, gathered backwards along the time axis.
pub(super) struct LastChange {
    changed: Vec<bool>,
    /// First choices at the checkpoint after; empty at the end of the axis.
    next: Vec<ExpertId>,
    /// Product over the checkpoints so far of the share of each expert, `[experts]`.
    same: Vec<f64>,
}

impl LastChange {
    /// The state at the end of the axis: nothing changes after the last checkpoint.
    pub(super) fn new(course: &Course) -> Self {
        let data = &course.last().data;
        Self { changed: vec![false; data.len()], next: Vec::new(), same: vec![1.0; data.experts] }
    }

    /// The checkpoint before those seen so far: share of the occurrences whose first choice changes at a later step.
    /// Baseline: independent first choices with the loads of the checkpoints, 1 - sum_e prod_j p_e(t_j). None off the axis.
    pub(super) fn step(&mut self, step: &Step) -> Option<Finding> {
        if step.course.points[step.at].off_axis {
            return None;
        }
        let data = &step.own.data;
        let first: Vec<ExpertId> = data.pattern.iter().map(|pattern| data.patterns.first(*pattern)).collect();
        for ((changed, own), next) in self.changed.iter_mut().zip(&first).zip(&self.next) {
            *changed |= own != next;
        }
        let is_last = self.next.is_empty();
        self.next = first;
        let loads = Sets::new(data, 0..data.len()).first();
        self.same.iter_mut().zip(loads).for_each(|(product, load)| *product *= load);
        let sums = step.course.per_document(|row| f64::from(u8::from(self.changed[row])));
        let finding = step.finding(Statistic::LastChange, View::Chosen);
        let chance = if is_last { 0.0 } else { 1.0 - self.same.iter().sum::<f64>() };
        Some(step.course.mean(finding, &sums, &step.course.occurrences).against(chance, BaselineKind::LoadMatched))
    }
}

/// The documents with the lowest saturation at a checkpoint, against that of the layer; none at the reference. A
/// document is one cluster: no interval.
pub(super) fn document_drift(step: &Step) -> Vec<Finding> {
    if step.at == step.course.reference { Vec::new() } else { lowest_documents(step) }
}

fn lowest_documents(step: &Step) -> Vec<Finding> {
    let course = step.course;
    let (one, last) = (&step.own.data, &course.last().data);
    let sums = course.per_document(|row| agreement_of(one, last, row)[0]);
    let occurrences = &course.occurrences;
    let overall = sums.iter().sum::<f64>() / occurrences.iter().sum::<f64>();
    let least = course.settings.minimum_document_occurrences as f64;
    let mut documents: Vec<usize> = (0..sums.len()).filter(|d| occurrences[*d] >= least.max(1.0)).collect();
    let empty = step.finding(Statistic::DocumentDrift, View::Chosen);
    if documents.is_empty() {
        return vec![empty.withheld(format!("no document has {least} occurrences"))];
    }
    let saturation = |document: usize| sums[document] / occurrences[document];
    documents.sort_by(|a, b| saturation(*a).total_cmp(&saturation(*b)).then(a.cmp(b)));
    documents.truncate(course.settings.documents_listed);
    let row = |(index, document): (usize, usize)| {
        let finding = course.last().about_label(empty.clone(), document).about(|subject| Subject {
            document: Some(course.document_names[document].to_owned()),
            rank: Some(index as u32 + 1),
            ..subject
        });
        finding
            .measured(saturation(document), None, occurrences[document] as u64, 1)
            .against(overall, BaselineKind::LayerMean)
            .remark("no interval: one document")
    };
    documents.into_iter().enumerate().map(row).collect()
}
