//! The answers of a run to the question that its kind of run asks.

use crate::{
    run::RunKind,
    stats::{Finding, Statistic, Tables, verdict::RunVerdict},
};

/// The verdict of a run. The rows about single token ids are only in the tables, not among the findings.
pub(crate) fn run_verdict(kind: RunKind, findings: &[Finding], tables: &Tables) -> RunVerdict {
    let tokens = tables.get(Statistic::TokenDrift.table()).map_or(&[][..], |table| &table.rows);
    match kind {
        RunKind::Route | RunKind::Import => RunVerdict::route(findings),
        RunKind::Drift => RunVerdict::drift(findings, tokens),
        RunKind::Drops => RunVerdict::drops(findings),
    }
}
