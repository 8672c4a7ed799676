//! How sure a difference is: documents drawn with replacement for its interval, documents that change sides for its p-value.
//!
//! A document may have tokens on one side (text of one category) or on both (the messages of two roles, the same texts in two
//! runs). Where any has both, all documents are drawn together, so that the interval is that of a paired difference; else the
//! documents of each side are drawn among themselves.
//!
//! What z is by chance: where every document has one side, the sides are shuffled among the documents; where every document has
//! both, each exchanges them with probability 1/2. Where some have one side and some both, neither would move enough documents:
//! there the documents are drawn with replacement, and z is that of the drawn difference minus the observed one (the bootstrap t
//! of Efron and Tibshirani 1993).

use rayon::prelude::*;

use super::counts::SideCounts;
use crate::{
    random::{Purpose, Stream},
    routing::LayerId,
    stats::{
        resample::{Interval, Resamples, expanded_percentile},
        settings::Settings,
    },
};

/// Standardized differences beyond this are cut: documents that do not vary at all have no standard error.
pub(super) const LARGEST_Z: f64 = 50.0;

/// Differences below this are rounding.
const ROUNDING: f64 = 1e-12;

/// A difference of two rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Difference {
    /// Share of side A minus that of side B.
    pub(super) value: f64,
    /// Over its standard error, at most [`LARGEST_Z`] from 0.
    pub(super) z: f64,
}

/// How z by chance is made, one entry for each permutation; with the tokens of both sides.
enum Chance {
    /// The documents that change sides.
    Exchanged(Vec<(Vec<bool>, [f64; 2])>),
    /// How often each document is drawn.
    Drawn(Vec<(Vec<u8>, [f64; 2])>),
}

/// The documents of a layer, and how they are drawn and exchanged.
pub(super) struct Design {
    /// The documents with tokens on either side, among those of the contrast.
    documents: Vec<usize>,
    /// Their tokens on both sides, `[documents, 2]`.
    tokens: Vec<[f64; 2]>,
    resamples: Resamples,
    /// Resampled tokens of both sides.
    resampled_tokens: [Vec<f64>; 2],
    chance: Chance,
    /// Documents with tokens on a side.
    on_side: [usize; 2],
    /// Documents with tokens on both sides.
    pub(super) shared: usize,
}

impl Design {
    /// Draws resamples and permutations; none if a side has fewer documents than `settings.minimum_documents`.
    pub(super) fn new(a: &SideCounts, b: &SideCounts, layer: LayerId, settings: &Settings) -> Self {
        let both = |document: &usize| [a.occurrences[*document], b.occurrences[*document]];
        let documents: Vec<usize> = (0..a.occurrences.len()).filter(|document| both(document) != [0, 0]).collect();
        let tokens: Vec<[f64; 2]> = documents.iter().map(|document| both(document).map(f64::from)).collect();
        let mut design = Self {
            documents,
            tokens,
            resamples: Resamples::default(),
            resampled_tokens: [Vec::new(), Vec::new()],
            chance: Chance::Exchanged(Vec::new()),
            on_side: [a.documents(), b.documents()],
            shared: 0,
        };
        design.shared = design.tokens.iter().filter(|tokens| tokens.iter().all(|count| *count > 0.0)).count();
        if design.fewest_documents() >= settings.minimum_documents.max(2) {
            design.resamples = Resamples::draw_within(settings, layer, &design.strata());
            design.resampled_tokens = [0, 1].map(|side| design.resampled(|at| design.tokens[at][side]));
            design.chance = design.chance(settings, layer);
        }
        design
    }

    /// Documents of the side that has fewer.
    pub(super) fn fewest_documents(&self) -> usize {
        self.on_side[0].min(self.on_side[1])
    }

    /// Groups of documents that are drawn among themselves.
    fn strata(&self) -> Vec<Vec<u32>> {
        let all = 0..self.tokens.len() as u32;
        if self.shared > 0 {
            return vec![all.collect()];
        }
        let (a, b) = all.partition(|at| self.tokens[*at as usize][0] > 0.0);
        vec![a, b]
    }

    fn resampled(&self, value: impl Fn(usize) -> f64) -> Vec<f64> {
        self.resamples.sums((0..self.tokens.len()).map(|at| (at, value(at))))
    }

    fn chance(&self, settings: &Settings, layer: LayerId) -> Chance {
        let stream = |index: usize| Stream::new(settings.seed, layer, Purpose::Sides, index);
        let indices = (0..settings.permutations).into_par_iter();
        if self.shared == 0 || self.shared == self.tokens.len() {
            return Chance::Exchanged(indices.map(|index| self.exchange(stream(index))).collect());
        }
        let drawn = |index: usize| {
            let (mut stream, mut times) = (stream(index), vec![0_u8; self.tokens.len()]);
            for _ in 0..self.tokens.len() {
                let drawn = &mut times[stream.below(self.tokens.len() as u32) as usize];
                *drawn = drawn.saturating_add(1);
            }
            let tokens = weighted(&self.tokens, &times);
            (times, tokens)
        };
        Chance::Drawn(indices.map(drawn).collect())
    }

    /// Shuffles the sides of the documents, or exchanges those of each.
    fn exchange(&self, mut stream: Stream) -> (Vec<bool>, [f64; 2]) {
        let exchanged: Vec<bool> = if self.shared > 0 {
            self.tokens.iter().map(|_| stream.below(2) == 1).collect()
        } else {
            let sides: Vec<bool> = self.tokens.iter().map(|tokens| tokens[0] > 0.0).collect();
            let mut shuffled = sides.clone();
            stream.shuffle(&mut shuffled);
            sides.into_iter().zip(shuffled).map(|(before, now)| before != now).collect()
        };
        let tokens = sums(&self.tokens, &exchanged);
        (exchanged, tokens)
    }

