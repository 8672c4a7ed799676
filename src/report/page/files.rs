//! Links to the files of the runs that a page shows.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::reported_run::ReportedRun;
use crate::{chart::CHARTS, stats::StatisticInfo};

/// A link to a file of a run.
#[derive(Serialize)]
pub(super) struct File {
    pub(super) href: String,
    pub(super) text: String,
}

/// Links to the charts and to the whole table, named by the run if several runs have them.
pub(super) fn files(info: &StatisticInfo, run: &ReportedRun<'_>, runs: &[ReportedRun<'_>]) -> Vec<File> {
    let Some(folder) = run.folder.as_deref().filter(|_| run.tables.contains_key(info.table)) else { return Vec::new() };
    let having = || runs.iter().filter(|other| other.tables.contains_key(info.table));
    let whose = match having().count() {
        1 => String::new(),
        _ if having().filter(|other| other.command == run.command).count() == 1 => format!("{}: ", run.command),
        _ => format!("{}: ", run.label),
    };
    let below = |name: String| File { href: address(&Path::new(folder).join(&name)), text: format!("{whose}{name}") };
    let kinds: Vec<&str> =
        CHARTS.iter().filter(|kind| kind.statistic == info.statistic).map(|kind| kind.stem).collect();
    let charts = run.charts.iter().filter(|chart| kinds.contains(&chart.kind));
    let charts = charts.map(|chart| below(format!("charts/{}.svg", chart.name)));
    std::iter::once(below(format!("stats/{}.csv", info.table))).chain(charts).collect()
}

/// All characters that must be escaped in a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A relative path as the address of a link.
pub(super) fn address(path: &Path) -> String {
    utf8_percent_encode(&path.to_string_lossy().replace('\\', "/"), ESCAPED).to_string()
}
