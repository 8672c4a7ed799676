//! A run folder with a complete trace -> statistics, charts, summary, report. Needs no checkpoint.

mod drift;
mod drops;
mod route;

use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::{
    chart_context::chart_context,
    mailable_paths::Paths,
    process_memory, report_page,
    run_tables::{RowsInFiles, read_tables, read_tables_counted, stage_tables},
    verdict::verdict,
};
use crate::{
    chart::{Chart, ChartContext, draw_all},
    commands::{signals, terminal},
    error::{Error, Result},
    report,
    run::{RunDir, RunKind, Staged, check_traces, record_traces},
    stats::{Finding, TableFile, Tables, headline, keep_shown_categories},
};

/// What a run found.
pub(crate) struct Analysis {
    /// `summary.json`, as text.
    pub(crate) summary: String,
    /// The verdict, line by line.
    pub(crate) verdict: Vec<String>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) charts: usize,
}

/// The statistics of the run's traces, and the files of those tables that are not in memory as a whole.
fn compute(kind: RunKind, run: &RunDir, manifest: &Value, quiet: bool) -> Result<(Tables, Vec<TableFile>)> {
    match kind {
        RunKind::Route => route::compute(run, manifest, quiet),
        RunKind::Drift => Ok((drift::compute(run, manifest, quiet)?, Vec::new())),
        RunKind::Drops => Ok((drops::compute(run, manifest, quiet)?, Vec::new())),
    }
}

/// Computes everything that follows from the traces of a run, and completes the manifest. `clock` started with the run;
/// `None` leaves the run's own time and memory in the manifest. Until all is computed and on the disk, nothing is changed.
pub(crate) fn analyse(run: &RunDir, manifest: &mut Value, quiet: bool, clock: Option<Instant>) -> Result<Analysis> {
    let kind = RunKind::of(run, manifest)?;
    let mut staged = Staged::new(run);
    let statistics_clock = Instant::now();
    let (mut tables, files) = compute(kind, run, manifest, quiet)?;
    check_traces(kind, run, manifest)?;
    let rows_in_files = stage_tables(&mut staged, &tables, files)?;
    keep_shown_categories(&mut tables);
    manifest["statistics_seconds"] = json!(statistics_clock.elapsed().as_secs_f64());
    manifest["statistics_version"] = json!(env!("CARGO_PKG_VERSION"));
    record_traces(kind, run, manifest)?;
    let findings = headline(&tables);
    let summary = report::summary_bytes(kind.name(), &findings, summary_settings(manifest))?;
    staged.add("summary.json", &summary)?;
    Paths::of(manifest).shorten_documents(&mut tables);
    let numbers = Numbers { kind, run, tables: &tables, rows_in_files: &rows_in_files, findings: &findings };
    let (charts, verdict) = numbers.show(&mut staged, manifest, quiet, clock)?;
    staged.publish(manifest, &["stats", "charts"])?;
    let summary = String::from_utf8(summary).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Analysis { summary, verdict, findings, charts })
}

/// Draws the charts of a run again from its tables, and its report.
pub(crate) fn redraw(run: &RunDir, manifest: &mut Value, quiet: bool) -> Result<usize> {
    let kind = RunKind::of(run, manifest)?;
    let (mut tables, rows_in_files) = read_tables_counted(run)?;
    let findings = headline(&tables);
    Paths::of(manifest).shorten_documents(&mut tables);
    let mut staged = Staged::new(run);
    let numbers = Numbers { kind, run, tables: &tables, rows_in_files: &rows_in_files, findings: &findings };
    let (charts, _) = numbers.show(&mut staged, manifest, quiet, None)?;
    staged.publish(manifest, &["charts"])?;
    Ok(charts)
}

/// The tables of a finished run, and its verdict.
pub(crate) fn read_back(run: &RunDir, manifest: &Value) -> Result<(Tables, Vec<String>)> {
    let kind = RunKind::of(run, manifest)?;
    let tables = read_tables(run)?;
    let verdict = verdict(kind, &headline(&tables), &tables);
    Ok((tables, verdict))
}

/// What of the manifest stands in summary.json too: how the numbers were made, nothing that varies with the machine. The
/// hashes of inputs and checkpoint are in the manifest.
fn summary_settings(manifest: &Value) -> Map<String, Value> {
    let keys = [
        "label",
        "version",
        "context",
        "truncate",
        "category_key",
        "max_sequences",
        "template",
        "oasst_paths",
        "conversations_cut",
        "bin",
        "match_experts",
        "tokens_of_interest",
        "bos",
        "exclude_bos",
        "group",
        "capacity_rule",
        "capacity_factor",
        "seed",
        "resamples",
        "permutations",
        "sequences",
        "documents",
        "tokens",
    ];
    let recorded = keys.into_iter().filter_map(|key| Some((key.to_owned(), manifest.get(key)?.clone())));
    // Only where it is another one than that of the run.
    let version = manifest.get("statistics_version").filter(|version| **version != manifest["version"]);
    recorded.chain(version.map(|version| ("statistics_version".to_owned(), version.clone()))).collect()
}

fn draw(staged: &mut Staged<'_>, tables: &Tables, context: &ChartContext, quiet: bool) -> Result<Vec<Chart>> {
    signals::check_interrupt()?;
    let spinner: ProgressBar = terminal::spinner("charts", quiet);
    let charts = draw_all(tables, context, &|name: &str| spinner.set_message(name.to_owned()))?;
    for chart in &charts {
        staged.add(&format!("charts/{}.svg", chart.name), chart.svg.as_bytes())?;
        staged.add(&format!("charts/{}.png", chart.name), &chart.png)?;
    }
    spinner.finish_and_clear();
    Ok(charts)
}

/// The numbers of a run, from which its charts and its page follow.
struct Numbers<'a> {
    kind: RunKind,
    run: &'a RunDir,
    tables: &'a Tables,
    rows_in_files: &'a RowsInFiles,
    findings: &'a [Finding],
}

impl Numbers<'_> {
    /// Makes the charts and the page; gives the number of charts, and the verdict. `clock` as for [`analyse`].
    fn show(
        &self,
        staged: &mut Staged<'_>,
        manifest: &mut Value,
        quiet: bool,
        clock: Option<Instant>,
    ) -> Result<(usize, Vec<String>)> {
        let Self { kind, run, tables, rows_in_files, findings } = *self;
        let context = chart_context(kind, run, manifest)?;
        let charts = draw(staged, tables, &context, quiet)?;
        let verdict = verdict(kind, findings, tables);
        if let Some(clock) = clock {
            manifest["wall_seconds"] = json!(clock.elapsed().as_secs_f64());
            manifest["peak_memory_bytes"] = json!(process_memory::peak_memory());
        }
        let found = report_page::Found { kind, context: &context, tables, rows_in_files, findings, verdict: &verdict };
        staged.add("report.html", report_page::of_run(run, manifest, &found, quiet)?.as_bytes())?;
        signals::check_interrupt()?;
        Ok((charts.len(), verdict))
    }
}
