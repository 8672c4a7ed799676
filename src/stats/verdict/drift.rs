//! The verdict of a drift run: when a layer was learnt, and how far the checkpoints beside the time axis are from its last one.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{Answer, Beside, Evidence, HalfReached, Measured, Missing, Verdict};
use crate::{
    routing::{LayerId, View},
    stats::{Finding, Statistic},
};

/// A layer has reached half of its final agreement from the first checkpoint on at which this share of the way from
/// load-matched chance to full agreement is behind it, and stays so.
const LEARNT: f64 = 0.5;
/// If chance is above this, there is nothing to be learnt.
const CERTAIN: f64 = 1.0 - 1e-9;

/// The verdict on a drift run.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftVerdict {
    /// Layer by layer, ascending.
    pub layers: Vec<LayerAgreement>,
    /// All layers together.
    pub overall: HalfReached,
    /// The checkpoints beside the time axis.
    pub beside: Vec<Beside>,
}

/// When a layer reached half of its final agreement.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerAgreement {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Whether it did before the last checkpoint.
    pub answer: HalfReached,
    /// The first checkpoint from which on it has.
    pub first: Option<Agreement>,
    /// The last checkpoint but one.
    pub before: Option<Agreement>,
    /// Label of the last checkpoint.
    pub last: String,
    /// The number that is missing.
    pub missing: Option<Evidence>,
}

/// How far a checkpoint agrees with the last one.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Its label.
    pub checkpoint: String,
    /// Its place on the time axis, from 0.
    pub place: usize,
    /// The share of the training tokens of the last checkpoint that are behind it; none where they are not known.
    pub trained: Option<f64>,
    /// The share of the way from load-matched chance to full agreement that is behind it.
    pub corrected: Evidence,
    /// The agreement itself, with that by chance as its baseline.
    pub uncorrected: Evidence,
}

impl DriftVerdict {
    /// Reads `corrected` of `router_saturation` against the last checkpoint of the time axis, which is the share of the way
    /// from load-matched chance to full agreement. `tokens` are the rows of `token_drift`, of which those of single token ids
    /// are not among the headline findings.
    pub fn of(findings: &[Finding], tokens: &[Finding]) -> Self {
        let axis = Axis::of(findings);
        let mut steps: BTreeMap<LayerId, Vec<&Finding>> = BTreeMap::new();
        let mut last = "";
        for row in findings.iter().filter(|row| axis.is_step(row)) {
            steps.entry(row.layer).or_default().push(row);
            last = row.reference.as_deref().unwrap_or_default();
        }
        let layers: Vec<LayerAgreement> =
            steps.into_iter().map(|(layer, steps)| LayerAgreement::of(layer, &steps)).collect();
        let labels = if layers.is_empty() { Vec::new() } else { axis.beside(findings, last) };
        Self {
            overall: overall(&layers),
            layers,
            beside: labels.into_iter().map(|label| Beside::of(findings, tokens, label, last)).collect(),
        }
    }

    /// The layers that reached half of their final agreement before the last checkpoint.
    pub fn reached(&self) -> impl Iterator<Item = &LayerAgreement> {
        self.layers.iter().filter(|layer| layer.answer == HalfReached::Yes)
    }

    /// The layers that could be judged.
    pub fn judged(&self) -> impl Iterator<Item = &LayerAgreement> {
        self.layers.iter().filter(|layer| layer.is_judged())
    }

    /// Of the layers that reached half, the one that did so last, and lowest; with the agreement that it had then.
    pub fn last_to_reach(&self) -> Option<(LayerId, &Agreement)> {
        let reached = self.reached().filter_map(|layer| Some((layer.layer, layer.first.as_ref()?)));
        reached.min_by(|a, b| b.1.place.cmp(&a.1.place).then(a.1.compare(b.1)))
    }

    /// The agreement of each judged layer at the last checkpoint but one.
    fn before_last(&self) -> impl Iterator<Item = (LayerId, &Agreement)> {
        self.judged().filter_map(|layer| Some((layer.layer, layer.before.as_ref()?)))
    }

    /// The layer that agrees least at the last checkpoint but one, with that agreement.
    pub fn least_before_last(&self) -> Option<(LayerId, &Agreement)> {
        self.before_last().min_by(|a, b| a.1.compare(b.1))
    }

