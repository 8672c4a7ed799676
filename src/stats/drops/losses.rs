//! The ratios of lost to chosen, summed by document: what an assignment, a token or a gate probability counts for.

use super::{
    reason::{Units, measured_share},
    study::DropStudy,
};
use crate::stats::{
    Finding, Statistic, Subject, Variant,
    resample::{Interval, percentile},
};

/// One of the ratios that people confuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ratio {
    /// Assignments that found no slot.
    Assignment,
    /// First choices that found no slot.
    First,
    /// Second choices that found no slot.
    Second,
    /// Tokens that lost every choice.
    Token,
    /// Gate probability of the assignments that found no slot.
    GateMass,
    /// Choices of one rank, from 0, that found no slot.
    Choice(usize),
}

impl Ratio {
    /// Those of a layer, in the order in which tables list them: five, and of more than two choices each by its rank.
    pub(super) fn of_choices(top_k: usize) -> Vec<Self> {
        let five = [Self::Assignment, Self::First, Self::Second, Self::Token, Self::GateMass];
        let ranks = if top_k > 2 { 0..top_k } else { 0..0 };
        five.into_iter().chain(ranks.map(Self::Choice)).collect()
    }

    /// The statistic that it is.
    fn statistic(self) -> Statistic {
        match self {
            Self::Assignment => Statistic::AssignmentDropRatio,
            Self::First => Statistic::FirstChoiceDropRatio,
            Self::Second => Statistic::SecondChoiceDropRatio,
            Self::Token => Statistic::TokenDropRatio,
            Self::GateMass => Statistic::GateMassLost,
            Self::Choice(_) => Statistic::ChoiceDropRatio,
        }
    }

    /// A finding that names it where a statistic gives all of them: as its variant, and a choice by its rank from 1.
    pub(super) fn about(self, finding: Finding) -> Finding {
        let finding = finding.variant(Variant::Of(self.statistic()));
        match self {
            Self::Choice(choice) => finding.about(|subject| Subject { rank: Some(choice as u32 + 1), ..subject }),
            _ => finding,
        }
    }

    /// Calls `count(refusals, weight)` for everything that one occurrence adds to the ratio: `refused[choice]` is at
    /// how many of several ascending capacities the choice is dropped.
    fn each(self, gates: &[f32], refused: &[u32], mut count: impl FnMut(u32, f64)) {
        match self {
            Self::Assignment => refused.iter().for_each(|refused| count(*refused, 1.0)),
            Self::First => refused.iter().take(1).for_each(|refused| count(*refused, 1.0)),
            Self::Second => refused.iter().skip(1).take(1).for_each(|refused| count(*refused, 1.0)),
            Self::Token => refused.iter().min().into_iter().for_each(|refused| count(*refused, 1.0)),
            Self::Choice(choice) => refused.get(choice).into_iter().for_each(|refused| count(*refused, 1.0)),
            Self::GateMass => refused.iter().zip(gates).for_each(|(refused, gate)| count(*refused, f64::from(*gate))),
        }
    }
}

/// What is lost of some ratios, by capacity and document.
pub(super) struct Losses {
    ratios: Vec<Ratio>,
    capacities: usize,
    documents: usize,
    /// `[ratios][capacities, documents]`.
    lost: Vec<Vec<f64>>,
}

impl Losses {
    /// No loss yet.
    pub(super) fn new(study: &DropStudy, ratios: Vec<Ratio>, capacities: usize) -> Self {
        let documents = study.documents();
        let lost = vec![vec![0.0; capacities * documents]; ratios.len()];
        Self { ratios, capacities, documents, lost }
    }

    /// What the run itself lost: one capacity.
    pub(super) fn observed(study: &DropStudy) -> Self {
        let mut losses = Self::new(study, Ratio::of_choices(study.top_k()), 1);
        let refused: Vec<u32> = study.dropped.iter().map(|dropped| u32::from(*dropped)).collect();
        for row in 0..study.len() {
            losses.add(study, row, &refused[row * study.top_k()..(row + 1) * study.top_k()]);
        }
        losses
    }

    /// Adds an occurrence of which each choice is dropped at the first `refused[choice]` capacities.
    pub(super) fn add(&mut self, study: &DropStudy, row: usize, refused: &[u32]) {
        if !study.counts(row) || refused.iter().all(|refused| *refused == 0) {
            return;
        }
        let (document, documents) = (study.document[row] as usize, self.documents);
        let gates = &study.probability[row * refused.len()..];
        for (ratio, lost) in self.ratios.iter().zip(&mut self.lost) {
            ratio.each(gates, refused, |refused, weight| {
                if refused > 0 {
                    lost[(refused as usize - 1) * documents + document] += weight;
                }
            });
        }
    }

