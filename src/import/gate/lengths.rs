//! Whether every sequence has a row for each of its tokens, the last one aside, and each row a route in every layer.

use super::check::{Check, CheckResult, Outcome};
use crate::{
    error::plural,
    import::{
        gate::reading::Reading,
        routes::{Header, RouteSequence, is_unrouted},
    },
};

/// Share of positions with gaps that is too much.
const MANY: f64 = 0.05;

/// `rows_of_tokens`.
#[derive(Default)]
pub(super) struct RowsOfTokens {
    known: u64,
    whole: u64,
    without_last: u64,
    wrong: u64,
    example: String,
}

impl RowsOfTokens {
    pub(super) fn make(_: &Header) -> Box<dyn Check> {
        Box::new(Self::default())
    }
}

/// The verb of so many.
fn have(count: u64) -> &'static str {
    if count == 1 { "has" } else { "have" }
}

impl Check for RowsOfTokens {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        let Some(tokens) = sequence.tokens else { return };
        let rows = sequence.experts.len() / header.stride().max(1);
        self.known += 1;
        match tokens.checked_sub(rows) {
            Some(0) => self.whole += 1,
            Some(1) => self.without_last += 1,
            _ => {
                self.wrong += 1;
                if self.example.is_empty() {
                    self.example = format!("{} has {rows} rows and {tokens} tokens", sequence.place);
                }
            }
        }
    }

    fn finish(self: Box<Self>, _: &Header, _: &mut Reading) -> CheckResult {
        let result = |outcome, says: String| CheckResult::new("rows_of_tokens", outcome, says);
        let checked = if self.known == 0 {
            result(Outcome::NotApplicable, "the record does not say how many tokens a sequence has".to_owned())
        } else if self.wrong > 0 {
            let says = format!(
                "{} of {} {} neither a row for each token nor for all but the last, such as: {}",
                self.wrong,
                plural(self.known, "sequence"),
                have(self.wrong),
                self.example
            );
            result(Outcome::Failed, says)
        } else if self.without_last == 0 {
            result(
                Outcome::Passed,
                format!("{} {} a row for each token", plural(self.known, "sequence"), have(self.known)),
            )
        } else {
            let says = format!(
                "{} of {} {} a row for each token but the last, which was sampled and went through no layer",
                self.without_last,
                plural(self.known, "sequence"),
                have(self.without_last)
            );
            result(Outcome::Passed, says)
        };
        checked.with("sequences", self.known as f64).with("wrong", self.wrong as f64)
    }
}

/// `grid_complete`: a position has a route in every layer, or in none. One without any is padding, or was served from a cache; it is
/// told, and no fault. Where some layers have a route and others do not, something was lost.
pub(super) struct GridComplete {
    positions: u64,
    /// Positions without a route, by layer, those without any not counted.
    by_layer: Vec<u64>,
    /// Positions with a route in some layers and none in others; without a route in any layer.
    partly: u64,
    empty: u64,
}

impl GridComplete {
    pub(super) fn make(header: &Header) -> Box<dyn Check> {
        Box::new(Self { positions: 0, by_layer: vec![0; header.layers.len()], partly: 0, empty: 0 })
    }
}

impl Check for GridComplete {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        let mut missing: Vec<usize> = Vec::with_capacity(header.layers.len());
        for row in header.rows(&sequence.experts) {
            self.positions += 1;
            missing.clear();
            missing
                .extend((0..).zip(header.choices(row)).filter(|(_, choices)| is_unrouted(choices)).map(|(at, _)| at));
            if missing.len() == header.layers.len() {
                self.empty += 1;
                continue;
            }
            self.partly += u64::from(!missing.is_empty());
            for at in &missing {
                self.by_layer[*at] += 1;
            }
        }
    }

    fn finish(self: Box<Self>, header: &Header, reading: &mut Reading) -> CheckResult {
        let result = |outcome, says: String| CheckResult::new("grid_complete", outcome, says);
        if self.positions == 0 {
            return result(Outcome::Failed, "the record has no row".to_owned());
        }
        let is_empty = |at: &usize| reading.empty_layers.contains(at);
        let worst = (0..self.by_layer.len()).filter(|at| !is_empty(at)).max_by_key(|at| self.by_layer[*at]);
        let missing = worst.map_or(0, |at| self.by_layer[at]);
        // Where a layer without any record is left out, only gaps of the others count.
        let gaps = if reading.empty_layers.is_empty() { self.partly } else { missing };
        let (positions, share) = (self.positions, gaps as f64 / self.positions as f64);
        let checked = if gaps > 0 {
            let layer = worst.map_or(0, |at| header.layers[at].layer);
            let says = format!(
                "{gaps} of {positions} positions have a route in some layers and none in others, most in layer {layer} ({missing}): they \
                 are left out"
            );
            result(if share > MANY { Outcome::Failed } else { Outcome::Warned }, says)
        } else if self.empty > 0 {
            let says = format!(
                "{} of {positions} positions have no route in any layer, as padding and what a cache served: they are left out",
                self.empty
            );
            result(Outcome::Warned, says)
        } else {
            result(
                Outcome::Passed,
                if positions == 1 {
                    "the one position has a route in every layer".to_owned()
                } else {
                    format!("all {positions} positions have a route in every layer")
                },
            )
        };
        checked.with("gap_share", share).with("empty", self.empty as f64)
    }
}
