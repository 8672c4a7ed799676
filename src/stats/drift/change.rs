//! `last_change` (StableMoE, arXiv 2204.08396) and `document_drift`. Chosen view.

use super::{agreement::agreement_of, chance::Sets, course::Course};
use crate::{routing::View, stats::Finding};

/// One row per checkpoint of the time axis: share of the occurrences whose first choice changes at a later step.
/// Baseline: independent first choices with the loads of the checkpoints, 1 - sum_e prod_j p_e(t_j).
pub(super) fn last_change(course: &Course) -> Vec<Finding> {
    let axis = course.axis();
    let first = |at: usize, row: usize| {
        let data = &course.studies[at].data;
        data.patterns.first(data.pattern[row])
    };
    let rows = course.last().data.len();
    let mut changed = vec![false; rows];
    let mut same = vec![1.0; course.last().data.experts];
    let occurrences = course.occurrences();
    let mut findings = Vec::new();
    for (step, &at) in axis.iter().enumerate().rev() {
        if let Some(&next) = axis.get(step + 1) {
            (0..rows).for_each(|row| changed[row] |= first(at, row) != first(next, row));
        }
        let loads = Sets::new(&course.studies[at].data, 0..rows).first();
        same.iter_mut().zip(loads).for_each(|(product, load)| *product *= load);
        let sums = course.per_document(|row| f64::from(u8::from(changed[row])));
        let finding = course.finding("last_change", View::Chosen, "share", at);
        let chance = if step + 1 == axis.len() { 0.0 } else { 1.0 - same.iter().sum::<f64>() };
        findings.push(course.mean(finding, &sums, &occurrences).against(chance, "load_matched"));
    }
    findings.reverse();
    findings
}

/// The documents with the lowest saturation at every checkpoint but the reference, against that of the layer. A
/// document is one cluster: no interval.
pub(super) fn document_drift(course: &Course) -> Vec<Finding> {
    let others = (0..course.points.len()).filter(|at| *at != course.reference);
    others.flat_map(|at| lowest_documents(course, at)).collect()
}

fn lowest_documents(course: &Course, at: usize) -> Vec<Finding> {
    let (one, last) = (&course.studies[at].data, &course.last().data);
    let sums = course.per_document(|row| agreement_of(one, last, row)[0]);
    let occurrences = course.occurrences();
    let overall = sums.iter().sum::<f64>() / occurrences.iter().sum::<f64>();
    let least = course.settings.minimum_document_occurrences as f64;
    let mut documents: Vec<usize> = (0..sums.len()).filter(|d| occurrences[*d] >= least.max(1.0)).collect();
    let empty = course.finding("document_drift", View::Chosen, "share", at);
    if documents.is_empty() {
        return vec![empty.withheld(format!("no document has {least} occurrences"))];
    }
    let saturation = |document: usize| sums[document] / occurrences[document];
    documents.sort_by(|a, b| saturation(*a).total_cmp(&saturation(*b)).then(a.cmp(b)));
    documents.truncate(course.settings.documents_listed);
    let names = names(course);
    let row = |(index, document): (usize, usize)| {
        let finding = Finding {
            document: Some(names[document].to_owned()),
            rank: Some(index as u32 + 1),
            ..course.last().about_label(empty.clone(), document)
        };
        finding
            .measured(saturation(document), None, occurrences[document] as u64, 1)
            .against(overall, "layer_mean")
            .remark("no interval: one document")
    };
    documents.into_iter().enumerate().map(row).collect()
}

/// Document names by dense index.
fn names<'a>(course: &'a Course) -> Vec<&'a str> {
    let study = course.last();
    let mut names = vec![""; study.data.documents()];
    for (row, &t) in study.data.source.iter().enumerate() {
        let document = study.sequences.document[study.trace.sequence[t as usize] as usize] as usize;
        names[study.data.document[row] as usize] = &study.sequences.document_names[document];
    }
    names
}
