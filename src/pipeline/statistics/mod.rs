//! Makes statistics, charts, summary and report from a run folder with complete traces. Needs no checkpoint.

mod analysis;
mod drawn;
mod drift;
mod drops;
mod mitigate;
mod route;

pub use analysis::Analysis;

use std::time::Instant;

use drawn::stage_charts;
pub(crate) use mitigate::mitigation_specs;

use super::{
    chart_context::chart_context,
    mailable_paths::Paths,
    options::ReportOptions,
    process_memory,
    progress::{Progress, RunningStage, Stage},
    report_page,
    run_tables::{RowsInFiles, read_tables, read_tables_counted, stage_tables},
    verdict::{Sentences, run_verdict},
    work_plan,
};
use crate::{
    chart::plan,
    error::{Error, Result},
    report::{Summary, headline_entries, verdict_entries},
    run::{RunCost, RunDir, RunKind, RunRecord, Staged, StatisticCost, SummarySettings, check_traces, record_traces},
    stats::{Finding, TableBuilders, Tables, headline, keep_shown_categories},
};

/// The statistics of the run's traces.
fn compute(run: &RunDir, record: &RunRecord, stage: &RunningStage<'_>) -> Result<TableBuilders> {
    match record.identity.command {
        RunKind::Route | RunKind::Import => route::compute(run, record, stage),
        RunKind::Drift => drift::compute(run, record, stage),
        RunKind::Drops => drops::compute(run, record, stage),
        // Its numbers are of another shape: see `finish_mitigation`.
        RunKind::Mitigate => Ok(TableBuilders::new()),
    }
}

fn begin_statistics<'a>(record: &RunRecord, progress: &'a dyn Progress) -> RunningStage<'a> {
    RunningStage::begin(progress, Stage::Statistics, Some(work_plan::statistics_units(record)))
}

/// The statistics of a run, computed from its traces by the settings in `record.statistics`; nothing is written. The tables hold
/// the rows that charts and reports show: all rows of a table of usual size, and of a larger one those about the most frequent
/// token ids.
///
/// # Errors
/// [`Error::RunFolder`] if a trace is missing, incomplete or damaged; [`Error::Interrupted`] if the work is cancelled.
pub fn compute_statistics(run: &RunDir, record: &RunRecord, progress: &dyn Progress) -> Result<Tables> {
    let stage = begin_statistics(record, progress);
    compute(run, record, &stage)?.into_iter().map(|(name, table)| Ok((name, table.shown()?))).collect()
}

/// Computes everything that follows from the traces of a run again, by the settings in `record.statistics`, and writes it into
/// the run: tables, summary, charts, report. Open the run with [`RunDir::open_to_write`].
///
/// # Errors
/// As [`compute_statistics`]; [`Error::Io`] if a file cannot be written. After an error the run is as it was before.
pub fn analyse(
    run: &RunDir,
    record: &mut RunRecord,
    report: ReportOptions,
    progress: &dyn Progress,
) -> Result<Analysis> {
    progress.planned(&work_plan::after_traces(record));
    finish_run(run, record, report, progress, None)
}

