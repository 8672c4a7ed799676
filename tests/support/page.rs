//! The page of made-up tables.

use openmoe_analyze::{
    chart::{Chart, ChartContext},
    report::{self, ChartMessage, ReportedChart, ReportedRun},
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
        ties: 0,
        statistics: None,
        context,
        tables,
        rows_in_files: &std::collections::BTreeMap::new(),
        findings,
        headline: &[],
        verdict,
        excerpts: Vec::new(),
        experts: None,
        charts: charts
            .iter()
            .map(|chart| ReportedChart { name: chart.name.clone(), kind: chart.kind, thumbnail: None })
            .collect(),
        messages: charts.iter().filter_map(message).collect(),
        folder: Some(String::new()),
    };
    report::html(&[run]).expect("the template can be filled in")
}

/// What a chart says.
fn message(chart: &Chart) -> Option<ChartMessage> {
    let text = chart.message.as_ref()?.text.clone();
    Some(ChartMessage { name: chart.name.clone(), kind: chart.kind, text })
}

/// The rows of the first layer again in each of the layers, a little different in each.
pub(crate) fn in_layers(tables: &Tables, layers: &[u16]) -> Tables {
    let mut many = tables.clone();
    for table in many.values_mut() {
        let Some(first) = table.rows.first().map(|row| row.layer) else { continue };
        let own: Vec<Finding> = table.rows.iter().filter(|row| row.layer == first).cloned().collect();
        let of = |(at, layer): (usize, &u16)| {
            let factor = 1.0 - 0.5 * at as f64 / layers.len() as f64;
            let (layer, scaled) = (*layer, move |value: Option<f64>| value.map(|value| value * factor));
            let row = move |row: &Finding| Finding {
                layer,
                estimate: scaled(row.estimate),
                low: scaled(row.low),
                high: scaled(row.high),
                ..row.clone()
            };
            own.iter().map(row).collect::<Vec<Finding>>()
        };
        table.rows = layers.iter().enumerate().flat_map(of).collect();
    }
    many
}
