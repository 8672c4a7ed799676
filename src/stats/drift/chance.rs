//! Load-matched chance: what two routers would agree on that choose independently with the loads they have.
//!
//! Saturation and first choice follow from the loads of the experts, the exact set from how often each whole set of
//! choices occurs. The Jaccard index needs how many experts two independent sets share: for k <= 2 that follows from
//! the other two, for more choices from pairs of rows (see `overlap`). No subsets are listed, of which there would be
//! 2^k for every row.

use crate::{
    random::{Stream, split_mix},
    routing::{ExpertId, View},
    stats::{
        occurrences::Occurrences,
        overlap::{Drawn, Expected, expected},
    },
};

/// How often every expert was chosen, chosen first, and every whole set of experts chosen.
pub(super) struct Sets {
    n: f64,
    top_k: usize,
    /// Rows that chose each expert first, `[experts]`.
    first: Vec<f64>,
    /// Rows that chose each expert, `[experts]`.
    chosen: Vec<f64>,
    /// The sets that occur and how often, ascending.
    whole: Vec<(u128, u32)>,
}

impl Sets {
    /// Counts the choices of some rows.
    pub(super) fn new(data: &Occurrences, rows: impl Iterator<Item = usize>) -> Self {
        let mut patterns = vec![0; data.patterns.len()];
        rows.for_each(|row| patterns[data.pattern[row] as usize] += 1);
        let counted = (0..).zip(patterns).filter(|(_, count)| *count > 0);
        let counted = counted.map(|(pattern, count)| (data.patterns.experts(View::Chosen, pattern), count));
        Self::of(data.experts, data.top_k, counted)
    }

    /// Counts choice vectors, each given with the number of its occurrences.
    fn of<'a>(experts: usize, top_k: usize, counted: impl Iterator<Item = (&'a [ExpertId], u32)>) -> Self {
        let zero = || vec![0.0; experts];
        let mut counts = Self { n: 0.0, top_k, first: zero(), chosen: zero(), whole: Vec::new() };
        for (choices, count) in counted {
            counts.n += f64::from(count);
            counts.first[usize::from(choices[0])] += f64::from(count);
            for expert in choices {
                counts.chosen[usize::from(*expert)] += f64::from(count);
            }
            counts.whole.push((set_key(choices, experts), count));
        }
        counts.whole.sort_unstable();
        counts.whole.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            kept.1 += if same { later.1 } else { 0 };
            same
        });
        counts
    }

    /// Share of the rows that chose each expert first.
    pub(super) fn first(&self) -> Vec<f64> {
        self.first.iter().map(|count| count / self.n).collect()
    }

    /// Expected agreement of a row of `self` with an independent row of `other`; NaN without rows.
    pub(super) fn chance(&self, other: &Self) -> Chance {
        let pairs = self.n * other.n;
        let loads = self.chosen.iter().zip(&other.chosen).filter(|(own, _)| **own > 0.0);
        let shared = loads.map(|(own, other)| (other * own) / pairs).sum::<f64>();
        let same = |(set, count): &(u128, u32)| (other.count(*set) * f64::from(*count)) / pairs;
        let exact = self.whole.iter().map(same).sum();
        let first = self.first.iter().zip(&other.first).map(|(a, b)| a * b).sum::<f64>() / pairs;
        let k = self.top_k as f64;
        Chance { saturation: shared / k, first, exact, shared }
    }

    /// Rows that chose exactly this set.
    fn count(&self, set: u128) -> f64 {
        self.whole.binary_search_by_key(&set, |(set, _)| *set).map_or(0.0, |place| f64::from(self.whole[place].1))
    }
}

