//! Makes the page that shows one or several finished runs.

use std::path::Path;

use serde_json::Value;

use super::{
    chart_context::chart_context,
    expert_section::expert_section,
    mailable_paths::Paths,
    options::ReportOptions,
    progress::{Progress, RunningStage, Stage},
    reported_charts::{messages, reported_charts},
    run_tables::{RowsInFiles, read_tables_counted},
    verdict::{Sentences, run_verdict},
};
use crate::{
    chart::ChartContext,
    error::{CommandName, Error, Result},
    report::{self, Excerpt, ExpertSection, ReportedRun, Wanted},
    run::{LayerTies, RunDir, RunKind, RunRecord, names_beside, notes_on_statistics, open_finished, traces_of},
    stats::{Finding, LAYERS_EACH, Statistic, Tables, headline},
    trace::{Provides, RoutingTrace},
};

/// Tokens whose routing a page shows one by one, over all its runs; each takes about 30 bytes.
const TOKENS: usize = 40_000;
/// The number of choices for each token, over the layers that are shown, with which [`TOKENS`] tokens fit; with more choices
/// fewer tokens are shown.
const CHOICES: usize = 16;
/// How many documents of each layer, those that lose most, are shown first.
const WORST: u32 = 3;

/// The results of a run that a page shows.
#[derive(Clone, Copy)]
pub(crate) struct RunResults<'a> {
    /// What its charts say about it.
    pub(crate) context: &'a ChartContext,
    /// The numbers that the page shows.
    pub(crate) tables: &'a Tables,
    /// Rows in the file of each table; the tables themselves hold only the rows that the page needs.
    pub(crate) rows_in_files: &'a RowsInFiles,
    /// The findings of the summary.
    pub(crate) findings: &'a [Finding],
    /// The verdict.
    pub(crate) verdict: &'a Sentences,
    /// Name and kind of the charts that were drawn; `None`: the charts that the tables allow.
    pub(crate) charts: Option<&'a [(String, &'static str)]>,
}

/// A finished run, read back from its folder.
struct Finished {
    run: RunDir,
    record: RunRecord,
    context: ChartContext,
    tables: Tables,
    rows_in_files: RowsInFiles,
    findings: Vec<Finding>,
    verdict: Sentences,
}

/// A run on a page.
struct Shown<'a> {
    run: &'a RunDir,
    record: &'a RunRecord,
    found: RunResults<'a>,
}

/// The report of a run that has just been computed, and of the other runs that its report shows.
pub(crate) fn of_run(
    run: &RunDir,
    record: &RunRecord,
    found: &RunResults<'_>,
    options: ReportOptions,
    progress: &dyn Progress,
) -> Result<String> {
    let mut others = Vec::new();
    for name in names_beside(record.report_runs.iter().map(String::as_str)) {
        match Finished::open(&run.file(name), options, progress) {
            Ok(finished) => others.push(finished),
            Err(error) => progress.warn(&format!("the report shows `{name}` no more: {error}")),
        }
    }
    let first = Shown { run, record, found: *found };
    let shown: Vec<Shown<'_>> = std::iter::once(first).chain(others.iter().map(Finished::shown)).collect();
    of_shown(&shown, run.path(), options, progress)
}

/// The report of finished runs, for a page in the folder `beside`.
pub(crate) fn of_runs(
    folders: &[impl AsRef<Path>],
    beside: &Path,
    options: ReportOptions,
    progress: &dyn Progress,
) -> Result<String> {
    let open = |folder: &_| Finished::open(AsRef::as_ref(folder), options, progress);
    let finished = folders.iter().map(open).collect::<Result<Vec<_>>>()?;
    of_shown(&finished.iter().map(Finished::shown).collect::<Vec<_>>(), beside, options, progress)
}

