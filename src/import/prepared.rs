//! Sequences as a trace takes them: layers that route alone, logical experts, the first choice first, and the numbers that follow
//! from the scores.

use super::{
    gate::Reading,
    routes::{
        ABSENT, ChoiceOrder, Header, RouteReader, RouteSequence, Weights, expert_at, is_unrouted, repeats_expert,
        repeats_mapped,
    },
};
use crate::{
    corpus::Span,
    error::{Error, Result},
    routing::{Block, ExpertId, LayerShape, RoutingShape, entropy, softmax},
};

/// A record, read as the gate says.
pub struct Prepared<'a> {
    reader: &'a dyn RouteReader,
    reading: &'a Reading,
    shape: RoutingShape,
    /// The layers that route: place of the first choice in a position of the record, of the first score, and their sizes.
    layers: Vec<Place>,
    /// Choices and scores of a position in the record.
    strides: (usize, usize),
}

/// Where a layer stands in a position of the record.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    choice: usize,
    recorded_choices: usize,
    score: usize,
    experts: usize,
    choices: usize,
}

/// One sequence as a trace takes it. Positions without a whole route in every layer are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreparedSequence {
    /// The document that it is of.
    pub document: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// Its data set.
    pub dataset: Option<String>,
    /// Where it stands in the record.
    pub place: String,
    /// Positions in the text, `[positions]`.
    pub positions: Option<Vec<u32>>,
    /// Token ids, `[positions]`.
    pub token_ids: Option<Vec<u32>>,
    /// Chosen experts, `[positions, layers, k]`, as all that follows.
    pub experts: Vec<ExpertId>,
    /// Shares in the softmax over all experts.
    pub probability: Option<Vec<f32>>,
    /// What the outputs of the experts were multiplied by.
    pub combine_weight: Option<Vec<f32>>,
    /// Entropy in nats, `[positions, layers]`.
    pub entropy: Option<Vec<f32>>,
    /// First choice less second, `[positions, layers]`.
    pub margin_first: Option<Vec<f32>>,
    /// Last choice less the best expert that was not chosen, `[positions, layers]`.
    pub margin_k: Option<Vec<f32>>,
    /// Scores of all experts, `[positions, layers, E]`.
    pub logits: Option<Vec<f32>>,
    /// Which choices were dropped, `[positions, layers, k]`.
    pub dropped: Option<Vec<bool>>,
    /// Ranks in the queues of the experts, `[positions, layers, k]`.
    pub slots: Option<Vec<u32>>,
    /// Turns of a conversation, as far as there are rows.
    pub turns: Vec<Span>,
}

impl<'a> Prepared<'a> {
    /// Reads a record as the gate says.
    ///
    /// # Errors
    /// [`Error::Usage`] if no layer holds a route, or a layer cannot be as it is recorded.
    pub fn new(reader: &'a dyn RouteReader, reading: &'a Reading) -> Result<Self> {
        let header = reader.header();
        let (mut choice, mut score, mut layers, mut shapes) = (0, 0, Vec::new(), Vec::new());
        for (index, layer) in header.layers.iter().enumerate() {
            let (experts, choices) = (reading.experts[index], reading.choices[index]);
            if !reading.empty_layers.contains(&index) {
                layers.push(Place { index, choice, recorded_choices: layer.top_k, score, experts, choices });
                let shape = LayerShape { capacity: header.capacity, ..LayerShape::of_choices(experts, choices) };
                shapes.push((layer.layer, shape));
            }
            choice += layer.top_k;
            score += experts;
        }
        if layers.is_empty() {
            return Err(Error::usage("no layer of the record holds a route", "record again with a newer engine"));
        }
        let shape = RoutingShape::new(shapes)?;
        Ok(Self { reader, reading, shape, layers, strides: (choice, score) })
    }

    /// The layers that route.
    pub fn shape(&self) -> &RoutingShape {
        &self.shape
    }

    /// Whether the first choice of every token is known.
    pub fn is_ranked(&self) -> bool {
        self.reading.order != ChoiceOrder::Unknown
    }

    /// Choices of a position over all layers.
    pub fn stride(&self) -> usize {
        self.layers.iter().map(|place| place.choices).sum()
    }

