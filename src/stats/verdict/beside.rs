//! How far a checkpoint beside the time axis of a drift run is from its last one: the one off the axis, or the noise floor.

use std::collections::BTreeSet;

use super::{Answer, Evidence, IntervalsThatMissZero, Measured, Moved, Verdict, drops::MISSED_BY_CHANCE};
use crate::{
    routing::View,
    stats::{Finding, Statistic, Variant, is_special_token},
};

/// Token ids that are named as those that moved most.
const MOVED_SHOWN: usize = 3;

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
    /// The intervals of token id and layer that were looked at, against the noise floor; none below two.
    pub intervals: Option<IntervalsThatMissZero>,
}

impl Beside {
    pub(super) fn of(findings: &[Finding], tokens: &[Finding], label: &str, last: &str) -> Self {
        let compares = |row: &&Finding| {
            row.view == View::Chosen
                && row.checkpoint.as_deref() == Some(label)
                && row.reference.as_deref() == Some(last)
        };
        let changed = findings
            .iter()
            .filter(|row| row.statistic == Statistic::FirstChoiceAgreement && row.token_id.is_none())
            .filter(|row| compares(row) && row.estimate.is_some());
        let distances: Vec<&Finding> = tokens
            .iter()
            .filter(|row| row.statistic == Statistic::TokenDrift && row.variant == Some(Variant::TotalVariation))
            .filter(|row| compares(row) && row.token_id.is_some())
            .collect();
        Self {
            checkpoint: label.to_owned(),
            last: last.to_owned(),
            is_arithmetic: label.strip_suffix("-bf16") == Some(last),
            changed: changed.map(Evidence::one_minus_estimate).collect(),
            moved: moved_most(distances.iter().copied(), MOVED_SHOWN).into_iter().map(against_noise).collect(),
            intervals: beyond_noise(&distances),
        }
    }

    /// The layer in which most first choices differ, with their share.
    pub fn most_changed(&self) -> Option<&Evidence> {
        let by_share =
            |a: &&Evidence, b: &&Evidence| a.estimate.unwrap_or_default().total_cmp(&b.estimate.unwrap_or_default());
        self.changed.iter().max_by(by_share)
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
/// lies above the noise floor, and no special tokens: where the first token of every sequence goes is no part of any text.
pub fn moved_most<'a>(distances: impl Iterator<Item = &'a Finding>, most: usize) -> Vec<&'a Finding> {
    let mut far: Vec<(f64, &Finding)> = distances
        .filter(|row| is_beyond(row) && !is_special(row))
        .filter_map(|row| Some((row.estimate?, row)))
        .collect();
    far.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut seen = BTreeSet::new();
    far.retain(|(_, row)| seen.insert(row.token_id));
    far.into_iter().map(|(_, row)| row).take(most).collect()
}

/// Whether a row is about a special token.
fn is_special(row: &Finding) -> bool {
    row.text.as_deref().is_some_and(is_special_token)
}

/// Whether a token id moved beyond the noise floor.
fn is_beyond(row: &Finding) -> bool {
    row.low.zip(row.noise_floor).is_some_and(|(low, floor)| low > floor)
}

/// Counts the intervals that lie above the noise floor and below it: the ids that moved most are picked out of so many.
fn beyond_noise(distances: &[&Finding]) -> Option<IntervalsThatMissZero> {
    let known: Vec<&Finding> = distances
        .iter()
        .copied()
        .filter(|row| row.low.is_some() && row.high.is_some() && row.noise_floor.is_some())
        .collect();
    let below =
        known.iter().filter(|row| row.high.zip(row.noise_floor).is_some_and(|(high, floor)| high < floor)).count();
    let above = known.iter().filter(|row| is_beyond(row)).count();
    let all = known.len();
    (all > 1).then_some(IntervalsThatMissZero { all, above, below, by_chance: all as f64 * MISSED_BY_CHANCE })
}

/// How far a token id moved, held against the noise floor.
fn against_noise(row: &Finding) -> Evidence {
    Evidence { threshold: row.noise_floor, ..Evidence::estimate(row) }
}

#[cfg(test)]
mod tests {
    use crate::stats::verdict::{
        DriftVerdict,
        made::{agreement, step, token},
    };

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
        let intervals = chat.intervals.unwrap();
        assert_eq!((intervals.all, intervals.above, intervals.below), (4, 3, 0));
        assert_eq!(chat.most_changed().unwrap().finding.layer, 1);
        let (changed, moved) = chat.verdicts();
        assert_eq!((changed.len(), moved.len()), (1, 2));
        assert!((changed[0].because[0].estimate.unwrap() - 0.16).abs() < 1e-12);
    }
}
