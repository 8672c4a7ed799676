//! `coactivation`: how often two experts are chosen by the same token. All k(k-1)/2 pairs of a token count; the
//! pairwise walk over ranks in OLMoE's script counts neighbours only.

use rayon::prelude::*;

use super::{
    catalog::Statistic, finding::Finding, maximum_entropy::maximum_entropy_pairs, names::BaselineKind,
    occurrences::NONE, resample::percentile, study::Study, thousands,
};
use crate::routing::{ExpertId, View};

/// The most pairs of a layer that are all listed: those of 64 experts.
const ALL_LISTED: usize = 2016;
/// If there are more pairs, how many are listed that are chosen together more often than by chance, and how many less often.
const LISTED: usize = 500;

/// Per pair of experts the occurrences that chose (kept) both; and per number of choices left, the occurrences and the
/// experts among them.
struct PairCounts {
    experts: usize,
    /// Occurrences by pair, `[experts, experts]`, upper triangle.
    both: Vec<u32>,
    /// Occurrences with m choices, `[k + 1]`.
    size: Vec<u64>,
    /// Expert counts of these, `[k + 1][experts]`.
    by_size: Vec<Vec<u64>>,
}

impl PairCounts {
    fn new(study: &Study, view: View) -> Self {
        let (data, experts) = (&study.data, study.data.experts);
        let mut counts = Self {
            experts,
            both: vec![0; experts * experts],
            size: vec![0; data.top_k + 1],
            by_size: vec![vec![0; experts]; data.top_k + 1],
        };
        for row in 0..data.len() {
            let choices = data.choices(view, row);
            counts.size[choices.len()] += 1;
            for &expert in choices {
                counts.by_size[choices.len()][usize::from(expert)] += 1;
            }
            for_pairs(choices, experts, |pair| counts.both[pair] += 1);
        }
        counts
    }

    /// Pair probabilities of the maximum-entropy distribution, for every number of choices left on its own.
    fn load_matched(&self, n: f64) -> Vec<f64> {
        let mut pair = vec![0.0; self.both.len()];
        for (size, &occurrences) in self.size.iter().enumerate().filter(|(size, n)| *size >= 2 && **n > 0) {
            let marginal: Vec<f64> = self.by_size[size].iter().map(|c| *c as f64 / occurrences as f64).collect();
            let weight = occurrences as f64 / n;
            pair.iter_mut().zip(maximum_entropy_pairs(&marginal, size)).for_each(|(sum, p)| *sum += weight * p);
        }
        pair
    }

    /// The pairs that are listed, ascending, as indices into `both`: all, or those furthest from chance on both sides.
    fn listed(&self, chance: &[f64], n: f64, uniform: f64) -> Vec<usize> {
        let experts = self.experts;
        let mut pairs: Vec<usize> = (0..experts).flat_map(|a| (a + 1..experts).map(move |b| a * experts + b)).collect();
        if pairs.len() <= ALL_LISTED {
            return pairs;
        }
        let expected = |pair: usize| if chance[pair].is_finite() { chance[pair] } else { uniform };
        let above = |pair: usize| f64::from(self.both[pair]) / n - expected(pair);
        pairs.sort_by(|a, b| above(*b).total_cmp(&above(*a)));
        pairs.drain(LISTED..pairs.len() - LISTED);
        pairs.sort_unstable();
        pairs
    }
}

/// Calls `f` with the index of every pair of the choices in an `[experts, experts]` table, upper triangle.
fn for_pairs(choices: &[ExpertId], experts: usize, mut f: impl FnMut(usize)) {
    for (i, &a) in choices.iter().enumerate() {
        for &b in &choices[..i] {
            f(usize::from(a.min(b)) * experts + usize::from(a.max(b)));
        }
    }
}

/// `(document, occurrences)` of the listed pairs, `[listed]`.
fn by_document(study: &Study, view: View, listed: &[usize]) -> Vec<Vec<(u32, u32)>> {
    let (data, experts) = (&study.data, study.data.experts);
    let mut place = vec![NONE; experts * experts];
    (0..).zip(listed).for_each(|(index, pair)| place[*pair] = index);
    let mut counts: Vec<Vec<(u32, u32)>> = vec![Vec::new(); listed.len()];
    for row in 0..data.len() {
        for_pairs(data.choices(view, row), experts, |pair| {
            let Some(own) = counts.get_mut(place[pair] as usize) else { return };
            match own.last_mut() {
                Some((document, count)) if *document == data.document[row] => *count += 1,
                _ => own.push((data.document[row], 1)),
            }
        });
    }
    counts
}

