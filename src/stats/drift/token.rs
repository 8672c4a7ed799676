//! `token_drift`: how far the expert shares of a token id moved (OpenMoE, arXiv 2402.01739, Figure 11). Chosen and kept.

use rayon::prelude::*;

use super::{
    course::Step,
    distance::{between_halves, resampled, total_variation},
};
use crate::{
    routing::{ExpertId, View},
    stats::{
        BaselineKind, Finding, Statistic, Subject, Variable, Variant,
        category::jensen_shannon,
        entropy::{NORMAL_95, jackknife_error},
        finding::finite,
        resample::{Interval, centred},
        share::{self, ShareKey, Shares},
        study::Study,
    },
};

/// Token ids whose resamples are in memory at the same time.
const CHUNK: usize = 64;

/// Expert counts of a token id by document: `(document, counts)`, every document of the id once.
type ByDocument = Vec<(usize, Vec<u32>)>;

/// One token id at one checkpoint in one view.
struct Distance {
    total_variation: f64,
    /// Total variation of every resample; empty where the documents are too few.
    resampled: Vec<f64>,
    jensen_shannon: f64,
    /// The same without each document, in the order of the documents.
    without: Vec<f64>,
    /// The experts with the largest share at the checkpoint and at the reference; ties lowest.
    largest: Option<[ExpertId; 2]>,
}

/// A token id with enough occurrences for a number of its own.
pub(super) struct FrequentToken {
    /// Its cell.
    pub(super) cell: usize,
    /// Its noise floors, by view.
    floors: [Floors; 2],
}

/// What sampling alone would do to a token id: the halves of its documents at the reference, at full size.
#[derive(Clone, Copy)]
struct Floors {
    total_variation: f64,
    jensen_shannon: f64,
    same_largest: f64,
}

/// One token id at one checkpoint: `distances[view]`, `floors[view]`.
struct Token<'a> {
    /// Dense token index.
    dense: usize,
    /// Occurrences by document.
    occurrences: Vec<(usize, f64)>,
    /// Resampled occurrences.
    resampled: Vec<f64>,
    distances: [Distance; 2],
    floors: &'a [Floors; 2],
}

impl<'a> Token<'a> {
    fn new(step: &Step, frequent: &'a FrequentToken) -> Self {
        let (last, cell) = (step.course.last(), frequent.cell);
        let rows = last.by_token.cell(cell);
        let occurrences: Vec<(usize, f64)> = rows
            .chunk_by(|a, b| last.data.document[*a as usize] == last.data.document[*b as usize])
            .map(|run| (last.data.document[run[0] as usize] as usize, run.len() as f64))
            .collect();
        let token = last.data.token[rows[0] as usize] as usize;
        // Row r is the same token in both, whether or not the other trace has token ids.
        let shares = |study: &Study| share::cell_shares(study, ShareKey::Token(token), rows);
        let documents = |study: &Study| View::ALL.map(|view| by_document(study, view, rows));
        let reference = (shares(last), documents(last));
        let own = (shares(step.own), documents(step.own));
        let distances = View::ALL.map(|view| {
            let view = view as usize;
            Distance::new((&own.0[view], &own.1[view]), (&reference.0[view], &reference.1[view]))
        });
        Self {
            dense: token,
            resampled: last.resamples.sums(occurrences.iter().copied()),
            occurrences,
            distances,
            floors: &frequent.floors,
        }
    }

    fn n(&self) -> f64 {
        self.occurrences.iter().map(|(_, n)| n).sum()
    }
}

fn by_document(study: &Study, view: View, rows: &[u32]) -> ByDocument {
    let document = |row: &u32| study.data.document[*row as usize] as usize;
    rows.chunk_by(|a, b| document(a) == document(b))
        .map(|run| {
            let mut counts = vec![0; study.data.experts];
            for &expert in run.iter().flat_map(|row| study.data.choices(view, *row as usize)) {
                counts[usize::from(expert)] += 1;
            }
            (document(&run[0]), counts)
        })
        .collect()
}

impl Distance {
    fn new(own: (&Shares, &ByDocument), last: (&Shares, &ByDocument)) -> Self {
        let (a, b) = (&own.0.count, &last.0.count);
        let less = |total: &[u64], counts: &[u32]| -> Vec<u64> {
            total.iter().zip(counts).map(|(total, count)| total - u64::from(*count)).collect()
        };
        let without = own.1.iter().zip(last.1).map(|(own, last)| {
            let value = jensen_shannon(&[&less(a, &own.1), &less(b, &last.1)]);
            if value.is_finite() { value } else { 0.0 }
        });
        Self {
            total_variation: total_variation(a, b),
            resampled: resampled(own.0, last.0, total_variation),
            jensen_shannon: jensen_shannon(&[a, b]).max(0.0),
            without: without.collect(),
            largest: largest(a).zip(largest(b)).map(|(a, b)| [a, b]),
        }
    }
}