/// A set of experts as a number, whatever the order of the choices: the experts in ascending order, as long as they fit,
/// so that sets are ordered by their experts; else (more than 14 choices of 512 experts) 128 bits of hash.
fn set_key(choices: &[ExpertId], experts: usize) -> u128 {
    let mut sorted = choices.to_vec();
    sorted.sort_unstable();
    let bits = usize::BITS - experts.saturating_sub(1).leading_zeros();
    if bits as usize * choices.len() <= u128::BITS as usize {
        return sorted.iter().fold(0, |key, expert| (key << bits) | u128::from(*expert));
    }
    let half = |start: u64| u128::from(sorted.iter().fold(start, |hash, expert| split_mix(hash ^ u64::from(*expert))));
    (half(1) << 64) | half(2)
}

/// What agreement is expected by chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    /// (1/k) sum over experts of q q', q = share of the rows that chose the expert.
    pub(super) saturation: f64,
    /// Sum over experts of p p', p = share of the rows that chose the expert first.
    pub(super) first: f64,
    /// Sum over sets of P P'.
    pub(super) exact: f64,
    /// Expected number of shared experts.
    shared: f64,
}

impl Chance {
    /// Expectation of the Jaccard index between independent rows of two checkpoints, of which this is the chance.
    pub(super) fn jaccard(&self, one: &Occurrences, other: &Occurrences, stream: Stream) -> Expected {
        let k = one.top_k;
        let index = |shared: usize| shared as f64 / (2.0 * k as f64 - shared as f64);
        if k > 2 {
            return expected(&side(one), &side(other), index, stream);
        }
        let overlap = overlap_chance(&[self.shared, self.exact][..k]);
        let mean = overlap.iter().enumerate().map(|(shared, p)| p * shared as f64 / (2.0 * k as f64 - shared as f64));
        Expected { mean: mean.sum(), drawn: false }
    }
}

/// All rows of a checkpoint.
fn side(data: &Occurrences) -> Drawn<'_> {
    Drawn { patterns: &data.patterns, experts: data.experts, rows: data.pattern.clone() }
}