    /// The counts of an expert on both sides, `[documents, 2]`.
    pub(super) fn chosen(&self, a: &[u32], b: &[u32]) -> Vec<[f64; 2]> {
        self.documents.iter().map(|document| [f64::from(a[*document]), f64::from(b[*document])]).collect()
    }

    /// The rates of both sides.
    pub(super) fn rates(&self, chosen: &[[f64; 2]]) -> [f64; 2] {
        let sum = |values: &[[f64; 2]], side: usize| values.iter().map(|values| values[side]).sum::<f64>();
        [0, 1].map(|side| sum(chosen, side) / sum(&self.tokens, side))
    }

    /// The difference between the sides as they are.
    pub(super) fn observed(&self, chosen: &[[f64; 2]]) -> Difference {
        let stay = vec![false; self.tokens.len()];
        self.exchanged(chosen, &stay, sums(&self.tokens, &stay))
    }

    /// What z is by chance, of every permutation.
    pub(super) fn by_chance(&self, chosen: &[[f64; 2]], observed: Difference) -> Vec<f64> {
        match &self.chance {
            Chance::Exchanged(all) => {
                all.iter().map(|(exchanged, tokens)| self.exchanged(chosen, exchanged, *tokens).z).collect()
            }
            Chance::Drawn(all) => all
                .iter()
                // A side of which no document is drawn has no rate.
                .filter(|(_, tokens)| tokens.iter().all(|tokens| *tokens > 0.0))
                .map(|(times, tokens)| self.drawn(chosen, times, *tokens, observed.value))
                .collect(),
        }
    }

    fn exchanged(&self, chosen: &[[f64; 2]], exchanged: &[bool], tokens: [f64; 2]) -> Difference {
        let counts = sums(chosen, exchanged);
        let rates = [counts[0] / tokens[0], counts[1] / tokens[1]];
        let mut squares = Squares::default();
        for ((chosen, of_document), exchanged) in chosen.iter().zip(&self.tokens).zip(exchanged) {
            let turned = |values: [f64; 2]| if *exchanged { [values[1], values[0]] } else { values };
            squares.add(turned(*chosen), turned(*of_document), rates, tokens, 1.0);
        }
        let value = rates[0] - rates[1];
        Difference { value, z: self.z(value, &squares) }
    }

    /// z of the difference among drawn documents, from the observed one.
    fn drawn(&self, chosen: &[[f64; 2]], times: &[u8], tokens: [f64; 2], observed: f64) -> f64 {
        let counts = weighted(chosen, times);
        let rates = [counts[0] / tokens[0], counts[1] / tokens[1]];
        let mut squares = Squares::default();
        for ((chosen, of_document), times) in chosen.iter().zip(&self.tokens).zip(times) {
            squares.add(*chosen, *of_document, rates, tokens, f64::from(*times));
        }
        self.z(rates[0] - rates[1] - observed, &squares)
    }

    /// A difference over its standard error.
    fn z(&self, difference: f64, squares: &Squares) -> f64 {
        if difference.abs() < ROUNDING {
            return 0.0;
        }
        let few = |documents: usize| documents as f64 / (documents as f64 - 1.0).max(1.0);
        let [a, b] = squares.own;
        let variance = if self.shared > 0 {
            few(self.tokens.len()) * (a + b - 2.0 * squares.both)
        } else {
            few(self.on_side[0]) * a + few(self.on_side[1]) * b
        };
        (difference / variance.max(0.0).sqrt()).clamp(-LARGEST_Z, LARGEST_Z)
    }

    /// The 95 % interval of the difference, widened for few documents; `None` with too few documents or without resamples.
    pub(super) fn interval(&self, chosen: &[[f64; 2]]) -> Interval {
        let [a, b] = [0, 1].map(|side| self.resampled(|at| chosen[at][side]));
        let [tokens_a, tokens_b] = &self.resampled_tokens;
        let rates = a.iter().zip(tokens_a).zip(b.iter().zip(tokens_b));
        let mut differences: Vec<f64> =
            rates.map(|((a, tokens_a), (b, tokens_b))| a / tokens_a - b / tokens_b).collect();
        expanded_percentile(&mut differences, self.fewest_documents())
    }
}

/// The variance of a difference by linearization: the rate of a side is a ratio of sums over documents, to which a document
/// contributes (chosen - rate x tokens) / all tokens.
#[derive(Default)]
struct Squares {
    /// Sums of squared contributions to each side.
    own: [f64; 2],
    /// Sum of the products of both.
    both: f64,
}

impl Squares {
    fn add(&mut self, chosen: [f64; 2], of_document: [f64; 2], rates: [f64; 2], tokens: [f64; 2], times: f64) {
        let [a, b] = [0, 1].map(|side| (chosen[side] - rates[side] * of_document[side]) / tokens[side]);
        self.own[0] += times * a * a;
        self.own[1] += times * b * b;
        self.both += times * a * b;
    }
}

/// The sums of both sides over documents that are drawn so many times.
fn weighted(values: &[[f64; 2]], times: &[u8]) -> [f64; 2] {
    let mut sums = [0.0; 2];
    for (values, times) in values.iter().zip(times) {
        sums[0] += f64::from(*times) * values[0];
        sums[1] += f64::from(*times) * values[1];
    }
    sums
}

/// The sums of both sides after some documents have exchanged theirs.
fn sums(values: &[[f64; 2]], exchanged: &[bool]) -> [f64; 2] {
    let mut sums = [0.0; 2];
    for (values, exchanged) in values.iter().zip(exchanged) {
        let (one, other) = if *exchanged { (1, 0) } else { (0, 1) };
        sums[0] += values[one];
        sums[1] += values[other];
    }
    sums
}