/// One row per pair of experts: share of the occurrences that chose (kept view: kept) both. Baseline: the
/// maximum-entropy distribution of k-subsets with the same loads (kept view: separately for occurrences that kept m
/// choices); `uniform_baseline`: k(k-1) / (E(E-1)). Withheld for k = 1.
///
/// Of more than 64 experts the pairs furthest from their baselines are listed, and a row says so.
pub(super) fn coactivation(study: &Study, view: View) -> Vec<Finding> {
    let (experts, top_k, n) = (study.data.experts, study.data.top_k, study.data.len());
    let empty = || Finding { n: n as u64, ..study.finding(Statistic::Coactivation, view) };
    let Some(pairs) = Pairs::new(study, view) else {
        let reason = if top_k < 2 { "one choice per token: there are no pairs" } else { "no occurrence to count" };
        return vec![empty().withheld(reason)];
    };
    let listed = pairs.counts.listed(&pairs.chance, n as f64, pairs.uniform);
    let all = experts * (experts - 1) / 2;
    let mut findings: Vec<Finding> =
        (listed.len() < all).then(|| empty().withheld(selection(all))).into_iter().collect();
    findings.extend(pairs.rows(study, &listed));
    findings
}

/// The pairs of a layer, and how often each would be chosen by chance.
pub(super) struct Pairs {
    view: View,
    counts: PairCounts,
    /// Load-matched chance, `[experts, experts]`, upper triangle.
    chance: Vec<f64>,
    uniform: f64,
}

impl Pairs {
    /// Counts them; `None` where every token has one choice, or there is no token.
    pub(super) fn new(study: &Study, view: View) -> Option<Self> {
        let (experts, top_k, n) = (study.data.experts, study.data.top_k, study.data.len());
        (top_k > 1 && n > 0).then(|| {
            let counts = PairCounts::new(study, view);
            let chance = counts.load_matched(n as f64);
            let uniform = (top_k * (top_k - 1)) as f64 / (experts * (experts - 1)) as f64;
            Self { view, counts, chance, uniform }
        })
    }

    /// The rows of [`coactivation`] about the pairs of one expert; `study` is the one that was counted.
    pub(super) fn of_expert(&self, study: &Study, expert: ExpertId) -> Vec<Finding> {
        let (experts, own) = (study.data.experts, usize::from(expert));
        let others = (0..experts).filter(|other| *other != own);
        self.rows(study, &others.map(|other| own.min(other) * experts + own.max(other)).collect::<Vec<_>>())
    }

    fn rows(&self, study: &Study, listed: &[usize]) -> Vec<Finding> {
        let by_document = by_document(study, self.view, listed);
        let occurrences = study.resamples.sums(study.counts[0].occurrences.iter().map(|n| f64::from(*n)).enumerate());
        let row = |(pair, count): (&usize, &Vec<(u32, u32)>)| self.row(study, *pair, count, &occurrences);
        listed.par_iter().zip(&by_document).map(row).collect()
    }

    fn row(&self, study: &Study, pair: usize, count: &[(u32, u32)], occurrences: &[f64]) -> Finding {
        let (experts, n, documents) = (study.data.experts, study.data.len(), study.data.documents());
        let sums = study.resamples.sums(count.iter().map(|(d, count)| (*d as usize, f64::from(*count))));
        let mut values = sums.iter().zip(occurrences).map(|(both, n)| both / n).collect();
        let interval = percentile(&mut values).filter(|_| study.resamples.enough(documents));
        let estimate = f64::from(self.counts.both[pair]) / n as f64;
        let finding = study.finding(Statistic::Coactivation, self.view);
        let finding = finding.measured(estimate, interval, n as u64, documents as u64);
        let mut finding = finding.against(self.chance[pair], BaselineKind::MaximumEntropy);
        finding.subject.expert = Some((pair / experts) as ExpertId);
        finding.subject.other_expert = Some((pair % experts) as ExpertId);
        finding.uniform_baseline = Some(self.uniform);
        let finding = study.with_reason(finding, documents);
        if self.chance[pair].is_finite() {
            finding
        } else {
            finding.remark("no baseline: the fit to the loads did not end")
        }
    }
}

/// Why not every pair is listed.
fn selection(pairs: usize) -> String {
    format!(
        "{} pairs: those are listed that stand furthest from their baselines, {LISTED} above and {LISTED} below",
        thousands(pairs as u64)
    )
}
