//! `vocabulary_specialization` (OLMoE, arXiv 2409.02060, eq. 8) and `top_tokens`.

use std::cmp::Ordering;

use super::{
    catalog::Statistic,
    entropy::{NORMAL_95, jackknife_error},
    finding::Finding,
    names::{BaselineKind, Ranking, Variant},
    occurrence_shuffle::Shuffled,
    study::{Study, mean, p_value},
    vocabulary_sums::{Concentration, VocabularySums},
};
use crate::routing::{ExpertId, View};

/// Names of the three averages, in the same order.
const VARIANTS: [Variant; 3] = [Variant::Unweighted, Variant::TokenWeighted, Variant::Frequent];

/// Prior strength of the log-odds in assignments: the pseudo-counts of all token ids together.
const PRIOR: f64 = 1000.0;

/// Rows for the three averages. n = token ids for `unweighted` and `frequent`, assignments for `token_weighted`;
/// interval by delete-one-document jackknife, because a resample loses a third of the rare ids.
pub(super) fn vocabulary_specialization(study: &Study, view: View, permuted: &[Shuffled]) -> Vec<Finding> {
    let (total, removed) = observed(study, view);
    let documents = study.data.documents();
    let estimate = total.concentration();
    let without = |d: &VocabularySums| {
        let mut sums = total;
        for variant in 0..3 {
            sums.above[variant] -= d.above[variant];
            sums.below[variant] -= d.below[variant];
        }
        sums.concentration()
    };
    let left_out: Vec<Concentration> = removed.iter().map(without).collect();
    let row = |variant: usize| {
        let finding = study.finding(Statistic::VocabularySpecialization, view).variant(VARIANTS[variant]);
        let n = total.below[variant] as u64;
        if n == 0 {
            return finding.withheld("no token id with enough occurrences");
        }
        let half = NORMAL_95 * jackknife_error(&left_out.iter().map(|value| value[variant]).collect::<Vec<_>>());
        let interval = (estimate[variant] - half, estimate[variant] + half);
        let interval = Some(interval).filter(|_| study.resamples.enough(documents));
        let null = permuted.iter().map(|shuffled| shuffled.vocabulary[view as usize][variant]);
        let finding = finding.measured(estimate[variant], interval, n, documents as u64);
        let mut finding = finding.against(mean(null.clone()), BaselineKind::OccurrenceShuffle);
        finding.p_value = finding.baseline.map(|_| p_value(estimate[variant], null));
        // Every occurrence has k different choices, so that one expert holds at most 1/k of them.
        finding.ceiling = Some(if view == View::Chosen { 1.0 / study.data.top_k as f64 } else { 1.0 });
        study.with_reason(finding, documents)
    };
    (0..3).map(row).collect()
}

/// The sums over all documents, and what every document takes with it when it is left out. Which ids are frequent is
/// decided once, with all documents.
fn observed(study: &Study, view: View) -> (VocabularySums, Vec<VocabularySums>) {
    let data = &study.data;
    let mut total = VocabularySums::default();
    let mut removed = vec![VocabularySums::default(); data.documents()];
    let mut counts = vec![0_u32; data.experts];
    for rows in study.by_token.iter() {
        let frequent = rows.len() >= study.settings.minimum_occurrences;
        let choices = |rows: &[u32], f: &mut dyn FnMut(usize)| {
            let all = rows.iter().flat_map(|row| data.choices(view, *row as usize));
            all.map(|expert| usize::from(*expert)).for_each(f);
        };
        choices(rows, &mut |expert| counts[expert] += 1);
        let sum_and_max = |counts: &[u32]| (counts.iter().sum::<u32>(), counts.iter().copied().max().unwrap_or(0));
        let (n, largest) = sum_and_max(&counts);
        total.add(largest, n, frequent);
        for run in rows.chunk_by(|a, b| data.document[*a as usize] == data.document[*b as usize]) {
            choices(run, &mut |expert| counts[expert] -= 1);
            let (rest, rest_largest) = sum_and_max(&counts);
            choices(run, &mut |expert| counts[expert] += 1);
            let own = &mut removed[data.document[run[0] as usize] as usize];
            own.add(largest, n, frequent);
            own.change(rest_largest, rest, frequent, -1.0);
        }
        counts.fill(0);
    }
    (total, removed)
}

