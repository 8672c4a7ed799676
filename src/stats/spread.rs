//! `routing_std`: population standard deviation over experts of a share vector, with its ceiling, its noise floor and
//! the correction for it (OpenMoE, arXiv 2402.01739, Figures 13 and 14).

use super::{
    catalog::Statistic,
    finding::Finding,
    names::{BaselineKind, Variable},
    resample::centred,
    share::{ShareKey, Shares, about},
    study::{Study, mean, p_value},
};
use crate::routing::View;

/// Largest standard deviation of a share vector over E experts.
///
/// Chosen view: k distinct choices per occurrence, sqrt((1/k - 1/E)/E). Kept view: a single choice may be left,
/// sqrt((1 - 1/E)/E).
pub fn routing_std_ceiling(experts: usize, top_k: usize, view: View) -> f64 {
    let experts = experts as f64;
    let largest = if view == View::Chosen { 1.0 / top_k as f64 } else { 1.0 };
    ((largest - 1.0 / experts).max(0.0) / experts).sqrt()
}

/// Variance over experts that sampling n occurrences of k distinct choices each adds to a share vector with this sum of
/// squared shares: (1 - k sum_i share_i^2) / (E k (n - 1)). NaN below 2 occurrences.
pub fn routing_noise_variance(sum_of_squares: f64, n: f64, experts: usize, top_k: usize) -> f64 {
    if n < 2.0 {
        return f64::NAN;
    }
    let k = top_k as f64;
    (1.0 - k * sum_of_squares).max(0.0) / (experts as f64 * k * (n - 1.0))
}

/// The spread of one key's shares.
pub(super) struct Spread {
    key: ShareKey,
    n: u64,
    documents: usize,
    std: Moments,
    /// What sampling noise alone would give.
    floor: f64,
    resampled: Vec<Moments>,
}

/// Standard deviation of a share vector, and what is left of it without the sampling noise. There are 1,000 for each of
/// thousands of keys.
#[derive(Clone, Copy, Debug)]
struct Moments {
    std: f64,
    corrected: f64,
}

impl Moments {
    const NONE: Self = Self { std: f64::NAN, corrected: f64::NAN };

    /// From the variance over experts, and from what sampling noise adds to it.
    fn new(variance: f64, noise: f64) -> Self {
        let corrected = if noise.is_finite() { (variance - noise).max(0.0).sqrt() } else { f64::NAN };
        Self { std: variance.max(0.0).sqrt(), corrected }
    }
}

/// Population variance of the shares around 1/E.
fn variance(share: &[f64]) -> f64 {
    let uniform = 1.0 / share.len() as f64;
    share.iter().map(|share| (share - uniform).powi(2)).sum::<f64>() / share.len() as f64
}

/// Population standard deviation over experts of counts taken as shares; NaN without assignments.
pub(super) fn std_of_counts(counts: impl Iterator<Item = u32>) -> f64 {
    let (mut total, mut squares, mut experts) = (0.0, 0.0, 0.0);
    for count in counts.map(f64::from) {
        total += count;
        squares += count * count;
        experts += 1.0;
    }
    if total == 0.0 {
        return f64::NAN;
    }
    (squares / (total * total * experts) - 1.0 / (experts * experts)).max(0.0).sqrt()
}

impl Spread {
    /// The spread of these shares and of its resamples.
    pub(super) fn new(study: &Study, shares: &Shares) -> Self {
        let (experts, top_k) = (study.data.experts, study.data.top_k);
        let share = shares.share();
        let noise = routing_noise_variance(share.iter().map(|s| s * s).sum(), shares.n as f64, experts, top_k);
        Self {
            key: shares.key,
            n: shares.n,
            documents: shares.documents,
            std: if share.is_empty() { Moments::NONE } else { Moments::new(variance(&share), noise) },
            floor: if share.is_empty() { f64::NAN } else { noise.sqrt() },
            resampled: resampled(shares, top_k),
        }
    }

    fn finding(&self, study: &Study, view: View, statistic: Statistic, part: impl Fn(&Moments) -> f64) -> Finding {
        let mut finding = about(study, study.finding(statistic, view), self.key);
        finding.ceiling = Some(routing_std_ceiling(study.data.experts, study.data.top_k, view));
        finding.n = self.n;
        finding.documents = Some(self.documents as u64);
        if !part(&self.std).is_finite() {
            return finding.withheld("too few assignments for a spread");
        }
        let ceiling = routing_std_ceiling(study.data.experts, study.data.top_k, view);
        let interval = centred(&mut self.resampled.iter().map(&part).collect(), part(&self.std), ceiling);
        let mut finding = finding.measured(part(&self.std), interval, self.n, self.documents as u64);
        finding.noise_floor = (view == View::Chosen && self.floor.is_finite()).then_some(self.floor);
        study.with_reason(finding, self.documents)
    }
}

