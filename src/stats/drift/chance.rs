//! Load-matched chance: what two routers would agree on that choose independently with the loads they have.

use std::collections::BTreeMap;

use crate::{routing::ExpertId, stats::occurrences::Occurrences};

/// How often every set of 1 to k experts was chosen together, and every expert first.
pub(super) struct Sets {
    n: f64,
    top_k: usize,
    first: Vec<f64>,
    /// Occurrences that chose every expert of a set, by the size of the set: index 0 holds single experts.
    subsets: Vec<BTreeMap<Vec<ExpertId>, f64>>,
}

impl Sets {
    /// Counts the choices of some rows.
    pub(super) fn new(data: &Occurrences, rows: impl Iterator<Item = usize>) -> Self {
        let mut patterns = vec![0.0; data.patterns.len()];
        rows.for_each(|row| patterns[data.pattern[row] as usize] += 1.0);
        let mut sets = Self::empty(data.experts, data.top_k);
        for (pattern, count) in patterns.into_iter().enumerate().filter(|(_, count)| *count > 0.0) {
            let choices: Vec<ExpertId> = data.patterns.choices(pattern as u32).iter().map(|choice| choice.0).collect();
            sets.add(&choices, count);
        }
        sets
    }

    fn empty(experts: usize, top_k: usize) -> Self {
        Self { n: 0.0, top_k, first: vec![0.0; experts], subsets: vec![BTreeMap::new(); top_k] }
    }

    fn add(&mut self, choices: &[ExpertId], count: f64) {
        self.n += count;
        self.first[usize::from(choices[0])] += count;
        let mut sorted = choices.to_vec();
        sorted.sort_unstable();
        for chosen in 1..1_usize << sorted.len() {
            let subset: Vec<ExpertId> =
                sorted.iter().enumerate().filter(|(i, _)| chosen >> i & 1 == 1).map(|(_, e)| *e).collect();
            *self.subsets[subset.len() - 1].entry(subset).or_default() += count;
        }
    }

    /// Share of the rows that chose each expert first.
    pub(super) fn first(&self) -> Vec<f64> {
        self.first.iter().map(|count| count / self.n).collect()
    }

    /// Expected agreement of a row of `self` with an independent row of `other`; NaN without rows.
    pub(super) fn chance(&self, other: &Self) -> Chance {
        let pairs = self.n * other.n;
        let product = |(set, count): (&Vec<ExpertId>, &f64)| {
            (other.subsets[set.len() - 1].get(set).copied().unwrap_or(0.0) * count) / pairs
        };
        // The m-th entry is the expected number of sets of m experts that both rows contain.
        let moments: Vec<f64> = self.subsets.iter().map(|sets| sets.iter().map(product).sum()).collect();
        let overlap = overlap_chance(&moments);
        let k = self.top_k as f64;
        let jaccard = overlap.iter().enumerate().map(|(shared, p)| p * shared as f64 / (2.0 * k - shared as f64)).sum();
        let first = self.first.iter().zip(&other.first).map(|(a, b)| a * b).sum::<f64>() / pairs;
        Chance { saturation: moments[0] / k, first, exact: moments[self.top_k - 1], jaccard }
    }
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
    /// Expectation of the Jaccard index.
    pub(super) jaccard: f64,
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

    #[test]
    fn chance_is_the_mean_over_all_pairs_of_rows() {
        let rows: [[ExpertId; 3]; 4] = [[0, 1, 2], [3, 1, 0], [2, 4, 3], [1, 0, 2]];
        let others: [[ExpertId; 3]; 3] = [[2, 1, 0], [0, 4, 3], [3, 1, 4]];
        let count = |rows: &[[ExpertId; 3]]| {
            let mut sets = Sets::empty(5, 3);
            for row in rows {
                sets.add(row, 1.0);
            }
            sets
        };
        let found = count(&rows).chance(&count(&others));
        let mut expected = [0.0; 4];
        for row in rows {
            for other in others {
                let shared = row.iter().filter(|e| other.contains(e)).count() as f64;
                let values = [
                    shared / 3.0,
                    f64::from(u8::from(row[0] == other[0])),
                    f64::from(u8::from(shared == 3.0)),
                    shared / (6.0 - shared),
                ];
                expected.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / 12.0);
            }
        }
        for (found, expected) in [found.saturation, found.first, found.exact, found.jaccard].into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
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
