//! Whether rows or sequences are copies of others.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::check::{Check, CheckResult, Outcome};
use crate::import::{
    gate::reading::Reading,
    routes::{Header, RouteSequence, is_unrouted},
};

/// Rows in a stretch of copies that no model makes by chance.
const LONG: u64 = 8;
/// Share of copies that is too much.
const MANY: f64 = 0.01;
/// Sequences whose digests are kept.
const KEPT: usize = 1 << 20;

/// `rows_fresh`: over all layers together, a row differs from the one before unless the token is the same. Rows without a route, such
/// as padding, are no copies.
#[derive(Default)]
pub(super) struct RowsFresh {
    rows: u64,
    copies: u64,
    longest: u64,
    /// Where the longest stretch is.
    place: String,
}

impl RowsFresh {
    pub(super) fn make(_: &Header) -> Box<dyn Check> {
        Box::new(Self::default())
    }
}

impl Check for RowsFresh {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        let stride = header.stride().max(1);
        let rows = sequence.experts.len() / stride;
        let row = |at: usize| &sequence.experts[at * stride..(at + 1) * stride];
        let same_token = |at: usize| sequence.token_ids.as_ref().is_some_and(|ids| ids[at] == ids[at - 1]);
        let mut stretch = 0;
        let is_routed = |at: usize| !header.choices(row(at)).all(is_unrouted);
        for at in (1..rows).filter(|at| is_routed(*at)) {
            self.rows += 1;
            if row(at) == row(at - 1) && !same_token(at) {
                self.copies += 1;
                stretch += 1;
                if stretch > self.longest {
                    (self.longest, self.place) = (stretch, format!("{}, row {at}", sequence.place));
                }
            } else {
                stretch = 0;
            }
        }
    }

    fn finish(self: Box<Self>, header: &Header, reading: &mut Reading) -> CheckResult {
        let has_choice = |at: &usize| reading.experts[*at] > reading.choices[*at] && !reading.empty_layers.contains(at);
        if self.rows == 0 || (0..header.layers.len()).filter(has_choice).count() < 2 {
            let says = "with one layer that has a choice, neighbours may choose alike";
            return CheckResult::new("rows_fresh", Outcome::NotApplicable, says);
        }
        let share = self.copies as f64 / self.rows as f64;
        let result = if self.longest >= LONG || share > MANY {
            let says = format!(
                "{} of {} rows are copies of the one before in all layers at once, though the token is another one; the longest \
                 stretch, of {} rows, ends at {}: a stale buffer",
                self.copies, self.rows, self.longest, self.place
            );
            CheckResult::new("rows_fresh", Outcome::Failed, says)
        } else {
            let says = format!("{} of {} rows are like the one before in all layers", self.copies, self.rows);
            CheckResult::new("rows_fresh", Outcome::Passed, says)
        };
        result.with("copy_share", share).with("longest_stretch", self.longest as f64)
    }
}

/// `sequences_once`: no sequence is recorded twice, as by two ranks.
#[derive(Default)]
pub(super) struct SequencesOnce {
    sequences: u64,
    seen: HashMap<u64, u32>,
}

impl SequencesOnce {
    pub(super) fn make(_: &Header) -> Box<dyn Check> {
        Box::new(Self::default())
    }
}

impl Check for SequencesOnce {
    fn see(&mut self, _: &Header, sequence: &RouteSequence) {
        if sequence.experts.is_empty() {
            return;
        }
        self.sequences += 1;
        let mut hasher = DefaultHasher::new();
        sequence.experts.hash(&mut hasher);
        sequence.token_ids.hash(&mut hasher);
        let digest = hasher.finish();
        if self.seen.len() < KEPT || self.seen.contains_key(&digest) {
            *self.seen.entry(digest).or_default() += 1;
        }
    }

    fn finish(self: Box<Self>, _: &Header, _: &mut Reading) -> CheckResult {
        if self.sequences < 2 {
            return CheckResult::new("sequences_once", Outcome::NotApplicable, "there is one sequence");
        }
        let again: u64 = self.seen.values().map(|times| u64::from(times - 1)).sum();
        let times = self.seen.values().min().copied().unwrap_or(1);
        let (outcome, says) = if times > 1 {
            (Outcome::Failed, format!("every sequence is there {times} times: the files of several ranks; keep one"))
        } else if again > 0 {
            let says = format!("{again} of {} sequences repeat an earlier one, routes and all", self.sequences);
            (Outcome::Warned, says)
        } else {
            (Outcome::Passed, format!("none of {} sequences is there twice", self.sequences))
        };
        CheckResult::new("sequences_once", outcome, says).with("repeated", again as f64)
    }
}
