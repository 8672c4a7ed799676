//! Whether the routes are those of the tokens beside them: a token id tells more about its own experts than about those of its
//! neighbours, and more than if the tokens stood in another order.

use super::{
    check::{Check, CheckResult, Outcome},
    information::TokenTable,
    interleaved::{Found, Interleaved, Mixed},
};
use crate::{
    error::OptionName,
    import::{
        gate::reading::Reading,
        routes::{Header, RouteSequence, is_complete},
    },
};

/// How the ids are shifted against the routes: not at all, by one either way, and so far that nothing but the text is left.
const SHIFTS: [isize; 4] = [0, -1, 1, 17];
/// Rows that are needed to say anything.
const ENOUGH: u64 = 2000;
/// Bits that a token must tell more about its own experts than about those of a far token.
const NOTHING: f64 = 0.01;
/// Standard deviations of chance beyond which a difference is none.
const BEYOND_CHANCE: f64 = 4.0;

/// `tokens_aligned`.
pub(super) struct TokensAligned {
    /// By shift, in the first layer that routes.
    tables: [TokenTable; SHIFTS.len()],
    interleaved: Interleaved,
    rows: u64,
}

impl TokensAligned {
    pub(super) fn make(_: &Header) -> Box<dyn Check> {
        Box::new(Self { tables: Default::default(), interleaved: Interleaved::default(), rows: 0 })
    }
}

/// Whether one order of tokens fits better than another, by more than chance.
fn is_more(bits: f64, than: f64, noise: f64) -> bool {
    bits > NOTHING && bits - than > BEYOND_CHANCE * noise
}

impl Check for TokensAligned {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        let Some(ids) = &sequence.token_ids else { return };
        // The first layer that is not dense: ids of a layer of zeros would say nothing.
        let of_row = |row| header.choices(row).find(|choices| is_complete(choices)).unwrap_or_default();
        let rows: Vec<&[u16]> = header.rows(&sequence.experts).map(of_row).collect();
        for (position, choices) in rows.iter().enumerate() {
            self.rows += u64::from(!choices.is_empty());
            for (shift, table) in SHIFTS.iter().zip(&mut self.tables) {
                let Some(id) = position.checked_add_signed(*shift).and_then(|at| ids.get(at)) else { continue };
                choices.iter().for_each(|expert| table.add(*id, *expert));
            }
        }
        self.interleaved.see(ids, &rows);
    }

    fn finish(self: Box<Self>, _: &Header, _: &mut Reading) -> CheckResult {
        let result = |outcome, says: String| CheckResult::new("tokens_aligned", outcome, says);
        if self.rows < ENOUGH {
            return result(Outcome::NotApplicable, format!("{} rows with token ids are too few to tell", self.rows));
        }
        let bits = self.tables.each_ref().map(TokenTable::bits);
        let (own, neighbour) = (bits[0] - bits[3], bits[1].max(bits[2]) - bits[3]);
        let checked = if is_more(neighbour, own, self.tables[0].noise()) {
            let side = if bits[1] > bits[2] { "before" } else { "after" };
            let says = format!(
                "a token tells {own:.3} bits about the experts of its own row and {neighbour:.3} about those of the row of the token \
                 {side} it: tokens and routes are shifted by one"
            );
            result(Outcome::Failed, says)
        } else if let Some(found) = self.interleaved.finish(is_more) {
            result(Outcome::Failed, told(&found)).with("reordered_bits", found.bits.0)
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

/// What is said about tokens and routes in different orders.
fn told(found: &Found) -> String {
    let Found { what, batch, bits: (bits, own) } = found;
    let (mixed, other, then) = match what {
        Mixed::Routes => {
            ("routes", "tokens", format!("; {} takes the routes apart", OptionName::MicroBatch.with(batch)))
        }
        Mixed::Tokens => ("tokens", "routes", String::new()),
    };
    format!(
        "a token tells {own:.3} bits about the experts of its own row, and {bits:.3} if the {mixed} of {batch} sequences stand \
         position by position and their {other} sequence by sequence: the two are in different orders{then}"
    )
}