    /// What the record says about itself.
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// The sequences, those without any route left out.
    ///
    /// # Errors
    /// Those of reading.
    pub fn sequences(&self) -> Result<impl Iterator<Item = Result<PreparedSequence>> + '_> {
        let sequences = self.reader.sequences()?;
        let prepared = sequences.map(|sequence| Ok(self.prepare(&sequence?)));
        Ok(prepared.filter(|sequence| !sequence.as_ref().is_ok_and(|sequence| sequence.experts.is_empty())))
    }

    /// Whether a token was routed in a layer as a token can be: as many choices as others have, of experts that exist, none twice.
    fn is_whole(&self, place: Place, choices: &[ExpertId]) -> bool {
        let there = || choices.iter().filter(|expert| **expert != ABSENT);
        !is_unrouted(choices)
            && there().count() == place.choices
            && there().all(|expert| usize::from(self.logical(place, *expert)) < place.experts)
            && !repeats_expert(choices)
            && !self.map_of(place).is_some_and(|map| repeats_mapped(choices, map))
    }

    /// The expert of an id, which may be that of its place.
    fn logical(&self, place: Place, expert: ExpertId) -> ExpertId {
        self.map_of(place).map_or(expert, |map| expert_at(map, expert))
    }

    /// The experts of the places of a layer, where ids are those of places.
    fn map_of(&self, place: Place) -> Option<&[ExpertId]> {
        self.header().physical_to_logical.as_ref().map(|map| map[place.index].as_slice())
    }

    fn prepare(&self, sequence: &RouteSequence) -> PreparedSequence {
        let (choices, scores) = self.strides;
        let whole = |position: &usize| {
            let row = &sequence.experts[position * choices..(position + 1) * choices];
            self.layers.iter().all(|place| self.is_whole(*place, &row[place.choice..][..place.recorded_choices]))
        };
        let kept: Vec<usize> = (0..sequence.experts.len() / choices.max(1)).filter(whole).collect();
        let logits = sequence.logits.as_deref().filter(|_| !self.reading.withheld.contains(&Block::Logits));
        let mut rows = Rows::new(self, sequence, logits.is_some());
        for &position in &kept {
            for place in &self.layers {
                let scores = logits.map(|logits| &logits[position * scores + place.score..][..place.experts]);
                rows.push(position * choices + place.choice, *place, scores);
            }
        }
        let of_kept = |values: &Option<Vec<u32>>| -> Option<Vec<u32>> {
            values.as_ref().map(|values| kept.iter().map(|at| values[*at]).collect())
        };
        let positions = of_kept(&sequence.positions).or_else(|| {
            // What is left of a sequence whose rows are places in the text keeps its places.
            (kept.len() < sequence.experts.len() / choices.max(1)).then(|| kept.iter().map(|at| *at as u32).collect())
        });
        let end = positions.as_ref().map_or(kept.len() as u32, |places| places.last().map_or(0, |last| last + 1));
        PreparedSequence {
            positions,
            token_ids: of_kept(&sequence.token_ids).filter(|_| !self.reading.withheld.contains(&Block::TokenIds)),
            document: sequence.document.clone(),
            category: sequence.category.clone(),
            dataset: sequence.dataset.clone(),
            place: sequence.place.clone(),
            turns: sequence.turns.iter().filter_map(|turn| turn.before(end)).collect(),
            ..rows.finish()
        }
    }
}

/// The rows of a sequence, choice by choice in the order of a trace.
struct Rows<'a> {
    of: &'a Prepared<'a>,
    sequence: &'a RouteSequence,
    done: PreparedSequence,
    /// The order of the choices of the position at hand.
    order: Vec<usize>,
    shares: Vec<f32>,
}

