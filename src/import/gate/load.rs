//! Whether the load is too even to come from a model: the routing switches with which engines measure their speed.

use super::check::{Check, CheckResult, Outcome};
use crate::import::{
    gate::reading::Reading,
    routes::{ABSENT, Header, RouteSequence, is_unrouted},
};

/// Assignments per expert below which noise hides everything.
const ENOUGH: f64 = 50.0;
/// Standard deviations of chance within which a load counts as even.
const WITHIN: f64 = 4.0;

/// `load_uneven`.
pub(super) struct LoadUneven {
    /// Assignments by layer and expert.
    counts: Vec<Vec<u64>>,
}

impl LoadUneven {
    pub(super) fn make(header: &Header) -> Box<dyn Check> {
        Box::new(Self { counts: vec![Vec::new(); header.layers.len()] })
    }
}

/// How much more uneven a load is than chance makes it, about 1 for chance; `None`: too few assignments to tell, or no choice.
/// `counts` may end before the last expert.
pub(in crate::import) fn chi_square_ratio(counts: &[u64], experts: usize, choices: usize) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    let expected = total as f64 / experts as f64;
    if experts <= choices || expected < ENOUGH {
        return None;
    }
    let beyond = (experts - counts.len()) as f64 * expected;
    let square = |count: &u64| (*count as f64 - expected).powi(2) / expected;
    let chi_square = counts.iter().map(square).sum::<f64>() + beyond;
    // Choices of a token differ, which makes the load more even than single draws would.
    let freedom = (experts - 1) as f64;
    Some(chi_square / freedom / ((experts - choices) as f64 / freedom))
}

/// Whether chance explains a ratio.
pub(in crate::import) fn is_even(ratio: f64, experts: usize) -> bool {
    ratio < 1.0 + WITHIN * (2.0 / (experts - 1) as f64).sqrt()
}

impl Check for LoadUneven {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        for row in header.rows(&sequence.experts) {
            for (choices, counts) in
                header.choices(row).zip(&mut self.counts).filter(|(choices, _)| !is_unrouted(choices))
            {
                for &expert in choices.iter().filter(|expert| **expert != ABSENT) {
                    let at = usize::from(expert);
                    if counts.len() <= at {
                        counts.resize(at + 1, 0);
                    }
                    counts[at] += 1;
                }
            }
        }
    }

    fn finish(self: Box<Self>, _: &Header, reading: &mut Reading) -> CheckResult {
        let result = |outcome, says: String| CheckResult::new("load_uneven", outcome, says);
        let (mut judged, mut even, mut most) = (0, 0, 0.0_f64);
        for (at, counts) in self.counts.iter().enumerate().filter(|(at, _)| !reading.empty_layers.contains(at)) {
            let (experts, choices) = (reading.experts[at].max(counts.len()), reading.choices[at]);
            let Some(ratio) = chi_square_ratio(counts, experts, choices) else { continue };
            judged += 1;
            even += u64::from(is_even(ratio, experts));
            most = most.max(ratio);
        }
        let checked = if judged == 0 {
            result(Outcome::NotApplicable, "too few tokens, or every expert is chosen".to_owned())
        } else if even == judged {
            let says =
                "in every layer the load is as even as chance makes it, or more: the engine simulated its routes"
                    .to_owned();
            result(Outcome::Failed, says)
        } else {
            result(
                Outcome::Passed,
                format!("the load differs from expert to expert in {} of {judged} layers", judged - even),
            )
        };
        checked.with("largest_chi_square_ratio", most)
    }
}