    /// The layer that agrees most at the last checkpoint but one, with that agreement.
    pub fn most_before_last(&self) -> Option<(LayerId, &Agreement)> {
        self.before_last().max_by(|a, b| a.1.compare(b.1))
    }

    /// The least agreement at the last checkpoint but one, as an entry of `summary.json`.
    pub fn least_before_last_verdict(&self) -> Option<Verdict> {
        let (layer, agreement) = self.least_before_last()?;
        let because = vec![agreement.corrected.clone(), agreement.uncorrected.clone()];
        Some(Verdict {
            layer: Some(layer),
            checkpoint: Some(agreement.checkpoint.clone()),
            reference: agreement.corrected.finding.subject.reference.clone(),
            ..Verdict::new(Answer::LastButOneAgrees(Measured::Measured), because)
        })
    }

    /// All layers together, as an entry of `summary.json`.
    pub fn overall_verdict(&self) -> Verdict {
        let because = self.judged().filter_map(LayerAgreement::deciding).cloned().collect();
        let layers = self.reached().map(|layer| layer.layer).collect();
        Verdict { layers, ..Verdict::new(Answer::HalfOfFinalAgreement(self.overall), because) }
    }
}

/// All layers together.
fn overall(layers: &[LayerAgreement]) -> HalfReached {
    let judged = layers.iter().filter(|layer| layer.is_judged()).count();
    let reached = layers.iter().filter(|layer| layer.answer == HalfReached::Yes).count();
    match reached {
        _ if judged == 0 => HalfReached::NotEnoughData,
        0 => HalfReached::No,
        reached if reached == judged => HalfReached::Yes,
        _ => HalfReached::InSomeLayers,
    }
}

/// The checkpoints of the time axis: last changes are counted there alone.
struct Axis<'a> {
    steps: BTreeSet<(LayerId, Option<&'a str>, Option<&'a str>)>,
    labels: BTreeSet<&'a str>,
}

impl<'a> Axis<'a> {
    fn of(findings: &'a [Finding]) -> Self {
        let changes = || findings.iter().filter(|row| row.statistic == Statistic::LastChange);
        Self {
            steps: changes().map(|row| (row.layer, row.checkpoint.as_deref(), row.reference.as_deref())).collect(),
            labels: changes().filter_map(|row| row.checkpoint.as_deref()).collect(),
        }
    }

    /// Whether a row compares a checkpoint of the time axis with the last one.
    fn is_step(&self, row: &Finding) -> bool {
        row.statistic == Statistic::RouterSaturation
            && row.view == View::Chosen
            && self.steps.contains(&(row.layer, row.checkpoint.as_deref(), row.reference.as_deref()))
    }

    /// The checkpoints beside it that are compared with its last one, in the order of the rows.
    fn beside<'b>(&self, findings: &'b [Finding], last: &str) -> Vec<&'b str> {
        let mut seen = BTreeSet::new();
        let compared = findings.iter().filter(|row| {
            row.statistic == Statistic::FirstChoiceAgreement
                && row.reference.as_deref() == Some(last)
                && row.estimate.is_some()
        });
        let labels = compared.filter_map(|row| row.checkpoint.as_deref());
        labels.filter(|label| !self.labels.contains(label) && seen.insert(*label)).collect()
    }
}

impl LayerAgreement {
    /// The judgement about the steps of a layer, the last checkpoint's own last.
    fn of(layer: LayerId, steps: &[&Finding]) -> Self {
        let label = |row: Option<&&Finding>| row.and_then(|row| row.checkpoint.clone()).unwrap_or_default();
        let unjudged =
            |answer, missing| Self { layer, answer, first: None, before: None, last: label(steps.last()), missing };
        let Some((_, earlier)) = steps.split_last().filter(|(_, earlier)| !earlier.is_empty()) else {
            return unjudged(HalfReached::OneCheckpoint, None);
        };
        if let Some(row) = earlier.iter().find(|row| row.baseline.is_some_and(|chance| chance > CERTAIN)) {
            let forced = Evidence::estimate(row);
            return unjudged(HalfReached::ConstantRouter, Some(Evidence { missing: None, ..forced }));
        }
        let is_missing = |row: &&&Finding| row.estimate.is_none() || !Evidence::corrected(row).is_known();
        if let Some(row) = earlier.iter().find(is_missing) {
            let missing = Missing::NoInterval { note: row.note.clone() };
            let corrected = Evidence::corrected(row).against(LEARNT);
            return unjudged(HalfReached::NotEnoughData, Some(Evidence { missing: Some(missing), ..corrected }));
        }
        let unlearnt = earlier.iter().rposition(|row| row.corrected_low.is_some_and(|low| low < LEARNT));
        let agreement = |place: usize| Some(Agreement::of(steps, place)).filter(|_| place < earlier.len());
        let first = agreement(unlearnt.map_or(0, |index| index + 1));
        let answer = if first.is_some() { HalfReached::Yes } else { HalfReached::No };
        let before = agreement(earlier.len() - 1);
        Self { first, before, ..unjudged(answer, None) }
    }

