//! The sequences that go through the model together, and what may be computed for them besides the routing.

use std::ops::Range;

/// What to compute besides the routing. Nothing after the last MoE layer's router is computed unless requested here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Negative log-likelihood of every next token.
    pub nll: bool,
    /// Logits of this many last positions of every sequence.
    pub final_logits: usize,
    /// Hidden states of this many last positions: embeddings, after every layer, the last after the final norm.
    pub hidden: usize,
}

impl Outputs {
    /// Whether anything is computed beyond the routing.
    pub(super) fn any(self) -> bool {
        self.nll || self.final_logits > 0 || self.hidden > 0
    }
}

/// Sequences that go through the layers together. How sequences are cut into waves changes speed and memory but no result,
/// because capacity is shared within routing groups, not within waves.
#[derive(Clone, Debug, Default)]
pub struct Wave<'a> {
    /// Index of the first sequence in input order.
    pub first_sequence: u32,
    /// Index of the first routing group in input order.
    pub first_group: u32,
    /// Token ids of every sequence; none is empty.
    pub sequences: Vec<&'a [u32]>,
    /// Routing groups as ranges of this wave's sequences, covering all in order.
    pub groups: Vec<Range<usize>>,
    /// For every sequence which keys are visible (`false` = padding), or empty: all. Padding tokens still route and take
    /// slots, and key 0 is always visible, as in the original.
    pub key_masks: Vec<Vec<bool>>,
}

impl Wave<'_> {
    /// Tokens of the wave.
    pub fn tokens(&self) -> usize {
        self.sequences.iter().map(|ids| ids.len()).sum()
    }

    /// First row of every sequence, and the number of rows at the end.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let mut next = 0;
        std::iter::once(0)
            .chain(self.sequences.iter().map(|ids| {
                next += ids.len();
                next
            }))
            .collect()
    }
}

/// What was asked for in [`Outputs`], one entry per sequence of the wave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WaveOutput {
    /// `-log p(token s+1 | tokens <= s)`, `[tokens - 1]`.
    pub nll: Vec<Vec<f32>>,
    /// Logits of the last positions, `[min(final_logits, tokens), vocab_size]`.
    pub final_logits: Vec<Vec<f32>>,
    /// Per stage (embeddings, then every layer, then the final norm) and sequence: `[min(hidden, tokens), hidden_size]`.
    pub hidden: Vec<Vec<Vec<f32>>>,
}