fn of_shown(shown: &[Shown<'_>], beside: &Path, options: ReportOptions, progress: &dyn Progress) -> Result<String> {
    let labels = labels(shown, options)?;
    let _stage = RunningStage::begin(progress, Stage::Report, None);
    let runs = shown
        .iter()
        .zip(labels)
        .enumerate()
        .map(|(index, (run, label))| {
            progress.check()?;
            let excerpts = excerpts(run, (index, shown.len()), options, progress)?;
            // Those of the first run alone: the others are of the same model, or can be asked about one by one.
            let experts = if index == 0 { experts(run, index, progress)? } else { None };
            reported(run, label, (excerpts, experts), options, folder_from(beside, run.run.path()))
        })
        .collect::<Result<Vec<_>>>()?;
    report::html(&runs)
}

impl Finished {
    fn open(folder: &Path, options: ReportOptions, progress: &dyn Progress) -> Result<Self> {
        let (run, record) = open_finished(folder)?;
        if record.identity.command == RunKind::Mitigate {
            return Err(Error::usage(
                format!("`{}` is a run of mitigate, whose page stands alone", folder.display()),
                format!(
                    "it is `{}`; {} makes it anew",
                    run.file("report.html").display(),
                    CommandName::Chart.on(folder.display())
                ),
            ));
        }
        for note in notes_on_statistics(&run, &record) {
            progress.note(&note);
        }
        let (mut tables, rows_in_files) = read_tables_counted(&run)?;
        let context = chart_context(&run, &record, &tables)?;
        let findings = headline(&tables);
        Paths::of(&record, options).shorten_documents(&mut tables);
        check_tables(&run, &tables)?;
        let verdict = Sentences::of(&run_verdict(&record, &findings, &tables));
        Ok(Self { run, record, context, tables, rows_in_files, findings, verdict })
    }

    fn shown(&self) -> Shown<'_> {
        let found = RunResults {
            context: &self.context,
            tables: &self.tables,
            rows_in_files: &self.rows_in_files,
            findings: &self.findings,
            verdict: &self.verdict,
            charts: None,
        };
        Shown { run: &self.run, record: &self.record, found }
    }
}

/// Checks that every statistic of summary.json has its table: a lost file must not leave a page without a section.
fn check_tables(run: &RunDir, tables: &Tables) -> Result<()> {
    let path = run.file("summary.json");
    let damaged = |what: String| {
        Error::run_folder(what, format!("make the statistics again with {}", CommandName::Stats.on_the_run()))
    };
    if !path.is_file() {
        return Err(damaged(format!("`{}` does not exist", path.display())));
    }
    let text = run.read("summary.json")?;
    let summary: Value =
        serde_json::from_slice(&text).map_err(|error| damaged(format!("`{}` is not JSON: {error}", path.display())))?;
    let told = summary["findings"].as_array().into_iter().flatten().filter_map(|row| row["statistic"].as_str());
    let statistic = |name: &str| {
        let unknown =
            || damaged(format!("`{}` quotes `{name}`, which is no statistic of this version", path.display()));
        Statistic::from_name(name).ok_or_else(unknown)
    };
    let told = told.map(statistic).collect::<Result<Vec<_>>>()?;
    match told.iter().map(|statistic| statistic.table()).find(|table| !tables.contains_key(*table)) {
        Some(missing) => {
            let path = run.file(&format!("stats/{missing}.parquet"));
            Err(damaged(format!("`{}` does not exist, but summary.json quotes its numbers", path.display())))
        }
        None => Ok(()),
    }
}

/// The part of a page about one run.
fn reported<'a>(
    shown: &Shown<'a>,
    label: String,
    (excerpts, experts): (Vec<Excerpt>, Option<ExpertSection>),
    options: ReportOptions,
    folder: Option<String>,
) -> Result<ReportedRun<'a>> {
    let Shown { run, record, found } = shown;
    Ok(ReportedRun {
        label,
        command: record.identity.command,
        model: traces_of(run, record)?.into_iter().next().map(|(label, _)| label).unwrap_or_default(),
        provenance: Paths::of(record, options).provenance(record)?,
        queues: record.identity.queues,
        ties: ties(run, record)?,
        statistics: Some(record.statistics.clone()),
        context: found.context,
        tables: found.tables,
        rows_in_files: found.rows_in_files,
        findings: found.findings,
        headline: &found.verdict.headline,
        verdict: &found.verdict.details,
        excerpts,
        experts,
        charts: reported_charts(run, found.charts, (found.tables, found.context))?,
        messages: messages(found.tables, found.context),
        folder,
    })
}

/// Tokens for which equal scores of the router decided, over the layers of all traces. The record on the disk of a run that is
/// being made does not count them yet.
fn ties(run: &RunDir, record: &RunRecord) -> Result<u64> {
    let sum = |ties: Option<Vec<LayerTies>>| ties.into_iter().flatten().map(|ties| ties.tokens).sum::<u64>();
    let of_trace = |(_, trace): (String, RunDir)| {
        Ok(sum(if trace.path() == run.path() { record.ties.clone() } else { trace.record()?.ties }))
    };
    traces_of(run, record)?.into_iter().map(of_trace).sum()
}

