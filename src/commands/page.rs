//! Finished runs -> the page that shows them.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::{
    analyse::{Kind, read_tables},
    finished, machine,
    mailable::Paths,
    terminal,
};
use crate::{
    chart::{ChartContext, plan},
    error::{Error, Result},
    report::{self, Excerpt, ReportedRun, Wanted},
    run_dir::RunDir,
    stats::{Finding, STATISTICS, StatisticTable, Tables, headline},
    trace::RoutingTrace,
};

/// Tokens that a page carries one by one, over all its runs: about 30 bytes each.
const TOKENS: usize = 40_000;
/// Documents that lose most stand first, so many of each layer.
const WORST: u32 = 3;

/// What a run found.
pub(super) struct Found<'a> {
    pub(super) kind: Kind,
    pub(super) context: &'a ChartContext,
    pub(super) tables: &'a Tables,
    pub(super) findings: &'a [Finding],
    pub(super) verdict: &'a [String],
}

/// A finished run, read back from its folder.
struct Finished {
    run: RunDir,
    manifest: Value,
    kind: Kind,
    context: ChartContext,
    tables: Tables,
    findings: Vec<Finding>,
    verdict: Vec<String>,
}

/// The report of one run that has just been computed.
pub(super) fn of_run(run: &RunDir, manifest: &Value, found: &Found<'_>, quiet: bool) -> Result<String> {
    let label = label(run, manifest, found.kind)?;
    let spinner = terminal::spinner("report", quiet);
    let page = report::html(&[reported(run, manifest, found, label, (0, 1), Some(String::new()))?]);
    spinner.finish_and_clear();
    page
}

/// The report of finished runs, for a page in the folder `beside`.
pub(super) fn of_runs(folders: &[impl AsRef<Path>], beside: &Path, quiet: bool) -> Result<String> {
    let finished = folders.iter().map(|folder| Finished::open(folder.as_ref())).collect::<Result<Vec<_>>>()?;
    let labels = labels(&finished)?;
    let spinner = terminal::spinner("report", quiet);
    let runs = finished
        .iter()
        .zip(labels)
        .enumerate()
        .map(|(index, (run, label))| {
            machine::check_interrupt()?;
            let place = (index, finished.len());
            reported(&run.run, &run.manifest, &run.found(), label, place, folder_from(beside, run.run.path()))
        })
        .collect::<Result<Vec<_>>>()?;
    let page = report::html(&runs);
    spinner.finish_and_clear();
    page
}

impl Finished {
    fn open(folder: &Path) -> Result<Self> {
        let (run, manifest) = finished::open(folder)?;
        let kind = Kind::of(&run, &manifest)?;
        let (mut tables, context) = (read_tables(&run)?, kind.context(&run, &manifest)?);
        let findings = headline(&tables);
        Paths::of(&manifest).shorten_documents(&mut tables);
        check_tables(&run, &tables)?;
        let verdict = kind.verdict(&findings, &tables);
        Ok(Self { run, manifest, kind, context, tables, findings, verdict })
    }

    fn found(&self) -> Found<'_> {
        Found {
            kind: self.kind,
            context: &self.context,
            tables: &self.tables,
            findings: &self.findings,
            verdict: &self.verdict,
        }
    }
}

/// Every statistic of summary.json must have its table: a file that was lost must not leave a page without its section.
fn check_tables(run: &RunDir, tables: &Tables) -> Result<()> {
    let path = run.file("summary.json");
    let damaged = |what: String| Error::run_folder(what, "make the statistics again with `openmoe-analyze stats RUN`");
    let text = std::fs::read(&path).map_err(|error| damaged(format!("`{}`: {error}", path.display())))?;
    let summary: Value =
        serde_json::from_slice(&text).map_err(|error| damaged(format!("`{}` is not JSON: {error}", path.display())))?;
    let told = summary["findings"].as_array().into_iter().flatten().filter_map(|row| row["statistic"].as_str());
    let table = |name: &str| STATISTICS.iter().find(|info| info.name == name).map(|info| info.table);
    match told.filter_map(table).find(|table| !tables.contains_key(*table)) {
        Some(missing) => {
            let path = run.file(&format!("stats/{missing}.parquet"));
            Err(damaged(format!("`{}` does not exist, but summary.json quotes its numbers", path.display())))
        }
        None => Ok(()),
    }
}