/// Computes everything that follows from the traces of a run, and completes its record. `clock` started with the run;
/// `None` keeps the time and memory that the record has. No file of the run is changed before all results are computed and on
/// the disk.
pub(crate) fn finish_run(
    run: &RunDir,
    record: &mut RunRecord,
    report: ReportOptions,
    progress: &dyn Progress,
    clock: Option<Instant>,
) -> Result<Analysis> {
    if record.identity.command == RunKind::Mitigate {
        return mitigate::finish_mitigation(run, record, report, progress, clock);
    }
    let mut staged = Staged::new(run);
    let statistics_clock = Instant::now();
    let stage = begin_statistics(record, progress);
    let computed = compute(run, record, &stage)?;
    drop(stage);
    let stage = RunningStage::begin(progress, Stage::Tables, None);
    check_traces(run, record)?;
    let (mut tables, rows_in_files) = stage_tables(&mut staged, computed)?;
    keep_shown_categories(&mut tables);
    record.statistic_cost = Some(StatisticCost::since(statistics_clock));
    record_traces(run, record)?;
    drop(stage);
    let findings = headline(&tables);
    let (kind, settings) = (record.identity.command, SummarySettings::of(record));
    let verdict = run_verdict(record, &findings, &tables);
    let (first, answers) = (headline_entries(&verdict), verdict_entries(&verdict));
    let summary = Summary::new(kind, settings, (&first, &answers), &findings).to_bytes()?;
    staged.add("summary.json", &summary)?;
    Paths::of(record, report).shorten_documents(&mut tables);
    let told = Sentences::of(&verdict);
    let (tables, rows_in_files) = (&tables, &rows_in_files);
    let numbers = Numbers { run, report, tables, rows_in_files, findings: &findings, verdict: &told };
    let charts = numbers.show(&mut staged, record, progress, clock)?;
    staged.publish(record, &["stats", "charts"])?;
    let summary = String::from_utf8(summary).map_err(|error| Error::internal(error.to_string()))?;
    let Sentences { headline, details: verdict } = told;
    Ok(Analysis { summary, headline, verdict, answers, findings, charts })
}

/// Draws the charts of a run again from its tables, and makes its report again.
pub(crate) fn redraw_run(
    run: &RunDir,
    record: &mut RunRecord,
    report: ReportOptions,
    progress: &dyn Progress,
) -> Result<usize> {
    if record.identity.command == RunKind::Mitigate {
        return mitigate::redraw_mitigation(run, record, report, progress);
    }
    let (mut tables, rows_in_files) = read_tables_counted(run)?;
    let findings = headline(&tables);
    let verdict = Sentences::of(&run_verdict(record, &findings, &tables));
    Paths::of(record, report).shorten_documents(&mut tables);
    let mut staged = Staged::new(run);
    let (tables, rows_in_files) = (&tables, &rows_in_files);
    let numbers = Numbers { run, report, tables, rows_in_files, findings: &findings, verdict: &verdict };
    let charts = numbers.show(&mut staged, record, progress, None)?;
    staged.publish(record, &["charts"])?;
    Ok(charts)
}

/// Reads the tables and the verdict of a finished run.
pub(crate) fn read_back(run: &RunDir, record: &RunRecord) -> Result<(Tables, Vec<String>)> {
    if record.identity.command == RunKind::Mitigate {
        return Ok((Tables::new(), mitigate::read_sentences(run)?.all()));
    }
    let tables = read_tables(run)?;
    let verdict = run_verdict(record, &headline(&tables), &tables);
    Ok((tables, Sentences::of(&verdict).all()))
}

/// The numbers that the charts and the page of a run are made from.
struct Numbers<'a> {
    run: &'a RunDir,
    report: ReportOptions,
    tables: &'a Tables,
    rows_in_files: &'a RowsInFiles,
    findings: &'a [Finding],
    verdict: &'a Sentences,
}

impl Numbers<'_> {
    /// Makes the charts and the page. Returns the number of charts. `clock` is that of [`finish_run`].
    fn show(
        &self,
        staged: &mut Staged<'_>,
        record: &mut RunRecord,
        progress: &dyn Progress,
        clock: Option<Instant>,
    ) -> Result<usize> {
        let Self { run, report, tables, rows_in_files, findings, verdict } = *self;
        let context = chart_context(run, record, tables)?;
        let charts = stage_charts(staged, &plan(tables, &context), progress)?;
        if let Some(clock) = clock {
            let (wall_seconds, peak_memory_bytes) = (clock.elapsed().as_secs_f64(), process_memory::peak_memory());
            record.run_cost = Some(RunCost { wall_seconds, peak_memory_bytes });
        }
        let drawn: Vec<(String, &'static str)> = charts.iter().map(|chart| (chart.name.clone(), chart.kind)).collect();
        let found = report_page::RunResults {
            context: &context,
            tables,
            rows_in_files,
            findings,
            verdict,
            charts: Some(&drawn),
        };
        staged.add("report.html", report_page::of_run(run, record, &found, report, progress)?.as_bytes())?;
        progress.check()?;
        Ok(charts.len())
    }
}
