//! Whether the ids of a layer are the whole order of the experts, read on from token to token: an array of all experts by score, of
//! which the first choices were to be taken row by row and were taken in one piece (llama.cpp, a view with a stride).

use super::check::{Check, CheckResult, Outcome};
use crate::import::{
    gate::reading::Reading,
    routes::{Header, RouteSequence},
};

/// Windows that are needed to say anything.
const ENOUGH: u64 = 8;

#[derive(Clone, Default)]
struct Layer {
    window: Vec<u16>,
    windows: u64,
    permutations: u64,
}

/// `rows_apart`.
pub(super) struct RowsApart(Vec<Layer>);

impl RowsApart {
    pub(super) fn make(header: &Header) -> Box<dyn Check> {
        Box::new(Self(vec![Layer::default(); header.layers.len()]))
    }
}

impl Check for RowsApart {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        for row in header.rows(&sequence.experts) {
            for ((layer, recorded), choices) in self.0.iter_mut().zip(&header.layers).zip(header.choices(row)) {
                let Some(experts) = recorded.num_experts.filter(|experts| recorded.top_k < *experts) else { continue };
                for &expert in choices {
                    layer.window.push(expert);
                    if layer.window.len() == experts {
                        layer.close();
                    }
                }
            }
        }
    }

    fn finish(self: Box<Self>, header: &Header, _: &mut Reading) -> CheckResult {
        let judged: Vec<_> = self.0.iter().zip(&header.layers).filter(|(layer, _)| layer.windows >= ENOUGH).collect();
        if judged.is_empty() {
            return CheckResult::new("rows_apart", Outcome::NotApplicable, "too few rows to tell");
        }
        let flat = judged.iter().filter(|(layer, _)| 2 * layer.permutations > layer.windows).count();
        let windows: u64 = judged.iter().map(|(layer, _)| layer.windows).sum();
        let permutations: u64 = judged.iter().map(|(layer, _)| layer.permutations).sum();
        let share = permutations as f64 / windows as f64;
        let result = if flat == 0 {
            CheckResult::new("rows_apart", Outcome::Passed, "the choices of a token end with the token")
        } else {
            let says = format!(
                "in {flat} of {} layers ids that follow each other name every expert once: the order of all experts was read on \
                 from token to token, instead of the first choices of each",
                judged.len()
            );
            CheckResult::new("rows_apart", Outcome::Failed, says)
        };
        result.with("permutation_share", share)
    }
}

impl Layer {
    fn close(&mut self) {
        self.windows += 1;
        self.window.sort_unstable();
        self.permutations += u64::from((0..).zip(&self.window).all(|(expected, found)| expected == *found));
        self.window.clear();
    }
}
