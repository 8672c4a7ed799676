//! What charts say about the run that they show.

use serde_json::Value;

use super::recorded_settings::{corpus_names, tokens_of_interest};
use crate::{
    chart::ChartContext,
    error::Result,
    run::{RunDir, RunKind, traces_of},
    trace::{RoutingTrace, SequenceTable},
};

/// What the charts say about the run.
pub(crate) fn chart_context(kind: RunKind, run: &RunDir, manifest: &Value) -> Result<ChartContext> {
    let traces = traces_of(kind, run, manifest)?;
    let trace = RoutingTrace::open(&traces[0].1)?;
    let labels = traces.into_iter().map(|(label, _)| label).collect::<Vec<_>>().join(", ");
    Ok(ChartContext { checkpoint: labels, ..of_trace(manifest, &trace, &trace.sequences()?) })
}

fn of_trace(manifest: &Value, trace: &RoutingTrace, sequences: &SequenceTable) -> ChartContext {
    ChartContext {
        checkpoint: manifest["label"].as_str().unwrap_or_default().to_owned(),
        corpus: corpus_names(manifest).join(", "),
        shape: trace.shape().clone(),
        categories: sequences.category_names.clone(),
        sequences: sequences.tokens.len() as u64,
        documents: sequences.document_names.len() as u64,
        tokens: sequences.tokens.iter().map(|&tokens| u64::from(tokens)).sum(),
        bos: manifest["bos"] != false,
        bos_counted: manifest["exclude_bos"] != true,
        tokens_of_interest: tokens_of_interest(manifest),
    }
}
