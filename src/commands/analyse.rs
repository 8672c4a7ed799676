//! A run folder with a complete trace -> statistics, charts, summary, report. Needs no checkpoint.

use std::{io::Cursor, path::Path, time::Instant};

use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::{
    analyse_drift, analyse_drops, analyse_route, machine,
    mailable::Paths,
    page, terminal,
    traces::{self, record_traces, recorded_checkpoints},
};
use crate::{
    chart::{Chart, ChartContext, draw_all},
    error::{Error, Result},
    report,
    run_dir::{RunDir, Staged},
    stats::{Finding, Settings, Statistic, StatisticTable, TableFile, Tables, headline, keep_shown_categories},
    trace::{RoutingTrace, SequenceTable, manifest_number},
};

/// As many resamples and permutations as the command line takes.
const REPETITIONS: usize = 100_000;

/// What a run found.
pub(super) struct Analysis {
    /// `summary.json`, as text.
    summary: String,
    /// The verdict, line by line.
    verdict: Vec<String>,
    findings: Vec<Finding>,
    charts: usize,
}

/// The commands that leave a run behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Route,
    Drift,
    Drops,
}

impl Kind {
    /// The command that made a run.
    pub(super) fn of(run: &RunDir, manifest: &Value) -> Result<Self> {
        match manifest["command"].as_str() {
            Some("route") => Ok(Self::Route),
            Some("drift") => Ok(Self::Drift),
            Some("drops") => Ok(Self::Drops),
            _ => Err(Error::run_folder(
                format!(
                    "`{}` holds a run of {}; expected one of route, drift or drops",
                    run.path().display(),
                    manifest["command"]
                ),
                "the run was made by another version: run it again with --force",
            )),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Drift => "drift",
            Self::Drops => "drops",
        }
    }

    /// The statistics of the run's traces, and the files of those tables that are not in memory as a whole.
    fn compute(self, run: &RunDir, manifest: &Value, quiet: bool) -> Result<(Tables, Vec<TableFile>)> {
        match self {
            Self::Route => analyse_route::compute(run, manifest, quiet),
            Self::Drift => Ok((analyse_drift::compute(run, manifest, quiet)?, Vec::new())),
            Self::Drops => Ok((analyse_drops::compute(run, manifest, quiet)?, Vec::new())),
        }
    }

    /// What the charts say about the run.
    pub(super) fn context(self, run: &RunDir, manifest: &Value) -> Result<ChartContext> {
        let traces = self.traces(run, manifest)?;
        let trace = RoutingTrace::open(&traces[0].1)?;
        let labels = traces.into_iter().map(|(label, _)| label).collect::<Vec<_>>().join(", ");
        Ok(ChartContext { checkpoint: labels, ..chart_context(manifest, &trace, &trace.sequences()?) })
    }

    /// The folders that hold the run's traces, by label.
    pub(super) fn traces(self, run: &RunDir, manifest: &Value) -> Result<Vec<(String, RunDir)>> {
        match self {
            Self::Route => Ok(vec![(manifest["label"].as_str().unwrap_or_default().to_owned(), run.clone())]),
            Self::Drift | Self::Drops => recorded_checkpoints(run, manifest),
        }
    }

    /// The verdict, line by line. The rows of single token ids are in the tables alone.
    pub(super) fn verdict(self, findings: &[Finding], tables: &Tables) -> Vec<String> {
        let tokens = tables.get("token_drift").map_or(&[][..], |table| &table.rows);
        match self {
            Self::Route => report::verdict(findings),
            Self::Drift => report::drift_verdict(findings, tokens),
            Self::Drops => report::drops_verdict(findings),
        }
    }
}

