//! Writes the tables about the input.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::{frame::to_parquet, layout::TraceLayout};
use crate::{
    corpus::{Sequence, Span, shown},
    error::Result,
    run::RunDir,
};

/// Writes `sequences.parquet`, `groups.parquet`, `tokens.parquet` and, if there are conversations, `spans.parquet`:
/// everything that is known before the forward pass.
/// `checkpoint` is the checkpoint's label; `text` gives the text of a token id, if there is a tokenizer.
///
/// # Errors
/// Writing errors; a capacity of zero.
pub fn write_inputs(
    run: &RunDir,
    layout: &TraceLayout,
    sequences: &[Sequence],
    checkpoint: &str,
    text: impl Fn(u32) -> Option<String>,
) -> Result<()> {
    let row = |sequence: &Sequence| InputRow {
        source: sequence.source.clone(),
        document: sequence.document.clone(),
        category: sequence.category.clone(),
        dataset: sequence.dataset.clone(),
        tokens: sequence.token_ids.len() as u32,
        truncated: sequence.truncated,
    };
    write_sequences(run, &sequences.iter().map(row).collect::<Vec<_>>(), checkpoint)?;
    let spans =
        (0..).zip(sequences).flat_map(|(index, sequence)| sequence.spans.iter().map(move |span| (index, *span)));
    write_spans(run, &spans.collect::<Vec<_>>())?;
    write_groups(run, layout)?;
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for id in sequences.iter().flat_map(|sequence| &sequence.token_ids) {
        *counts.entry(*id).or_default() += 1;
    }
    write_tokens(run, &counts, text)
}

/// A row of `sequences.parquet`.
#[derive(Clone, Debug)]
pub(super) struct InputRow {
    /// File that the text came from.
    pub(super) source: String,
    /// Name of the document.
    pub(super) document: String,
    /// Category of the document, where it has one.
    pub(super) category: Option<String>,
    /// Data set of the document.
    pub(super) dataset: String,
    /// Number of tokens, with those that have no row in the trace.
    pub(super) tokens: u32,
    /// Whether the end of the text was cut off.
    pub(super) truncated: bool,
}

/// Writes one row per sequence.
pub(super) fn write_sequences(run: &RunDir, rows: &[InputRow], checkpoint: &str) -> Result<()> {
    let collect = |field: fn(&InputRow) -> &str| rows.iter().map(field).collect::<Vec<_>>();
    let table = vec![
        Column::new("sequence".into(), (0..rows.len() as u32).collect::<Vec<_>>()),
        Column::new("source".into(), collect(|row| &row.source)),
        Column::new("document".into(), collect(|row| &row.document)),
        Column::new("category".into(), rows.iter().map(|row| row.category.as_deref()).collect::<Vec<_>>()),
        Column::new("checkpoint".into(), vec![checkpoint; rows.len()]),
        Column::new("tokens".into(), rows.iter().map(|row| row.tokens).collect::<Vec<_>>()),
        Column::new("truncated".into(), rows.iter().map(|row| row.truncated).collect::<Vec<_>>()),
        Column::new("dataset".into(), collect(|row| &row.dataset)),
    ];
    run.write("sequences.parquet", &to_parquet(table)?)
}

/// Writes one row per token id that occurs, with its text, if there is one, as it is and as people are shown it.
pub(super) fn write_tokens(
    run: &RunDir,
    counts: &BTreeMap<u32, u64>,
    text: impl Fn(u32) -> Option<String>,
) -> Result<()> {
    let texts: Vec<Option<String>> = counts.keys().map(|&id| text(id)).collect();
    let spelled: Vec<Option<String>> = texts.iter().map(|text| text.as_deref().map(shown)).collect();
    let table = vec![
        Column::new("token_id".into(), counts.keys().copied().collect::<Vec<_>>()),
        Column::new("text".into(), texts),
        Column::new("count".into(), counts.values().copied().collect::<Vec<_>>()),
        Column::new("shown".into(), spelled),
    ];
    run.write("tokens.parquet", &to_parquet(table)?)
}

/// Writes one row per message, each with its sequence; no file for plain text.
pub(super) fn write_spans(run: &RunDir, spans: &[(u32, Span)]) -> Result<()> {
    if spans.is_empty() {
        return Ok(());
    }
    let number = |field: fn(&Span) -> u32| spans.iter().map(|(_, span)| field(span)).collect::<Vec<_>>();
    let table = vec![
        Column::new("sequence".into(), spans.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>()),
        Column::new("turn".into(), spans.iter().map(|(_, span)| span.turn).collect::<Vec<_>>()),
        Column::new("role".into(), spans.iter().map(|(_, span)| span.role.name()).collect::<Vec<_>>()),
        Column::new("start".into(), number(|span| span.start)),
        Column::new("end".into(), number(|span| span.end)),
    ];
    run.write("spans.parquet", &to_parquet(table)?)
}

/// Writes one row per sequence and routed layer.
pub(super) fn write_groups(run: &RunDir, layout: &TraceLayout) -> Result<()> {
    let capacities = layout.capacities()?;
    let (mut group_column, mut sequence_column, mut layer_column) = (Vec::new(), Vec::new(), Vec::new());
    let (mut capacity_column, mut tokens_column) = (Vec::new(), Vec::new());
    for (index, group) in layout.groups.iter().enumerate() {
        for sequence in group.clone() {
            for (&layer, &capacity) in layout.shape.moe_layers().iter().zip(&capacities[index]) {
                group_column.push(index as u32);
                sequence_column.push(sequence as u32);
                layer_column.push(layer);
                capacity_column.push(capacity);
                tokens_column.push(layout.group_tokens[index] as u32);
            }
        }
    }
    let table = vec![
        Column::new("group".into(), group_column),
        Column::new("sequence".into(), sequence_column),
        Column::new("layer".into(), layer_column),
        Column::new("capacity".into(), capacity_column),
        Column::new("tokens".into(), tokens_column),
    ];
    run.write("groups.parquet", &to_parquet(table)?)
}