/// The ten token ids that an expert is chosen for most often, and the ten with the highest log-odds, for every expert.
///
/// Ranking "count": estimate = assignments n_xe of the id at the expert; baseline = n_x n_e / N, load-matched chance.
/// Ranking "log_odds": estimate = z of the log-odds ratio with informative Dirichlet prior (Monroe, Colaresi and Quinn
/// 2008, eq. 16, 20 and 22), the expert's assignments against all assignments of the layer. With the prior
/// a_x = 1,000 n_x / N (1,000 pseudo-assignments spread like the corpus) and
/// L(y, n) = ln((y + a_x) / (n + 1000 - y - a_x)),
/// z = (L(n_xe, n_e) - L(n_x, N)) / sqrt(1 / (n_xe + a_x) + 1 / (n_x + a_x)); baseline 0. n = n_xe in both rankings;
/// equal values are ordered by token id. A description without an interval.
pub(super) fn top_tokens(study: &Study, view: View) -> Vec<Finding> {
    let totals = TokenTotals::new(study, view);
    let experts = 0..study.data.experts as ExpertId;
    let lists = experts.flat_map(|expert| [Ranking::Count, Ranking::LogOdds].map(|ranking| (expert, ranking)));
    lists.flat_map(|(expert, ranking)| totals.list(study, (expert, ranking), study.settings.top_tokens)).collect()
}

/// The highest finite values, highest first, ties by the order given.
fn best(length: usize, values: impl Iterator<Item = (usize, f64)>) -> Vec<(usize, f64)> {
    let mut values: Vec<(usize, f64)> = values.filter(|(_, value)| value.is_finite()).collect();
    let order = |a: &(usize, f64), b: &(usize, f64)| -> Ordering { b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)) };
    if values.len() > length && length > 0 {
        values.select_nth_unstable_by(length - 1, order);
    }
    values.truncate(length);
    values.sort_unstable_by(order);
    values
}

/// Expert counts of every token id.
#[derive(Debug)]
pub(super) struct TokenTotals {
    view: View,
    /// Dense token index, ascending.
    token: Vec<usize>,
    /// `[tokens, experts]`.
    count: Vec<u32>,
    by_token: Vec<u32>,
    by_expert: Vec<u32>,
    total: f64,
}

impl TokenTotals {
    /// Counts the assignments of a view.
    pub(super) fn new(study: &Study, view: View) -> Self {
        let (data, experts) = (&study.data, study.data.experts);
        let mut count = vec![0_u32; study.by_token.len() * experts];
        for (cell, rows) in study.by_token.iter().enumerate() {
            for expert in rows.iter().flat_map(|row| data.choices(view, *row as usize)) {
                count[cell * experts + usize::from(*expert)] += 1;
            }
        }
        let by_token: Vec<u32> = count.chunks_exact(experts).map(|counts| counts.iter().sum()).collect();
        let by_expert: Vec<u32> = (0..experts).map(|expert| count.iter().skip(expert).step_by(experts).sum()).collect();
        Self {
            view,
            token: study.by_token.iter().map(|rows| data.token[rows[0] as usize] as usize).collect(),
            total: by_token.iter().map(|n| f64::from(*n)).sum(),
            count,
            by_token,
            by_expert,
        }
    }

    /// The first token ids of an expert by a ranking, as [`top_tokens`] describes them; `study` is the one that was counted.
    pub(super) fn list(&self, study: &Study, (id, ranking): (ExpertId, Ranking), length: usize) -> Vec<Finding> {
        let expert = usize::from(id);
        let value = |token: usize| match ranking {
            Ranking::Count => f64::from(self.at(token, expert)),
            Ranking::LogOdds => self.log_odds(token, expert),
        };
        let entries = (0..self.token.len()).filter(|token| self.at(*token, expert) > 0);
        let unit = if ranking == Ranking::Count { "count" } else { "z" };
        let row = |(rank, (token, estimate)): (usize, (usize, f64))| {
            let finding = study.finding(Statistic::TopTokens, self.view).in_unit(unit);
            let mut finding = study.about_token(finding, self.token[token]);
            finding.subject.expert = Some(id);
            finding.subject.ranking = Some(ranking);
            finding.subject.rank = Some(rank as u32 + 1);
            finding.estimate = Some(estimate);
            finding.n = u64::from(self.at(token, expert));
            match ranking {
                Ranking::Count => finding.against(self.expected(token, expert), BaselineKind::LoadMatched),
                Ranking::LogOdds => finding.against(0.0, BaselineKind::CorpusFrequency),
            }
        };
        best(length, entries.map(|token| (token, value(token)))).into_iter().enumerate().map(row).collect()
    }

    fn at(&self, token: usize, expert: usize) -> u32 {
        self.count[token * self.by_expert.len() + expert]
    }

    fn expected(&self, token: usize, expert: usize) -> f64 {
        f64::from(self.by_token[token]) * f64::from(self.by_expert[expert]) / self.total
    }

    fn log_odds(&self, token: usize, expert: usize) -> f64 {
        let n_token = f64::from(self.by_token[token]);
        let prior = PRIOR * n_token / self.total;
        let logit = |y: f64, n: f64| ((y + prior) / (n + PRIOR - y - prior)).ln();
        let y = f64::from(self.at(token, expert));
        let ratio = logit(y, f64::from(self.by_expert[expert])) - logit(n_token, self.total);
        ratio / (1.0 / (y + prior) + 1.0 / (n_token + prior)).sqrt()
    }
}
