//! The distribution of k-subsets of experts with given marginals and the largest entropy: it shows how often two experts are chosen
//! together only because both are popular.
//!
//! P(S) is proportional to the product of weights `w_e` over e in S (conditional Bernoulli; Chen, Dempster and Liu 1994,
//! doi 10.1093/biomet/81.3.457). Everything about it follows from elementary symmetric polynomials of the weights:
//! with prefixes and suffixes of the experts a round of the fit costs O(E k), without a division that could cancel.

use rayon::prelude::*;

/// Up to this many experts pairs are fitted by the original method, so that recorded results do not change.
const FEW_EXPERTS: usize = 64;
/// The most rounds of the original method.
const PAIR_ROUNDS: usize = 20_000;
/// The most rounds of the fit for any k; five are usual, and a few very unequal experts may take a hundred.
const ROUNDS: usize = 2_000;
/// The smallest fraction of a step that is tried: below it a fit does not improve any more.
const SMALLEST_PART: f64 = 1e-6;
/// The largest error of the marginals with which a fit is finished.
const NEAR: f64 = 1e-12;
/// The largest error that is accepted if rounding prevents a smaller one.
const NEAR_ENOUGH: f64 = 1e-9;

/// Probability of every pair under the distribution of k-subsets with these marginals and the largest entropy.
/// `[experts, experts]`, symmetric, diagonal 0.
///
/// The weights are fitted until no marginal is more than 1e-12 off; experts with q = 1 are in every set and are taken
/// out first. `marginal` must sum to k. NaN where a fit does not come within 1e-9. O(E k) a round, O(E^2 k) for the
/// pairs.
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
        let of_free = pairs_of(&free.iter().map(|e| marginal[*e]).collect::<Vec<_>>(), left);
        for (row, &e) in of_free.chunks_exact(free.len()).zip(&free) {
            for (probability, &f) in row.iter().zip(&free).filter(|(_, f)| **f != e) {
                pair[e * experts + f] = *probability;
            }
        }
    }
    pair
}

/// The pairs of experts none of which is in every set, `[experts, experts]`.
fn pairs_of(q: &[f64], k: usize) -> Vec<f64> {
    if k == 2 && q.len() <= FEW_EXPERTS {
        return few_pairs(q);
    }
    match Subsets::new(k).fit(q) {
        Some((weight, normalizer)) => pairs(&weight, k, normalizer),
        None => vec![f64::NAN; q.len() * q.len()],
    }
}

/// Sets of k of some experts: elementary symmetric polynomials of the weights up to degree k - 1.
struct Subsets {
    k: usize,
    /// Of the experts before each, `[experts + 1, k]`.
    prefix: Vec<f64>,
    /// Of each expert and those behind it, `[experts + 1, k]`.
    suffix: Vec<f64>,
}

impl Subsets {
    fn new(k: usize) -> Self {
        Self { k, prefix: Vec::new(), suffix: Vec::new() }
    }

    /// The polynomials of all prefixes and suffixes of these weights. O(E k).
    fn expand(&mut self, weight: &[f64]) {
        let (k, experts) = (self.k, weight.len());
        for table in [&mut self.prefix, &mut self.suffix] {
            table.clear();
            table.resize((experts + 1) * k, 0.0);
        }
        (self.prefix[0], self.suffix[experts * k]) = (1.0, 1.0);
        let with = |before: &[f64], after: &mut [f64], weight: f64| {
            after[0] = before[0];
            for degree in 1..before.len() {
                after[degree] = before[degree] + weight * before[degree - 1];
            }
        };
        for (e, weight) in weight.iter().enumerate() {
            let (before, after) = self.prefix.split_at_mut((e + 1) * k);
            with(&before[e * k..], &mut after[..k], *weight);
        }
        for (e, weight) in weight.iter().enumerate().rev() {
            let (before, after) = self.suffix.split_at_mut((e + 1) * k);
            with(&after[..k], &mut before[e * k..], *weight);
        }
    }

    /// The polynomial of degree k - 1 of all weights but that of `e`. O(k).
    fn without(&self, e: usize) -> f64 {
        let k = self.k;
        let (before, behind) = (&self.prefix[e * k..(e + 1) * k], &self.suffix[(e + 1) * k..(e + 2) * k]);
        before.iter().zip(behind.iter().rev()).map(|(before, behind)| before * behind).sum()
    }

