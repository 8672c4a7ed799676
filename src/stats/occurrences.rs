//! One layer's routing, laid out for counting: dense ids, document-major, choice vectors as patterns.

use super::settings::Settings;
use crate::{
    error::{Error, Result},
    random::split_mix,
    routing::{ExpertId, LayerId, View},
    trace::{Block, LayerTrace, SequenceTable},
};

/// Marks "no previous token" and "no category".
pub(super) const NONE: u32 = u32::MAX;

/// The distinct choice vectors of a layer: ordered experts with their kept flags.
///
/// An occurrence carries the index of its pattern, so that a permutation moves the whole vector by moving one number.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    experts: [Vec<ExpertId>; 2],
    start: [Vec<u32>; 2],
    choice: Vec<(ExpertId, bool)>,
    top_k: usize,
}

impl Patterns {
    /// Number of distinct patterns.
    pub(super) fn len(&self) -> usize {
        self.start[0].len() - 1
    }

    /// The experts of a pattern in a view, first choice first.
    #[inline]
    pub(super) fn experts(&self, view: View, pattern: u32) -> &[ExpertId] {
        let start = &self.start[view as usize];
        &self.experts[view as usize][start[pattern as usize] as usize..start[pattern as usize + 1] as usize]
    }

    /// The experts of a pattern with their kept flags, first choice first.
    #[inline]
    pub(super) fn choices(&self, pattern: u32) -> &[(ExpertId, bool)] {
        &self.choice[pattern as usize * self.top_k..(pattern as usize + 1) * self.top_k]
    }

    /// The first choice of a pattern.
    #[inline]
    pub(super) fn first(&self, pattern: u32) -> ExpertId {
        self.choice[pattern as usize * self.top_k].0
    }

    fn push(&mut self, choices: &[(ExpertId, bool)]) {
        self.choice.extend_from_slice(choices);
        self.experts[0].extend(choices.iter().map(|(expert, _)| *expert));
        self.experts[1].extend(choices.iter().filter(|(_, kept)| *kept).map(|(expert, _)| *expert));
        for view in 0..2 {
            self.start[view].push(self.experts[view].len() as u32);
        }
    }
}

/// The occurrences of one layer that count, in document order (within a document: in input order).
#[derive(Debug, Default)]
pub(super) struct Occurrences {
    /// Decoder layer index.
    pub(super) layer: LayerId,
    /// Experts of the layer.
    pub(super) experts: usize,
    /// Choices per occurrence.
    pub(super) top_k: usize,
    /// Dense document index, ascending.
    pub(super) document: Vec<u32>,
    /// Dense token index into `token_ids`.
    pub(super) token: Vec<u32>,
    /// Raw position.
    pub(super) position: Vec<u32>,
    /// Dense token index of the token before, [`NONE`] at position 0.
    pub(super) previous: Vec<u32>,
    /// Category index of the document, [`NONE`] without.
    pub(super) category: Vec<u32>,
    /// Whether the row before is the token before in the same sequence.
    pub(super) follows: Vec<bool>,
    /// Index of the choice vector in `patterns`.
    pub(super) pattern: Vec<u32>,
    /// The occurrence in the trace.
    pub(super) source: Vec<u32>,
    /// The distinct choice vectors.
    pub(super) patterns: Patterns,
    /// Token id by dense token index, ascending.
    pub(super) token_ids: Vec<u32>,
    /// Category index by dense document index, [`NONE`] without: that of the document's first sequence.
    pub(super) label: Vec<u32>,
    /// Category names by index.
    pub(super) category_names: Vec<String>,
}

