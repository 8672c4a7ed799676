//! The page of made-up tables.

use openmoe_analyze::{
    chart::{Chart, ChartContext},
    report::{self, ReportedRun},
    stats::{Finding, Tables},
};
use serde_json::json;

/// The page of one run that is in memory only.
pub(crate) fn page_of(
    command: &'static str,
    context: &ChartContext,
    tables: &Tables,
    findings: &[Finding],
    verdict: &[String],
    charts: &[Chart],
) -> String {
    let run = ReportedRun {
        label: context.checkpoint.clone(),
        command: command.parse().expect("a kind of run"),
        model: context.checkpoint.split(", ").next().unwrap_or_default().to_owned(),
        provenance: json!({ "version": "0.1.0", "command": command, "seed": 0 }),
        queues: None,
        statistics: None,
        context,
        tables,
        rows_in_files: &std::collections::BTreeMap::new(),
        findings,
        verdict,
        excerpts: Vec::new(),
        charts: charts.iter().map(|chart| (chart.name.clone(), chart.kind)).collect(),
        folder: Some(String::new()),
    };
    report::html(&[run]).expect("the template can be filled in")
}
