//! A run, as a page takes it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    chart::ChartContext,
    report::excerpt::Excerpt,
    run::{QueueOptions, RunKind, StatisticSettings},
    stats::{Finding, Tables},
};

/// A finished run, as the report shows it.
#[derive(Debug)]
pub struct ReportedRun<'a> {
    /// What the page calls it.
    pub label: String,
    /// What kind of run it is.
    pub command: RunKind,
    /// The model that rows without a checkpoint are about.
    pub model: String,
    /// Its record by the keys of the manifest, without what a page does not tell.
    pub provenance: Value,
    /// How its tokens competed for experts, where that is recorded.
    pub queues: Option<QueueOptions>,
    /// How its statistics were computed, where that is recorded.
    pub statistics: Option<StatisticSettings>,
    /// What its charts say about it.
    pub context: &'a ChartContext,
    /// Its tables.
    pub tables: &'a Tables,
    /// Rows that the file of a table has, where these are more than the table has in memory.
    pub rows_in_files: &'a BTreeMap<String, usize>,
    /// Its headline numbers.
    pub findings: &'a [Finding],
    /// Its verdict, line by line.
    pub verdict: &'a [String],
    /// Documents token by token.
    pub excerpts: Vec<Excerpt>,
    /// Stems of the files below its `charts/`, each with the kind of the chart.
    pub charts: Vec<(String, &'static str)>,
    /// Where its folder is, as seen from the page: "" for the folder of the page itself; none if it cannot be linked.
    pub folder: Option<String>,
}
