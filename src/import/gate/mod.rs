//! Whether a record can be true: checks that look at every sequence once, and what they say.

mod alignment;
mod alike;
mod check;
mod experts;
mod flat;
mod information;
mod interleaved;
mod layers;
mod lengths;
mod load;
mod logits;
mod order;
mod physical;
mod reading;
mod repeats;
mod report;
mod weights;

pub use check::{CheckResult, Outcome};
pub(super) use load::{chi_square_ratio, is_even};
pub use reading::Reading;
pub use report::GateReport;

use check::Check;

use super::routes::{Header, RouteReader, RouteSequence};
use crate::{
    error::{Error, Result},
    routing::MAX_POSITION,
};

/// Makes a check for a record.
type Make = fn(&Header) -> Box<dyn Check>;

/// All checks, in the order in which they are told, and in which each sees what those before it decided: which layers and choices
/// are there comes first.
const CHECKS: &[Make] = &[
    experts::ExpertsExist::make,
    layers::LayersRecorded::make,
    layers::LayersDiffer::make,
    lengths::GridComplete::make,
    lengths::RowsOfTokens::make,
    flat::RowsApart::make,
    repeats::RowsFresh::make,
    repeats::SequencesOnce::make,
    alike::SequencesAlike::make,
    physical::ExpertIds::make,
    order::Order::make,
    weights::WeightSums::make,
    logits::LogitsKind::make,
    logits::LogitsDecide::make,
    alignment::TokensAligned::make,
    load::LoadUneven::make,
];

/// The gate, half way through a record.
pub struct Gate {
    header: Header,
    checks: Vec<Box<dyn Check>>,
    sequences: u64,
    positions: u64,
    categorized: u64,
}

impl Gate {
    /// Before the first sequence.
    pub fn new(header: &Header) -> Self {
        let checks = CHECKS.iter().map(|make| make(header)).collect();
        Self { header: header.clone(), checks, sequences: 0, positions: 0, categorized: 0 }
    }

    /// Looks at a whole record; `seen` is told after each sequence how many positions it had, and may end the work.
    ///
    /// # Errors
    /// Those of reading, and of `seen`.
    pub fn pass(reader: &dyn RouteReader, mut seen: impl FnMut(usize) -> Result<()>) -> Result<GateReport> {
        let mut gate = Self::new(reader.header());
        for sequence in reader.sequences()? {
            let sequence = sequence?;
            let rows = sequence.experts.len() / reader.header().stride().max(1);
            check_end(&sequence, rows)?;
            gate.see(&sequence);
            seen(rows)?;
        }
        Ok(gate.finish())
    }

    /// Looks at the next sequence.
    pub fn see(&mut self, sequence: &RouteSequence) {
        self.sequences += 1;
        self.categorized += u64::from(sequence.category.is_some());
        self.positions += (sequence.experts.len() / self.header.stride().max(1)) as u64;
        for check in &mut self.checks {
            check.see(&self.header, sequence);
        }
    }

    /// What all of it says. Checks come in the order of the catalogue; a later one sees what the earlier ones decided.
    pub fn finish(self) -> GateReport {
        let Self { header, checks, sequences, positions, categorized } = self;
        let mut reading = Reading::of(&header);
        let checks = checks.into_iter().map(|check| check.finish(&header, &mut reading)).collect();
        GateReport { checks, reading, sequences, positions, categorized }
    }
}

/// Refuses a position that no trace can hold, as those of microseconds or of a whole corpus would be.
fn check_end(sequence: &RouteSequence, rows: usize) -> Result<()> {
    let counted = || (rows as u64).checked_sub(1);
    let last =
        sequence.positions.as_ref().map_or_else(counted, |positions| positions.iter().max().map(|p| (*p).into()));
    match last.filter(|last| *last >= u64::from(MAX_POSITION)) {
        None => Ok(()),
        Some(last) => Err(Error::corpus(
            format!("{} has position {last}; expected positions below {MAX_POSITION}", sequence.place),
            "positions count the tokens of a sequence from 0: begin anew with each sequence, or cut the record into sequences",
        )),
    }
}

#[cfg(test)]
mod tests;
