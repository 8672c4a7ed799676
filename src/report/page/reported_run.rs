//! A run, as a page needs it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    chart::ChartContext,
    report::{excerpt::Excerpt, experts::ExpertSection},
    run::{QueueOptions, RecordedSettings, RunKind},
    stats::{Finding, Tables},
};

/// A finished run, as the report shows it.
#[derive(Debug)]
pub struct ReportedRun<'a> {
    /// Its name on the page.
    pub label: String,
    /// What kind of run it is.
    pub command: RunKind,
    /// The model that rows without a checkpoint are about.
    pub model: String,
    /// Its record by the keys of the manifest, without anything that a page must not show.
    pub provenance: Value,
    /// How its tokens competed for experts, if that is recorded.
    pub queues: Option<QueueOptions>,
    /// Tokens for which equal scores of the router decided, over all its layers and traces.
    pub ties: u64,
    /// How its statistics were computed, if that is recorded.
    pub statistics: Option<RecordedSettings>,
    /// The facts about it that its charts print.
    pub context: &'a ChartContext,
    /// Its tables.
    pub tables: &'a Tables,
    /// The number of rows in the file of a table, if there are more than in memory.
    pub rows_in_files: &'a BTreeMap<String, usize>,
    /// Its headline numbers.
    pub findings: &'a [Finding],
    /// Its answer, sentence by sentence.
    pub headline: &'a [String],
    /// What the answer rests on, line by line.
    pub verdict: &'a [String],
    /// Documents token by token.
    pub excerpts: Vec<Excerpt>,
    /// Its experts one by one, if they are shown.
    pub experts: Option<ExpertSection>,
    /// Stems of the files below its `charts/`, each with the kind of the chart.
    pub charts: Vec<(String, &'static str)>,
    /// The path from the page to its folder: "" if the page is in that folder; none if it cannot be linked.
    pub folder: Option<String>,
}