/// P(two sets of k experts share exactly j), j = 0 ..= k, from their binomial moments: the m-th (from m = 1) is the
/// expected number of m-subsets that both contain. P(j) = sum over m >= j of (-1)^(m-j) C(m, j) `B_m`, `B_0` = 1.
pub fn overlap_chance(moments: &[f64]) -> Vec<f64> {
    let k = moments.len();
    let moment = |m: usize| if m == 0 { 1.0 } else { moments[m - 1] };
    let choose = |m: usize, j: usize| (0..j).map(|i| (m - i) as f64 / (i + 1) as f64).product::<f64>();
    let sign = |power: usize| if power.is_multiple_of(2) { 1.0 } else { -1.0 };
    (0..=k).map(|j| (j..=k).map(|m| sign(m - j) * choose(m, j) * moment(m)).sum::<f64>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        random::Purpose,
        stats::Settings,
        trace::{LayerTrace, SequenceTable},
    };

    /// One sequence with these choices.
    fn occurrences<const K: usize>(rows: &[[ExpertId; K]], experts: usize) -> Occurrences {
        let sequences = SequenceTable {
            tokens: vec![rows.len() as u32],
            document: vec![0],
            category: vec![None],
            document_names: vec!["document".to_owned()],
            ..SequenceTable::default()
        };
        let trace = LayerTrace {
            num_experts: experts,
            top_k: K,
            sequence: vec![0; rows.len()],
            position: (0..rows.len() as u32).collect(),
            token_id: vec![0; rows.len()],
            expert: rows.concat(),
            kept: vec![true; rows.len() * K],
            entropy: vec![0.0; rows.len()],
            margin_first: vec![0.0; rows.len()],
            margin_k: vec![0.0; rows.len()],
            ..LayerTrace::default()
        };
        Occurrences::new(&sequences, &trace, &Settings::default()).unwrap()
    }

    /// Saturation, first choice, exact set and Jaccard index by chance, and whether pairs were drawn for the last.
    fn chance_of<const K: usize>(rows: &[[ExpertId; K]], others: &[[ExpertId; K]], experts: usize) -> ([f64; 4], bool) {
        let (one, other) = (occurrences(rows, experts), occurrences(others, experts));
        let sets = |data: &Occurrences| Sets::new(data, 0..data.len());
        let chance = sets(&one).chance(&sets(&other));
        let jaccard = chance.jaccard(&one, &other, Stream::new(0, 0, Purpose::Pairs, 0));
        ([chance.saturation, chance.first, chance.exact, jaccard.mean], jaccard.drawn)
    }

    /// The mean over all pairs of rows.
    fn by_pairs<const K: usize>(rows: &[[ExpertId; K]], others: &[[ExpertId; K]]) -> [f64; 4] {
        let (mut expected, k) = ([0.0; 4], K as f64);
        for row in rows {
            for other in others {
                let shared = row.iter().filter(|e| other.contains(e)).count() as f64;
                let flag = |holds: bool| f64::from(u8::from(holds));
                let values = [shared / k, flag(row[0] == other[0]), flag(shared == k), shared / (2.0 * k - shared)];
                expected.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        expected.map(|sum| sum / (rows.len() * others.len()) as f64)
    }

    fn assert_near(found: [f64; 4], expected: [f64; 4], tolerance: f64) {
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
        }
    }

    #[test]
    fn chance_is_the_mean_over_all_pairs_of_rows() {
        let (rows, others) = ([[0, 1, 2], [3, 1, 0], [2, 4, 3], [1, 0, 2]], [[2, 1, 0], [0, 4, 3], [3, 1, 4]]);
        assert_near(chance_of(&rows, &others, 5).0, by_pairs(&rows, &others), 1e-12);
        let (rows, others) = ([[0, 1], [3, 1], [2, 4], [1, 0]], [[2, 1], [0, 4], [1, 3]]);
        assert_near(chance_of(&rows, &others, 5).0, by_pairs(&rows, &others), 1e-12);
        let (rows, others) = ([[0], [3], [0]], [[0], [1]]);
        // A third of the rows meets half of the others: 2/3 * 1/2 = 1/3, for all four.
        assert_near(chance_of(&rows, &others, 5).0, [1.0 / 3.0; 4], 1e-12);
    }

    #[test]
    fn sets_too_large_for_a_number_are_told_apart_by_hash() {
        // 16 of 512 experts are 144 bits. The third row is the first in another order.
        let from = |start: ExpertId| -> [ExpertId; 16] { std::array::from_fn(|choice| start + choice as ExpertId) };
        let mut backwards = from(0);
        backwards.reverse();
        let (rows, others) = ([from(0), from(16), backwards], [from(0), from(8)]);
        assert_near(chance_of(&rows, &others, 512).0, by_pairs(&rows, &others), 1e-12);
    }

    #[test]
    fn thousands_of_sets_of_eight_experts_are_compared_by_drawn_pairs() {
        // Row t chooses the residues of t + 0, 1, 4, 9, 16 ... modulo 61 times a stride: 2,100 vectors, 4.4 million
        // pairs of them. All pairs are looked at here, and 2^20 are drawn there.
        let rows: Vec<[ExpertId; 8]> = (0..2_100_u32)
            .map(|t| {
                let stride = 1 + t / 61;
                std::array::from_fn(|choice| ((t + stride * choice as u32) % 61) as ExpertId)
            })
            .collect();
        let (found, drawn) = chance_of(&rows, &rows, 61);
        assert!(drawn);
        let expected = by_pairs(&rows, &rows);
        assert_near([found[0], found[1], found[2], 0.0], [expected[0], expected[1], expected[2], 0.0], 1e-12);
        assert!((found[3] - expected[3]).abs() < 2e-4, "{} is not {}", found[3], expected[3]);
    }

    #[test]
    fn uniform_pairs_of_four_experts() {
        // Two random pairs of 4: both 1/6, one 4/6, none 1/6. E(shared) = 1, E(shared pairs) = 1/6.
        let found = overlap_chance(&[1.0, 1.0 / 6.0]);
        for (found, expected) in found.iter().zip([1.0 / 6.0, 4.0 / 6.0, 1.0 / 6.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
    }
}