/// The expert with the most assignments, ties lowest; none without assignments.
fn largest(counts: &[u64]) -> Option<ExpertId> {
    let most = *counts.iter().max().filter(|most| **most > 0)?;
    counts.iter().position(|count| *count == most).map(|expert| expert as ExpertId)
}

/// The token ids with enough occurrences, with what the halves of the documents at the reference say about them.
pub(super) fn frequent(last: &Study, halves: &[Vec<bool>]) -> Vec<FrequentToken> {
    let floors = |cell: usize, view: View| floors(&by_document(last, view, last.by_token.cell(cell)), last, halves);
    let token = |cell: usize| FrequentToken { cell, floors: View::ALL.map(|view| floors(cell, view)) };
    share::frequent(last, &last.by_token).into_par_iter().map(token).collect()
}

fn floors(documents: &ByDocument, last: &Study, splits: &[Vec<bool>]) -> Floors {
    let mut total = vec![0; last.data.experts];
    for (_, counts) in documents {
        total.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(*count));
    }
    let by_document = documents.iter().map(|(document, counts)| (*document, counts.as_slice()));
    let halves = |distance: &dyn Fn(&[u64], &[u64]) -> f64| between_halves(splits, &by_document, &total, distance);
    Floors {
        total_variation: halves(&total_variation) / 2.0_f64.sqrt(),
        jensen_shannon: halves(&|a, b| jensen_shannon(&[a, b])) / 2.0,
        same_largest: halves(&|a, b| match (largest(a), largest(b)) {
            (Some(a), Some(b)) => f64::from(u8::from(a == b)),
            _ => f64::NAN,
        }),
    }
}

/// Per view: the mean over the frequent token ids weighted by their occurrences, then every such id. Variants
/// `total_variation`, `jensen_shannon` and `argmax_kept`.
pub(super) fn token_drift(step: &Step, frequent: &[FrequentToken]) -> Vec<Finding> {
    let last = step.course.last();
    let mut means = View::ALL.map(|_| Means::new(last));
    let mut rows = View::ALL.map(|_| Vec::new());
    for chunk in frequent.chunks(CHUNK) {
        let tokens: Vec<Token> = chunk.par_iter().map(|token| Token::new(step, token)).collect();
        for token in &tokens {
            for view in View::ALL {
                means[view as usize].add(token, view);
                rows[view as usize].extend(token_rows(step, token, view));
            }
        }
    }
    let left_out = last.by_token.len() - frequent.len();
    let mut findings = Vec::new();
    for (view, rows) in View::ALL.into_iter().zip(rows) {
        findings.extend(means[view as usize].rows(step, view, left_out));
        findings.extend(rows);
    }
    findings
}

/// Empty findings of the three variants.
fn variants(step: &Step, view: View) -> [Finding; 3] {
    [
        (Variant::TotalVariation, "share"),
        (Variant::Of(Statistic::JensenShannon), "bits"),
        (Variant::ArgmaxKept, "share"),
    ]
    .map(|(variant, unit)| step.finding(Statistic::TokenDrift, view).in_unit(unit).by(Variable::Token).variant(variant))
}

fn token_rows(step: &Step, token: &Token, view: View) -> [Finding; 3] {
    let study = step.course.last();
    let (distance, floors) = (&token.distances[view as usize], &token.floors[view as usize]);
    let (n, documents) = (token.n(), token.occurrences.len());
    let variants = variants(step, view).map(|finding| study.about_token(finding, token.dense));
    let Some([own, last]) = distance.largest else {
        return variants.map(|finding| finding.withheld("no assignment to count"));
    };
    let [variation, divergence, kept] = variants;
    let measured = |finding: Finding, estimate: f64, interval: Interval| {
        study.with_reason(finding.measured(estimate, interval, n as u64, documents as u64), documents)
    };
    let interval = centred(&mut distance.resampled.clone(), distance.total_variation, 1.0);
    let variation = measured(variation, distance.total_variation, interval).against(0.0, BaselineKind::NoChange);
    let interval = study.resamples.enough(documents).then(|| jackknife(distance.jensen_shannon, &distance.without));
    let divergence = measured(divergence, distance.jensen_shannon, interval).against(0.0, BaselineKind::NoChange);
    let kept = kept.measured(f64::from(u8::from(own == last)), None, n as u64, documents as u64);
    let kept = kept.about(|subject| Subject { expert: Some(own), other_expert: Some(last), ..subject });
    [
        Finding { noise_floor: finite(floors.total_variation), ..variation },
        Finding { noise_floor: finite(floors.jensen_shannon), ..divergence },
        kept.against(floors.same_largest, BaselineKind::SplitHalf).remark("no interval: 1 or 0"),
    ]
}

