//! `router_entropy` and `router_margin`: how sure the router is. Chosen view; the router knows no capacity.

use super::{finding::Finding, resample::quantile_sorted, study::Study};
use crate::routing::View;

/// The quantiles that are listed beside the mean.
const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// `router_entropy` in nats, mean and quantiles, against ln E. n = occurrences.
pub(super) fn router_entropy(study: &Study) -> Vec<Finding> {
    let finding = study.finding("router_entropy", View::Chosen, "nats");
    let finding = finding.against((study.data.experts as f64).ln(), "uniform");
    distribution(study, &finding, &study.trace.entropy)
}

/// `router_margin`, variants `margin_first` (g1 - g2) and `margin_k` (gk - gk+1), mean and quantiles, against 0, the
/// margin of a uniform router. n = occurrences.
pub(super) fn router_margin(study: &Study) -> Vec<Finding> {
    let finding = study.finding("router_margin", View::Chosen, "probability").against(0.0, "uniform");
    let mut findings = distribution(study, &finding.clone().variant("margin_first"), &study.trace.margin_first);
    findings.extend(distribution(study, &finding.variant("margin_k"), &study.trace.margin_k));
    findings
}

/// Mean and quantiles of a value per occurrence.
///
/// Interval of the mean: cluster bootstrap. Of a quantile x at p: the quantiles at p moved by the bootstrap interval of
/// the share of values below or at x (Woodruff 1952), which needs counts per document only.
fn distribution(study: &Study, finding: &Finding, values: &[f32]) -> Vec<Finding> {
    let data = &study.data;
    let values: Vec<f64> = data.source.iter().map(|t| f64::from(values[*t as usize])).collect();
    let (n, documents) = (values.len() as u64, data.documents());
    if values.is_empty() {
        return vec![finding.clone().withheld("no occurrence to count")];
    }
    let per_document = |f: &dyn Fn(f64) -> f64| -> Vec<f64> {
        let mut sums = vec![0.0; documents];
        for (value, document) in values.iter().zip(&data.document) {
            sums[*document as usize] += f(*value);
        }
        sums
    };
    let occurrences = per_document(&|_| 1.0);
    let sums = per_document(&|value| value);
    let mean = sums.iter().sum::<f64>() / n as f64;
    let interval = study.resamples.ratio(&sums, &occurrences);
    let mut findings = vec![finding.clone().measured(mean, interval, n, documents as u64)];
    let mut sorted = values.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    for p in QUANTILES {
        let at = quantile_sorted(&sorted, p);
        let below = per_document(&|value| f64::from(u8::from(value <= at)));
        let reached = below.iter().sum::<f64>() / n as f64;
        let interval = study.resamples.ratio(&below, &occurrences).map(|(low, high)| {
            let moved = |share: f64| quantile_sorted(&sorted, p + reached - share);
            (moved(high).min(at), moved(low).max(at))
        });
        let finding = Finding { quantile: Some(p), ..finding.clone() };
        findings.push(finding.measured(at, interval, n, documents as u64));
    }
    findings.into_iter().map(|finding| study.with_reason(finding, documents)).collect()
}
