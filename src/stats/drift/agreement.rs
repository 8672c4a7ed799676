//! `router_saturation` (OLMoE, arXiv 2409.02060, eq. 5), `first_choice_agreement`, `exact_set_agreement`, `jaccard`.

use super::{
    chance::Sets,
    course::{Course, Step},
};
use crate::{
    random::{Purpose, Stream},
    routing::View,
    stats::{BaselineKind, Finding, Statistic, StatisticTable, finding::finite, occurrences::Occurrences},
};

/// The four statistics, in the order of the tables.
const STATISTICS: [Statistic; 4] =
    [Statistic::RouterSaturation, Statistic::FirstChoiceAgreement, Statistic::ExactSetAgreement, Statistic::Jaccard];

/// How far the choices of a row agree at two checkpoints, in the order of [`STATISTICS`].
pub(super) fn agreement_of(a: &Occurrences, b: &Occurrences, row: usize) -> [f64; 4] {
    let (one, other) = (a.choices(View::Chosen, row), b.choices(View::Chosen, row));
    let shared = one.iter().filter(|expert| other.contains(expert)).count() as f64;
    let k = a.top_k as f64;
    let flag = |holds: bool| f64::from(u8::from(holds));
    [shared / k, flag(one[0] == other[0]), flag(shared == k), shared / (2.0 * k - shared)]
}

/// Four tables of one row: the checkpoint and the reference, whose sets of experts are `reference`.
pub(super) fn agreement(step: &Step, reference: &Sets) -> Vec<StatisticTable> {
    let course = step.course;
    let (one, last) = (&step.own.data, &course.last().data);
    let mut sums = STATISTICS.map(|_| vec![0.0; one.documents()]);
    for row in 0..one.len() {
        let document = one.document[row] as usize;
        for (sums, value) in sums.iter_mut().zip(agreement_of(one, last, row)) {
            sums[document] += value;
        }
    }
    let chance = Sets::new(one, 0..one.len()).chance(reference);
    let seed = course.settings.statistics.seed;
    let jaccard = chance.jaccard(one, last, Stream::new(seed, one.layer, Purpose::Pairs, step.at));
    let chance = [chance.saturation, chance.first, chance.exact, jaccard.mean];
    let kind = |index: usize| {
        if index == 3 && jaccard.drawn { BaselineKind::LoadMatchedDrawn } else { BaselineKind::LoadMatched }
    };
    let row = |index: usize| {
        let finding = course.mean(step.finding(STATISTICS[index], View::Chosen), &sums[index], &course.occurrences);
        StatisticTable::of(
            STATISTICS[index],
            vec![against_chance(course, finding, index, (chance[index], kind(index)))],
        )
    };
    (0..STATISTICS.len()).map(row).collect()
}

/// A router saturation of any two checkpoints, from the sums by document.
pub(super) fn saturation(course: &Course, (at, to): (usize, usize), sums: &[f64], chance: f64) -> Finding {
    let finding = course.about(course.last().finding(STATISTICS[0], View::Chosen), at, to);
    against_chance(course, course.mean(finding, sums, &course.occurrences), 0, (chance, BaselineKind::LoadMatched))
}

fn against_chance(course: &Course, finding: Finding, index: usize, (chance, kind): (f64, BaselineKind)) -> Finding {
    let uniform = uniform_chance(course.last().data.experts, course.last().data.top_k)[index];
    corrected(Finding { uniform_baseline: finite(uniform), ..finding }.against(chance, kind))
}

/// Adds (estimate - chance) / (1 - chance), 1 = full agreement, 0 = chance.
fn corrected(mut finding: Finding) -> Finding {
    let Some(chance) = finding.baseline.filter(|_| finding.estimate.is_some()) else { return finding };
    if 1.0 - chance < 1e-9 {
        return finding.remark("not corrected: the loads alone force full agreement");
    }
    let of = |value: f64| (value - chance) / (1.0 - chance);
    finding.corrected = finding.estimate.map(of);
    finding.corrected_low = finding.low.map(of);
    finding.corrected_high = finding.high.map(of);
    finding
}

/// The chance of routers that choose k of E experts uniformly, in the order of [`STATISTICS`].
fn uniform_chance(experts: usize, top_k: usize) -> [f64; 4] {
    // Expected m-subsets that two random sets share: C(k, m)^2 / C(E, m).
    let choose = |n: usize, m: usize| (0..m).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>();
    let moments: Vec<f64> = (1..=top_k).map(|m| choose(top_k, m).powi(2) / choose(experts, m)).collect();
    let overlap = super::overlap_chance(&moments);
    let k = top_k as f64;
    let jaccard = overlap.iter().enumerate().map(|(shared, p)| p * shared as f64 / (2.0 * k - shared as f64)).sum();
    [k / experts as f64, 1.0 / experts as f64, moments[top_k - 1], jaccard]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_chance_of_two_of_sixteen() {
        // 120 pairs: the same 1/120, one shared 2 * 14 / 120.
        let found = uniform_chance(16, 2);
        let expected = [2.0 / 16.0, 1.0 / 16.0, 1.0 / 120.0, 1.0 / 120.0 + 28.0 / 120.0 / 3.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
    }
}
