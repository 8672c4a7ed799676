//! Whether all sequences hold the same besides their routes. A trace has token ids for every token or for none.

use super::check::{Check, CheckResult, Outcome};
use crate::{
    import::{
        gate::reading::Reading,
        routes::{ChoiceOrder, Header, RouteSequence, Weights},
    },
    routing::Block,
};

/// What a sequence may hold besides its routes: what it is called, whether it is there, and what follows if others lack it.
type Part = (&'static str, fn(&RouteSequence) -> bool, fn(&mut Reading));

const PARTS: [Part; 4] = [
    ("token ids", |sequence| sequence.token_ids.is_some(), |reading| reading.withheld.push(Block::TokenIds)),
    ("weights", |sequence| sequence.weights.is_some(), without_weights),
    ("logits", |sequence| sequence.logits.is_some(), |reading| reading.withheld.push(Block::Logits)),
    (
        "drops",
        |sequence| sequence.dropped.is_some() || sequence.slots.is_some(),
        |reading| reading.withheld.push(Block::Drops),
    ),
];

fn without_weights(reading: &mut Reading) {
    reading.weights = Weights::None;
    if reading.order == ChoiceOrder::SortByWeight {
        reading.order = ChoiceOrder::Unknown;
    }
}

/// `sequences_alike`.
#[derive(Default)]
pub(super) struct SequencesAlike {
    sequences: u64,
    /// Sequences that hold it, by [`PARTS`].
    holding: [u64; PARTS.len()],
}

impl SequencesAlike {
    pub(super) fn make(_: &Header) -> Box<dyn Check> {
        Box::new(Self::default())
    }
}

impl Check for SequencesAlike {
    fn see(&mut self, _: &Header, sequence: &RouteSequence) {
        if sequence.experts.is_empty() {
            return;
        }
        self.sequences += 1;
        for ((_, holds, _), holding) in PARTS.iter().zip(&mut self.holding) {
            *holding += u64::from(holds(sequence));
        }
    }

    fn finish(self: Box<Self>, _: &Header, reading: &mut Reading) -> CheckResult {
        let result = |outcome, says: String| CheckResult::new("sequences_alike", outcome, says);
        let mut lacking = Vec::new();
        for ((name, _, without), holding) in PARTS.iter().zip(self.holding) {
            if holding > 0 && holding < self.sequences {
                without(reading);
                lacking.push(format!("{name} in {holding}"));
            }
        }
        if self.sequences < 2 {
            result(Outcome::NotApplicable, "there is one sequence".to_owned())
        } else if lacking.is_empty() {
            result(Outcome::Passed, format!("{} sequences hold the same", self.sequences))
        } else {
            let says = format!(
                "there are {} of {} sequences: what some lack is left out of all",
                lacking.join(", "),
                self.sequences
            );
            result(Outcome::Warned, says)
        }
    }
}
