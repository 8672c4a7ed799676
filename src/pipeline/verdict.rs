//! The answer of a run to the question of its kind.

use crate::{
    run::RunKind,
    stats::{Finding, Statistic, Tables, verdict::RunVerdict},
};

/// What a run says. The rows of single token ids are in the tables alone.
pub(crate) fn verdict(kind: RunKind, findings: &[Finding], tables: &Tables) -> RunVerdict {
    let tokens = tables.get(Statistic::TokenDrift.table()).map_or(&[][..], |table| &table.rows);
    match kind {
        RunKind::Route => RunVerdict::route(findings),
        RunKind::Drift => RunVerdict::drift(findings, tokens),
        RunKind::Drops => RunVerdict::drops(findings),
    }
}
