//! How sure the router is where it chooses an expert, and what is dropped of it.

use serde::Serialize;

use super::rate::{Mean, Rate, all_or_none};
use crate::{
    routing::{ExpertId, View},
    stats::study::Study,
    trace::Block,
};

/// How sure the router is where it chooses the expert. Absent numbers are not in the trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Router {
    /// The share of its choices in which the expert is the first.
    pub first_choice: Option<Rate>,
    /// The mean probability of the expert where it is chosen.
    pub probability: Option<Mean>,
    /// The mean probability of any choice of the layer.
    pub probability_of_all: Option<Mean>,
    /// The mean lead of the first choice over the second, of tokens whose first choice is the expert.
    pub margin: Option<Mean>,
    /// The same of all tokens.
    pub margin_of_all: Option<Mean>,
    /// The share of its assignments that were dropped.
    pub dropped: Option<Rate>,
    /// The share of all assignments of the layer that were dropped.
    pub dropped_of_all: Option<Rate>,
}

impl Router {
    /// Reads it off the rows of the layer.
    pub(super) fn new(study: &Study, view: View, expert: ExpertId) -> Self {
        let has = |block| study.trace.provides.has(block);
        let sums = RouterSums::new(study, view, expert);
        let rate = |above: &[f64], below: &[f64]| -> Rate {
            let rate = share(study, above, below);
            let ends = all_or_none(rate.estimate, rate.documents as usize, || rate.low.zip(rate.high));
            Rate { low: ends.map(|ends| ends.0), high: ends.map(|ends| ends.1), ..rate }
        };
        let mean = |above: &[f64], below: &[f64]| -> Mean {
            let Rate { estimate, low, high, n, .. } = share(study, above, below);
            Mean { estimate, low, high, n }
        };
        Self {
            first_choice: has(Block::Ranks).then(|| rate(&sums.first, &sums.chosen)),
            probability: has(Block::Probability).then(|| mean(&sums.probability[0], &sums.chosen)),
            probability_of_all: has(Block::Probability).then(|| mean(&sums.probability[1], &sums.all)),
            margin: (has(Block::MarginFirst) && has(Block::Ranks)).then(|| mean(&sums.margin[0], &sums.led[0])),
            margin_of_all: has(Block::MarginFirst).then(|| mean(&sums.margin[1], &sums.led[1])),
            dropped: has(Block::Drops).then(|| rate(&sums.dropped[0], &sums.asked[0])),
            dropped_of_all: has(Block::Drops).then(|| rate(&sums.dropped[1], &sums.asked[1])),
        }
    }
}

/// Sums by document, `[documents]`. Of pairs the first is about the expert, the second about the layer.
struct RouterSums {
    /// Choices of the expert in the view.
    chosen: Vec<f64>,
    /// Those among them that are first choices.
    first: Vec<f64>,
    /// Choices of the layer in the view.
    all: Vec<f64>,
    probability: [Vec<f64>; 2],
    margin: [Vec<f64>; 2],
    /// Tokens whose first choice is the expert, and all tokens, as far as they have a margin.
    led: [Vec<f64>; 2],
    dropped: [Vec<f64>; 2],
    /// Choices before capacity.
    asked: [Vec<f64>; 2],
}

impl RouterSums {
    fn new(study: &Study, view: View, expert: ExpertId) -> Self {
        let none = || vec![0.0; study.data.documents()];
        let mut sums = Self {
            chosen: none(),
            first: none(),
            all: none(),
            probability: [none(), none()],
            margin: [none(), none()],
            led: [none(), none()],
            dropped: [none(), none()],
            asked: [none(), none()],
        };
        for row in 0..study.data.len() {
            sums.add(study, view, expert, row);
        }
        sums
    }

    fn add(&mut self, study: &Study, view: View, expert: ExpertId, row: usize) {
        let (trace, at, document) = (study.trace, study.data.source[row] as usize, study.data.document[row] as usize);
        let choices = trace.choices(at).iter().zip(trace.kept(at)).enumerate();
        for (choice, (&chosen, &kept)) in choices {
            let is_own = chosen == expert;
            let of = |sums: &mut [Vec<f64>; 2], value: f64| {
                sums[1][document] += value;
                sums[0][document] += if is_own { value } else { 0.0 };
            };
            of(&mut self.asked, 1.0);
            of(&mut self.dropped, f64::from(u8::from(!kept)));
            if view == View::Kept && !kept {
                continue;
            }
            self.all[document] += 1.0;
            if let Some(probability) = trace.probability.get(at * trace.top_k + choice) {
                of(&mut self.probability, f64::from(*probability));
            }
            if is_own {
                self.chosen[document] += 1.0;
                self.first[document] += f64::from(u8::from(choice == 0));
            }
        }
        // Where the second expert is of a group that was left out there is no margin.
        if let Some(margin) = trace.margin_first.get(at).filter(|margin| margin.is_finite()) {
            let led = [trace.choices(at).first() == Some(&expert), true];
            for side in (0..2).filter(|side| led[*side]) {
                self.margin[side][document] += f64::from(*margin);
                self.led[side][document] += 1.0;
            }
        }
    }
}

/// A ratio of sums over documents with its interval.
fn share(study: &Study, above: &[f64], below: &[f64]) -> Rate {
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    let interval = study.resamples.ratio(above, below);
    Rate {
        estimate: Some(sum(above) / sum(below)).filter(|value| value.is_finite()),
        low: interval.map(|ends| ends.0),
        high: interval.map(|ends| ends.1),
        n: sum(below) as u64,
        documents: below.iter().filter(|value| **value > 0.0).count() as u64,
    }
}