impl Occurrences {
    /// Lays out a layer.
    ///
    /// # Errors
    /// [`Error::Internal`] if columns disagree in length or an index is out of range.
    pub(super) fn new(sequences: &SequenceTable, trace: &LayerTrace, settings: &Settings) -> Result<Self> {
        check(sequences, trace)?;
        let order = document_order(sequences, trace, settings);
        let (token_ids, token) = dense(&trace.token_ids());
        let documents = Documents::new(sequences, trace, &order);
        let mut rows = Self {
            layer: trace.layer,
            experts: trace.num_experts,
            top_k: trace.top_k,
            token_ids,
            label: documents.label,
            category_names: sequences.category_names.clone(),
            document: Vec::with_capacity(order.len()),
            token: Vec::with_capacity(order.len()),
            position: Vec::with_capacity(order.len()),
            previous: Vec::with_capacity(order.len()),
            category: Vec::with_capacity(order.len()),
            follows: Vec::with_capacity(order.len()),
            ..Self::default()
        };
        for (row, &t) in order.iter().enumerate() {
            let t = t as usize;
            let document = documents.dense[sequences.document[trace.sequence[t] as usize] as usize];
            // Tokens that have no row stand between others: what comes before them in the trace is not the token before.
            let is_next =
                |at: usize| trace.sequence[at] == trace.sequence[t] && trace.position[at] + 1 == trace.position[t];
            let before = t.checked_sub(1).filter(|at| is_next(*at));
            rows.document.push(document);
            rows.token.push(token[t]);
            rows.position.push(trace.position[t]);
            rows.previous.push(before.map_or(NONE, |before| token[before]));
            rows.category.push(rows.label[document as usize]);
            rows.follows.push(row > 0 && before.is_some_and(|before| order[row - 1] as usize == before));
        }
        (rows.patterns, rows.pattern) = patterns(trace, &order);
        rows.source = order;
        Ok(rows)
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.token.len()
    }

    /// Number of documents with at least one row.
    pub(super) fn documents(&self) -> usize {
        self.label.len()
    }

    /// The experts of a row in a view.
    #[inline]
    pub(super) fn choices(&self, view: View, row: usize) -> &[ExpertId] {
        self.patterns.experts(view, self.pattern[row])
    }

    /// The previous token as a key for counting sort: [`NONE`] becomes the index after the last token.
    pub(super) fn previous_or_last(&self) -> Vec<u32> {
        self.previous.iter().map(|previous| (*previous).min(self.token_ids.len() as u32)).collect()
    }

    /// Documents per category.
    pub(super) fn category_documents(&self) -> Vec<u64> {
        let mut documents = vec![0; self.category_names.len()];
        for &label in self.label.iter().filter(|label| **label != NONE) {
            documents[label as usize] += 1;
        }
        documents
    }
}

/// Dense document indices of the documents that have rows, and their categories.
struct Documents {
    dense: Vec<u32>,
    label: Vec<u32>,
}

impl Documents {
    fn new(sequences: &SequenceTable, trace: &LayerTrace, order: &[u32]) -> Self {
        let mut dense = vec![NONE; sequences.document.iter().max().map_or(0, |max| *max as usize + 1)];
        let mut label = Vec::new();
        for &t in order {
            let sequence = trace.sequence[t as usize] as usize;
            let index = &mut dense[sequences.document[sequence] as usize];
            if *index == NONE {
                *index = label.len() as u32;
                label.push(sequences.category[sequence].map_or(NONE, u32::from));
            }
        }
        Self { dense, label }
    }
}

/// The occurrences that count, by document, then in input order.
fn document_order(sequences: &SequenceTable, trace: &LayerTrace, settings: &Settings) -> Vec<u32> {
    let counts = |t: &u32| settings.counts(trace.position[*t as usize]);
    let mut order: Vec<u32> = (0..trace.len() as u32).filter(counts).collect();
    order.sort_by_key(|t| sequences.document[trace.sequence[*t as usize] as usize]);
    order
}

/// The distinct values in ascending order, and every value as an index into them.
pub(super) fn dense(values: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let largest = values.iter().copied().max().unwrap_or(0) as usize;
    if largest >= LARGEST_TABLE {
        return dense_by_search(values);
    }
    let mut index = vec![NONE; largest + 1];
    for value in values {
        index[*value as usize] = 0;
    }
    let distinct: Vec<u32> = (0..=largest as u32).filter(|value| index[*value as usize] == 0).collect();
    (0..).zip(&distinct).for_each(|(position, value)| index[*value as usize] = position);
    let indices = values.iter().map(|value| index[*value as usize]).collect();
    (distinct, indices)
}

/// The most entries of a table that is indexed directly (16 MiB); beyond it values are searched.
const LARGEST_TABLE: usize = 1 << 22;