/// Computes everything that follows from the traces of a run, and completes the manifest. `clock` started with the run;
/// `None` leaves the run's own time and memory in the manifest. Until all is computed and on the disk, nothing is changed.
pub(super) fn analyse(run: &RunDir, manifest: &mut Value, quiet: bool, clock: Option<Instant>) -> Result<Analysis> {
    let kind = Kind::of(run, manifest)?;
    let mut staged = Staged::new(run);
    let statistics_clock = Instant::now();
    let (mut tables, files) = kind.compute(run, manifest, quiet)?;
    traces::check(kind, run, manifest)?;
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
pub(super) fn redraw(run: &RunDir, manifest: &mut Value, quiet: bool) -> Result<usize> {
    let kind = Kind::of(run, manifest)?;
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
pub(super) fn read_back(run: &RunDir, manifest: &Value) -> Result<(Tables, Vec<String>)> {
    let kind = Kind::of(run, manifest)?;
    let tables = read_tables(run)?;
    let verdict = kind.verdict(&headline(&tables), &tables);
    Ok((tables, verdict))
}

/// Seeds and counts, from the manifest.
///
/// # Errors
/// [`Error::RunFolder`] for counts that no command takes.
pub(super) fn settings(run: &RunDir, manifest: &Value) -> Result<Settings> {
    let defaults = Settings::default();
    let number = |key: &str, default: usize| match manifest.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => manifest_number(run, value, key, 0..=REPETITIONS),
    };
    Ok(Settings {
        seed: manifest["seed"].as_u64().unwrap_or(defaults.seed),
        resamples: number("resamples", defaults.resamples)?,
        permutations: number("permutations", defaults.permutations)?,
        include_bos: manifest["exclude_bos"] != true,
        ..defaults
    })
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

/// Every table as CSV and Parquet; the `files` replace what the tables hold. Returns the rows of each.
fn stage_tables(staged: &mut Staged<'_>, tables: &Tables, files: Vec<TableFile>) -> Result<page::RowsInFiles> {
    let mut rows = rows_of(tables);
    rows.extend(files.iter().map(|file| (file.name().to_owned(), file.rows())));
    let mut write = |name: &str, csv: &[u8], parquet: &[u8]| {
        staged.add(&format!("stats/{name}.csv"), csv)?;
        staged.add(&format!("stats/{name}.parquet"), parquet)
    };
    for table in tables.values().filter(|table| files.iter().all(|file| file.name() != table.name)) {
        let (csv, parquet) = table.to_bytes()?;
        write(&table.name, &csv, &parquet)?;
    }
    for file in files {
        let name = file.name().to_owned();
        let (csv, parquet) = file.into_bytes()?;
        write(&name, &csv, &parquet)?;
    }
    Ok(rows)
}

/// The tables of a finished run, as they are shown: without single categories, if these are many.
pub(super) fn read_tables(run: &RunDir) -> Result<Tables> {
    Ok(read_tables_counted(run)?.0)
}

/// The same, with the rows that each file has.
pub(super) fn read_tables_counted(run: &RunDir) -> Result<(Tables, page::RowsInFiles)> {
    let mut tables = Tables::new();
    for name in run.names("stats")? {
        if let Some(name) = name.strip_prefix("stats/").and_then(|name| name.strip_suffix(".parquet")) {
            tables.insert(name.to_owned(), read_table(run, name)?);
        }
    }
    let rows = rows_of(&tables);
    keep_shown_categories(&mut tables);
    Ok((tables, rows))
}

fn rows_of(tables: &Tables) -> page::RowsInFiles {
    tables.iter().map(|(name, table)| (name.clone(), table.rows.len())).collect()
}

/// A table of `stats/`, by its Parquet file.
pub(super) fn read_table(run: &RunDir, name: &str) -> Result<StatisticTable> {
    let file = format!("stats/{name}.parquet");
    if !run.file(&file).is_file() {
        return Err(Error::run_folder(
            format!("`{}` does not exist", run.file(&file).display()),
            "make the statistics again with `openmoe-analyze stats RUN`",
        ));
    }
    StatisticTable::from_parquet(name, Cursor::new(run.read(&file)?))
}

fn chart_context(manifest: &Value, trace: &RoutingTrace, sequences: &SequenceTable) -> ChartContext {
    ChartContext {
        checkpoint: manifest["label"].as_str().unwrap_or_default().to_owned(),
        corpus: corpus_names(manifest).join(", "),
        layers: trace.moe_layers().to_vec(),
        categories: sequences.category_names.clone(),
        num_experts: trace.num_experts(),
        top_k: trace.top_k(),
        sequences: sequences.tokens.len() as u64,
        documents: sequences.document_names.len() as u64,
        tokens: sequences.tokens.iter().map(|&tokens| u64::from(tokens)).sum(),
        bos: manifest["bos"] != false,
        bos_counted: manifest["exclude_bos"] != true,
        tokens_of_interest: tokens_of_interest(manifest),
    }
}

/// The names of the texts of a run, as typed, without folders and endings.
pub(super) fn corpus_names(manifest: &Value) -> Vec<String> {
    let paths = |key: &str| manifest[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let name = |path: &str| Path::new(path).file_stem().map_or(path.into(), |stem| stem.to_string_lossy()).into_owned();
    paths("transcripts").chain(paths("corpus")).map(name).collect()
}

/// The token ids that were asked for, from the manifest.
pub(super) fn tokens_of_interest(manifest: &Value) -> Vec<u32> {
    let tokens = manifest["tokens_of_interest"].as_array().into_iter().flatten();
    tokens.filter_map(|id| id.as_u64().map(|id| id as u32)).collect()
}

fn draw(staged: &mut Staged<'_>, tables: &Tables, context: &ChartContext, quiet: bool) -> Result<Vec<Chart>> {
    machine::check_interrupt()?;
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
    kind: Kind,
    run: &'a RunDir,
    tables: &'a Tables,
    rows_in_files: &'a page::RowsInFiles,
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
        let context = kind.context(run, manifest)?;
        let charts = draw(staged, tables, &context, quiet)?;
        let verdict = kind.verdict(findings, tables);
        if let Some(clock) = clock {
            manifest["wall_seconds"] = json!(clock.elapsed().as_secs_f64());
            manifest["peak_memory_bytes"] = json!(machine::peak_memory());
        }
        let found = page::Found { kind, context: &context, tables, rows_in_files, findings, verdict: &verdict };
        staged.add("report.html", page::of_run(run, manifest, &found, quiet)?.as_bytes())?;
        machine::check_interrupt()?;
        Ok((charts.len(), verdict))
    }
}

impl Analysis {
    /// Prints the result: summary.json, or a table where the run has one, the verdict, and where everything is.
    pub(super) fn print(&self, run: &RunDir, json: bool) -> Result<()> {
        if json {
            return terminal::print_json(self.summary.trim_end());
        }
        if self.findings.iter().any(is_information) {
            self.print_table()?;
            terminal::print("")?;
        }
        self.print_verdict(run)
    }

    /// Prints the verdict and where everything is.
    pub(super) fn print_verdict(&self, run: &RunDir) -> Result<()> {
        self.verdict.iter().try_for_each(|line| terminal::print(line))?;
        let root = run.path().display();
        terminal::print(&format!("{} charts in {root}/charts, the report in {root}/report.html", self.charts))
    }

    /// Mutual information of the expert with what could decide it, chosen view.
    fn print_table(&self) -> Result<()> {
        terminal::print(
            "layer  known     asked            bits [95 % interval]     by chance  explained [95 % interval]        n",
        )?;
        let mut rows: Vec<&Finding> = self.findings.iter().filter(|finding| is_information(finding)).collect();
        rows.sort_by_key(|finding| (finding.layer, finding.given.is_some()));
        for finding in rows {
            terminal::print(&table_line(finding))?;
        }
        Ok(())
    }
}

/// Whether the table of a route run shows a finding.
fn is_information(finding: &Finding) -> bool {
    matches!(finding.statistic, Statistic::MutualInformation | Statistic::ConditionalMutualInformation)
        && finding.view == "chosen"
        && finding.decides()
}

fn table_line(finding: &Finding) -> String {
    let number = |value: Option<f64>, scale: f64, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{:.digits$}", value * scale))
    };
    format!(
        "{:>5}  {:<8}  {:<15} {:>6} [{}, {}]  {:>12}  {:>9} % [{}, {}]  {:>12}",
        finding.layer,
        finding.given.as_deref().unwrap_or("nothing"),
        finding.variable.as_deref().unwrap_or_default(),
        number(finding.estimate, 1.0, 3),
        number(finding.low, 1.0, 3),
        number(finding.high, 1.0, 3),
        number(finding.baseline, 1.0, 4),
        number(finding.explained, 100.0, 1),
        number(finding.explained_low, 100.0, 1),
        number(finding.explained_high, 100.0, 1),
        terminal::grouped(finding.n),
    )
}