/// The spread of every resample; n of a resample is its assignments over k (exact on the chosen view).
fn resampled(shares: &Shares, top_k: usize) -> Vec<Moments> {
    let experts = shares.resampled.len();
    let total = shares.resampled_assignments();
    let mut squares = vec![0.0; total.len()];
    for sums in &shares.resampled {
        for (square, sum) in squares.iter_mut().zip(sums) {
            *square += f64::from(*sum) * f64::from(*sum);
        }
    }
    let uniform = 1.0 / experts as f64;
    let moments = |(square, total): (f64, &f64)| {
        if *total == 0.0 {
            return Moments::NONE;
        }
        let sum_of_squares = square / (total * total);
        let variance = sum_of_squares * uniform - uniform * uniform;
        Moments::new(variance, routing_noise_variance(sum_of_squares, total / top_k as f64, experts, top_k))
    };
    squares.into_iter().zip(&total).map(moments).collect()
}

/// `routing_std` of every key against its permuted values, `[permutations][keys]`.
pub(super) fn routing_std(
    study: &Study,
    view: View,
    spreads: &[Spread],
    permuted: &[&[f64]],
    kind: BaselineKind,
) -> Vec<Finding> {
    let row = |(index, spread): (usize, &Spread)| {
        let finding = spread.finding(study, view, Statistic::RoutingStd, |moments| moments.std);
        let null = permuted.iter().map(|values| values[index]);
        compare(finding, null, kind)
    };
    spreads.iter().enumerate().map(row).collect()
}

/// Baseline and p-value of a finding that was not withheld.
fn compare(finding: Finding, null: impl ExactSizeIterator<Item = f64> + Clone, kind: BaselineKind) -> Finding {
    let Some(estimate) = finding.estimate else { return finding };
    let mut finding = finding.against(mean(null.clone()), kind);
    finding.p_value = finding.baseline.map(|_| p_value(estimate, null));
    finding
}

/// `routing_std_corrected` of every key, chosen view, against the spread of the overall shares: what a key without any
/// influence would have.
pub(super) fn routing_std_corrected(study: &Study, spreads: &[Spread], overall: &[f64]) -> Vec<Finding> {
    let row = |spread: &Spread| {
        let finding = spread.finding(study, View::Chosen, Statistic::RoutingStdCorrected, |moments| moments.corrected);
        against_overall(finding, overall)
    };
    spreads.iter().map(row).collect()
}

fn against_overall(finding: Finding, overall: &[f64]) -> Finding {
    if finding.estimate.is_none() || overall.is_empty() {
        return finding;
    }
    finding.against(variance(overall).sqrt(), BaselineKind::OverallShare)
}

/// Which keys a mean is taken over.
pub(super) struct MeanKeys<'a> {
    /// "token" or "position".
    pub(super) variable: Variable,
    /// Their spreads.
    pub(super) spreads: &'a [Spread],
    /// Keys with too few occurrences.
    pub(super) withheld: usize,
}

impl MeanKeys<'_> {
    /// Mean of `routing_std` over the keys, n = number of keys.
    pub(super) fn mean_std(&self, study: &Study, view: View, permuted: &[&[f64]]) -> Finding {
        let finding = self.mean(study, view, Statistic::RoutingStd, |moments| moments.std);
        let null = permuted.iter().map(|values| mean_of_finite(values.iter().copied()));
        compare(finding, null, BaselineKind::OccurrenceShuffle)
    }

    /// Mean of `routing_std_corrected` over the keys, n = number of keys; chosen view.
    pub(super) fn mean_corrected(&self, study: &Study, overall: &[f64]) -> Finding {
        against_overall(
            self.mean(study, View::Chosen, Statistic::RoutingStdCorrected, |moments| moments.corrected),
            overall,
        )
    }

    fn mean(&self, study: &Study, view: View, statistic: Statistic, part: impl Fn(&Moments) -> f64) -> Finding {
        let mut finding = study.finding(statistic, view).by(self.variable);
        let ceiling = routing_std_ceiling(study.data.experts, study.data.top_k, view);
        finding.ceiling = Some(ceiling);
        let minimum = study.settings.minimum_occurrences;
        finding = finding.remark(format!(
            "mean over {} {}s with at least {minimum} occurrences; {} with fewer are withheld",
            self.spreads.len(),
            if self.variable == Variable::Token { "token id" } else { self.variable.name() },
            self.withheld
        ));
        let estimate = mean_of_finite(self.spreads.iter().map(|spread| part(&spread.std)));
        let documents = study.data.documents();
        finding.documents = Some(documents as u64);
        if !estimate.is_finite() {
            return finding;
        }
        let resample =
            |r: usize| mean_of_finite(self.spreads.iter().filter_map(|spread| spread.resampled.get(r)).map(&part));
        let mut values = (0..study.resamples.len()).map(resample).collect();
        let interval = centred(&mut values, estimate, ceiling).filter(|_| study.resamples.enough(documents));
        finding = finding.measured(estimate, interval, self.spreads.len() as u64, documents as u64);
        let floor = mean_of_finite(self.spreads.iter().map(|spread| spread.floor));
        finding.noise_floor = (view == View::Chosen && floor.is_finite()).then_some(floor);
        study.with_reason(finding, documents)
    }
}

/// Mean of the finite values; NaN without any.
pub(super) fn mean_of_finite(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.filter(|value| value.is_finite()).fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    sum / n
}