fn dense_by_search(values: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut distinct = values.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let index = values.iter().map(|value| distinct.partition_point(|other| other < value) as u32).collect();
    (distinct, index)
}

/// The distinct choice vectors in order of first appearance, and the pattern index of every row.
fn patterns(trace: &LayerTrace, order: &[u32]) -> (Patterns, Vec<u32>) {
    let mut patterns = Patterns { start: [vec![0], vec![0]], top_k: trace.top_k, ..Patterns::default() };
    let mut known = KnownPatterns::new(trace);
    let mut vector = Vec::with_capacity(trace.top_k);
    let index = order
        .iter()
        .map(|&t| {
            let (choices, kept) = (trace.choices(t as usize), trace.kept(t as usize));
            vector.clear();
            vector.extend(choices.iter().copied().zip(kept.iter().copied()));
            known.index(&mut patterns, &vector)
        })
        .collect();
    (patterns, index)
}

/// Finds the number of a choice vector.
enum KnownPatterns {
    /// Every possible vector has its own entry, which is [`NONE`] as long as the vector is new.
    Table { experts: usize, index: Vec<u32> },
    /// There are too many possible vectors: a hash table with linear probing. It holds numbers; the vectors themselves are only in
    /// [`Patterns`]. Its size is a power of two, and at least half of its entries are free ([`NONE`]).
    Hashed(Vec<u32>),
}

impl KnownPatterns {
    fn new(trace: &LayerTrace) -> Self {
        let possible = (0..trace.top_k).try_fold(1_usize, |possible, _| possible.checked_mul(2 * trace.num_experts));
        match possible.filter(|possible| *possible <= LARGEST_TABLE) {
            Some(possible) => Self::Table { experts: trace.num_experts, index: vec![NONE; possible] },
            None => Self::Hashed(vec![NONE; 1 << 10]),
        }
    }

    /// The number of a vector; a new one becomes the next pattern.
    fn index(&mut self, patterns: &mut Patterns, vector: &[(ExpertId, bool)]) -> u32 {
        let place = match self {
            Self::Table { experts, index } => {
                &mut index[vector.iter().fold(0, |sum, choice| sum * 2 * *experts + code(*choice))]
            }
            Self::Hashed(places) => {
                if 2 * patterns.len() >= places.len() {
                    *places = grown(patterns, 2 * places.len());
                }
                let place = place(patterns, places, vector);
                &mut places[place]
            }
        };
        if *place == NONE {
            *place = patterns.len() as u32;
            patterns.push(vector);
        }
        *place
    }
}

/// A choice as a number: expert and kept flag.
fn code((expert, kept): (ExpertId, bool)) -> usize {
    2 * usize::from(expert) + usize::from(kept)
}

/// The place of a vector: where its number is, or the free one where it belongs.
fn place(patterns: &Patterns, places: &[u32], vector: &[(ExpertId, bool)]) -> usize {
    let hash = vector.iter().fold(0, |hash, choice| split_mix(hash ^ code(*choice) as u64));
    let mut place = hash as usize & (places.len() - 1);
    while places[place] != NONE && patterns.choices(places[place]) != vector {
        place = (place + 1) & (places.len() - 1);
    }
    place
}

/// As many places as asked for, with all patterns so far.
fn grown(patterns: &Patterns, length: usize) -> Vec<u32> {
    let mut places = vec![NONE; length];
    for pattern in 0..patterns.len() as u32 {
        let place = place(patterns, &places, patterns.choices(pattern));
        places[place] = pattern;
    }
    places
}