fn jackknife(estimate: f64, without: &[f64]) -> (f64, f64) {
    let half = NORMAL_95 * jackknife_error(without);
    (estimate - half, estimate + half)
}

/// Sums over the frequent token ids at one checkpoint in one view, weighted by their occurrences.
struct Means {
    ids: u64,
    n: f64,
    resampled_n: Vec<f64>,
    variation: f64,
    resampled_variation: Vec<f64>,
    divergence: f64,
    /// What leaving out a document adds to n and to the divergence.
    without: Vec<(f64, f64)>,
    /// Occurrences by document, and those of ids that kept their largest expert.
    occurrences: Vec<f64>,
    kept: Vec<f64>,
    floors: Floors,
    floor_n: f64,
}

impl Means {
    fn new(study: &Study) -> Self {
        let (documents, resamples) = (study.data.documents(), study.resamples.len());
        Self {
            ids: 0,
            n: 0.0,
            resampled_n: vec![0.0; resamples],
            variation: 0.0,
            resampled_variation: vec![0.0; resamples],
            divergence: 0.0,
            without: vec![(0.0, 0.0); documents],
            occurrences: vec![0.0; documents],
            kept: vec![0.0; documents],
            floors: Floors { total_variation: 0.0, jensen_shannon: 0.0, same_largest: 0.0 },
            floor_n: 0.0,
        }
    }

    fn add(&mut self, token: &Token, view: View) {
        let (distance, floors) = (&token.distances[view as usize], token.floors[view as usize]);
        let Some([own, last]) = distance.largest else { return };
        let n = token.n();
        self.ids += 1;
        self.n += n;
        self.variation += n * distance.total_variation;
        self.divergence += n * distance.jensen_shannon;
        for (r, weight) in token.resampled.iter().enumerate() {
            // Too few documents for resamples of its own: the id keeps its distance and is drawn more or less often.
            let value = distance.resampled.get(r).copied().filter(|value| value.is_finite());
            self.resampled_n[r] += weight;
            self.resampled_variation[r] += weight * value.unwrap_or(distance.total_variation);
        }
        for ((document, count), without) in token.occurrences.iter().zip(&distance.without) {
            self.without[*document].0 -= count;
            self.without[*document].1 += (n - count) * without - n * distance.jensen_shannon;
            self.occurrences[*document] += count;
            self.kept[*document] += if own == last { *count } else { 0.0 };
        }
        if floors.total_variation.is_finite() && floors.same_largest.is_finite() {
            self.floor_n += n;
            self.floors.total_variation += n * floors.total_variation;
            self.floors.jensen_shannon += n * floors.jensen_shannon;
            self.floors.same_largest += n * floors.same_largest;
        }
    }

    fn rows(&self, step: &Step, view: View, left_out: usize) -> Vec<Finding> {
        let study = step.course.last();
        let least = study.settings.minimum_occurrences;
        let variants = variants(step, view);
        if self.ids == 0 {
            return variants.map(|row| row.withheld(format!("no token id has {least} occurrences"))).into();
        }
        let documents = self.occurrences.iter().filter(|n| **n > 0.0).count();
        let enough = study.resamples.enough(documents);
        let [variation, divergence, kept] = variants;
        let estimate = self.variation / self.n;
        let mut values = self.resampled_variation.iter().zip(&self.resampled_n).map(|(sum, n)| sum / n).collect();
        let interval = centred(&mut values, estimate, 1.0).filter(|_| enough);
        let variation = variation.measured(estimate, interval, self.n as u64, documents as u64);
        let estimate = self.divergence / self.n;
        let without: Vec<f64> = self
            .without
            .iter()
            .filter(|(n, _)| *n < 0.0 && self.n + n > 0.0)
            .map(|(n, sum)| (self.divergence + sum) / (self.n + n))
            .collect();
        let interval = enough.then(|| jackknife(estimate, &without));
        let divergence = divergence.measured(estimate, interval, self.n as u64, documents as u64);
        let floor = |sum: f64| finite(sum / self.floor_n);
        let kept = step.course.mean(kept, &self.kept, &self.occurrences);
        let kept = kept.against(floor(self.floors.same_largest).unwrap_or(f64::NAN), BaselineKind::SplitHalf);
        let scope =
            format!("mean over {} token ids; {left_out} with fewer than {least} occurrences left out", self.ids);
        let rows = [
            Finding {
                noise_floor: floor(self.floors.total_variation),
                ..variation.against(0.0, BaselineKind::NoChange)
            },
            Finding {
                noise_floor: floor(self.floors.jensen_shannon),
                ..divergence.against(0.0, BaselineKind::NoChange)
            },
        ];
        let rows = rows.map(|row| study.with_reason(row, documents)).into_iter().chain([kept]);
        rows.map(|row| row.remark(scope.clone())).collect()
    }
}
