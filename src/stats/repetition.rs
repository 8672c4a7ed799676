//! `expert_repetition`: whether a token's experts repeat those of the token before (Mixtral, arXiv 2401.04088,
//! Table 5). Chosen view.

use std::collections::BTreeMap;

use super::{
    catalog::Statistic,
    finding::Finding,
    names::{BaselineKind, Variable, Variant},
    overlap::{Drawn, Expected, expected},
    resample::percentile,
    study::{Group, Study},
};
use crate::{
    random::{Purpose, Stream},
    routing::{ExpertId, View},
};

/// Pairs of neighbouring tokens per document, and how many repeat.
pub(super) struct Repeats {
    pairs: Vec<u32>,
    first: Vec<u32>,
    any: Vec<u32>,
}

impl Repeats {
    /// Counts the pairs (t, t + 1) of every sequence whose two rows both count.
    pub(super) fn new(study: &Study) -> Self {
        let data = &study.data;
        let zero = || vec![0; data.documents()];
        let mut repeats = Self { pairs: zero(), first: zero(), any: zero() };
        for row in (1..data.len()).filter(|row| data.follows[*row]) {
            let document = data.document[row] as usize;
            let (before, now) = (data.choices(View::Chosen, row - 1), data.choices(View::Chosen, row));
            repeats.pairs[document] += 1;
            repeats.first[document] += u32::from(before[0] == now[0]);
            repeats.any[document] += u32::from(now.iter().any(|expert| before.contains(expert)));
        }
        repeats
    }
}

/// Chance that two independent k-subsets of E experts, all alike, share an expert: 1 - C(E-k, k) / C(E, k); 46.43 % for
/// E = 8, k = 2. For k = 1 it is 1/E.
pub fn uniform_repetition(experts: usize, top_k: usize) -> f64 {
    let disjoint: f64 =
        (0..top_k).map(|i| (experts as f64 - top_k as f64 - i as f64).max(0.0) / (experts as f64 - i as f64)).product();
    1.0 - disjoint
}

/// Rows: variants `first` (the first choice at t + 1 is the first choice at t) and, for k > 1, `first_or_second` (k > 2:
/// `any`; the choices at t and t + 1 share an expert), of one group of documents. n = pairs. Baseline: load-matched chance,
/// that two occurrences drawn independently from the group's occurrences would repeat; `uniform_baseline`: 1/E and
/// 1 - C(E-k, k)/C(E, k).
pub(super) fn expert_repetition(study: &Study, group: &Group, repeats: &Repeats) -> Vec<Finding> {
    let (experts, top_k) = (study.data.experts, study.data.top_k);
    let chance = Chance::new(study, group);
    let first = Expected { mean: chance.first(), drawn: false };
    let mut variants = vec![(Variant::First, &repeats.first, first, 1.0 / experts as f64)];
    if top_k > 1 {
        let name = if top_k > 2 { Variant::Any } else { Variant::FirstOrSecond };
        variants.push((name, &repeats.any, chance.any(study, group), uniform_repetition(experts, top_k)));
    }
    let pairs: u64 = group.documents.iter().map(|d| u64::from(repeats.pairs[*d])).sum();
    let documents = group.documents.iter().filter(|d| repeats.pairs[**d] > 0).count();
    let row = |(variant, count, chance, uniform): (Variant, &Vec<u32>, Expected, f64)| {
        let mut finding = study.finding(Statistic::ExpertRepetition, View::Chosen).variant(variant);
        finding.uniform_baseline = Some(uniform);
        if let Some(category) = group.category {
            finding = study.about_category(finding.by(Variable::Category), category);
        }
        if pairs == 0 {
            return finding.withheld("no two neighbouring tokens");
        }
        let repeated: u64 = group.documents.iter().map(|d| u64::from(count[*d])).sum();
        let interval =
            study.resamples.enough(documents).then(|| interval(study, group, count, &repeats.pairs)).flatten();
        let finding = finding.measured(repeated as f64 / pairs as f64, interval, pairs, documents as u64);
        let kind = if chance.drawn { BaselineKind::LoadMatchedDrawn } else { BaselineKind::LoadMatched };
        study.with_reason(finding.against(chance.mean, kind), documents)
    };
    variants.into_iter().map(row).collect()
}