/// The documents of run `index` of `runs` that the page shows token by token; for a drift run as the first and the last
/// checkpoint of the time axis route them.
fn excerpts(
    Shown { run, record, found }: &Shown<'_>,
    (index, runs): (usize, usize),
    options: ReportOptions,
    progress: &dyn Progress,
) -> Result<Vec<Excerpt>> {
    if record.provides.is_some_and(Provides::is_counts) {
        return Ok(Vec::new());
    }
    let mut traces = traces_of(run, record)?;
    if record.identity.command == RunKind::Drift {
        let last = last_on_axis(record);
        traces = [0].into_iter().chain(last).map(|at| traces[at].clone()).collect();
    }
    let worst: Vec<String> = found
        .tables
        .get(Statistic::DocumentDrops.table())
        .into_iter()
        .flat_map(|table| &table.rows)
        .filter(|row| row.rank.is_some_and(|rank| rank <= WORST))
        .filter_map(|row| row.document.clone())
        .collect();
    let budget = TOKENS / runs / traces.len().max(1);
    let room_in = |trace: &RoutingTrace| {
        let choices = trace.moe_layers().len().min(LAYERS_EACH) * trace.shape().most_choices();
        if choices > CHOICES { budget * CHOICES / (2 * choices) } else { budget }
    };
    let paths = Paths::of(record, options);
    let excerpt = |(label, folder): &(String, RunDir)| {
        progress.check()?;
        let shorten = |name: &str| paths.shorten(name);
        let trace = RoutingTrace::open(folder)?;
        let budget = room_in(&trace);
        report::excerpt(index, label, &trace, &Wanted { first: &worst, shorten: &shorten, budget })
    };
    traces.iter().map(excerpt).collect()
}

/// The experts of a run, one by one: of the last checkpoint of a drift run, of the first of a drops run.
fn experts(
    Shown { run, record, .. }: &Shown<'_>,
    index: usize,
    progress: &dyn Progress,
) -> Result<Option<ExpertSection>> {
    if record.provides.is_some_and(Provides::is_counts) {
        return Ok(None);
    }
    let traces = traces_of(run, record)?;
    let at = if record.identity.command == RunKind::Drift { last_on_axis(record).unwrap_or(0) } else { 0 };
    let Some((label, folder)) = traces.get(at) else { return Ok(None) };
    expert_section(index, (record, label), &RoutingTrace::open(folder)?, progress).map(Some)
}

/// The name of a run on the page.
fn label(run: &RunDir, record: &RunRecord) -> Result<String> {
    let labels: Vec<String> = traces_of(run, record)?.into_iter().map(|(label, _)| label).collect();
    let other = match record.identity.command {
        // A run of mitigate has a page of its own.
        RunKind::Route | RunKind::Import | RunKind::Mitigate => None,
        RunKind::Drift => last_on_axis(record).map(|last| ("to", last)),
        RunKind::Drops => (labels.len() > 1).then_some(("against", 1)),
    };
    Ok(match other {
        Some((word, at)) => format!("{} {word} {}", labels[0], labels[at]),
        None => labels[0].clone(),
    })
}

/// The index of the last checkpoint on the time axis, if there are several.
fn last_on_axis(record: &RunRecord) -> Option<usize> {
    record.identity.checkpoints.iter().rposition(|checkpoint| !checkpoint.off_axis).filter(|&last| last > 0)
}

/// The labels of the runs of a page; if two runs of a kind have the same label, the names of their folders are added.
fn labels(shown: &[Shown<'_>], options: ReportOptions) -> Result<Vec<String>> {
    let labels = shown.iter().map(|run| label(run.run, run.record)).collect::<Result<Vec<String>>>()?;
    let kind = |at: usize| shown[at].record.identity.command;
    let same = |at: usize, other: usize| kind(at) == kind(other) && labels[at] == labels[other];
    let each = (0..shown.len()).map(|at| {
        let twice = (0..shown.len()).any(|other| other != at && same(at, other));
        let folder = || Paths::elsewhere(options).shorten(&shown[at].run.path().display().to_string());
        if twice { format!("{} ({})", labels[at], folder()) } else { labels[at].clone() }
    });
    Ok(each.collect())
}

/// The relative path from a page to the folder of a run; `None` for a folder elsewhere, whose path the page must not show.
fn folder_from(beside: &Path, run: &Path) -> Option<String> {
    let (beside, run) = (std::path::absolute(beside).ok()?, std::path::absolute(run).ok()?);
    Some(run.strip_prefix(beside).ok()?.to_string_lossy().into_owned())
}
