//! Whether the routes are those of the tokens beside them: a token id tells more about its own experts than about those of its
//! neighbours.

use super::check::{Check, CheckResult, Outcome};
use crate::import::{
    gate::reading::Reading,
    routes::{ABSENT, Header, RouteSequence},
};

/// Token ids fall into so many classes.
const CLASSES: usize = 1024;
/// How the ids are shifted against the routes: not at all, by one either way, and so far that nothing but the text is left.
const SHIFTS: [isize; 4] = [0, -1, 1, 17];
/// Rows that are needed to say anything.
const ENOUGH: u64 = 2000;
/// Bits that a token must tell more about its own experts than about those of a far token.
const NOTHING: f64 = 0.01;

/// `tokens_aligned`.
pub(super) struct TokensAligned {
    experts: usize,
    /// Counts by shift, class of the token id and expert, in the first layer that routes.
    counts: Vec<Vec<u32>>,
    rows: u64,
}

impl TokensAligned {
    pub(super) fn make(_: &Header) -> Box<dyn Check> {
        Box::new(Self { experts: 0, counts: vec![Vec::new(); SHIFTS.len()], rows: 0 })
    }

    /// Makes room for experts up to `expert`.
    fn widen(&mut self, expert: usize) {
        let wider = (expert + 1).next_power_of_two().max(8);
        for counts in &mut self.counts {
            let mut moved = vec![0; CLASSES * wider];
            for (class, row) in counts.chunks_exact(self.experts.max(1)).enumerate() {
                moved[class * wider..class * wider + row.len()].copy_from_slice(row);
            }
            *counts = moved;
        }
        self.experts = wider;
    }
}

/// A class of token ids; neighbouring ids fall into different ones.
fn class(id: u32) -> usize {
    (id.wrapping_mul(0x9E37_79B1) >> 22) as usize % CLASSES
}

impl Check for TokensAligned {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        let Some(ids) = &sequence.token_ids else { return };
        // The first layer that is not dense: ids of a layer of zeros would say nothing.
        for (position, row) in header.rows(&sequence.experts).enumerate() {
            let choices = header.choices(row).find(|choices| {
                !choices.contains(&ABSENT) && (choices.len() == 1 || choices.iter().any(|it| *it != 0))
            });
            let Some(choices) = choices else { continue };
            self.rows += 1;
            for &expert in choices {
                if usize::from(expert) >= self.experts {
                    self.widen(usize::from(expert));
                }
                for (shift, counts) in SHIFTS.iter().zip(&mut self.counts) {
                    let Some(id) = position.checked_add_signed(*shift).and_then(|at| ids.get(at)) else { continue };
                    counts[class(*id) * self.experts + usize::from(expert)] += 1;
                }
            }
        }
    }

    fn finish(self: Box<Self>, _: &Header, _: &mut Reading) -> CheckResult {
        let result = |outcome, says: String| CheckResult::new("tokens_aligned", outcome, says);
        if self.rows < ENOUGH {
            return result(Outcome::NotApplicable, format!("{} rows with token ids are too few to tell", self.rows));
        }
        let bits: Vec<f64> = self.counts.iter().map(|counts| information(counts, self.experts)).collect();
        let (own, neighbour) = (bits[0] - bits[3], bits[1].max(bits[2]) - bits[3]);
        let checked = if neighbour > own && neighbour > NOTHING {
            let side = if bits[1] > bits[2] { "before" } else { "after" };
            let says = format!(
                "a token tells {own:.3} bits about the experts of its own row and {neighbour:.3} about those of the row of the token \
                 {side} it: tokens and routes are shifted by one"
            );
            result(Outcome::Failed, says)
        } else if own < NOTHING {
            let says = format!(
                "a token tells {own:.3} bits about the experts of its row, hardly more than about those of a far one: tokens and \
                 routes may not belong together"
            );
            result(Outcome::Warned, says)
        } else {
            let says = format!(
                "a token tells {own:.3} bits about the experts of its own row, {neighbour:.3} about its neighbour's"
            );
            result(Outcome::Passed, says)
        };
        checked.with("own_bits", own).with("neighbour_bits", neighbour)
    }
}

/// Information between the class of a token id and an expert, plug-in, in bits. The bias is the same for every shift, since the
/// counts have the same margins.
fn information(counts: &[u32], experts: usize) -> f64 {
    let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    let mut of_expert = vec![0.0; experts];
    let mut of_class = vec![0.0; CLASSES];
    for (class, row) in counts.chunks_exact(experts).enumerate() {
        for (expert, count) in row.iter().enumerate() {
            of_expert[expert] += f64::from(*count);
            of_class[class] += f64::from(*count);
        }
    }
    let mut sum = 0.0;
    for (class, row) in counts.chunks_exact(experts).enumerate() {
        for (expert, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = f64::from(count);
            sum += count * (count * total / (of_expert[expert] * of_class[class])).log2();
        }
    }
    sum / total
}