fn interval(study: &Study, group: &Group, above: &[u32], below: &[u32]) -> Option<(f64, f64)> {
    let sums = |count: &[u32]| study.resamples.sums(group.documents.iter().map(|d| (*d, f64::from(count[*d]))));
    percentile(&mut sums(above).iter().zip(sums(below)).map(|(above, below)| above / below).collect())
}

/// The rows of a group, two of which are drawn independently.
struct Chance<'a> {
    rows: Drawn<'a>,
    /// Their choice vectors, and how often each occurs.
    counted: Vec<(u32, u32)>,
}

impl<'a> Chance<'a> {
    fn new(study: &'a Study, group: &Group) -> Self {
        let data = &study.data;
        let mut counts = vec![false; data.documents()];
        group.documents.iter().for_each(|document| counts[*document] = true);
        let of_group = data.pattern.iter().zip(&data.document).filter(|(_, document)| counts[**document as usize]);
        let rows = of_group.map(|(pattern, _)| *pattern).collect();
        let rows = Drawn { patterns: &data.patterns, experts: data.experts, rows };
        Self { counted: rows.counted(), rows }
    }

    fn n(&self) -> f64 {
        self.rows.rows.len() as f64
    }

    fn first(&self) -> f64 {
        let mut first = vec![0_u64; self.rows.experts];
        for (pattern, count) in &self.counted {
            first[usize::from(self.rows.patterns.first(*pattern))] += u64::from(*count);
        }
        first.iter().map(|count| (*count as f64 / self.n()).powi(2)).sum()
    }

    /// Chance that two rows share an expert: for two choices from the loads and the pairs of experts, for more from pairs
    /// of rows.
    fn any(&self, study: &Study, group: &Group) -> Expected {
        if study.data.top_k <= 2 {
            return Expected { mean: self.any_of_two(), drawn: false };
        }
        let index = group.category.map_or(0, |category| category + 1);
        let stream = Stream::new(study.settings.seed, study.data.layer, Purpose::Pairs, index);
        expected(&self.rows, &self.rows, |shared| f64::from(u8::from(shared > 0)), stream)
    }

    /// Rows that contain a or b: those with a plus those with b minus those with both.
    fn any_of_two(&self) -> f64 {
        let mut sets: BTreeMap<Vec<ExpertId>, u64> = BTreeMap::new();
        let mut chosen = vec![0_u64; self.rows.experts];
        for (pattern, count) in &self.counted {
            let mut set = self.rows.patterns.experts(View::Chosen, *pattern).to_vec();
            set.sort_unstable();
            for expert in &set {
                chosen[usize::from(*expert)] += u64::from(*count);
            }
            *sets.entry(set).or_default() += u64::from(*count);
        }
        let meeting = |(set, count): (&Vec<ExpertId>, &u64)| {
            let of_each: u64 = set.iter().map(|expert| chosen[usize::from(*expert)]).sum();
            *count as f64 * (of_each - if set.len() == 2 { *count } else { 0 }) as f64
        };
        sets.iter().map(meeting).sum::<f64>() / (self.n() * self.n())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_chance_of_mixtral() {
        // 1 - C(6, 2) / C(8, 2) = 1 - 15 / 28.
        assert!((uniform_repetition(8, 2) - 13.0 / 28.0).abs() < 1e-12);
        assert!((uniform_repetition(8, 2) - 0.4643).abs() < 5e-5);
        assert!((uniform_repetition(8, 1) - 0.125).abs() < 1e-12);
        assert_eq!(uniform_repetition(2, 2), 1.0);
        assert_eq!(uniform_repetition(3, 2), 1.0);
    }
}
