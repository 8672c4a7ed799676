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
    /// Its charts.
    pub charts: Vec<ReportedChart>,
    /// What its charts say.
    pub messages: Vec<ChartMessage>,
    /// The path from the page to its folder: "" if the page is in that folder; none if it cannot be linked.
    pub folder: Option<String>,
}

/// A chart of a run, as a page links it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedChart {
    /// Stem of its files below `charts/`.
    pub name: String,
    /// The [`ChartKind::stem`](crate::chart::ChartKind::stem) it belongs to.
    pub kind: &'static str,
    /// A small picture of it, a PNG file.
    pub thumbnail: Option<Vec<u8>>,
}

/// What a chart says, in one sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartMessage {
    /// Stem of the files of the chart.
    pub name: String,
    /// The [`ChartKind::stem`](crate::chart::ChartKind::stem) it belongs to.
    pub kind: &'static str,
    /// The sentence.
    pub text: String,
}
