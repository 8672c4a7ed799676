//! From standardized differences to p-values and to the false discovery rate over all experts of all layers.
//!
//! One expert's own permutations are too few for a test of thousands of experts: with 1,000 of them no p-value is below 0.001,
//! and none survives a correction for 1,664 tests. Standardized differences of different experts are comparable, so that their
//! permutations are pooled (Storey and Tibshirani 2003, doi 10.1073/pnas.1530509100).

use super::design::LARGEST_Z;

/// The false discovery rate below which an expert counts as different.
pub const FALSE_DISCOVERY_RATE: f64 = 0.05;

/// Bins of |z| for each unit.
const BINS: f64 = 1000.0;

/// How often |z| was how large under permutations, of all experts of all layers. Counts in bins take the same memory for any
/// model; a p-value is too large by no more than one bin.
#[derive(Clone, Debug)]
pub(super) struct Permuted {
    count: Vec<u64>,
}

impl Permuted {
    /// Without any permutation yet.
    pub(super) fn new() -> Self {
        Self { count: vec![0; bin(LARGEST_Z) + 1] }
    }

    /// Adds the bins of some permutations.
    pub(super) fn add(&mut self, bins: &[u32]) {
        for bin in bins {
            self.count[*bin as usize] += 1;
        }
    }

    /// The p-values of standardized differences: (1 + permuted that reach it) / (1 + permuted).
    pub(super) fn p_values(&self, z: &[f64]) -> Vec<f64> {
        let mut reached = self.count.clone();
        for at in (0..reached.len() - 1).rev() {
            reached[at] += reached[at + 1];
        }
        let all = 1.0 + reached[0] as f64;
        z.iter().map(|z| (1.0 + reached[bin(*z)] as f64) / all).collect()
    }
}

/// The bin of a standardized difference; both signs share it.
pub(super) fn bin(z: f64) -> usize {
    (z.abs().min(LARGEST_Z) * BINS).floor() as usize
}

/// The smallest false discovery rate at which each test is rejected (Benjamini and Hochberg 1995): the least of p m / rank over
/// the p-values that are at least as large.
pub(super) fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (from_largest, test) in order.iter().enumerate() {
        let rank = p.len() - from_largest;
        least = least.min(p[*test] * p.len() as f64 / rank as f64);
        q[*test] = least;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_values_are_those_of_the_procedure() {
        // p m / rank: 0.01 * 4 / 1 = 0.04, 0.02 * 4 / 2 = 0.04, 0.04 * 4 / 3 = 0.0533, 0.9.
        let q = benjamini_hochberg(&[0.9, 0.02, 0.04, 0.01]);
        let expected = [0.9, 0.04, 0.16 / 3.0, 0.04];
        assert!(q.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{q:?}");
        assert!(benjamini_hochberg(&[]).is_empty());
    }

    #[test]
    fn p_values_count_what_is_at_least_as_far_from_zero() {
        let mut permuted = Permuted::new();
        permuted.add(&[-1.0, 2.0, 0.5, 99.0].map(|z| bin(z) as u32));
        let p = permuted.p_values(&[2.0, -2.0, 0.0, 50.0, 1.5]);
        assert_eq!(p, [3.0 / 5.0, 3.0 / 5.0, 1.0, 2.0 / 5.0, 3.0 / 5.0]);
    }
}