/// Refuses columns that do not belong together.
pub(super) fn check(sequences: &SequenceTable, trace: &LayerTrace) -> Result<()> {
    let (rows, assignments) = (trace.len(), trace.len() * trace.top_k);
    let provided = |block, length| if trace.provides.has(block) { length } else { 0 };
    let lengths = [
        ("sequence", trace.sequence.len(), rows),
        ("position", trace.position.len(), rows),
        ("expert", trace.expert.len(), assignments),
        ("token_id", trace.token_id.len(), provided(Block::TokenIds, rows)),
        ("kept", trace.kept.len(), provided(Block::Drops, assignments)),
        ("entropy", trace.entropy.len(), provided(Block::Entropy, rows)),
        ("margin_first", trace.margin_first.len(), provided(Block::MarginFirst, rows)),
        ("margin_k", trace.margin_k.len(), provided(Block::MarginK, rows)),
        ("document", sequences.document.len(), sequences.tokens.len()),
        ("category", sequences.category.len(), sequences.tokens.len()),
    ];
    for (column, found, expected) in lengths {
        if found != expected {
            return Err(fault(trace, &format!("column `{column}` has {found} values, expected {expected}")));
        }
    }
    if trace.sequence.iter().any(|sequence| *sequence as usize >= sequences.document.len()) {
        return Err(fault(trace, "a row names a sequence that does not exist"));
    }
    if trace.expert.iter().any(|expert| usize::from(*expert) >= trace.num_experts) {
        return Err(fault(trace, &format!("a row names an expert beyond the {} of the layer", trace.num_experts)));
    }
    let categories = sequences.category_names.len();
    if sequences.category.iter().flatten().any(|category| usize::from(*category) >= categories) {
        return Err(fault(trace, "a sequence names a category that does not exist"));
    }
    if trace.top_k == 0 || trace.top_k > trace.num_experts || assignments > u32::MAX as usize {
        let (experts, k) = (trace.num_experts, trace.top_k);
        return Err(fault(
            trace,
            &format!("{rows} occurrences with {k} choices of {experts} experts cannot be counted"),
        ));
    }
    Ok(())
}

fn fault(trace: &LayerTrace, message: &str) -> Error {
    Error::internal(format!("trace of decoder layer {}: {message}", trace.layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_alike_by_table_and_by_search() {
        let values = [7, 0, 30_000, 7, 12];
        let expected = (vec![0, 7, 12, 30_000], vec![1, 0, 3, 1, 2]);
        assert_eq!(dense(&values), expected);
        assert_eq!(dense_by_search(&values), expected);
        assert_eq!(dense(&[u32::MAX, 3]), (vec![3, u32::MAX], vec![1, 0]));
        assert_eq!(dense(&[]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn patterns_are_numbered_alike_in_a_table_and_by_hash() {
        let vectors = [[(2, true), (0, true)], [(0, true), (2, true)], [(2, true), (0, false)], [(2, true), (0, true)]];
        let trace = |num_experts| LayerTrace {
            num_experts,
            top_k: 2,
            expert: vectors.iter().flatten().map(|(expert, _)| *expert).collect(),
            kept: vectors.iter().flatten().map(|(_, kept)| *kept).collect(),
            ..LayerTrace::default()
        };
        let (few, many) = (trace(3), trace(40_000));
        assert!(matches!(KnownPatterns::new(&few), KnownPatterns::Table { .. }));
        assert!(matches!(KnownPatterns::new(&many), KnownPatterns::Hashed(_)));
        for trace in [few, many] {
            let (patterns, index) = patterns(&trace, &[0, 1, 2, 3]);
            assert_eq!(index, [0, 1, 2, 0]);
            assert_eq!((patterns.choices(2), patterns.experts(View::Kept, 2)), (vectors[2].as_slice(), [2].as_slice()));
        }
    }

    #[test]
    fn thousands_of_vectors_of_eight_choices_are_told_apart() {
        // Row t has the choices t, t + 7, t + 14 ... modulo 4,999: 4,999 vectors, each of them twice.
        let rows = 2 * 4_999_u32;
        let expert = |t: u32, choice: u32| ((t + 7 * choice) % 4_999) as ExpertId;
        let trace = LayerTrace {
            num_experts: 5_000,
            top_k: 8,
            expert: (0..rows).flat_map(|t| (0..8).map(move |choice| expert(t, choice))).collect(),
            kept: vec![true; 8 * rows as usize],
            ..LayerTrace::default()
        };
        let (patterns, index) = patterns(&trace, &(0..rows).collect::<Vec<u32>>());
        assert_eq!(patterns.len(), 4_999);
        assert!((0..rows).all(|t| index[t as usize] == t % 4_999));
        assert_eq!(patterns.experts(View::Kept, 4_998), [4_998, 6, 13, 20, 27, 34, 41, 48]);
    }
}