    /// The probability of every expert, and the sum over all sets of the products of their weights.
    fn marginals(&mut self, weight: &[f64], marginal: &mut Vec<f64>) -> f64 {
        self.expand(weight);
        marginal.clear();
        marginal.extend(weight.iter().enumerate().map(|(e, weight)| weight * self.without(e)));
        // Every set is counted once for each of its experts.
        let normalizer = marginal.iter().sum::<f64>() / self.k as f64;
        for value in marginal.iter_mut() {
            *value /= normalizer;
        }
        normalizer
    }

    /// The weights with mean 1 for which the marginals are `q`, and their normalizer; none if the fit fails.
    ///
    /// A round takes a [`step`] from the best weights so far; half of it where that leads further away.
    fn fit(&mut self, q: &[f64]) -> Option<(Vec<f64>, f64)> {
        let mut weight: Vec<f64> = q.iter().map(|q| q / (1.0 - q)).collect();
        let (mut p, mut best) = (Vec::new(), Fitted { off: f64::INFINITY, ..Fitted::default() });
        let (mut part, mut steps) = (1.0, Vec::new());
        for _ in 0..ROUNDS {
            scale(&mut weight);
            let normalizer = self.marginals(&weight, &mut p);
            let off = p.iter().zip(q).map(|(p, q)| (p - q).abs()).max_by(f64::total_cmp)?;
            if off < best.off {
                best = Fitted { off, weight, normalizer };
                (steps, part) = (step(&p, q), f64::min(1.0, 2.0 * part));
            } else {
                part /= 2.0;
            }
            if best.off < NEAR || part < SMALLEST_PART {
                break;
            }
            weight = best.weight.iter().zip(&steps).map(|(weight, step)| weight * (part * step).exp()).collect();
        }
        (best.off < NEAR_ENOUGH).then_some((best.weight, best.normalizer))
    }
}

/// Weights that were fitted so far.
#[derive(Default)]
struct Fitted {
    /// How far the worst marginal is off.
    off: f64,
    weight: Vec<f64>,
    normalizer: f64,
}

/// How far to move the logarithms of the weights, given the marginals `p` that they have and those `q` that they should
/// have: the difference of the log-odds, less what one expert's presence takes from the others, which is nearly a
/// product: cov(e, f) = -c_e c_f / sum c with c_e (1 - c_e / sum c) = p_e (1 - p_e) (Hajek 1964, doi
/// 10.1214/aoms/1177700375). So this is about Newton's step, for O(E).
fn step(p: &[f64], q: &[f64]) -> Vec<f64> {
    let variance: Vec<f64> = p.iter().map(|p| p * (1.0 - p)).collect();
    let mut c = variance.clone();
    let mut sum: f64 = c.iter().sum();
    for _ in 0..5 {
        c.iter_mut().zip(&variance).for_each(|(c, variance)| *c = variance / (1.0 - *c / sum).max(1e-3));
        sum = c.iter().sum();
    }
    let odds = |p: f64| p / (1.0 - p);
    let of = |((p, q), c): ((&f64, &f64), f64)| (1.0 - c / sum).max(0.0) * (odds(*q) / odds(*p)).ln();
    p.iter().zip(q).zip(c).map(of).collect()
}

/// Divides the weights by their mean.
fn scale(weight: &mut [f64]) {
    let mean = weight.iter().sum::<f64>() / weight.len() as f64;
    for weight in weight.iter_mut() {
        *weight /= mean;
    }
}

/// The probability of every pair, `[experts, experts]`: for each expert the polynomials of all others once. O(E^2 k).
fn pairs(weight: &[f64], k: usize, normalizer: f64) -> Vec<f64> {
    let experts = weight.len();
    let row = |e: usize| {
        let others: Vec<f64> = (0..experts).filter(|other| *other != e).map(|other| weight[other]).collect();
        let mut subsets = Subsets::new(k - 1);
        subsets.expand(&others);
        let of = |place: usize| weight[e] * others[place] * subsets.without(place) / normalizer;
        (0..experts).map(|f| if f == e { 0.0 } else { of(f - usize::from(f > e)) }).collect::<Vec<f64>>()
    };
    (0..experts).into_par_iter().flat_map_iter(row).collect()
}

/// Two of a few experts. Iterative scaling to 1e-14; a round costs O(E^2).
fn few_pairs(q: &[f64]) -> Vec<f64> {
    let mut weight = q.to_vec();
    for _ in 0..PAIR_ROUNDS {
        let normalizer = sum_of_pairs(&weight);
        let rest: Vec<f64> = (0..q.len()).map(|e| sum_of_others(&weight, e)).collect();
        let off = (0..q.len()).map(|e| (weight[e] * rest[e] / normalizer - q[e]).abs()).fold(0.0, f64::max);
        if off < 1e-14 || !off.is_finite() {
            break;
        }
        weight = (0..q.len()).map(|e| q[e] * normalizer / rest[e]).collect();
        scale(&mut weight);
    }
    let normalizer = sum_of_pairs(&weight);
    let row = |a: &f64| weight.iter().map(|b| a * b / normalizer).collect::<Vec<f64>>();
    weight.iter().flat_map(row).collect()
}

