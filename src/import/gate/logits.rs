//! Whether the scores beside the choices are the ones that decided them, and before or after the softmax.

use super::check::{Check, CheckResult, Outcome};
use crate::{
    import::{
        gate::reading::Reading,
        routes::{Header, RouteSequence, is_complete},
    },
    routing::Block,
};

/// Share of rows above which a property holds of all.
const NEARLY_ALL: f64 = 0.99;

/// `logits_kind`: scores, probabilities, or what is left of the chosen among zeros.
#[derive(Default)]
pub(super) struct LogitsKind {
    rows: u64,
    probabilities: u64,
    scattered: u64,
    not_finite: u64,
}

impl LogitsKind {
    pub(super) fn make(_: &Header) -> Box<dyn Check> {
        Box::new(Self::default())
    }
}

/// Calls `f` with the choices and scores of each layer at each position that has both.
fn for_scores<'a>(header: &Header, sequence: &'a RouteSequence, mut f: impl FnMut(usize, &'a [u16], &'a [f32])) {
    let Some(logits) = &sequence.logits else { return };
    let sizes: Vec<usize> = header.layers.iter().map(|layer| layer.num_experts.unwrap_or(0)).collect();
    let scores: usize = sizes.iter().sum();
    for (row, all) in header.rows(&sequence.experts).zip(logits.chunks_exact(scores.max(1))) {
        let mut score = 0;
        for (at, choices) in header.choices(row).enumerate() {
            if is_complete(choices) {
                f(at, choices, &all[score..score + sizes[at]]);
            }
            score += sizes[at];
        }
    }
}

impl Check for LogitsKind {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        for_scores(header, sequence, |_, choices, scores| {
            self.rows += 1;
            let sum: f64 = scores.iter().map(|score| f64::from(*score)).sum();
            self.not_finite += u64::from(!sum.is_finite());
            let within = scores.iter().all(|score| (0.0..=1.0).contains(score));
            self.probabilities += u64::from(within && (sum - 1.0).abs() < 1e-2);
            let zeros = scores.iter().filter(|score| **score == 0.0).count();
            self.scattered += u64::from(scores.len() > choices.len() && zeros >= scores.len() - choices.len());
        });
    }

    fn finish(self: Box<Self>, _: &Header, reading: &mut Reading) -> CheckResult {
        let result = |outcome, says: &str| CheckResult::new("logits_kind", outcome, says);
        if self.rows == 0 {
            return result(Outcome::NotApplicable, "the record has no logits");
        }
        let share = |rows: u64| rows as f64 / self.rows as f64;
        if self.not_finite > 0 {
            reading.withheld.push(Block::Logits);
            let says = format!("{} of {} rows of logits hold what is no number", self.not_finite, self.rows);
            return result(Outcome::Failed, &says);
        }
        // Scattered shares of renormalised choices add up to 1 too: they are looked at first.
        if share(self.scattered) > NEARLY_ALL {
            reading.withheld.push(Block::Logits);
            let says = "all but the chosen experts have a score of 0: these are the weights of the chosen, scattered, not logits; \
                        numbers about all experts are withheld";
            return result(Outcome::Warned, says).with("scattered_share", share(self.scattered));
        }
        if share(self.probabilities) > NEARLY_ALL {
            reading.logits_are_probabilities = true;
            let says = "what is called logits adds up to 1: probabilities, whose logarithm is taken";
            return result(Outcome::Warned, says).with("probability_share", share(self.probabilities));
        }
        result(Outcome::Passed, "the logits are scores before a softmax")
    }
}

/// `logits_decide`: the chosen experts are those with the largest scores.
pub(super) struct LogitsDecide {
    /// Rows by layer, and those whose choices have the largest scores.
    layers: Vec<(u64, u64)>,
}

impl LogitsDecide {
    pub(super) fn make(header: &Header) -> Box<dyn Check> {
        Box::new(Self { layers: vec![(0, 0); header.layers.len()] })
    }
}

impl Check for LogitsDecide {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        for_scores(header, sequence, |at, choices, scores| {
            let score = |expert: &u16| scores.get(usize::from(*expert)).copied().unwrap_or(f32::NEG_INFINITY);
            let least = choices.iter().map(score).fold(f32::INFINITY, f32::min);
            let above = scores.iter().filter(|score| **score > least).count();
            self.layers[at].0 += 1;
            self.layers[at].1 += u64::from(above < choices.len());
        });
    }

    fn finish(self: Box<Self>, header: &Header, reading: &mut Reading) -> CheckResult {
        let result = |outcome, says: String| CheckResult::new("logits_decide", outcome, says);
        let mut layers = self.layers;
        reading.empty_layers.iter().for_each(|at| layers[*at] = (0, 0));
        let rows: u64 = layers.iter().map(|(rows, _)| rows).sum();
        if rows == 0 || reading.withheld.contains(&Block::Logits) {
            return result(Outcome::NotApplicable, "there are no logits of all experts".to_owned());
        }
        let share = |(rows, agreeing): (u64, u64)| if rows == 0 { 1.0 } else { agreeing as f64 / rows as f64 };
        let all = share((rows, layers.iter().map(|(_, agreeing)| agreeing).sum()));
        // By chance the whole set is hit hardly ever: what is near it has nothing to do with the choices.
        let unrelated: Vec<u16> = (header.layers.iter().zip(&layers).zip(&reading.experts))
            .filter(|((layer, counts), experts)| {
                share(**counts) < 2.0 * layer.top_k as f64 / **experts as f64
                    && counts.0 > 20
                    && layer.top_k < **experts
            })
            .map(|((layer, _), _)| layer.layer)
            .collect();
        let percent = 100.0 * all;
        let checked = if let Some(layer) = unrelated.first() {
            reading.withheld.push(Block::Logits);
            let says = format!(
                "in {} layers, such as {layer}, the chosen experts are not those with the largest logits: rows or layers are \
                 shifted against each other",
                unrelated.len()
            );
            result(Outcome::Failed, says)
        } else if all < 0.999 {
            let says = format!(
                "the chosen experts are those with the largest logits in {percent:.1} % of the rows: biases or groups took part in \
                 the choice"
            );
            result(Outcome::Warned, says)
        } else {
            result(Outcome::Passed, format!("the chosen experts have the largest logits in {percent:.2} % of the rows"))
        };
        checked.with("agreeing_share", all)
    }
}
