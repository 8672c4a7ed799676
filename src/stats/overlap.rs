//! How many experts two independently drawn rows share: the chance level of repetition and of the Jaccard index.
//!
//! If there are few distinct choice vectors, all pairs are used. Otherwise pairs of rows are drawn, and the number s of shared experts
//! serves as a control variate: its mean over all pairs follows from the loads alone, so the mean of a value v(s) over the
//! drawn pairs is moved along the regression of v on s to the true mean of s.

use super::occurrences::Patterns;
use crate::{
    random::Stream,
    routing::{ExpertId, View},
};

/// The most pairs of choice vectors that are all used.
const MOST_PAIRS: usize = 1 << 22;
/// Pairs of rows that are drawn otherwise.
pub(super) const DRAWN: u32 = 1 << 20;

/// Rows to draw from.
pub(super) struct Drawn<'a> {
    /// The choice vectors.
    pub(super) patterns: &'a Patterns,
    /// Experts of the layer.
    pub(super) experts: usize,
    /// The choice vector of every row.
    pub(super) rows: Vec<u32>,
}

impl Drawn<'_> {
    fn choices(&self, pattern: u32) -> &[ExpertId] {
        self.patterns.experts(View::Chosen, pattern)
    }

    /// The choice vectors that occur, and how often.
    pub(super) fn counted(&self) -> Vec<(u32, u32)> {
        let mut counts = vec![0_u32; self.patterns.len()];
        self.rows.iter().for_each(|pattern| counts[*pattern as usize] += 1);
        (0..).zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    /// Share of the rows that chose each expert, `[experts]`.
    fn chosen(&self) -> Vec<f64> {
        let mut chosen = vec![0_u64; self.experts];
        for expert in self.rows.iter().flat_map(|pattern| self.choices(*pattern)) {
            chosen[usize::from(*expert)] += 1;
        }
        chosen.iter().map(|count| *count as f64 / self.rows.len() as f64).collect()
    }

    fn any(&self, stream: &mut Stream) -> &[ExpertId] {
        self.choices(self.rows[stream.below(self.rows.len() as u32) as usize])
    }
}

/// A mean over independent pairs of rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// The mean; NaN without rows.
    pub(super) mean: f64,
    /// Whether pairs were drawn, instead of looking at all of them.
    pub(super) drawn: bool,
}

/// The mean of `value(shared experts)` over independent pairs of a row of `one` and a row of `other`.
pub(super) fn expected(one: &Drawn, other: &Drawn, value: impl Fn(usize) -> f64, mut stream: Stream) -> Expected {
    if one.rows.is_empty() || other.rows.is_empty() {
        return Expected { mean: f64::NAN, drawn: false };
    }
    let (own, others) = (one.counted(), other.counted());
    let top_k = one.choices(own[0].0).len();
    if own.len() * others.len() <= MOST_PAIRS {
        let pairs = shared_by_all(one, &own, other, &others, top_k);
        return Expected { mean: Shared(pairs).mean(&value), drawn: false };
    }
    let mut pairs = vec![0; top_k + 1];
    for _ in 0..DRAWN {
        pairs[shared(one.any(&mut stream), other.any(&mut stream))] += 1;
    }
    let true_mean = one.chosen().iter().zip(other.chosen()).map(|(a, b)| a * b).sum();
    Expected { mean: Shared(pairs).moved_mean(&value, true_mean), drawn: true }
}

fn shared_by_all(one: &Drawn, own: &[(u32, u32)], other: &Drawn, others: &[(u32, u32)], top_k: usize) -> Vec<u64> {
    let mut pairs = vec![0; top_k + 1];
    for (pattern, count) in own {
        let choices = one.choices(*pattern);
        for (pattern, other_count) in others {
            pairs[shared(choices, other.choices(*pattern))] += u64::from(*count) * u64::from(*other_count);
        }
    }
    pairs
}

fn shared(one: &[ExpertId], other: &[ExpertId]) -> usize {
    one.iter().filter(|expert| other.contains(expert)).count()
}

/// Pairs of rows by the number of experts that they share, `[k + 1]`.
struct Shared(Vec<u64>);

impl Shared {
    fn mean(&self, value: impl Fn(usize) -> f64) -> f64 {
        let sum: f64 = self.0.iter().enumerate().map(|(shared, pairs)| *pairs as f64 * value(shared)).sum();
        sum / self.0.iter().map(|pairs| *pairs as f64).sum::<f64>()
    }

    /// The mean of a value along its regression on the number of shared experts, at the true mean of that number.
    fn moved_mean(&self, value: impl Fn(usize) -> f64, true_mean: f64) -> f64 {
        let (drawn, mean) = (self.mean(|shared| shared as f64), self.mean(&value));
        let spread = self.mean(|shared| (shared as f64 - drawn).powi(2));
        let slope = self.mean(|shared| (shared as f64 - drawn) * (value(shared) - mean)) / spread;
        if slope.is_finite() { mean + slope * (true_mean - drawn) } else { mean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_value_has_its_true_mean_whatever_was_drawn() {
        // 3 pairs share none, 1 shares two: mean 0.5. Were the true mean 0.6, 10 s + 1 would be 7 instead of 6.
        let shared = Shared(vec![3, 0, 1]);
        assert!((shared.mean(|s| 10.0 * s as f64 + 1.0) - 6.0).abs() < 1e-12);
        assert!((shared.moved_mean(|s| 10.0 * s as f64 + 1.0, 0.6) - 7.0).abs() < 1e-12);
        assert!((Shared(vec![0, 4]).moved_mean(|s| s as f64, 0.9) - 1.0).abs() < 1e-12);
    }
}
