//! `coactivation`: how often two experts are chosen by the same token. All k(k-1)/2 pairs of a token count; the
//! pairwise walk over ranks in OLMoE's script counts neighbours only.

use rayon::prelude::*;

use super::{catalog::Statistic, finding::Finding, resample::percentile, study::Study};
use crate::routing::{ExpertId, View};

/// Iterations of the fit; with two choices a few dozen are enough.
const ITERATIONS: usize = 20_000;

/// Probability of every pair under the distribution of k-subsets with these marginals and the largest entropy:
/// P(S) proportional to the product of weights `w_e` over e in S. `[experts, experts]`, symmetric, diagonal 0.
///
/// The weights are fitted by iterative scaling, `w_e` <- `q_e` Z / `e_{k-1}`(w without e), to 1e-14 in the marginals;
/// experts with q = 1 are in every set and are taken out first. `marginal` must sum to k.
pub fn maximum_entropy_pairs(marginal: &[f64], top_k: usize) -> Vec<f64> {
    let experts = marginal.len();
    let always: Vec<usize> = (0..experts).filter(|e| marginal[*e] >= 1.0 - 1e-12).collect();
    let free: Vec<usize> = (0..experts).filter(|e| marginal[*e] > 0.0 && !always.contains(e)).collect();
    let mut pair = vec![0.0; experts * experts];
    for &a in &always {
        for e in (0..experts).filter(|e| *e != a) {
            pair[a * experts + e] = marginal[e];
            pair[e * experts + a] = marginal[e];
        }
    }
    for a in &always {
        for b in always.iter().filter(|b| *b != a) {
            pair[a * experts + b] = 1.0;
        }
    }
    let left = top_k.saturating_sub(always.len());
    if left >= 2 && free.len() >= left {
        let weight = fit(&free.iter().map(|e| marginal[*e]).collect::<Vec<_>>(), left);
        let normalizer = symmetric(&weight, left, &[])[left];
        for (i, &e) in free.iter().enumerate() {
            for (j, &f) in free.iter().enumerate().filter(|(j, _)| *j != i) {
                pair[e * experts + f] =
                    weight[i] * weight[j] * symmetric(&weight, left, &[i, j])[left - 2] / normalizer;
            }
        }
    }
    pair
}

/// The weights with mean 1 for which the marginals are `q`.
fn fit(q: &[f64], k: usize) -> Vec<f64> {
    let mut weight = q.to_vec();
    for _ in 0..ITERATIONS {
        let normalizer = symmetric(&weight, k, &[])[k];
        let rest: Vec<f64> = (0..q.len()).map(|e| symmetric(&weight, k, &[e])[k - 1]).collect();
        let off = (0..q.len()).map(|e| (weight[e] * rest[e] / normalizer - q[e]).abs()).fold(0.0, f64::max);
        if off < 1e-14 || !off.is_finite() {
            break;
        }
        weight = (0..q.len()).map(|e| q[e] * normalizer / rest[e]).collect();
        let mean = weight.iter().sum::<f64>() / weight.len() as f64;
        for weight in &mut weight {
            *weight /= mean;
        }
    }
    weight
}

/// Elementary symmetric polynomials of degree 0 to k of the weights, some of them left out.
fn symmetric(weight: &[f64], k: usize, without: &[usize]) -> Vec<f64> {
    let mut polynomial = vec![0.0; k + 1];
    polynomial[0] = 1.0;
    for (_, weight) in weight.iter().enumerate().filter(|(e, _)| !without.contains(e)) {
        for degree in (1..=k).rev() {
            polynomial[degree] += weight * polynomial[degree - 1];
        }
    }
    polynomial
}

/// Per document and pair of experts: occurrences that chose (kept) both; and per number of choices left, the
/// occurrences and the experts among them.
struct PairCounts {
    /// `(document, count)` by pair, `[experts, experts]`, upper triangle.
    by_pair: Vec<Vec<(u32, u32)>>,
    /// Occurrences with m choices, `[k + 1]`.
    size: Vec<u64>,
    /// Expert counts of these, `[k + 1][experts]`.
    by_size: Vec<Vec<u64>>,
}

impl PairCounts {
    fn new(study: &Study, view: View) -> Self {
        let (data, experts) = (&study.data, study.data.experts);
        let mut counts = Self {
            by_pair: vec![Vec::new(); experts * experts],
            size: vec![0; data.top_k + 1],
            by_size: vec![vec![0; experts]; data.top_k + 1],
        };
        for row in 0..data.len() {
            let choices = data.choices(view, row);
            counts.size[choices.len()] += 1;
            for (i, &a) in choices.iter().enumerate() {
                counts.by_size[choices.len()][usize::from(a)] += 1;
                for &b in &choices[..i] {
                    let pair = &mut counts.by_pair[usize::from(a.min(b)) * experts + usize::from(a.max(b))];
                    match pair.last_mut() {
                        Some((document, count)) if *document == data.document[row] => *count += 1,
                        _ => pair.push((data.document[row], 1)),
                    }
                }
            }
        }
        counts
    }

