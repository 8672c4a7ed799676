//! `router_entropy` and `router_margin`: how sure the router is. Chosen view, because capacity does not affect the router.

use super::{
    catalog::Statistic,
    finding::Finding,
    names::{BaselineKind, Variant},
    resample::quantile_sorted,
    study::Study,
    subject::Subject,
};
use crate::routing::View;

/// The quantiles that are listed beside the mean.
const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// `router_entropy` in nats, mean and quantiles, against ln E. n = occurrences.
pub(super) fn router_entropy(study: &Study) -> Vec<Finding> {
    let finding = study.finding(Statistic::RouterEntropy, View::Chosen);
    let finding = finding.against((study.data.experts as f64).ln(), BaselineKind::Uniform);
    distribution(study, &finding, &study.trace.entropy)
}

/// `router_margin`, variants `margin_first` (g1 - g2) and `margin_k` (gk - gk+1), mean and quantiles, against 0, the
/// margin of a uniform router. n = occurrences.
pub(super) fn router_margin(study: &Study) -> Vec<Finding> {
    let finding = study.finding(Statistic::RouterMargin, View::Chosen).in_unit(study.trace.deciding.unit());
    let finding = finding.against(0.0, BaselineKind::Uniform);
    let mut findings = distribution(study, &finding.clone().variant(Variant::MarginFirst), &study.trace.margin_first);
    findings.extend(distribution(study, &finding.variant(Variant::MarginK), &study.trace.margin_k));
    findings
}

/// Mean and quantiles of a value per occurrence.
///
/// Interval of the mean: cluster bootstrap. Of a quantile x at p: the quantiles at p moved by the bootstrap interval of
/// the share of values below or at x (Woodruff 1952), which needs counts per document only.
fn distribution(study: &Study, finding: &Finding, values: &[f32]) -> Vec<Finding> {
    let data = &study.data;
    if values.is_empty() {
        return vec![finding.clone().withheld("no occurrence to count")];
    }
    let values: Vec<f32> = data.source.iter().map(|t| values[*t as usize]).collect();
    let (n, documents) = (values.len() as u64, data.documents());
    if values.is_empty() {
        return vec![finding.clone().withheld("no occurrence to count")];
    }
    let mut sums = vec![0.0; documents];
    for (value, document) in values.iter().zip(&data.document) {
        sums[*document as usize] += f64::from(*value);
    }
    let occurrences: Vec<f64> = study.counts[0].occurrences.iter().map(|n| f64::from(*n)).collect();
    let mean = sums.iter().sum::<f64>() / n as f64;
    let interval = study.resamples.ratio(&sums, &occurrences);
    let mut findings = vec![finding.clone().measured(mean, interval, n, documents as u64)];
    let sorted = sorted(&values);
    let quantiles = QUANTILES.map(|p| quantile_sorted(&sorted, p));
    for ((p, at), below) in QUANTILES.into_iter().zip(quantiles).zip(at_or_below(study, &values, &quantiles)) {
        let reached = below.iter().sum::<f64>() / n as f64;
        let interval = study.resamples.ratio(&below, &occurrences).map(|(low, high)| {
            let moved = |share: f64| quantile_sorted(&sorted, p + reached - share);
            (moved(high).min(at), moved(low).max(at))
        });
        let finding = finding.clone().about(|subject| Subject { quantile: Some(p), ..subject });
        findings.push(finding.measured(at, interval, n, documents as u64));
    }
    findings.into_iter().map(|finding| study.with_reason(finding, documents)).collect()
}

/// By quantile, the values of every document at or below it; the quantiles ascend.
fn at_or_below(study: &Study, values: &[f32], quantiles: &[f64; 5]) -> [Vec<f64>; 5] {
    let mut below = [0; 5].map(|_| vec![0.0; study.data.documents()]);
    for (value, document) in values.iter().zip(&study.data.document) {
        let reached = 5 - quantiles.iter().filter(|at| f64::from(*value) <= **at).count();
        below[reached.min(4)][*document as usize] += f64::from(u8::from(reached < 5));
    }
    // So far every value is counted only at the first quantile that reaches it.
    for quantile in 1..5 {
        let (before, from) = below.split_at_mut(quantile);
        from[0].iter_mut().zip(&before[quantile - 1]).for_each(|(sum, count)| *sum += count);
    }
    below
}

/// The values in ascending order (radix sort of their bits, which keep the order once negative ones are turned round).
fn sorted(values: &[f32]) -> Vec<f32> {
    const DIGIT: u32 = 11;
    let turn = |bits: u32| if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    let mut keys: Vec<u32> = values.iter().map(|value| turn(value.to_bits())).collect();
    let mut other = vec![0; keys.len()];
    for shift in [0, DIGIT, 2 * DIGIT] {
        let digit = |key: u32| (key >> shift) as usize & ((1 << DIGIT) - 1);
        let mut next = vec![0_usize; (1 << DIGIT) + 1];
        for key in &keys {
            next[digit(*key) + 1] += 1;
        }
        (0..1 << DIGIT).for_each(|value| next[value + 1] += next[value]);
        for key in &keys {
            let slot = &mut next[digit(*key)];
            other[*slot] = *key;
            *slot += 1;
        }
        std::mem::swap(&mut keys, &mut other);
    }
    let back = |key: u32| f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key });
    keys.into_iter().map(back).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radix_sort_is_the_total_order() {
        let values = [0.5, -0.0, 3.0e-9, f32::INFINITY, -2.0, 0.0, 1.0, f32::NAN, -1.0e30, 0.5, 0.25];
        let mut expected = values;
        expected.sort_unstable_by(f32::total_cmp);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&sorted(&values)), bits(&expected));
    }
}