/// Sum over all pairs of the products of their weights.
fn sum_of_pairs(weight: &[f64]) -> f64 {
    weight.iter().fold((0.0, 0.0), |(sum, pairs), weight| (sum + weight, pairs + weight * sum)).1
}

fn sum_of_others(weight: &[f64], without: usize) -> f64 {
    let others = weight.iter().enumerate().filter(|(e, _)| *e != without);
    others.fold(0.0, |sum, (_, weight)| sum + weight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_marginals_give_equal_pairs() {
        // E = 4, k = 2: k(k-1)/(E(E-1)) = 1/6.
        let pair = maximum_entropy_pairs(&[0.5; 4], 2);
        assert!((pair[1] - 1.0 / 6.0).abs() < 1e-12, "{pair:?}");
        for (experts, k) in [(8, 3), (128, 8), (512, 10), (512, 16), (16, 16), (300, 2)] {
            let pair = maximum_entropy_pairs(&vec![k as f64 / experts as f64; experts], k);
            let expected = (k * (k - 1)) as f64 / (experts * (experts - 1)) as f64;
            assert!((pair[1] / expected - 1.0).abs() < 1e-10, "{k} of {experts}: {} is not {expected}", pair[1]);
        }
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

    #[test]
    fn both_fits_of_pairs_agree() {
        let q: Vec<f64> = (0..40).map(|e| f64::from(e + 1) / 410.0).collect();
        let (weight, normalizer) = Subsets::new(2).fit(&q).unwrap();
        for (a, b) in few_pairs(&q).iter().zip(pairs(&weight, 2, normalizer)).filter(|(_, b)| *b > 0.0) {
            assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
        }
    }

    #[test]
    fn hundreds_of_experts_of_very_different_loads_are_fitted() {
        for k in [2, 3, 8, 16] {
            // Loads from 1 to 1/512 of the largest, one expert in nearly every set.
            let mut q: Vec<f64> = (0..512).map(|e| 1.0 / f64::from(e + 1)).collect();
            q[0] = 0.0;
            let sum: f64 = q.iter().sum();
            q = q.iter().map(|q| q * (k as f64 - 0.999) / sum).collect();
            q[0] = 0.999;
            while let Some(largest) = q.iter().position(|q| *q > 0.999) {
                let rest = q[largest] - 0.999;
                q[largest] = 0.999;
                q[511] += rest;
            }
            let pair = maximum_entropy_pairs(&q, k);
            for (row, q) in pair.chunks_exact(512).zip(&q) {
                let sum: f64 = row.iter().sum();
                assert!((sum / ((k - 1) as f64 * q) - 1.0).abs() < 1e-6, "k = {k}: {sum} for {q}");
            }
        }
    }

    /// The pairs of the distribution with these weights, set by set.
    fn by_enumeration(weight: &[f64], k: usize) -> (Vec<f64>, Vec<f64>) {
        let n = weight.len();
        let (mut marginal, mut pair, mut total) = (vec![0.0; n], vec![0.0; n * n], 0.0);
        for set in (0..1_usize << n).filter(|set| set.count_ones() as usize == k) {
            let members: Vec<usize> = (0..n).filter(|e| set >> e & 1 == 1).collect();
            let product: f64 = members.iter().map(|e| weight[*e]).product();
            total += product;
            for &e in &members {
                marginal[e] += product;
                members.iter().filter(|f| **f != e).for_each(|f| pair[e * n + f] += product);
            }
        }
        (marginal.iter().map(|sum| sum / total).collect(), pair.iter().map(|sum| sum / total).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_weights_are_found_again_from_their_marginals(
            logarithms in proptest::collection::vec(-4.0f64..4.0, 3..10),
            k in 2usize..9,
        ) {
            let weight: Vec<f64> = logarithms.iter().map(|log| log.exp()).collect();
            let k = k.min(weight.len() - 1);
            let (marginal, expected) = by_enumeration(&weight, k);
            let found = maximum_entropy_pairs(&marginal, k);
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((found - expected).abs() < 1e-8, "{} is not {}", found, expected);
            }
        }
    }
}