    fn is_judged(&self) -> bool {
        matches!(self.answer, HalfReached::Yes | HalfReached::No)
    }

    /// The number that decides.
    fn deciding(&self) -> Option<&Evidence> {
        self.first.as_ref().or(self.before.as_ref()).map(|agreement| &agreement.corrected)
    }

    /// The same as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        let first = self.first.as_ref();
        let before =
            self.before.as_ref().filter(|before| first.is_none_or(|first| first.checkpoint != before.checkpoint));
        let agreements = first.into_iter().chain(before);
        let numbers = agreements.flat_map(|own| [own.corrected.clone(), own.uncorrected.clone()]);
        Verdict {
            layer: Some(self.layer),
            checkpoint: first.map(|first| first.checkpoint.clone()),
            reference: Some(self.last.clone()),
            ..Verdict::new(Answer::HalfOfFinalAgreement(self.answer), numbers.chain(self.missing.clone()).collect())
        }
    }
}

impl Agreement {
    /// The step at a place of the time axis, of which the last checkpoint is the last.
    fn of(steps: &[&Finding], place: usize) -> Self {
        let row = steps[place];
        let whole = steps.last().and_then(|last| last.training_tokens).filter(|tokens| *tokens > 0.0);
        Self {
            checkpoint: row.checkpoint.clone().unwrap_or_default(),
            place,
            trained: row.training_tokens.zip(whole).map(|(own, whole)| own / whole),
            corrected: Evidence::corrected(row).against(LEARNT),
            uncorrected: Evidence { missing: None, ..Evidence::estimate(row) },
        }
    }

    /// Which of two is lower.
    fn compare(&self, other: &Self) -> Ordering {
        let [own, other] = [self, other].map(|agreement| agreement.corrected.estimate.unwrap_or_default());
        own.total_cmp(&other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::verdict::made::{late_and_last, step};

    #[test]
    fn half_is_reached_at_the_first_checkpoint_after_which_the_interval_stays_above() {
        let rows = late_and_last();
        let verdict = DriftVerdict::of(&rows, &[]);
        let [first, third] = verdict.layers.as_slice() else { panic!("{verdict:?}") };
        assert_eq!((first.answer, third.answer), (HalfReached::Yes, HalfReached::No));
        assert_eq!(first.first.as_ref().unwrap().checkpoint, "600B");
        assert_eq!(first.verdict().because.len(), 2, "600B decides, and is the last but one too");
        assert_eq!((verdict.overall, verdict.overall_verdict().layers), (HalfReached::InSomeLayers, vec![1]));
        assert_eq!(DriftVerdict::of(&rows[8..], &[]).overall, HalfReached::No);
        assert_eq!(DriftVerdict::of(&rows[..8], &[]).overall, HalfReached::Yes);
    }

    #[test]
    fn too_little_to_say() {
        let answer = |rows: &[Finding]| DriftVerdict::of(rows, &[]).layers[0].answer;
        assert_eq!(DriftVerdict::of(&[], &[]).overall, HalfReached::NotEnoughData);
        let mut constant = [step(1, "200B", 1.0, 1.0), step(1, "1T", 1.0, 1.0)].concat();
        for row in &mut constant {
            (row.baseline, row.corrected, row.corrected_low) = (Some(1.0), None, None);
        }
        assert_eq!(answer(&constant), HalfReached::ConstantRouter);
        let mut rows = [step(1, "200B", 0.9, 0.9), step(1, "1T", 1.0, 1.0)].concat();
        rows[0].corrected_low = None;
        assert_eq!(answer(&rows), HalfReached::NotEnoughData);
        // A checkpoint beside the axis has no last change and is no step.
        let beside = step(1, "chat", 0.2, 0.1)[0].clone();
        assert_eq!(answer(&[rows[2].clone(), rows[3].clone(), beside]), HalfReached::OneCheckpoint);
    }
}
