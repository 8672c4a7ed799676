//! The verdict of a drift run: when a layer was learnt, and how far the checkpoints beside the time axis are from its last one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Evidence, HalfReached, Measured, Missing, Moved, Verdict};
use crate::{
    routing::{LayerId, View},
    stats::{Finding, Statistic, Variant},
};

/// A layer has reached half of its final agreement from the first checkpoint on at which this share of the way from
/// load-matched chance to full agreement is behind it, and stays so.
const LEARNT: f64 = 0.5;
/// If chance is above this, there is nothing to be learnt.
const CERTAIN: f64 = 1.0 - 1e-9;
/// Token ids that are named as those that moved most.
const MOVED_SHOWN: usize = 3;

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
    /// The share of the way from load-matched chance to full agreement that is behind it.
    pub corrected: Evidence,
    /// The agreement itself, with that by chance as its baseline.
    pub uncorrected: Evidence,
}

/// A checkpoint beside the time axis: the one off the axis, or the noise floor.
#[derive(Clone, Debug, PartialEq)]
pub struct Beside {
    /// Its label.
    pub checkpoint: String,
    /// Label of the last checkpoint of the time axis.
    pub last: String,
    /// Whether it is that last one in bf16 arithmetic.
    pub is_arithmetic: bool,
    /// Layer by layer: the share of the first choices that differ.
    pub changed: Vec<Evidence>,
    /// The token ids whose expert shares moved most beyond the noise floor, each in the layer where it moved most.
    pub moved: Vec<Evidence>,
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
        let first = earlier.get(unlearnt.map_or(0, |index| index + 1)).map(|row| Agreement::of(row));
        let answer = if first.is_some() { HalfReached::Yes } else { HalfReached::No };
        let before = earlier.last().map(|row| Agreement::of(row));
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
    fn of(row: &Finding) -> Self {
        Self {
            checkpoint: row.checkpoint.clone().unwrap_or_default(),
            corrected: Evidence::corrected(row).against(LEARNT),
            uncorrected: Evidence { missing: None, ..Evidence::estimate(row) },
        }
    }
}

impl Beside {
    fn of(findings: &[Finding], tokens: &[Finding], label: &str, last: &str) -> Self {
        let compares = |row: &&Finding| {
            row.view == View::Chosen
                && row.checkpoint.as_deref() == Some(label)
                && row.reference.as_deref() == Some(last)
        };
        let changed = findings
            .iter()
            .filter(|row| row.statistic == Statistic::FirstChoiceAgreement && row.token_id.is_none())
            .filter(|row| compares(row) && row.estimate.is_some());
        let distances = tokens
            .iter()
            .filter(|row| row.statistic == Statistic::TokenDrift && row.variant == Some(Variant::TotalVariation))
            .filter(|row| compares(row) && row.token_id.is_some());
        Self {
            checkpoint: label.to_owned(),
            last: last.to_owned(),
            is_arithmetic: label.strip_suffix("-bf16") == Some(last),
            changed: changed.map(Evidence::one_minus_estimate).collect(),
            moved: moved(distances),
        }
    }

    /// How many first choices differ, and the token ids that moved most, as entries of `summary.json`.
    pub fn verdicts(&self) -> (Vec<Verdict>, Vec<Verdict>) {
        let of = |answer, number: &Evidence| Verdict {
            layer: Some(number.finding.layer),
            checkpoint: Some(self.checkpoint.clone()),
            reference: Some(self.last.clone()),
            ..Verdict::new(answer, vec![number.clone()])
        };
        let differs = if self.is_arithmetic {
            Answer::FirstChoiceDiffersByArithmetic(Measured::Measured)
        } else {
            Answer::FirstChoiceDiffers(Measured::Measured)
        };
        let changed = self.changed.iter().map(|number| of(differs, number)).collect();
        (changed, self.moved.iter().map(|number| of(Answer::TokenMoved(Moved::Yes), number)).collect())
    }
}

/// The token ids whose expert shares are farthest apart, each in the layer where it moved most. Only those whose interval
/// lies above the noise floor.
fn moved<'a>(distances: impl Iterator<Item = &'a Finding>) -> Vec<Evidence> {
    let is_beyond = |row: &&Finding| row.low.zip(row.noise_floor).is_some_and(|(low, floor)| low > floor);
    let mut far: Vec<(f64, &Finding)> =
        distances.filter(is_beyond).filter_map(|row| Some((row.estimate?, row))).collect();
    far.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut seen = BTreeSet::new();
    far.retain(|(_, row)| seen.insert(row.token_id));
    far.truncate(MOVED_SHOWN);
    far.into_iter().map(|(_, row)| against_noise(row)).collect()
}

/// How far a token id moved, held against the noise floor.
fn against_noise(row: &Finding) -> Evidence {
    Evidence { threshold: row.noise_floor, ..Evidence::estimate(row) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::verdict::made::{agreement, late_and_last, step, token};

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

    #[test]
    fn token_ids_moved_whose_interval_lies_above_the_noise_floor() {
        let rows = [
            step(1, "200B", 0.53, 0.51).to_vec(),
            step(1, "1T", 1.0, 1.0).to_vec(),
            vec![agreement(1, "1T", 1.0), agreement(1, "chat", 0.84), agreement(1, "1T-bf16", 0.99)],
        ]
        .concat();
        let tokens = [
            token(1, 7, None, 0.4, 0.02),
            token(3, 7, None, 0.6, 0.02),
            token(3, 9, None, 0.5, 0.07),
            token(3, 5, None, 0.7, 0.65),
        ];
        let verdict = DriftVerdict::of(&rows, &tokens);
        let [chat, arithmetic] = verdict.beside.as_slice() else { panic!("{verdict:?}") };
        assert!(!chat.is_arithmetic && arithmetic.is_arithmetic && arithmetic.moved.is_empty());
        let moved: Vec<_> =
            chat.moved.iter().map(|own| (own.finding.layer, own.finding.subject.token_id, own.threshold)).collect();
        assert_eq!(moved, [(3, Some(7), Some(0.02)), (3, Some(9), Some(0.07))]);
        let (changed, moved) = chat.verdicts();
        assert_eq!((changed.len(), moved.len()), (1, 2));
        assert!((changed[0].because[0].estimate.unwrap() - 0.16).abs() < 1e-12);
    }
}