    /// Pair probabilities of the maximum-entropy distribution, for every number of choices left on its own.
    fn load_matched(&self, n: f64) -> Vec<f64> {
        let experts = self.by_size[0].len();
        let mut pair = vec![0.0; experts * experts];
        for (size, &occurrences) in self.size.iter().enumerate().filter(|(size, n)| *size >= 2 && **n > 0) {
            let marginal: Vec<f64> = self.by_size[size].iter().map(|c| *c as f64 / occurrences as f64).collect();
            let weight = occurrences as f64 / n;
            pair.iter_mut().zip(maximum_entropy_pairs(&marginal, size)).for_each(|(sum, p)| *sum += weight * p);
        }
        pair
    }
}

/// One row per pair of experts: share of the occurrences that chose (kept view: kept) both. Baseline: the
/// maximum-entropy distribution of k-subsets with the same loads (kept view: separately for occurrences that kept m
/// choices); `uniform_baseline`: k(k-1) / (E(E-1)). Withheld for k = 1.
pub(super) fn coactivation(study: &Study, view: View) -> Vec<Finding> {
    let (experts, top_k, n) = (study.data.experts, study.data.top_k, study.data.len());
    let empty = || Finding { n: n as u64, ..study.finding(Statistic::Coactivation, view) };
    if top_k < 2 || n == 0 {
        let reason = if top_k < 2 { "one choice per token: there are no pairs" } else { "no occurrence to count" };
        return vec![empty().withheld(reason)];
    }
    let counts = PairCounts::new(study, view);
    let chance = counts.load_matched(n as f64);
    let documents = study.data.documents();
    let occurrences = study.resamples.sums(study.counts[0].occurrences.iter().map(|n| f64::from(*n)).enumerate());
    let uniform = (top_k * (top_k - 1)) as f64 / (experts * (experts - 1)) as f64;
    let pairs: Vec<(usize, usize)> = (0..experts).flat_map(|a| (a + 1..experts).map(move |b| (a, b))).collect();
    pairs
        .into_par_iter()
        .map(|(a, b)| {
            let count = &counts.by_pair[a * experts + b];
            let both: u64 = count.iter().map(|(_, count)| u64::from(*count)).sum();
            let sums = study.resamples.sums(count.iter().map(|(d, count)| (*d as usize, f64::from(*count))));
            let mut values = sums.iter().zip(&occurrences).map(|(both, n)| both / n).collect();
            let interval = percentile(&mut values).filter(|_| study.resamples.enough(documents));
            let finding = empty().measured(both as f64 / n as f64, interval, n as u64, documents as u64);
            let mut finding = finding.against(chance[a * experts + b], "maximum_entropy");
            finding.subject.expert = Some(a as ExpertId);
            finding.subject.other_expert = Some(b as ExpertId);
            finding.uniform_baseline = Some(uniform);
            study.with_reason(finding, documents)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_marginals_give_equal_pairs() {
        // E = 4, k = 2: k(k-1)/(E(E-1)) = 1/6.
        let pair = maximum_entropy_pairs(&[0.5; 4], 2);
        assert!((pair[1] - 1.0 / 6.0).abs() < 1e-12, "{pair:?}");
    }

    #[test]
    fn fitted_pairs_have_the_marginals_and_product_form() {
        let marginal = [0.9, 0.5, 0.4, 0.2];
        let pair = maximum_entropy_pairs(&marginal, 2);
        for e in 0..4 {
            assert!((pair[e * 4..e * 4 + 4].iter().sum::<f64>() - marginal[e]).abs() < 1e-12);
        }
        // w_0 w_1 * w_2 w_3 = w_0 w_2 * w_1 w_3.
        assert!((pair[1] * pair[11] - pair[2] * pair[7]).abs() < 1e-12);
        let triple = maximum_entropy_pairs(&[0.9, 0.8, 0.7, 0.6], 3);
        assert!((triple[0..4].iter().sum::<f64>() - 2.0 * 0.9).abs() < 1e-12);
    }

    #[test]
    fn an_expert_in_every_set_pairs_with_everyone_at_their_rate() {
        let pair = maximum_entropy_pairs(&[1.0, 0.75, 0.25], 2);
        assert_eq!(pair, [0.0, 0.75, 0.25, 0.75, 0.0, 0.0, 0.25, 0.0, 0.0]);
    }
}
