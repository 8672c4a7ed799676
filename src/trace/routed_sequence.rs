//! The routing of one sequence as arrays: checked, and taken apart by layer.

use super::part::PartColumns;
use crate::{
    corpus::Span,
    error::{Error, Result},
    routing::{Block, ExpertId, LayerShape, MAX_POSITION, Provides, RoutingShape, queue_slots},
};

/// The routing of one sequence, as arrays. They are ordered by position, then layer, then choice: with k choices in each layer,
/// choice c of the l-th routed layer at position p is at index `(p * layers + l) * k + c`.
///
/// An array that is `None` was not recorded; it must then be `None` for every sequence of the trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoutedSequence<'a> {
    /// Chosen experts, `[positions, layers, k]`.
    pub experts: &'a [ExpertId],
    /// Share of each choice in the router's scores over all experts, `[positions, layers, k]`.
    pub probability: Option<&'a [f32]>,
    /// Factor of each chosen expert's output, `[positions, layers, k]`.
    pub combine_weight: Option<&'a [f32]>,
    /// Entropy of the router's scores in nats, `[positions, layers]`.
    pub entropy: Option<&'a [f32]>,
    /// Score of the first choice minus that of the second, `[positions, layers]`.
    pub margin_first: Option<&'a [f32]>,
    /// Score of the last choice minus that of the best expert that was not chosen, `[positions, layers]`.
    pub margin_k: Option<&'a [f32]>,
    /// The router's scores of all experts before the softmax, `[positions, layers, experts]`.
    pub logits: Option<&'a [f32]>,
    /// Which choices were dropped, `[positions, layers, k]`. Without it, it follows from the order of the choices where the shape
    /// says how capacity was set.
    pub dropped: Option<&'a [bool]>,
    /// Ranks of the choices in the queues of their experts, `[positions, layers, k]`; as for `dropped`.
    pub slots: Option<&'a [u32]>,
    /// Token ids, `[positions]`.
    pub token_ids: Option<&'a [u32]>,
    /// Where the tokens stand in their text, ascending, `[positions]`; `None`: one after the other from 0.
    pub positions: Option<&'a [u32]>,
    /// The document that the sequence belongs to; consecutive sequences may belong to one document. A sequence without a name is
    /// a separate document.
    pub document: Option<&'a str>,
    /// Its category.
    pub category: Option<&'a str>,
    /// Its data set; sequences without a name all belong to one data set.
    pub dataset: Option<&'a str>,
    /// The file that it comes from.
    pub source: Option<&'a str>,
    /// The messages of a conversation, by positions, ascending and apart; none for plain text.
    pub spans: &'a [Span],
}

impl RoutedSequence<'_> {
    /// Whether the sequence itself says which choices found a slot.
    pub(super) fn says_drops(&self) -> bool {
        self.dropped.is_some() || self.slots.is_some()
    }
}

/// The error for a sequence that does not fit the shape.
pub(super) fn refused(sequence: usize, what: impl std::fmt::Display) -> Error {
    Error::usage(format!("sequence {sequence} {what}"), "give every sequence the arrays that the shape asks for")
}

/// A sequence whose arrays have been checked.
pub(super) struct CheckedSequence {
    /// Positions with a row.
    pub(super) positions: usize,
    /// The position after the last: more than there are rows where some have none.
    pub(super) end: u32,
}

impl CheckedSequence {
    /// Checks the arrays of the sequence with this index.
    ///
    /// # Errors
    /// [`Error::Usage`] for the first thing that cannot be.
    pub(super) fn new(sequence: &RoutedSequence<'_>, shape: &RoutingShape, index: usize) -> Result<Self> {
        let stride: usize = shape.layers().map(|(_, layer)| layer.top_k).sum();
        let (found, positions) = (sequence.experts.len(), sequence.experts.len() / stride);
        if found == 0 || !found.is_multiple_of(stride) {
            return Err(refused(index, format!("has {found} experts; expected a multiple of {stride}, at least one")));
        }
        let (choices, layers) = (positions * stride, positions * shape.len());
        let scores: usize = positions * shape.layers().map(|(_, layer)| layer.num_experts).sum::<usize>();
        let lengths = [
            ("probabilities", sequence.probability.map(<[f32]>::len), choices),
            ("combine weights", sequence.combine_weight.map(<[f32]>::len), choices),
            ("entropies", sequence.entropy.map(<[f32]>::len), layers),
            ("first margins", sequence.margin_first.map(<[f32]>::len), layers),
            ("last margins", sequence.margin_k.map(<[f32]>::len), layers),
            ("logits", sequence.logits.map(<[f32]>::len), scores),
            ("dropped choices", sequence.dropped.map(<[bool]>::len), choices),
            ("slots", sequence.slots.map(<[u32]>::len), choices),
            ("token ids", sequence.token_ids.map(<[u32]>::len), positions),
            ("places", sequence.positions.map(<[u32]>::len), positions),
        ];
        for (what, found, expected) in lengths {
            if let Some(found) = found.filter(|found| *found != expected) {
                return Err(refused(
                    index,
                    format!("has {found} {what}; expected {expected} for {positions} positions"),
                ));
            }
        }
        if let Some(wrong) = sequence.probability.into_iter().flatten().find(|p| !(0.0..=1.001).contains(*p)) {
            return Err(refused(index, format!("has a probability of {wrong}; expected 0 to 1")));
        }
        let measured =
            [sequence.combine_weight, sequence.entropy, sequence.margin_first, sequence.margin_k, sequence.logits];
        if let Some(wrong) = measured.into_iter().flatten().flatten().find(|value| !value.is_finite()) {
            return Err(refused(index, format!("has the number {wrong}; expected finite ones")));
        }
        let places = sequence.positions.unwrap_or_default();
        let descends = |pair: &[u32]| (pair[0] >= pair[1]).then(|| (pair[0], pair[1]));
        if let Some((first, second)) = places.windows(2).find_map(descends) {
            return Err(refused(index, format!("has place {first} before place {second}; expected them to ascend")));
        }
        if let Some(last) = places.last().filter(|last| **last >= MAX_POSITION) {
            return Err(refused(index, format!("has place {last}; expected them below {MAX_POSITION}")));
        }
        let end = sequence.positions.map_or(positions as u32, |places| places.last().map_or(0, |last| last + 1));
        Self::check_spans(sequence.spans, end, index)?;
        Self::check_experts(sequence.experts, shape, stride, index)?;
        Ok(Self { positions, end })
    }

