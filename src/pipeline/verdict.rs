//! The answer of a run to the question of its kind.

use crate::{
    report,
    run::RunKind,
    stats::{Finding, Statistic, Tables},
};

/// The verdict, line by line. The rows of single token ids are in the tables alone.
pub(crate) fn verdict(kind: RunKind, findings: &[Finding], tables: &Tables) -> Vec<String> {
    let tokens = tables.get(Statistic::TokenDrift.table()).map_or(&[][..], |table| &table.rows);
    match kind {
        RunKind::Route => report::verdict(findings),
        RunKind::Drift => report::drift_verdict(findings, tokens),
        RunKind::Drops => report::drops_verdict(findings),
    }
}
