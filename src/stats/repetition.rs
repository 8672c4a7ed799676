//! `expert_repetition`: whether a token's experts repeat those of the token before (Mixtral, arXiv 2401.04088,
//! Table 5). Chosen view.

use std::collections::BTreeMap;

use super::{
    catalog::Statistic,
    finding::Finding,
    names::{Variable, Variant},
    resample::percentile,
    study::{Group, Study},
};
use crate::routing::{ExpertId, View};

/// Most distinct choice sets for which the load-matched chance is summed over all pairs of sets.
const MOST_SETS: usize = 4096;

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

/// Rows: variants `first` (the first choice at t + 1 is the first choice at t) and, for k > 1, `first_or_second` (the
/// choices at t and t + 1 share an expert), of one group of documents. n = pairs. Baseline: load-matched chance, that
/// two occurrences drawn independently from the group's occurrences would repeat; `uniform_baseline`: 1/E and
/// 1 - C(E-k, k)/C(E, k).
pub(super) fn expert_repetition(study: &Study, group: &Group, repeats: &Repeats) -> Vec<Finding> {
    let (experts, top_k) = (study.data.experts, study.data.top_k);
    let chance = Chance::new(study, group);
    let first = (Variant::First, &repeats.first, Some(chance.first()), 1.0 / experts as f64);
    let any = (Variant::FirstOrSecond, &repeats.any, chance.any(), uniform_repetition(experts, top_k));
    let variants = if top_k > 1 { vec![first, any] } else { vec![first] };
    let pairs: u64 = group.documents.iter().map(|d| u64::from(repeats.pairs[*d])).sum();
    let documents = group.documents.iter().filter(|d| repeats.pairs[**d] > 0).count();
    let row = |(variant, count, chance, uniform): (Variant, &Vec<u32>, Option<f64>, f64)| {
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
        let finding = match chance {
            Some(chance) => finding.against(chance, "load_matched"),
            None => finding.remark(format!("more than {MOST_SETS} distinct choice sets: no load-matched chance")),
        };
        study.with_reason(finding, documents)
    };
    variants.into_iter().map(row).collect()
}

fn interval(study: &Study, group: &Group, above: &[u32], below: &[u32]) -> Option<(f64, f64)> {
    let sums = |count: &[u32]| study.resamples.sums(group.documents.iter().map(|d| (*d, f64::from(count[*d]))));
    percentile(&mut sums(above).iter().zip(sums(below)).map(|(above, below)| above / below).collect())
}

/// How often every first choice and every set of choices occurs in a group.
struct Chance {
    first: Vec<u64>,
    sets: BTreeMap<Vec<ExpertId>, u64>,
    n: f64,
}

impl Chance {
    fn new(study: &Study, group: &Group) -> Self {
        let data = &study.data;
        let mut patterns = vec![0_u64; data.patterns.len()];
        let mut counts = vec![false; data.documents()];
        group.documents.iter().for_each(|document| counts[*document] = true);
        for (pattern, document) in data.pattern.iter().zip(&data.document) {
            patterns[*pattern as usize] += u64::from(counts[*document as usize]);
        }
        let mut chance = Self { first: vec![0; data.experts], sets: BTreeMap::new(), n: 0.0 };
        for (pattern, count) in patterns.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let mut set = data.patterns.experts(View::Chosen, pattern as u32).to_vec();
            set.sort_unstable();
            *chance.sets.entry(set).or_default() += count;
            chance.first[usize::from(data.patterns.first(pattern as u32))] += count;
            chance.n += count as f64;
        }
        chance
    }

    fn first(&self) -> f64 {
        self.first.iter().map(|count| (*count as f64 / self.n).powi(2)).sum()
    }

    fn any(&self) -> Option<f64> {
        if self.sets.len() > MOST_SETS {
            return None;
        }
        let meeting = |set: &[ExpertId]| -> u64 {
            let others = self.sets.iter().filter(|(other, _)| other.iter().any(|expert| set.contains(expert)));
            others.map(|(_, count)| *count).sum()
        };
        Some(self.sets.iter().map(|(set, count)| *count as f64 * meeting(set) as f64).sum::<f64>() / (self.n * self.n))
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
