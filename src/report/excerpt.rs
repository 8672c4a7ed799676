//! Selects documents of a run that the page shows token by token, as many as fit into a page.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

use super::text::{file_and_line, readable};
use crate::{
    error::Result,
    routing::LayerId,
    stats::{LAYERS_EACH, evenly_spread, shown_in_text},
    trace::{Block, LayerTrace, Role, RoutingTrace, SequenceTable, SpanTable, rows_before},
};

/// The most segments that are read; in a larger run they are evenly spread.
const MOST_SEGMENTS: usize = 32;
/// The most tokens of one document; of a longer document only the first sequences are shown.
const MOST_OF_DOCUMENT: usize = 4096;
/// If there is room for fewer tokens than this, no other document is added.
const LEAST_LEFT: usize = 64;
/// The most experts listed for a token id; if there are more, those with the largest counts, and all others together.
const EXPERTS_EACH: usize = 64;
const LARGEST: usize = 48;

/// Documents with everything that the router decided about them.
///
/// `token`, and for each layer `expert`, `probability` and `slot`, run over the tokens of all sequences of all documents,
/// one after another; the last three have `top_k` values a token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Excerpt {
    /// Index of the run in the report.
    pub run: usize,
    /// Label of the model.
    pub checkpoint: String,
    layers: Vec<LayerId>,
    experts: usize,
    top_k: usize,
    documents_total: usize,
    tokens_total: u64,
    /// Tokens of the segments that were read.
    tokens_read: u64,
    /// "run": `counts` are over all tokens of the run; "part": over the segments that were read.
    counts_of: &'static str,
    vocabulary: Vocabulary,
    documents: Vec<ExcerptDocument>,
    /// Index into the vocabulary.
    token: Vec<u32>,
    routing: BTreeMap<LayerId, Choices>,
    /// Assignments of the ids of the vocabulary: expert, count, expert, count ...
    counts: BTreeMap<LayerId, BTreeMap<u32, Vec<Value>>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Vocabulary {
    id: Vec<u32>,
    text: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ExcerptDocument {
    name: String,
    category: Option<String>,
    sequences: Vec<Sequence>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Sequence {
    length: u32,
    /// Slots per expert; none where unlimited.
    capacity: BTreeMap<LayerId, u32>,
    /// First row, row after the last, role, turn.
    spans: Vec<(u32, u32, Role, u16)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Choices {
    expert: Vec<u16>,
    /// Per mille.
    probability: Vec<u16>,
    slot: Vec<u32>,
}

/// Slots per expert by sequence and layer.
type Capacities = HashMap<u32, BTreeMap<LayerId, u32>>;

/// A document and sequences of it.
type WithSequences = (u32, Vec<u32>);

/// The part of a run that an excerpt shows.
struct ExcerptSelection {
    /// The run's tables.
    sequences: SequenceTable,
    /// Segments that are read.
    segments: Vec<usize>,
    /// Document and its sequences, in the order of the page.
    documents: Vec<WithSequences>,
    /// By sequence that was read the positions that have rows.
    positions: HashMap<u32, Vec<u32>>,
    /// First token of a chosen sequence in the columns.
    start: HashMap<u32, usize>,
    tokens: usize,
}

/// Which documents an excerpt should show, and under which names.
pub struct Wanted<'a> {
    /// Names of documents that come first.
    pub first: &'a [String],
    /// Shortens the name of a document to one that may be shown.
    pub shorten: &'a dyn Fn(&str) -> String,
    /// The number of tokens that fit.
    pub budget: usize,
}

/// Documents with at most about `wanted.budget` tokens: first those that are named, then one of each data set and category in
/// turn.
///
/// # Errors
/// [`crate::error::Error::RunFolder`] if the trace cannot be read.
pub fn excerpt(run: usize, label: &str, trace: &RoutingTrace, wanted: &Wanted<'_>) -> Result<Excerpt> {
    let selection = ExcerptSelection::new(trace, wanted)?;
    let spans = trace.spans()?;
    let capacity = capacities(trace)?;
    let mut excerpt = Excerpt {
        run,
        checkpoint: label.to_owned(),
        layers: evenly_spread(trace.moe_layers(), LAYERS_EACH),
        experts: trace.shape().most_experts(),
        top_k: trace.shape().most_choices(),
        documents_total: selection.sequences.document_names.len(),
        tokens_total: selection.sequences.tokens.iter().map(|&tokens| u64::from(tokens)).sum(),
        tokens_read: 0,
        counts_of: if selection.segments.len() == trace.segments() { "run" } else { "part" },
        vocabulary: Vocabulary::default(),
        documents: selection.described(&capacity, &spans),
        token: vec![0; selection.tokens],
        routing: BTreeMap::new(),
        counts: BTreeMap::new(),
    };
    excerpt.read_tokens(trace, &selection)?;
    for layer in excerpt.layers.clone() {
        excerpt.read_layer(trace, &selection, layer)?;
    }
    Ok(excerpt)
}

/// Slots per expert of each sequence in each layer, which are those of its routing group; none if unlimited.
fn capacities(trace: &RoutingTrace) -> Result<Capacities> {
    let mut capacities = Capacities::new();
    for &layer in trace.moe_layers() {
        let groups = trace.groups(layer)?;
        for (sequences, &slots) in
            groups.sequences.iter().zip(&groups.capacity).filter(|(_, slots)| **slots != u32::MAX)
        {
            for sequence in sequences.clone() {
                capacities.entry(sequence).or_default().insert(layer, slots);
            }
        }
    }
    Ok(capacities)
}

impl Excerpt {
    /// The ids of the chosen sequences, and the vocabulary.
    fn read_tokens(&mut self, trace: &RoutingTrace, selection: &ExcerptSelection) -> Result<()> {
        let Some(&layer) = trace.moe_layers().first() else { return Ok(()) };
        let mut known: HashMap<u32, u32> = HashMap::new();
        for &segment in &selection.segments {
            let part = trace.segment(layer, segment)?;
            self.tokens_read += part.len() as u64;
            for (t, at) in selection.rows(&part) {
                // Without token ids all tokens get the same id.
                let id = part.token_id.get(t).copied().unwrap_or_default();
                let index = *known.entry(id).or_insert_with(|| {
                    self.vocabulary.id.push(id);
                    let text = selection.sequences.token_text.get(&id);
                    self.vocabulary.text.push(match text {
                        Some(piece) => shown_in_text(piece),
                        None if part.token_id.is_empty() => "·".to_owned(),
                        None => format!("[{id}]"),
                    });
                    self.vocabulary.id.len() as u32 - 1
                });
                self.token[at] = index;
            }
        }
        Ok(())
    }

    /// Reads the choices of the selected sequences, and counts the experts of the vocabulary's ids in all segments that are read.
    fn read_layer(&mut self, trace: &RoutingTrace, selection: &ExcerptSelection, layer: LayerId) -> Result<()> {
        let (tokens, k, experts) = (selection.tokens, trace.shape().choices(layer), trace.shape().experts(layer));
        let mut choices =
            Choices { expert: vec![0; tokens * k], probability: vec![0; tokens * k], slot: vec![0; tokens * k] };
        if !trace.provides().has(Block::Probability) {
            choices.probability.clear();
        }
        if !trace.provides().has(Block::Slots) {
            choices.slot.clear();
        }
        let index: HashMap<u32, u32> = self.vocabulary.id.iter().copied().zip(0..).collect();
        let mut counts: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for &segment in &selection.segments {
            let (part, slots) = (trace.segment(layer, segment)?, trace.slots(layer, segment)?);
            for (t, at) in selection.rows(&part) {
                for choice in 0..k {
                    let (from, to) = (t * k + choice, at * k + choice);
                    choices.expert[to] = part.expert[from];
                    if let Some(probability) = part.probability.get(from) {
                        choices.probability[to] = (probability * 1000.0).round() as u16;
                    }
                    if let Some(slots) = &slots {
                        choices.slot[to] = slots[from];
                    }
                }
            }
            for t in 0..part.len() {
                let Some(&id) = part.token_id.get(t).and_then(|id| index.get(id)) else { continue };
                let count = counts.entry(id).or_insert_with(|| vec![0; experts]);
                part.choices(t).iter().for_each(|&expert| count[usize::from(expert)] += 1);
            }
        }
        self.routing.insert(layer, choices);
        self.counts.insert(layer, counts.into_iter().map(|(id, count)| (id, sparse(&count))).collect());
        Ok(())
    }
}

/// Expert, count, expert, count ... of the experts that were chosen.
fn sparse(count: &[u64]) -> Vec<Value> {
    let mut chosen: Vec<(u64, u64)> = count.iter().copied().zip(0..).filter(|(count, _)| *count > 0).collect();
    let mut others = None;
    if chosen.len() > EXPERTS_EACH {
        chosen.sort_by_key(|(count, expert)| (u64::MAX - count, *expert));
        let rest = chosen.split_off(LARGEST);
        let together: u64 = rest.iter().map(|(count, _)| count).sum();
        others = Some([Value::from(format!("\u{2026} and {} others", rest.len())), together.into()]);
    }
    chosen
        .into_iter()
        .flat_map(|(count, expert)| [expert.into(), count.into()])
        .chain(others.into_iter().flatten())
        .collect()
}

impl ExcerptSelection {
    fn new(trace: &RoutingTrace, wanted: &Wanted<'_>) -> Result<Self> {
        let (first, budget) = (wanted.first, wanted.budget);
        let mut sequences = trace.sequences()?;
        for name in &mut sequences.document_names {
            *name = (wanted.shorten)(name);
        }
        let count = trace.segments();
        let most = count.min(MOST_SEGMENTS);
        let segments: Vec<usize> = (0..most).map(|at| at * count / most).collect();
        let (mut available, mut positions) = (Vec::new(), HashMap::new());
        for &segment in &segments {
            for (sequence, own) in trace.sequences_of(segment)? {
                available.push(sequence);
                positions.insert(sequence, own);
            }
        }
        let (documents, start) = (Vec::new(), HashMap::new());
        let mut selection = Self { sequences, segments, documents, positions, start, tokens: 0 };
        for (document, chosen) in selection.in_turn(&available, first) {
            selection.take(document, &chosen, budget);
            if selection.tokens + LEAST_LEFT > budget {
                break;
            }
        }
        Ok(selection)
    }

    /// Takes the first sequences of a document, if they fit.
    fn take(&mut self, document: u32, sequences: &[u32], budget: usize) {
        let mut taken = 0;
        let mut chosen = Vec::new();
        for &sequence in sequences {
            let length = self.positions_of(sequence).len();
            if !chosen.is_empty() && taken + length > MOST_OF_DOCUMENT {
                break;
            }
            taken += length;
            chosen.push(sequence);
        }
        // The first document is shown even if it alone exceeds the budget.
        if self.tokens + taken > budget && !self.documents.is_empty() {
            return;
        }
        for &sequence in &chosen {
            self.start.insert(sequence, self.tokens);
            self.tokens += self.positions_of(sequence).len();
        }
        self.documents.push((document, chosen));
    }

    /// The positions of a sequence that was read.
    fn positions_of(&self, sequence: u32) -> &[u32] {
        self.positions.get(&sequence).map_or(&[], Vec::as_slice)
    }

    /// The documents that can be shown: those named first, then one of each data set and category in turn.
    fn in_turn(&self, available: &[u32], first: &[String]) -> Vec<WithSequences> {
        let mut queues: BTreeMap<(u16, Option<u16>), VecDeque<WithSequences>> = BTreeMap::new();
        for &sequence in available {
            let at = sequence as usize;
            let document = self.sequences.document[at];
            let queue = queues.entry((self.sequences.dataset[at], self.sequences.category[at])).or_default();
            let begins = at == 0 || self.sequences.document[at - 1] != document;
            match queue.back_mut() {
                // A document is shown only from its beginning and up to the first gap in what was read.
                Some((known, sequences))
                    if *known == document && sequences.last() == sequence.checked_sub(1).as_ref() =>
                {
                    sequences.push(sequence);
                }
                _ if begins => queue.push_back((document, vec![sequence])),
                _ => {}
            }
        }
        let named = |document: &WithSequences| first.contains(&self.sequences.document_names[document.0 as usize]);
        let mut order: Vec<WithSequences> = queues.values().flatten().filter(|entry| named(entry)).cloned().collect();
        for queue in queues.values_mut() {
            queue.retain(|entry| !named(entry));
        }
        while queues.values().any(|queue| !queue.is_empty()) {
            order.extend(queues.values_mut().filter_map(VecDeque::pop_front));
        }
        order
    }

    /// Rows of a part that belong to chosen sequences, with their places in the columns: rows of a sequence follow each other, and
    /// need not be all of its positions.
    fn rows<'a>(&'a self, part: &'a LayerTrace) -> impl Iterator<Item = (usize, usize)> + 'a {
        part.sequence.iter().zip(&part.position).enumerate().filter_map(|(t, (sequence, position))| {
            let start = self.start.get(sequence)?;
            Some((t, start + rows_before(self.positions_of(*sequence), *position) as usize))
        })
    }

    fn described(&self, capacity: &Capacities, spans: &SpanTable) -> Vec<ExcerptDocument> {
        let sequence = |&sequence: &u32| {
            let own = spans.sequence.partition_point(|&other| other < sequence)
                ..spans.sequence.partition_point(|&other| other <= sequence);
            let positions = self.positions_of(sequence);
            let row = |position| rows_before(positions, position);
            let span = |at: usize| (row(spans.start[at]), row(spans.end[at]), spans.role[at], spans.turn[at]);
            Sequence {
                length: positions.len() as u32,
                capacity: capacity.get(&sequence).cloned().unwrap_or_default(),
                spans: own.map(span).collect(),
            }
        };
        let document = |(document, sequences): &WithSequences| {
            let first = sequences[0] as usize;
            let all = self.sequences.document.iter().filter(|&other| other == document).count();
            let mut name = file_and_line(&readable(&self.sequences.document_names[*document as usize]));
            if all > sequences.len() {
                name = format!("{name} (the first {} of {all} sequences)", sequences.len());
            }
            let dataset = || {
                self.sequences.dataset_names.get(usize::from(self.sequences.dataset[first])).map(|name| readable(name))
            };
            let category = self.sequences.category[first];
            ExcerptDocument {
                name,
                category: category.map(|at| readable(&self.sequences.category_names[usize::from(at)])).or_else(dataset),
                sequences: sequences.iter().map(sequence).collect(),
            }
        };
        self.documents.iter().map(document).collect()
    }
}