    /// `end` is the position after the last.
    fn check_spans(spans: &[Span], end: u32, index: usize) -> Result<()> {
        let mut next = 0;
        for Span { start, end: after, turn, .. } in spans {
            if *start < next || after < start || *after > end {
                let what = format!(
                    "has turn {turn} at positions {start} to {after}; expected them to ascend from {next} to {end}"
                );
                return Err(refused(index, what));
            }
            next = *after;
        }
        Ok(())
    }

    fn check_experts(experts: &[ExpertId], shape: &RoutingShape, stride: usize, index: usize) -> Result<()> {
        for (position, row) in experts.chunks_exact(stride).enumerate() {
            let mut first = 0;
            for (layer, LayerShape { num_experts, top_k, .. }) in shape.layers() {
                let choices = &row[first..first + top_k];
                first += top_k;
                let place = || format!("position {position}, layer {layer}");
                if let Some(expert) = choices.iter().find(|expert| usize::from(**expert) >= *num_experts) {
                    let what = format!("chooses expert {expert} of {num_experts} at {}", place());
                    return Err(refused(index, what));
                }
                if (1..choices.len()).any(|at| choices[..at].contains(&choices[at])) {
                    return Err(refused(index, format!("chooses an expert twice at {}: {choices:?}", place())));
                }
            }
        }
        Ok(())
    }
}

/// Appends one layer of a sequence to its columns; computes slots and drops if the capacity is known.
pub(super) fn append(
    columns: &mut PartColumns,
    sequence: &RoutedSequence<'_>,
    shape: &RoutingShape,
    at: usize,
    (index, positions): (u32, usize),
    provides: Provides,
) -> Result<()> {
    let Some((_, layer)) = shape.layers().nth(at) else { return Ok(()) };
    let of_choices = Stretch::new(shape, at, |layer| layer.top_k);
    let of_layers = Stretch::new(shape, at, |_| 1);
    columns.sequence.extend(std::iter::repeat_n(index, positions));
    match sequence.positions {
        Some(places) => columns.position.extend(places),
        None => columns.position.extend(0..positions as u32),
    }
    columns.token_id.extend(sequence.token_ids.into_iter().flatten());
    let first = columns.expert.len();
    of_choices.copy(Some(sequence.experts), &mut columns.expert);
    of_choices.copy(sequence.probability, &mut columns.probability);
    of_choices.copy(sequence.combine_weight, &mut columns.combine_weight);
    of_layers.copy(sequence.entropy, &mut columns.entropy);
    of_layers.copy(sequence.margin_first, &mut columns.margin_first);
    of_layers.copy(sequence.margin_k, &mut columns.margin_k);
    Stretch::new(shape, at, |layer| layer.num_experts).copy(sequence.logits, &mut columns.logits);
    if sequence.says_drops() {
        of_choices.copy(sequence.dropped, &mut columns.dropped);
        of_choices.copy(sequence.slots, &mut columns.slot);
    } else if provides.has(Block::Slots) {
        let (capacity, mut slots) = (layer.slots(positions)?, Vec::new());
        queue_slots(&columns.expert[first..], layer.top_k, layer.num_experts, &(0..positions), &mut slots);
        columns.dropped.extend(slots.iter().map(|slot| *slot >= capacity));
        columns.slot.append(&mut slots);
    } else if provides.has(Block::Drops) {
        columns.dropped.resize(columns.expert.len(), false);
    }
    Ok(())
}

/// Where the values of a layer stand among those of a position.
struct Stretch {
    start: usize,
    width: usize,
    /// Values of a position.
    all: usize,
}

impl Stretch {
    fn new(shape: &RoutingShape, at: usize, width: impl Fn(&LayerShape) -> usize) -> Self {
        let widths: Vec<usize> = shape.layers().map(|(_, layer)| width(layer)).collect();
        Self { start: widths[..at].iter().sum(), width: widths[at], all: widths.iter().sum() }
    }

    /// Copies the values of the layer at every position.
    fn copy<T: Copy>(&self, values: Option<&[T]>, into: &mut Vec<T>) {
        for row in values.unwrap_or_default().chunks_exact(self.all) {
            into.extend_from_slice(&row[self.start..self.start + self.width]);
        }
    }
}
