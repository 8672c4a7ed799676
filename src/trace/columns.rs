//! The data of a run that statistics read: the sequences, and the routing of one layer as compact columns.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    corpus::Role,
    routing::{Block, DecidingScore, ExpertId, LayerId, Provides, RoutingShape},
};

/// The sequences of a run, their documents and categories, as dense indices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SequenceTable {
    /// Tokens per sequence.
    pub tokens: Vec<u32>,
    /// Document index per sequence; the unit of every interval. All chunks of a document share it.
    pub document: Vec<u32>,
    /// Category index per sequence, `None` where the corpus names none.
    pub category: Vec<Option<u16>>,
    /// Document names by index, in order of first appearance.
    pub document_names: Vec<String>,
    /// Category names by index, sorted.
    pub category_names: Vec<String>,
    /// Data set index per sequence (`sequences.parquet`, column `dataset`).
    pub dataset: Vec<u16>,
    /// Data set names by index, in order of first appearance.
    pub dataset_names: Vec<String>,
    /// Text of the token ids that occur (absent without a tokenizer).
    pub token_text: BTreeMap<u32, String>,
}

/// Turns and roles of the tokens of conversations (`spans.parquet`); sequences of plain text have none.
///
/// Sorted by sequence, then start. The spans of a conversation cover all its tokens without gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanTable {
    /// Sequence index, `[spans]`.
    pub sequence: Vec<u32>,
    /// Message of the conversation, from 0, `[spans]`.
    pub turn: Vec<u16>,
    /// Who speaks, `[spans]`.
    pub role: Vec<Role>,
    /// First position, `[spans]`.
    pub start: Vec<u32>,
    /// Position after the last, `[spans]`.
    pub end: Vec<u32>,
}

/// The routing groups of a layer (`groups.parquet`). The groups are the same in every layer; capacities may differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupTable {
    /// Sequences of each group, consecutive in input order, `[groups]`.
    pub sequences: Vec<std::ops::Range<u32>>,
    /// Slots per expert, `u32::MAX` when unlimited, `[groups]`.
    pub capacity: Vec<u32>,
}

/// One MoE layer's routing over all sequences, in input order; occurrence-major.
///
/// Occurrence `t` (one token at one position of one sequence) has its `top_k` ordered choices at
/// `t * top_k .. (t + 1) * top_k`. Occurrences of a sequence are contiguous and in position order. Columns of a block that the
/// trace does not provide are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerTrace {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Experts of the layer.
    pub num_experts: usize,
    /// Choices per occurrence.
    pub top_k: usize,
    /// What the trace provides.
    pub provides: Provides,
    /// What experts are ranked by.
    pub deciding: DecidingScore,
    /// Sequence index per occurrence, `[occurrences]`.
    pub sequence: Vec<u32>,
    /// Position per occurrence, `[occurrences]`.
    pub position: Vec<u32>,
    /// Token id per occurrence, `[occurrences]`.
    pub token_id: Vec<u32>,
    /// Chosen experts, first choice first, `[occurrences, top_k]`.
    pub expert: Vec<ExpertId>,
    /// Gate probability of the choices, `[occurrences, top_k]`.
    pub probability: Vec<f32>,
    /// Whether the choice kept its slot, `[occurrences, top_k]`.
    pub kept: Vec<bool>,
    /// Entropy of the router probabilities in nats, `[occurrences]`.
    pub entropy: Vec<f32>,
    /// g1 - g2, in the unit of the deciding score, `[occurrences]`.
    pub margin_first: Vec<f32>,
    /// `g_k - g_{k+1}`, in the same unit, `[occurrences]`.
    pub margin_k: Vec<f32>,
}

/// The flags of a token whose choices were all kept.
static ALL_KEPT: [bool; RoutingShape::MOST_CHOICES] = [true; RoutingShape::MOST_CHOICES];

impl LayerTrace {
    /// Appends parts of the same layer. The first call reserves room for `times` as many rows, so that the columns of a large layer
    /// are allocated only once.
    pub(super) fn extend(&mut self, parts: &[Self], times: usize) {
        macro_rules! append {
            ($($column:ident),*) => {$(
                if self.$column.is_empty() {
                    let rows: usize = parts.iter().map(|part| part.$column.len()).sum();
                    self.$column.reserve_exact(rows * times + rows / 4);
                }
                for part in parts {
                    self.$column.extend_from_slice(&part.$column);
                }
            )*};
        }
        append!(sequence, position, token_id, expert, probability, kept, entropy, margin_first, margin_k);
    }

    /// The same layer with some of its occurrences only, in the order given.
    #[must_use]
    pub fn only(&self, rows: &[usize]) -> Self {
        let k = self.top_k;
        macro_rules! chosen {
            ($($column:ident: $each:expr),*) => {
                Self {
                    $($column: rows.iter().flat_map(|row| self.$column.iter().skip(row * $each).take($each).copied()).collect(),)*
                    ..Self { layer: self.layer, num_experts: self.num_experts, top_k: k, ..Self::default() }
                }
            };
        }
        let columns = chosen! {
            sequence: 1, position: 1, token_id: 1, expert: k, probability: k, kept: k, entropy: 1, margin_first: 1, margin_k: 1
        };
        Self { provides: self.provides, deciding: self.deciding, ..columns }
    }

    /// Number of occurrences.
    pub fn len(&self) -> usize {
        self.sequence.len()
    }

    /// Whether there is no occurrence.
    pub fn is_empty(&self) -> bool {
        self.sequence.is_empty()
    }

    /// The ordered choices of occurrence `t`.
    pub fn choices(&self, t: usize) -> &[ExpertId] {
        &self.expert[t * self.top_k..(t + 1) * self.top_k]
    }

    /// Which choices of occurrence `t` kept their slot; all of them, if the trace does not record it.
    pub fn kept(&self, t: usize) -> &[bool] {
        self.kept.get(t * self.top_k..(t + 1) * self.top_k).unwrap_or(&ALL_KEPT[..self.top_k])
    }

    /// The token ids; if the trace has none, the same id for every occurrence.
    pub fn token_ids(&self) -> Cow<'_, [u32]> {
        if self.provides.has(Block::TokenIds) { Cow::Borrowed(&self.token_id) } else { Cow::Owned(vec![0; self.len()]) }
    }

    /// The probabilities of the choices; if the trace has none, zeros.
    pub fn probabilities(&self) -> Cow<'_, [f32]> {
        let recorded = self.provides.has(Block::Probability);
        if recorded { Cow::Borrowed(&self.probability) } else { Cow::Owned(vec![0.0; self.expert.len()]) }
    }
}