/// A run as run `index` of `runs` in a page.
fn reported<'a>(
    run: &RunDir,
    manifest: &Value,
    found: &Found<'a>,
    label: String,
    (index, runs): (usize, usize),
    folder: Option<String>,
) -> Result<ReportedRun<'a>> {
    let planned = plan(found.tables, found.context).into_iter().map(|chart| (chart.name, chart.kind)).collect();
    Ok(ReportedRun {
        label,
        command: found.kind.name(),
        model: found.kind.traces(run, manifest)?.into_iter().next().map(|(label, _)| label).unwrap_or_default(),
        manifest: Paths::of(manifest).manifest(manifest),
        context: found.context,
        tables: found.tables,
        rows_in_files: rows_in_files(run, found.tables)?,
        findings: found.findings,
        verdict: found.verdict,
        excerpts: excerpts(run, manifest, found, index, TOKENS / runs)?,
        charts: planned,
        folder,
    })
}

/// Rows in the file of each table: a run has just kept in memory what the page needs of them.
fn rows_in_files(run: &RunDir, tables: &Tables) -> Result<BTreeMap<String, usize>> {
    let rows = |name: &String| {
        let path = run.file(&format!("stats/{name}.parquet"));
        let file = std::fs::File::open(&path).map_err(Error::io("open", &path))?;
        Ok((name.clone(), StatisticTable::rows_of_parquet(name, file)?))
    };
    tables.keys().map(rows).collect()
}

/// Documents token by token: of a drift run through the first and the last checkpoint of the time axis.
fn excerpts(run: &RunDir, manifest: &Value, found: &Found<'_>, index: usize, budget: usize) -> Result<Vec<Excerpt>> {
    let mut traces = found.kind.traces(run, manifest)?;
    if found.kind == Kind::Drift {
        let last = last_on_axis(manifest, traces.len());
        traces = [0].into_iter().chain(last).map(|at| traces[at].clone()).collect();
    }
    let worst: Vec<String> = found
        .tables
        .get("document_drops")
        .into_iter()
        .flat_map(|table| &table.rows)
        .filter(|row| row.rank.is_some_and(|rank| rank <= WORST))
        .filter_map(|row| row.document.clone())
        .collect();
    let budget = budget / traces.len().max(1);
    let paths = Paths::of(manifest);
    let excerpt = |(label, folder): &(String, RunDir)| {
        machine::check_interrupt()?;
        let shorten = |name: &str| paths.shorten(name);
        report::excerpt(
            index,
            label,
            &RoutingTrace::open(folder)?,
            &Wanted { first: &worst, shorten: &shorten, budget },
        )
    };
    traces.iter().map(excerpt).collect()
}

/// What the page calls a run.
fn label(run: &RunDir, manifest: &Value, kind: Kind) -> Result<String> {
    let labels: Vec<String> = kind.traces(run, manifest)?.into_iter().map(|(label, _)| label).collect();
    let other = match kind {
        Kind::Route => None,
        Kind::Drift => last_on_axis(manifest, labels.len()).map(|last| ("to", last)),
        Kind::Drops => (labels.len() > 1).then_some(("against", 1)),
    };
    Ok(match other {
        Some((word, at)) => format!("{} {word} {}", labels[0], labels[at]),
        None => labels[0].clone(),
    })
}

/// The last of several checkpoints of the time axis, after the first.
fn last_on_axis(manifest: &Value, checkpoints: usize) -> Option<usize> {
    (1..checkpoints).rev().find(|&at| manifest["checkpoints"][at]["off_axis"] != true)
}

/// The labels of the runs of a page; where two of a kind have the same, their folders tell them apart.
fn labels(finished: &[Finished]) -> Result<Vec<String>> {
    let labels =
        finished.iter().map(|run| label(&run.run, &run.manifest, run.kind)).collect::<Result<Vec<String>>>()?;
    let same = |at: usize, other: usize| finished[at].kind == finished[other].kind && labels[at] == labels[other];
    let each = (0..finished.len()).map(|at| {
        let twice = (0..finished.len()).any(|other| other != at && same(at, other));
        let folder = || Paths::default().shorten(&finished[at].run.path().display().to_string());
        if twice { format!("{} ({})", labels[at], folder()) } else { labels[at].clone() }
    });
    Ok(each.collect())
}

/// The folder of a run as seen from a page beside it; none for folders elsewhere, whose path is nobody's business.
fn folder_from(beside: &Path, run: &Path) -> Option<String> {
    let (beside, run) = (std::path::absolute(beside).ok()?, std::path::absolute(run).ok()?);
    Some(run.strip_prefix(beside).ok()?.to_string_lossy().into_owned())
}