    /// Turns "dropped up to this capacity" into "dropped at this capacity"; to be called once, at the end.
    pub(super) fn cumulated(mut self) -> Self {
        let documents = self.documents;
        for lost in &mut self.lost {
            for at in (0..self.capacities.saturating_sub(1) * documents).rev() {
                lost[at] += lost[at + documents];
            }
        }
        self
    }

    /// What the i-th ratio loses at a capacity, `[documents]`.
    pub(super) fn at(&self, ratio: usize, capacity: usize) -> &[f64] {
        &self.lost[ratio][capacity * self.documents..(capacity + 1) * self.documents]
    }
}

/// What can be lost in some documents: the denominators of the ratios of a layer.
pub(super) struct Chosen {
    /// Index of the data set, none = over all.
    pub(super) dataset: Option<u16>,
    /// Its documents.
    pub(super) documents: Vec<usize>,
    /// Its occurrences.
    pub(super) occurrences: u64,
    /// The ratios.
    pub(super) ratios: Vec<Ratio>,
    /// `[ratios][documents of the layer]`.
    total: Vec<Vec<f64>>,
    /// `[ratios][resamples]`.
    resampled: Vec<Vec<f64>>,
}

impl Chosen {
    /// Over all, then every data set that has documents.
    pub(super) fn scopes(study: &DropStudy) -> Vec<Self> {
        let datasets = 0..study.layer.sequences.dataset_names.len() as u16;
        let scopes = std::iter::once(None).chain(datasets.map(Some)).map(|dataset| Self::new(study, dataset));
        scopes.filter(|scope| scope.dataset.is_none() || !scope.documents.is_empty()).collect()
    }

    /// Over all.
    pub(super) fn over_all(study: &DropStudy) -> Self {
        Self::new(study, None)
    }

    fn new(study: &DropStudy, dataset: Option<u16>) -> Self {
        let ratios = Ratio::of_choices(study.top_k());
        let mut total = vec![vec![0.0; study.documents()]; ratios.len()];
        let (mut occurrences, refused) = (vec![0_u64; study.documents()], vec![1; study.top_k()]);
        for row in 0..study.len() {
            if study.counts(row) && dataset.is_none_or(|dataset| dataset == study.dataset(row)) {
                let document = study.document[row] as usize;
                let gates = &study.probability[row * refused.len()..];
                occurrences[document] += 1;
                for (ratio, total) in ratios.iter().zip(&mut total) {
                    ratio.each(gates, &refused, |_, weight| total[document] += weight);
                }
            }
        }
        let resampled = total.iter().map(|total| study.resamples.sums(total.iter().copied().enumerate())).collect();
        let documents = (0..study.documents()).filter(|document| occurrences[*document] > 0).collect();
        Self { dataset, documents, occurrences: occurrences.iter().sum(), ratios, total, resampled }
    }

    /// What a ratio can lose, `[documents of the layer]`.
    pub(super) fn total(&self, ratio: usize) -> &[f64] {
        &self.total[ratio]
    }

    /// The lost share of a ratio; NaN if there is nothing to lose.
    pub(super) fn share(&self, ratio: usize, lost: &[f64]) -> f64 {
        let lost: f64 = self.documents.iter().map(|document| lost[*document]).sum();
        lost / self.total[ratio].iter().sum::<f64>()
    }

    /// The same for every resample; empty where the documents are too few for an interval.
    pub(super) fn resampled_share(&self, study: &DropStudy, ratio: usize, lost: &[f64]) -> Vec<f64> {
        if !study.resamples.enough(self.documents.len()) {
            return Vec::new();
        }
        let lost = study.resamples.sums(self.documents.iter().map(|document| (*document, lost[*document])));
        lost.iter().zip(&self.resampled[ratio]).map(|(lost, total)| lost / total).collect()
    }

    /// Its interval over documents.
    pub(super) fn interval(&self, study: &DropStudy, ratio: usize, lost: &[f64]) -> Interval {
        percentile(&mut self.resampled_share(study, ratio, lost))
    }

    /// Fills in the data set and the i-th ratio.
    pub(super) fn about(&self, study: &DropStudy, finding: Finding, ratio: usize) -> Finding {
        let finding = self.ratios[ratio].about(finding);
        match self.dataset {
            Some(dataset) => study.about_dataset(finding, dataset),
            None => finding,
        }
    }

    /// Fills in a ratio; `separate`: no routing group holds two documents.
    pub(super) fn measured(
        &self,
        study: &DropStudy,
        finding: Finding,
        ratio: usize,
        lost: &[f64],
        separate: bool,
    ) -> Finding {
        let finding = self.about(study, finding, ratio);
        let estimate = self.share(ratio, lost);
        if estimate.is_nan() {
            return finding.withheld(NOTHING);
        }
        let units = Units { n: self.occurrences, documents: self.documents.len(), separate };
        measured_share(study, finding, estimate, units, || self.interval(study, ratio, lost))
    }
}

/// Why a ratio has no value.
pub(super) const NOTHING: &str = "nothing that could be lost";
