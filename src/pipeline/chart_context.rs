//! The facts about a run that its charts print.

use super::verdict::asked_capacity;
use crate::{
    chart::{CategoryOrigin, ChartContext},
    error::Result,
    run::{RunDir, RunRecord, traces_of},
    trace::{AssignmentCounts, Provides, RoutingTrace, SequenceTable},
};

/// The facts about the run that its charts print.
pub(crate) fn chart_context(run: &RunDir, record: &RunRecord) -> Result<ChartContext> {
    if record.provides.is_some_and(Provides::is_counts) {
        return Ok(of_counts(record, &AssignmentCounts::read(run, record)?));
    }
    let traces = traces_of(run, record)?;
    let trace = RoutingTrace::open(&traces[0].1)?;
    let labels = traces.into_iter().map(|(label, _)| label).collect::<Vec<_>>().join(", ");
    Ok(ChartContext { checkpoint: labels, ..of_trace(record, &trace, &trace.sequences()?) })
}

/// Whether the routes are those of an OpenMoE, whose configuration a run records; imported ones have none.
fn is_openmoe(record: &RunRecord) -> bool {
    record.config.is_some()
}

/// The capacity that a run replays, if the routes were made without it.
fn asked_in_words(record: &RunRecord) -> Option<String> {
    let policy = asked_capacity(record)?.policy;
    Some(format!("rule {}, {}", policy.rule, policy.rule.factor_in_words(policy.factor)))
}

/// The facts about a run that has counts instead of a trace.
fn of_counts(record: &RunRecord, counts: &AssignmentCounts) -> ChartContext {
    ChartContext {
        checkpoint: record.label.clone(),
        corpus: record.text_names().join(", "),
        shape: counts.shape.clone(),
        categories: counts.categories(),
        category_origins: Vec::new(),
        sequences: 0,
        documents: record.text.documents as u64,
        tokens: counts.tokens(),
        bos: None,
        bos_counted: true,
        tokens_of_interest: Vec::new(),
        asked_capacity: asked_in_words(record),
        deciding: record.deciding_score(),
        is_openmoe: is_openmoe(record),
    }
}

fn of_trace(record: &RunRecord, trace: &RoutingTrace, sequences: &SequenceTable) -> ChartContext {
    ChartContext {
        checkpoint: record.label.clone(),
        corpus: record.text_names().join(", "),
        shape: trace.shape().clone(),
        categories: sequences.category_names.clone(),
        category_origins: category_origins(sequences),
        sequences: sequences.tokens.len() as u64,
        documents: sequences.document_names.len() as u64,
        tokens: record.text.tokens,
        bos: record.identity.text.as_ref().map(|text| text.bos),
        bos_counted: !record.statistics.exclude_bos,
        tokens_of_interest: record.tokens_of_interest().to_vec(),
        asked_capacity: asked_in_words(record),
        deciding: record.deciding_score(),
        is_openmoe: is_openmoe(record),
    }
}

/// Every category with the data set of its first document.
fn category_origins(sequences: &SequenceTable) -> Vec<CategoryOrigin> {
    let mut first = vec![None; sequences.category_names.len()];
    for (at, category) in sequences.category.iter().enumerate() {
        if let Some(first) = category.and_then(|category| first.get_mut(usize::from(category))) {
            first.get_or_insert(at);
        }
    }
    let origin = |(category, first): (&String, Option<usize>)| {
        Some(CategoryOrigin {
            category: category.clone(),
            dataset: sequences.dataset_names.get(usize::from(sequences.dataset[first?]))?.clone(),
        })
    };
    sequences.category_names.iter().zip(first).filter_map(origin).collect()
}
