//! What one side of a layer holds, by document.

use super::side::Side;
use crate::{
    error::{Error, Result},
    stats::{occurrences::check, settings::Settings},
    trace::{LayerTrace, SequenceTable},
};

/// One layer of a run, and the side of the contrast that is taken from it.
#[derive(Clone, Copy, Debug)]
pub struct LayerSide<'a> {
    /// The sequences of the run.
    pub sequences: &'a SequenceTable,
    /// The layer.
    pub trace: &'a LayerTrace,
    /// The tokens that belong to the side.
    pub side: &'a Side,
    /// The document of every sequence, by the numbers of the contrast: of two runs, documents of one name have one number.
    pub document: &'a [u32],
}

/// Counts of one side of a layer.
pub(super) struct SideCounts {
    /// Tokens, `[documents]`.
    pub(super) occurrences: Vec<u32>,
    /// Tokens that chose the expert, `[experts, documents]`.
    expert: Vec<u32>,
}

impl SideCounts {
    /// Counts the rows of a side; `documents` is the number of documents of the contrast.
    ///
    /// # Errors
    /// [`Error::Internal`] if columns disagree in length or an index is out of range.
    pub(super) fn new(side: &LayerSide<'_>, documents: usize, settings: &Settings) -> Result<Self> {
        let trace = side.trace;
        check(side.sequences, trace)?;
        if side.document.len() != side.sequences.tokens.len() || side.document.iter().any(|d| *d as usize >= documents)
        {
            return Err(Error::internal(format!("a contrast of {documents} documents names one beyond them")));
        }
        let mut counts = Self { occurrences: vec![0; documents], expert: vec![0; documents * trace.num_experts] };
        for row in side.side.rows(trace, settings) {
            let document = side.document[trace.sequence[row] as usize] as usize;
            counts.occurrences[document] += 1;
            for &expert in trace.choices(row) {
                counts.expert[usize::from(expert) * documents + document] += 1;
            }
        }
        Ok(counts)
    }

    /// Tokens that chose an expert, by document.
    pub(super) fn of(&self, expert: usize) -> &[u32] {
        let documents = self.occurrences.len();
        &self.expert[expert * documents..(expert + 1) * documents]
    }

    /// Tokens of the side.
    pub(super) fn tokens(&self) -> u64 {
        self.occurrences.iter().map(|count| u64::from(*count)).sum()
    }

    /// Documents with at least one token of the side.
    pub(super) fn documents(&self) -> usize {
        self.occurrences.iter().filter(|count| **count > 0).count()
    }
}
