//! What every format becomes: a header, and one sequence after the other.

use crate::{
    corpus::Span,
    error::Result,
    routing::{CapacityPolicy, ExpertId, LayerId},
};

/// An expert id that stands for "not recorded": padding, a choice that was dropped before it was written, a token that a cache served.
pub const ABSENT: ExpertId = ExpertId::MAX;

/// Whether the choices of a layer are those of a token that was not routed: none is there, or all of several are expert 0, which is
/// what stands in places that an engine never wrote.
pub(super) fn is_unrouted(choices: &[ExpertId]) -> bool {
    let all = |expert: ExpertId| choices.iter().all(|choice| *choice == expert);
    all(ABSENT) || choices.len() > 1 && all(0)
}

/// Whether every choice of a layer is there, and those of a token that was routed.
pub(super) fn is_complete(choices: &[ExpertId]) -> bool {
    !choices.contains(&ABSENT) && !is_unrouted(choices)
}

/// Whether a token chose an expert twice.
pub(super) fn repeats_expert(choices: &[ExpertId]) -> bool {
    (1..choices.len()).any(|at| choices[at] != ABSENT && choices[..at].contains(&choices[at]))
}

/// The expert whose copy lies in a place; a place that the map lacks stays itself.
pub(super) fn expert_at(map: &[ExpertId], place: ExpertId) -> ExpertId {
    map.get(usize::from(place)).copied().unwrap_or(place)
}

/// Whether a token chose two places of one expert.
pub(super) fn repeats_mapped(places: &[ExpertId], map: &[ExpertId]) -> bool {
    repeats_expert(&places.iter().map(|place| expert_at(map, *place)).collect::<Vec<_>>())
}

/// In which order the choices of a token stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChoiceOrder {
    /// By weight, the first choice first.
    Weight,
    /// By weight once they are sorted by the weights beside them; ties keep the order of the file.
    SortByWeight,
    /// Lost, or never told.
    Unknown,
}

/// What the numbers beside the choices are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// There are none.
    None,
    /// The share of each choice in the softmax over all experts.
    SoftmaxAll,
    /// What the output of the expert was multiplied by.
    Applied,
    /// What the choice was made by, with biases: neither a share nor a factor.
    SelectionScore,
}

/// One layer of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedLayer {
    /// Decoder layer index, from 0.
    pub layer: LayerId,
    /// Experts, shared ones not counted; `None`: the record does not say it.
    pub num_experts: Option<usize>,
    /// Choices per token: places in the file, some of which may hold [`ABSENT`] for every token.
    pub top_k: usize,
}

/// What a record says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Name of the format: [`super::Format::name`].
    pub format: &'static str,
    /// The engine that wrote it, with its version, where the record says it.
    pub engine: Option<String>,
    /// The model, where the record says it.
    pub model: Option<String>,
    /// The layers that every sequence has values for, ascending.
    pub layers: Vec<RecordedLayer>,
    /// Whether some of `layers` may be dense, their places filled with zeros or [`ABSENT`].
    pub may_hold_dense_layers: bool,
    /// The order of the choices.
    pub order: ChoiceOrder,
    /// What the weights are.
    pub weights: Weights,
    /// Whether the logits are scores before a softmax, as far as the record says.
    pub has_logits: bool,
    /// By layer and physical id the logical expert, where ids are physical.
    pub physical_to_logical: Option<Vec<Vec<ExpertId>>>,
    /// How capacity was set, where the record says it. `None`: unknown.
    pub capacity: Option<CapacityPolicy>,
    /// What a reader should know: how sequences were rebuilt, which rank was taken.
    pub remarks: Vec<String>,
}

impl Header {
    /// The header of a record that says no more than which layers it has.
    pub fn new(format: &'static str, layers: Vec<RecordedLayer>) -> Self {
        Self {
            format,
            engine: None,
            model: None,
            layers,
            may_hold_dense_layers: false,
            order: ChoiceOrder::Unknown,
            weights: Weights::None,
            has_logits: false,
            physical_to_logical: None,
            capacity: None,
            remarks: Vec::new(),
        }
    }

    /// Choices of a position over all layers.
    pub fn stride(&self) -> usize {
        self.layers.iter().map(|layer| layer.top_k).sum()
    }

    /// The values of each position, of values `[positions, layers, k]`.
    pub fn rows<'v, T>(&self, values: &'v [T]) -> std::slice::ChunksExact<'v, T> {
        values.chunks_exact(self.stride().max(1))
    }

    /// The values of each layer, of those of a position.
    pub fn choices<'v, T>(&self, row: &'v [T]) -> impl Iterator<Item = &'v [T]> {
        let mut rest = row;
        self.layers.iter().map(move |layer| {
            let (choices, others) = rest.split_at(layer.top_k);
            rest = others;
            choices
        })
    }
}

/// The routes of one sequence. Values of a position stand layer by layer, those of a layer choice by choice; what is `None` is not
/// in the record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteSequence {
    /// The document that it is of.
    pub document: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// Its data set.
    pub dataset: Option<String>,
    /// Where it stands: file and line, for messages.
    pub place: String,
    /// Tokens that the sequence had, with those that have no row; `None`: unknown.
    pub tokens: Option<usize>,
    /// Positions in the text, ascending, `[positions]`; `None`: unknown, rows stand in the order of the file.
    pub positions: Option<Vec<u32>>,
    /// Token ids, `[positions]`.
    pub token_ids: Option<Vec<u32>>,
    /// Chosen experts, `[positions, layers, k]`.
    pub experts: Vec<ExpertId>,
    /// Weights of the choices, `[positions, layers, k]`.
    pub weights: Option<Vec<f32>>,
    /// Scores of all experts, `[positions, layers, E]`.
    pub logits: Option<Vec<f32>>,
    /// Which choices were dropped, `[positions, layers, k]`.
    pub dropped: Option<Vec<bool>>,
    /// Ranks in the queues of the experts, `[positions, layers, k]`.
    pub slots: Option<Vec<u32>>,
    /// Turns of a conversation, ascending and apart, by positions.
    pub turns: Vec<Span>,
}

/// A record of routes that can be read as often as it takes.
pub trait RouteReader {
    /// What the record says about itself.
    fn header(&self) -> &Header;

    /// The sequences from the first to the last; one is in memory at a time, or as many as the format mixes.
    ///
    /// # Errors
    /// [`crate::error::Error::Corpus`] for what cannot be read; each sequence may be one.
    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>>;
}
