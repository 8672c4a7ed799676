//! Where a token stands: a few tokens of the text around it.

use serde::Serialize;

use crate::{
    stats::{few_of_many::evenly_spread, study::Study},
    trace::{Block, running_text},
};

/// Tokens that are shown before the token, and as many behind it.
const AROUND: usize = 8;

/// One occurrence of a token in its text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// The name of the document.
    pub document: String,
    /// The position in its sequence.
    pub position: u32,
    /// The text before the token.
    pub before: String,
    /// The token itself.
    pub token: String,
    /// The text behind it.
    pub after: String,
}

/// Some of the occurrences of a token, evenly spread over the documents; none if the trace does not say what stands beside them.
pub(super) fn examples(study: &Study, rows: &[u32], most: usize) -> Vec<Example> {
    if !study.trace.provides.has(Block::Positions) || !study.trace.provides.has(Block::TokenIds) {
        return Vec::new();
    }
    evenly_spread(rows, most).into_iter().map(|row| example(study, row as usize)).collect()
}

fn example(study: &Study, row: usize) -> Example {
    let (trace, at) = (study.trace, study.data.source[row] as usize);
    let sequence = trace.sequence[at];
    // Tokens that have no row leave gaps: what stands beyond one is not beside the token.
    let is_near = |other: usize| {
        let apart = trace.position[other].abs_diff(trace.position[at]) as usize;
        trace.sequence[other] == sequence && apart == other.abs_diff(at)
    };
    let piece = |at: usize| {
        let id = trace.token_id[at];
        study.sequences.token_text.get(&id).cloned().unwrap_or_else(|| format!("[{id}]"))
    };
    let text = |places: std::ops::Range<usize>| {
        running_text(&places.filter(|place| is_near(*place)).map(piece).collect::<Vec<_>>())
    };
    Example {
        document: study.sequences.document_names[study.sequences.document[sequence as usize] as usize].clone(),
        position: trace.position[at],
        before: text(at.saturating_sub(AROUND)..at),
        token: running_text(&[piece(at)]),
        after: text(at + 1..(at + 1 + AROUND).min(trace.len())),
    }
}