impl<'a> Rows<'a> {
    fn new(of: &'a Prepared<'a>, sequence: &'a RouteSequence, has_logits: bool) -> Self {
        let has_shares = has_logits || sequence.weights.is_some() && of.reading.weights == Weights::SoftmaxAll;
        let has_drops = !of.reading.withheld.contains(&Block::Drops);
        let is_applied = sequence.weights.is_some() && of.reading.weights == Weights::Applied;
        let done = PreparedSequence {
            probability: has_shares.then(Vec::new),
            combine_weight: is_applied.then(Vec::new),
            entropy: has_logits.then(Vec::new),
            margin_first: (has_shares && of.is_ranked()).then(Vec::new),
            margin_k: has_logits.then(Vec::new),
            logits: has_logits.then(Vec::new),
            dropped: sequence.dropped.as_ref().filter(|_| has_drops).map(|_| Vec::new()),
            slots: sequence.slots.as_ref().filter(|_| has_drops).map(|_| Vec::new()),
            ..PreparedSequence::default()
        };
        Self { of, sequence, done, order: Vec::new(), shares: Vec::new() }
    }

    /// Appends the choices of one layer at one position, which begin at `first` in the record.
    fn push(&mut self, first: usize, place: Place, scores: Option<&[f32]>) {
        let Self { of, sequence, done, order, shares } = self;
        let logical = |expert: ExpertId| of.logical(place, expert);
        let experts = &sequence.experts[first..first + place.recorded_choices];
        let weights = sequence.weights.as_deref().map(|weights| &weights[first..first + place.recorded_choices]);
        order.clear();
        order.extend((0..place.recorded_choices).filter(|at| experts[*at] != ABSENT));
        if let (ChoiceOrder::SortByWeight, Some(weights)) = (of.reading.order, weights) {
            order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
        }
        done.experts.extend(order.iter().map(|at| logical(experts[*at])));
        if let (Some(into), Some(weights)) = (&mut done.combine_weight, weights) {
            into.extend(order.iter().map(|at| weights[*at]));
        }
        if let (Some(into), Some(dropped)) = (&mut done.dropped, &sequence.dropped) {
            into.extend(order.iter().map(|at| dropped[first + at]));
        }
        if let (Some(into), Some(slots)) = (&mut done.slots, &sequence.slots) {
            into.extend(order.iter().map(|at| slots[first + at]));
        }
        shares.clear();
        let mut second = 0.0;
        match scores {
            Some(scores) => {
                let scores = done.keep_scores(scores, of.reading.logits_are_probabilities);
                // As a forward pass of this program computes it, so that the same scores give the same numbers.
                let mut all = vec![0.0; scores.len()];
                softmax(&scores, &mut all);
                shares.extend(order.iter().map(|at| all[usize::from(logical(experts[*at]))]));
                second = done.measure(&all, shares);
            }
            None => shares.extend(weights.into_iter().flat_map(|weights| order.iter().map(|at| weights[*at]))),
        }
        if let Some(into) = &mut done.probability {
            into.extend(shares.iter().copied());
        }
        if let Some(into) = &mut done.margin_first {
            into.push(shares[0] - shares.get(1).copied().unwrap_or(second));
        }
    }

    fn finish(self) -> PreparedSequence {
        self.done
    }
}

impl PreparedSequence {
    /// Rows of the sequence, of `stride` choices each.
    pub fn positions(&self, stride: usize) -> usize {
        self.experts.len() / stride.max(1)
    }

    /// Keeps the scores of all experts, of probabilities their logarithm.
    fn keep_scores(&mut self, scores: &[f32], are_probabilities: bool) -> Vec<f32> {
        let scores: Vec<f32> = if are_probabilities {
            scores.iter().map(|share| share.max(f32::MIN_POSITIVE).ln()).collect()
        } else {
            scores.to_vec()
        };
        if let Some(into) = &mut self.logits {
            into.extend(&scores);
        }
        scores
    }

    /// Entropy and last margin of the shares of all experts; gives the largest share that was not chosen.
    fn measure(&mut self, all: &[f32], chosen: &[f32]) -> f32 {
        if let Some(into) = &mut self.entropy {
            into.push(entropy(all));
        }
        let mut sorted = all.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let next = sorted.get(chosen.len()).copied().unwrap_or(0.0);
        if let Some(into) = &mut self.margin_k {
            let last = chosen.iter().copied().fold(f32::INFINITY, f32::min);
            into.push(last - next);
        }
        next
    }
}
