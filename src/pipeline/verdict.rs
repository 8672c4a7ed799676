//! The answers of a run to the question that its kind of run asks.

use crate::{
    report::{headline_lines, verdict_lines},
    run::{RunKind, RunRecord},
    stats::{
        AskedCapacity, Finding, OwnCapacity, Statistic, Tables,
        verdict::{DropsSource, RunVerdict},
    },
};

/// The verdict of a run. The rows about single token ids are only in the tables, not among the findings.
pub(crate) fn run_verdict(record: &RunRecord, findings: &[Finding], tables: &Tables) -> RunVerdict {
    let tokens = tables.get(Statistic::TokenDrift.table()).map_or(&[][..], |table| &table.rows);
    match record.identity.command {
        RunKind::Route | RunKind::Import => RunVerdict::route(findings),
        RunKind::Drift => RunVerdict::drift(findings, tokens),
        RunKind::Drops => RunVerdict::drops(findings, drops_source(record)),
        // Its numbers are no findings; see `statistics::mitigate`.
        RunKind::Mitigate => RunVerdict::mitigation(&[]),
    }
}

/// A verdict as sentences.
pub(crate) struct Sentences {
    /// The answer, at most three.
    pub(crate) headline: Vec<String>,
    /// What it rests on, line by line.
    pub(crate) details: Vec<String>,
}

impl Sentences {
    /// Those of a verdict.
    pub(crate) fn of(verdict: &RunVerdict) -> Self {
        Self { headline: headline_lines(verdict), details: verdict_lines(verdict) }
    }

    /// All of them, the answer first.
    pub(crate) fn all(self) -> Vec<String> {
        [self.headline, self.details].concat()
    }
}

/// The capacity that a run asks about; `None` if its traces have their own.
pub(crate) fn asked_capacity(record: &RunRecord) -> Option<AskedCapacity> {
    let drops = record.drops.as_ref().filter(|drops| drops.asked_capacity)?;
    let queues = record.identity.queues?;
    // What an engine recorded has no checkpoint that was read.
    let is_of_model = record.identity.checkpoint.is_some();
    let own = match drops.recorded_drops {
        Some(recorded) => OwnCapacity::Recorded(recorded),
        None if is_of_model => OwnCapacity::NoneInModel,
        None => OwnCapacity::NotRecorded,
    };
    Some(AskedCapacity { group: queues.group, policy: queues.policy(), own })
}

/// Whose drops a run is about.
fn drops_source(record: &RunRecord) -> DropsSource {
    let recorded = record.drops.as_ref().and_then(|drops| drops.recorded_drops);
    let asked = asked_capacity(record).map(DropsSource::Asked);
    asked.or(recorded.map(DropsSource::Recorded)).unwrap_or(DropsSource::OfRun)
}
