//! `token_predictability`: how well the first choice (and the set of choices) is predicted from the token id alone,
//! by cross-validation over documents; and what the previous token adds.

use super::{
    catalog::Statistic,
    cells::Cells,
    finding::Finding,
    names::{BaselineKind, Variant},
    occurrences::Occurrences,
    resample::percentile,
    study::Study,
};
use crate::{
    random::{Purpose, Stream},
    routing::{ExpertId, View},
};

/// Correct predictions (or overlap) per document, for every predictor.
#[derive(Debug, Default)]
struct Scores {
    majority: Vec<f64>,
    token: Vec<f64>,
    token_and_previous: Vec<f64>,
    majority_overlap: Vec<f64>,
    token_overlap: Vec<f64>,
}

/// Rows: variants `token`, `token_and_previous`, `context_gain` (their difference) and `top_k_overlap`; chosen view.
///
/// Documents are dealt to five folds of equal size (plus or minus one) in a seeded random order. In each fold the
/// prediction is the argmax, over the documents of the other folds, of the first-choice counts of the token id; an id
/// that does not occur there gets the overall argmax; ties go to the lowest expert. `token_and_previous` takes the pair
/// (previous token, token) first and backs off to the token id. `top_k_overlap` is the mean of |P ∩ S| / k, S = chosen
/// set, P = the k experts that the token id chose most often (at any rank). Baselines: the overall argmax, the overall
/// top k, and 0 for the gain. n = occurrences; interval: cluster bootstrap of the scores per document (the predictors
/// are not refitted).
pub(super) fn token_predictability(study: &Study) -> Vec<Finding> {
    let documents = study.data.documents();
    let variants = [Variant::Token, Variant::TokenAndPrevious, Variant::ContextGain, Variant::TopKOverlap];
    let empty = |variant| {
        let finding = study.finding(Statistic::TokenPredictability, View::Chosen).variant(variant);
        Finding { n: study.data.len() as u64, documents: Some(documents as u64), ..finding }
    };
    let minimum = study.settings.minimum_documents_for_folds.max(study.settings.folds);
    if documents < minimum || study.settings.folds < 2 {
        let reason =
            format!("{}: cross-validation needs at least {minimum}", super::counted(documents as u64, "document"));
        return variants.map(|variant| empty(variant).withheld(reason.clone())).to_vec();
    }
    let scores = Scores::new(study);
    let zero = vec![0.0; documents];
    let gain: Vec<f64> = scores.token_and_previous.iter().zip(&scores.token).map(|(a, b)| a - b).collect();
    let rows = [
        (&scores.token, &scores.majority, BaselineKind::MajorityExpert),
        (&scores.token_and_previous, &scores.majority, BaselineKind::MajorityExpert),
        (&gain, &zero, BaselineKind::NoGain),
        (&scores.token_overlap, &scores.majority_overlap, BaselineKind::MajorityExperts),
    ];
    let row = |(variant, (score, baseline, kind)): (Variant, (&Vec<f64>, &Vec<f64>, BaselineKind))| {
        let n = study.data.len() as f64;
        let finding = empty(variant).measured(
            score.iter().sum::<f64>() / n,
            interval(study, score),
            study.data.len() as u64,
            documents as u64,
        );
        study.with_reason(finding.against(baseline.iter().sum::<f64>() / n, kind), documents)
    };
    variants.into_iter().zip(rows).map(row).collect()
}

fn interval(study: &Study, score: &[f64]) -> Option<(f64, f64)> {
    if !study.resamples.enough(score.len()) {
        return None;
    }
    let occurrences = &study.counts[0].occurrences;
    let above = study.resamples.sums(score.iter().copied().enumerate());
    let below = study.resamples.sums(occurrences.iter().map(|n| f64::from(*n)).enumerate());
    percentile(&mut above.iter().zip(&below).map(|(above, below)| above / below).collect())
}

/// First-choice and any-choice counts by fold.
struct FoldCounts {
    folds: usize,
    experts: usize,
    first: Vec<u32>,
    any: Vec<u32>,
}

impl FoldCounts {
    fn new(folds: usize, experts: usize) -> Self {
        Self { folds, experts, first: vec![0; folds * experts], any: vec![0; folds * experts] }
    }

    fn count(&mut self, data: &Occurrences, fold: &[u32], rows: &[u32]) {
        self.first.fill(0);
        self.any.fill(0);
        for &row in rows {
            let base = fold[data.document[row as usize] as usize] as usize * self.experts;
            let choices = data.choices(View::Chosen, row as usize);
            self.first[base + usize::from(choices[0])] += 1;
            for expert in choices {
                self.any[base + usize::from(*expert)] += 1;
            }
        }
    }

    /// For every fold, the expert with the highest first-choice count outside of it; `None` where there is no count.
    fn best_first(&self) -> Vec<Option<ExpertId>> {
        let best = |counts: Vec<u32>| most(counts.into_iter().zip(0..));
        (0..self.folds).map(|fold| best(outside(&self.first, fold, self.experts))).collect()
    }

    /// For every fold, the `k` experts with the highest counts outside of it; empty where there is no count.
    fn best_any(&self, k: usize) -> Vec<Vec<ExpertId>> {
        let best = |counts: Vec<u32>| {
            let mut experts: Vec<usize> = (0..counts.len()).filter(|expert| counts[*expert] > 0).collect();
            experts.sort_by_key(|expert| (u32::MAX - counts[*expert], *expert));
            experts.into_iter().take(k).map(|expert| expert as ExpertId).collect()
        };
        (0..self.folds).map(|fold| best(outside(&self.any, fold, self.experts))).collect()
    }
}

