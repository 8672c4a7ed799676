//! `expert_load`: how evenly the assignments spread over the experts, over all and by category.

use super::{
    catalog::Statistic,
    finding::Finding,
    names::BaselineKind,
    resample::percentile,
    share::{ShareKey, Shares, about, shares},
    study::Study,
};
use crate::routing::View;

/// The statistics of the family, in the order of [`load_statistics`].
const FAMILY: [Statistic; 7] = [
    Statistic::MaxViolation,
    Statistic::LoadCv,
    Statistic::LoadGini,
    Statistic::LoadEntropy,
    Statistic::EffectiveExperts,
    Statistic::DeadExperts,
    Statistic::N50,
];

/// The seven load statistics of a share vector q over E experts (which sums to 1):
///
/// * `max_violation` = max q E - 1 (auxiliary-loss-free balancing, arXiv 2408.15664)
/// * `load_cv` = population standard deviation over mean = sqrt(E sum (q - 1/E)^2)
/// * `load_gini` = `sum_ij` |`q_i` - `q_j`| / (2 E)
/// * `load_entropy` = H(q) / ln E (1 for a single expert)
/// * `effective_experts` = exp H(q), H in nats
/// * `dead_experts` = experts without any assignment
/// * `n50` = fewest experts that together take at least half of the assignments
pub fn load_statistics(share: &[f64]) -> [f64; 7] {
    let experts = share.len() as f64;
    let mut sorted = share.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let squares: f64 = share.iter().map(|q| (q - 1.0 / experts).powi(2)).sum();
    // With q sorted descending, sum_ij |q_i - q_j| = 2 sum_i (E - 1 - 2 i) q_i.
    let gini = sorted.iter().enumerate().map(|(i, q)| (experts - 1.0 - 2.0 * i as f64) * q).sum::<f64>() / experts;
    let entropy: f64 = share.iter().filter(|q| **q > 0.0).map(|q| -q * q.ln()).sum();
    [
        sorted.first().copied().unwrap_or(f64::NAN) * experts - 1.0,
        (experts * squares).sqrt(),
        gini,
        if share.len() > 1 { entropy / experts.ln() } else { 1.0 },
        entropy.exp(),
        share.iter().filter(|q| **q == 0.0).count() as f64,
        half(&sorted),
    ]
}

/// How many of the largest shares reach one half; a sum short of it by rounding alone has reached it.
fn half(sorted: &[f64]) -> f64 {
    let mut sum = 0.0;
    let before = sorted.iter().take_while(|q| {
        sum += **q;
        sum < 0.5 - 1e-12
    });
    (before.count() + 1) as f64
}

/// The load statistics of one group of documents, against a uniform load. n = assignments.
pub(super) fn expert_load(study: &Study, view: View, group: &Shares) -> Vec<Finding> {
    let experts = study.data.experts;
    let uniform = load_statistics(&vec![1.0 / experts as f64; experts]);
    let share = group.share();
    let resampled = if share.is_empty() { vec![Vec::new(); FAMILY.len()] } else { resampled(group) };
    let estimates = load_statistics(&share);
    let row = |((index, statistic), mut values): ((usize, Statistic), Vec<f64>)| {
        let finding = study.finding(statistic, view);
        let finding = if group.key == ShareKey::All { finding } else { about(study, finding, group.key) };
        if share.is_empty() {
            return finding.withheld("no assignment to count");
        }
        let interval = percentile(&mut values);
        let finding = finding.measured(estimates[index], interval, group.assignments(), group.documents as u64);
        study.with_reason(finding.against(uniform[index], BaselineKind::Uniform), group.documents)
    };
    FAMILY.into_iter().enumerate().zip(resampled).map(row).collect()
}

/// The seven statistics of every resample, `[statistics][resamples]`.
fn resampled(group: &Shares) -> Vec<Vec<f64>> {
    let resamples = group.resampled.first().map_or(0, Vec::len);
    let mut values = vec![Vec::with_capacity(resamples); FAMILY.len()];
    for r in 0..resamples {
        let count: Vec<u64> = group.resampled.iter().map(|sums| u64::from(sums[r])).collect();
        let share = shares(&count);
        if !share.is_empty() {
            for (values, value) in values.iter_mut().zip(load_statistics(&share)) {
                values.push(value);
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_statistics_of_a_hand_made_vector() {
        // q = 1/2, 1/4, 1/4, 0: max 2 - 1 = 1; deviations 1/4, 0, 0, -1/4, cv = sqrt(4 * 2/16) = 0.7071;
        // gini: ordered differences (1/4+1/4+1/2+0+1/4+1/4) * 2 / 8 = 0.375; H = 1.5 bits of 2;
        // exp H = 2^1.5; one dead; the first alone takes half.
        let found = load_statistics(&[0.25, 0.5, 0.0, 0.25]);
        let expected = [1.0, 0.5_f64.sqrt(), 0.375, 0.75, 2.0_f64.powf(1.5), 1.0, 1.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
    }

    #[test]
    fn load_statistics_of_uniform_and_single_loads() {
        let uniform = load_statistics(&[0.2; 5]);
        for (found, expected) in uniform.iter().zip([0.0, 0.0, 0.0, 1.0, 5.0, 0.0, 3.0]) {
            assert!((found - expected).abs() < 1e-7, "{found} is not {expected}");
        }
        assert_eq!(load_statistics(&[1.0]), [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
    }
}
