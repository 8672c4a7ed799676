//! Whether the choices stand in the order that the record claims.

use super::check::{Check, CheckResult, Outcome};
use crate::import::{
    gate::reading::Reading,
    routes::{ChoiceOrder, Header, RouteSequence, is_complete},
};

/// Share of rows sorted by id above which the order is that of the ids.
const SORTED: f64 = 0.99;
/// Share of rows sorted by weight below which the order is not that of the weights.
const DESCENDING: f64 = 0.999;

/// `choice_order`.
#[derive(Default)]
pub(super) struct Order {
    rows: u64,
    ascending: u64,
    weighed: u64,
    descending: u64,
}

impl Order {
    pub(super) fn make(_: &Header) -> Box<dyn Check> {
        Box::new(Self::default())
    }
}

impl Check for Order {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        let mut weights = sequence.weights.as_deref().map(|weights| header.rows(weights));
        for row in header.rows(&sequence.experts) {
            let mut weights = weights.as_mut().and_then(Iterator::next).map(|row| header.choices(row));
            for experts in header.choices(row) {
                let weights = weights.as_mut().and_then(Iterator::next);
                if experts.len() < 2 || !is_complete(experts) {
                    continue;
                }
                self.rows += 1;
                self.ascending += u64::from(experts.is_sorted());
                if let Some(weights) = weights {
                    self.weighed += 1;
                    self.descending += u64::from(weights.is_sorted_by(|a, b| a >= b));
                }
            }
        }
    }

    fn finish(self: Box<Self>, _: &Header, reading: &mut Reading) -> CheckResult {
        let result = |outcome, says: String| CheckResult::new("choice_order", outcome, says);
        if self.rows == 0 {
            return result(Outcome::NotApplicable, "one choice per token: there is no order".to_owned());
        }
        let ascending = self.ascending as f64 / self.rows as f64;
        let descending = (self.weighed > 0).then(|| self.descending as f64 / self.weighed as f64);
        let checked = match (reading.order, descending) {
            (ChoiceOrder::Unknown, _) => result(
                Outcome::Warned,
                "the record does not keep the order of the choices: numbers about first choices are withheld"
                    .to_owned(),
            ),
            (ChoiceOrder::SortByWeight, _) => {
                result(Outcome::Passed, "the choices are sorted by the weights beside them".to_owned())
            }
            (ChoiceOrder::Weight, Some(share)) if share < DESCENDING => {
                reading.order = ChoiceOrder::Unknown;
                let says = format!(
                    "the record says that choices stand by weight, but the weights descend in {:.1} % of the rows only: the order \
                     is taken for lost",
                    100.0 * share
                );
                result(Outcome::Failed, says)
            }
            (ChoiceOrder::Weight, Some(_)) => result(Outcome::Passed, "the weights of the choices descend".to_owned()),
            (ChoiceOrder::Weight, None) if ascending > SORTED => {
                reading.order = ChoiceOrder::Unknown;
                let says = format!(
                    "the ids ascend in {:.1} % of the rows: the order of the choices was lost, and numbers about first choices are \
                     withheld",
                    100.0 * ascending
                );
                result(Outcome::Warned, says)
            }
            (ChoiceOrder::Weight, None) => {
                result(Outcome::Passed, format!("the ids ascend in {:.1} % of the rows", 100.0 * ascending))
            }
        };
        let checked = checked.with("ascending_share", ascending);
        match descending {
            Some(share) => checked.with("descending_share", share),
            None => checked,
        }
    }
}
