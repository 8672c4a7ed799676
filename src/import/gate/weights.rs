//! Whether the weights can be what the record says they are.

use super::check::{Check, CheckResult, Outcome};
use crate::import::{
    gate::reading::Reading,
    routes::{Header, RouteSequence, Weights, is_complete},
};

/// How far a sum of rounded weights may be from 1: four decimals, eight choices.
const ROUNDED: f64 = 2e-3;

/// `weights`.
#[derive(Default)]
pub(super) struct WeightSums {
    rows: u64,
    /// Rows whose weights add up to 1, to less, to more.
    one: u64,
    below: u64,
    above: u64,
    negative: u64,
    not_finite: u64,
    sum: f64,
}

impl WeightSums {
    pub(super) fn make(_: &Header) -> Box<dyn Check> {
        Box::new(Self::default())
    }
}

impl Check for WeightSums {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        let Some(weights) = &sequence.weights else { return };
        for (experts, weights) in header.rows(&sequence.experts).zip(header.rows(weights)) {
            for (experts, row) in header.choices(experts).zip(header.choices(weights)) {
                if !is_complete(experts) {
                    continue;
                }
                let sum: f64 = row.iter().map(|weight| f64::from(*weight)).sum();
                self.rows += 1;
                self.not_finite += u64::from(!sum.is_finite());
                self.negative += u64::from(row.iter().any(|weight| *weight < 0.0));
                self.one += u64::from((sum - 1.0).abs() <= ROUNDED);
                self.below += u64::from(sum < 1.0 - ROUNDED);
                self.above += u64::from(sum > 1.0 + ROUNDED);
                self.sum += if sum.is_finite() { sum } else { 0.0 };
            }
        }
    }

    fn finish(self: Box<Self>, header: &Header, reading: &mut Reading) -> CheckResult {
        let result = |outcome, says: String| CheckResult::new("weights", outcome, says);
        if self.rows == 0 {
            reading.weights = Weights::None;
            return result(Outcome::NotApplicable, "the record has no weights".to_owned());
        }
        let every_expert = header.layers.iter().zip(&reading.experts).all(|(layer, experts)| layer.top_k == *experts);
        let mean = self.sum / self.rows as f64;
        let says_softmax = reading.weights == Weights::SoftmaxAll;
        let checked = if self.not_finite > 0 {
            result(
                Outcome::Failed,
                format!("{} of {} rows have a weight that is no number", self.not_finite, self.rows),
            )
        } else if says_softmax && self.negative > 0 {
            result(
                Outcome::Failed,
                format!("shares of a softmax are said to be there, but {} rows have a negative one", self.negative),
            )
        } else if says_softmax && self.above * 100 > self.rows {
            let says = format!(
                "shares of a softmax over all experts are said to be there, but those of the chosen add up to more than 1 in {} of \
                 {} rows: they are scaled, or of a sigmoid",
                self.above, self.rows
            );
            result(Outcome::Failed, says)
        } else if says_softmax && self.one == self.rows && !every_expert {
            let says = "shares of a softmax over all experts are said to be there, but those of the chosen add up to 1 in every row: \
                        they were renormalised";
            result(Outcome::Failed, says.to_owned())
        } else if self.one == self.rows {
            result(Outcome::Passed, "the weights of every token add up to 1: renormalised".to_owned())
        } else if self.above * 2 > self.rows {
            let says = format!("the weights of a token add up to {mean:.3} on average: scaled, or of a sigmoid");
            result(Outcome::Passed, says)
        } else {
            result(Outcome::Passed, format!("the weights of a token add up to {mean:.3} on average"))
        };
        if checked.outcome == Outcome::Failed {
            // Forced or not, numbers that cannot be what they are said to be are of no use.
            reading.weights = Weights::None;
        }
        checked.with("mean_sum", mean).with("sum_is_one_share", self.one as f64 / self.rows as f64)
    }
}