/// The expert with the highest count, the lowest of those that share it; `None` where there is no count.
fn most(counts: impl Iterator<Item = (u32, ExpertId)>) -> Option<ExpertId> {
    let (count, expert) = counts.min_by_key(|(count, expert)| (u32::MAX - count, *expert))?;
    (count > 0).then_some(expert)
}

/// Most rows of a cell whose predictions are counted row against row, instead of in a table of folds and experts.
const FEW_ROWS: usize = 12;

/// As [`FoldCounts::best_first`] for the fold of `row`, from few rows.
fn best_of_few(data: &Occurrences, fold: &[u32], rows: &[u32], row: u32) -> Option<ExpertId> {
    let fold_of = |row: u32| fold[data.document[row as usize] as usize];
    let first = |row: u32| data.patterns.first(data.pattern[row as usize]);
    let others = rows.iter().filter(|other| fold_of(**other) != fold_of(row));
    let count = |expert| others.clone().filter(|other| first(**other) == expert).count() as u32;
    most(others.clone().map(|other| (count(first(*other)), first(*other))))
}

/// Counts over all folds but one.
fn outside(counts: &[u32], fold: usize, experts: usize) -> Vec<u32> {
    let mut sum = vec![0; experts];
    for (_, own) in counts.chunks_exact(experts).enumerate().filter(|(other, _)| *other != fold) {
        sum.iter_mut().zip(own).for_each(|(sum, count)| *sum += count);
    }
    sum
}

impl Scores {
    fn new(study: &Study) -> Self {
        let data = &study.data;
        let fold = folds(study);
        let zero = || vec![0.0; data.documents()];
        let mut scores = Self {
            majority: zero(),
            token: zero(),
            token_and_previous: zero(),
            majority_overlap: zero(),
            token_overlap: zero(),
        };
        let rows: Vec<u32> = (0..data.len() as u32).collect();
        let by_pair = Cells::by_pair(&rows, &data.token, &data.previous_or_last());
        let mut counts = FoldCounts::new(study.settings.folds, data.experts);
        counts.count(data, &fold, &rows);
        let (majority, majority_set) = (counts.best_first(), counts.best_any(data.top_k));
        let mut pair = 0;
        for rows in study.by_token.iter() {
            counts.count(data, &fold, rows);
            let token: Vec<_> = counts.best_first().into_iter().zip(&majority).map(|(own, all)| own.or(*all)).collect();
            let set: Vec<_> = counts
                .best_any(data.top_k)
                .into_iter()
                .zip(&majority_set)
                .map(|(own, all)| if own.is_empty() { all.clone() } else { own })
                .collect();
            for &row in rows {
                let (document, choices) =
                    (data.document[row as usize] as usize, data.choices(View::Chosen, row as usize));
                let fold = fold[document] as usize;
                scores.majority[document] += hit(majority[fold], choices);
                scores.token[document] += hit(token[fold], choices);
                scores.majority_overlap[document] += overlap(&majority_set[fold], choices);
                scores.token_overlap[document] += overlap(&set[fold], choices);
            }
            pair = scores.score_pairs(data, &fold, &by_pair, pair, rows.len(), &token, &mut counts);
        }
        scores
    }

    /// Scores the (previous token, token) cells of one token id, from cell `pair` on; returns the next cell.
    #[allow(clippy::too_many_arguments)]
    fn score_pairs(
        &mut self,
        data: &Occurrences,
        fold: &[u32],
        by_pair: &Cells,
        mut pair: usize,
        mut rows_left: usize,
        token: &[Option<ExpertId>],
        counts: &mut FoldCounts,
    ) -> usize {
        while rows_left > 0 {
            let rows = by_pair.cell(pair);
            let known = rows.len() > 1 && data.previous[rows[0] as usize] != super::occurrences::NONE;
            let many = (known && rows.len() > FEW_ROWS).then(|| {
                counts.count(data, fold, rows);
                counts.best_first()
            });
            for &row in rows {
                let document = data.document[row as usize] as usize;
                let own = match &many {
                    Some(own) => own[fold[document] as usize],
                    None if known => best_of_few(data, fold, rows, row),
                    None => None,
                };
                let prediction = own.or(token[fold[document] as usize]);
                self.token_and_previous[document] += hit(prediction, data.choices(View::Chosen, row as usize));
            }
            rows_left -= rows.len();
            pair += 1;
        }
        pair
    }
}

/// 1 if the prediction is the first choice.
fn hit(prediction: Option<ExpertId>, choices: &[ExpertId]) -> f64 {
    f64::from(u8::from(prediction == Some(choices[0])))
}

/// Share of the choices that were predicted.
fn overlap(predicted: &[ExpertId], choices: &[ExpertId]) -> f64 {
    choices.iter().filter(|expert| predicted.contains(expert)).count() as f64 / choices.len() as f64
}

/// The fold of every document.
fn folds(study: &Study) -> Vec<u32> {
    let mut order: Vec<usize> = (0..study.data.documents()).collect();
    Stream::new(study.settings.seed, study.data.layer, Purpose::Folds, 0).shuffle(&mut order);
    let mut fold = vec![0; order.len()];
    for (index, document) in order.into_iter().enumerate() {
        fold[document] = (index % study.settings.folds) as u32;
    }
    fold
}
