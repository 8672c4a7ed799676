//! The charts of the runs, as files to download.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{
    files::{File, address},
    reported_run::{ReportedChart, ReportedRun},
};
use crate::chart::CHARTS;

/// The charts of a run.
#[derive(Serialize)]
pub(super) struct Gallery<'a> {
    label: &'a str,
    command: &'static str,
    /// How many there are.
    count: usize,
    kinds: Vec<Kind>,
}

/// The charts of one kind.
#[derive(Serialize)]
struct Kind {
    question: &'static str,
    /// The figure of the paper that they correspond to, or nothing.
    paper: &'static str,
    charts: Vec<Entry>,
}

/// One chart.
#[derive(Serialize)]
struct Entry {
    name: String,
    /// What it says.
    message: Option<String>,
    /// A small picture of it, a PNG file in Base64.
    picture: Option<String>,
    /// Where its files are; none where the page cannot link them.
    files: Vec<File>,
}

/// The charts of every run that has some.
pub(super) fn galleries<'a>(runs: &'a [ReportedRun<'_>]) -> Vec<Gallery<'a>> {
    runs.iter().filter(|run| !run.charts.is_empty()).map(gallery).collect()
}

fn gallery<'a>(run: &'a ReportedRun<'_>) -> Gallery<'a> {
    let kind = |kind: &crate::chart::ChartKind| {
        let own = run.charts.iter().filter(|chart| chart.kind == kind.stem);
        let charts: Vec<Entry> = own.map(|chart| entry(chart, run)).collect();
        (!charts.is_empty()).then_some(Kind { question: kind.question, paper: kind.paper, charts })
    };
    let kinds: Vec<Kind> = CHARTS.iter().filter_map(kind).collect();
    let count = kinds.iter().map(|kind| kind.charts.len()).sum();
    Gallery { label: &run.label, command: run.command.name(), count, kinds }
}

fn entry(chart: &ReportedChart, run: &ReportedRun<'_>) -> Entry {
    let name = &chart.name;
    let file = |folder: &str, ending: &str| File {
        href: address(&Path::new(folder).join(format!("charts/{name}.{ending}"))),
        text: ending.to_uppercase(),
    };
    let folder = run.folder.as_deref();
    Entry {
        name: name.clone(),
        message: run.messages.iter().find(|message| message.name == *name).map(|message| message.text.clone()),
        picture: chart.thumbnail.as_ref().map(|png| STANDARD.encode(png)),
        files: folder.map_or_else(Vec::new, |folder| ["svg", "png"].map(|ending| file(folder, ending)).into()),
    }
}
