//! A run folder with a complete trace -> statistics, charts, summary, report. Needs no checkpoint.

use std::{path::Path, time::Instant};

use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::{machine, terminal};
use crate::{
    chart::{Chart, ChartContext, draw_all},
    error::{Error, Result},
    report,
    run_dir::RunDir,
    stats::{Finding, Settings, StatisticTable, Tables, headline, merge, route_statistics},
    trace::{RoutingTrace, SequenceTable},
};

/// What a run found.
pub(super) struct Analysis {
    /// `summary.json`, as text.
    pub(super) summary: String,
    /// The verdict, line by line.
    pub(super) verdict: Vec<String>,
    findings: Vec<Finding>,
    charts: usize,
}

/// Opens a finished route run and its manifest.
///
/// # Errors
/// [`Error::RunFolder`] if the folder holds no run, or a run of another command.
pub(super) fn open_route_run(folder: &Path) -> Result<(RunDir, Value)> {
    let run = RunDir::open(folder)?;
    let manifest = run.manifest()?;
    if manifest["command"] == "route" {
        return Ok((run, manifest));
    }
    Err(Error::run_folder(
        format!("`{}` holds a run of {}; expected one of \"route\"", folder.display(), manifest["command"]),
        "repeat the command that made it with --resume: forward passes that are there are not computed again",
    ))
}

/// Computes everything that follows from the trace, and completes the manifest. `clock` started with the run; `None`
/// leaves the run's own time and memory in the manifest.
pub(super) fn analyse(run: &RunDir, manifest: &mut Value, quiet: bool, clock: Option<Instant>) -> Result<Analysis> {
    manifest["complete"] = json!(false);
    run.write_json("manifest.json", manifest)?;
    let trace = RoutingTrace::open(run)?;
    let sequences = trace.sequences()?;
    let statistics_clock = Instant::now();
    let tables = compute(run, &trace, &sequences, &settings(manifest), quiet)?;
    manifest["statistics_seconds"] = json!(statistics_clock.elapsed().as_secs_f64());
    let findings = headline(&tables);
    let summary = report::summary_bytes("route", &findings, summary_settings(manifest))?;
    run.write("summary.json", &summary)?;
    let charts = draw(run, &tables, &chart_context(manifest, &trace, &sequences), quiet)?;
    let verdict = report::verdict(&findings);
    if let Some(clock) = clock {
        manifest["wall_seconds"] = json!(clock.elapsed().as_secs_f64());
        manifest["peak_memory_bytes"] = json!(machine::peak_memory());
    }
    finish(run, manifest, &findings, &verdict, &charts)?;
    Analysis::new(summary, verdict, findings, charts.len())
}

/// Draws the charts of a run again from its tables, and its report.
pub(super) fn redraw(run: &RunDir, manifest: &mut Value, quiet: bool) -> Result<usize> {
    let trace = RoutingTrace::open(run)?;
    let sequences = trace.sequences()?;
    let tables = read_tables(run)?;
    let charts = draw(run, &tables, &chart_context(manifest, &trace, &sequences), quiet)?;
    let findings = headline(&tables);
    let verdict = report::verdict(&findings);
    finish(run, manifest, &findings, &verdict, &charts)?;
    Ok(charts.len())
}

/// Seeds and counts, from the manifest.
pub(super) fn settings(manifest: &Value) -> Settings {
    let defaults = Settings::default();
    let number = |key: &str, default: usize| manifest[key].as_u64().map_or(default, |value| value as usize);
    Settings {
        seed: manifest["seed"].as_u64().unwrap_or(defaults.seed),
        resamples: number("resamples", defaults.resamples),
        permutations: number("permutations", defaults.permutations),
        include_bos: manifest["exclude_bos"] != true,
        ..defaults
    }
}

/// What of the manifest stands in summary.json too: how the numbers were made, nothing that varies with the machine. The
/// hashes of inputs and checkpoint are in the manifest.
pub(super) fn summary_settings(manifest: &Value) -> Map<String, Value> {
    let keys = [
        "label",
        "version",
        "context",
        "truncate",
        "category_key",
        "max_sequences",
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
    keys.into_iter().map(|key| (key.to_owned(), manifest[key].clone())).collect()
}

/// Layer by layer: one is in memory at a time.
fn compute(
    run: &RunDir,
    trace: &RoutingTrace,
    sequences: &SequenceTable,
    settings: &Settings,
    quiet: bool,
) -> Result<Tables> {
    let spinner = terminal::spinner("statistics", quiet);
    let mut tables = Tables::new();
    for &layer in trace.moe_layers() {
        machine::check_interrupt()?;
        let columns = trace.layer(layer)?;
        let progress = |what: &'static str| spinner.set_message(format!("layer {layer}: {what}"));
        merge(&mut tables, route_statistics(sequences, &columns, settings, &progress)?);
    }
    spinner.set_message("writing tables");
    write_tables(run, &tables)?;
    spinner.finish_and_clear();
    Ok(tables)
}

/// Writes every table as CSV and Parquet, in place of those of an earlier pass.
pub(super) fn write_tables(run: &RunDir, tables: &Tables) -> Result<()> {
    run.clear_folder("stats")?;
    for table in tables.values() {
        run.write(&format!("stats/{}.csv", table.name), &table.to_csv()?)?;
        run.write(&format!("stats/{}.parquet", table.name), &table.to_parquet()?)?;
    }
    Ok(())
}

fn read_tables(run: &RunDir) -> Result<Tables> {
    let folder = run.file("stats");
    let mut tables = Tables::new();
    for entry in std::fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
        let path = entry.map_err(Error::io("read", &folder))?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            let table = read_table(&path)?;
            tables.insert(table.name.clone(), table);
        }
    }
    Ok(tables)
}

fn read_table(path: &Path) -> Result<StatisticTable> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    StatisticTable::from_parquet(&name, file)
}

pub(super) fn chart_context(manifest: &Value, trace: &RoutingTrace, sequences: &SequenceTable) -> ChartContext {
    let corpus = manifest["corpus"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let corpus: Vec<_> =
        corpus.map(|path| Path::new(path).file_stem().map_or(path.into(), |stem| stem.to_string_lossy())).collect();
    ChartContext {
        checkpoint: manifest["label"].as_str().unwrap_or_default().to_owned(),
        corpus: corpus.join(", "),
        layers: trace.moe_layers().to_vec(),
        categories: sequences.category_names.clone(),
        num_experts: trace.num_experts(),
        top_k: trace.top_k(),
        sequences: sequences.tokens.len() as u64,
        documents: sequences.document_names.len() as u64,
        tokens: sequences.tokens.iter().map(|&tokens| u64::from(tokens)).sum(),
        bos: manifest["bos"] != false,
        bos_counted: manifest["exclude_bos"] != true,
    }
}

pub(super) fn draw(run: &RunDir, tables: &Tables, context: &ChartContext, quiet: bool) -> Result<Vec<Chart>> {
    machine::check_interrupt()?;
    let spinner: ProgressBar = terminal::spinner("charts", quiet);
    let charts = draw_all(tables, context, &|name: &str| spinner.set_message(name.to_owned()))?;
    run.clear_folder("charts")?;
    for chart in &charts {
        run.write(&format!("charts/{}.svg", chart.name), chart.svg.as_bytes())?;
        run.write(&format!("charts/{}.png", chart.name), &chart.png)?;
    }
    spinner.finish_and_clear();
    Ok(charts)
}

/// The report, then the manifest: complete only when everything else is in place.
pub(super) fn finish(
    run: &RunDir,
    manifest: &mut Value,
    findings: &[Finding],
    verdict: &[String],
    charts: &[Chart],
) -> Result<()> {
    run.write("report.html", report::html(manifest, findings, verdict, charts)?.as_bytes())?;
    manifest["complete"] = json!(true);
    run.write_json("manifest.json", manifest)
}

impl Analysis {
    /// What a run found, from the bytes of its summary.
    pub(super) fn new(summary: Vec<u8>, verdict: Vec<String>, findings: Vec<Finding>, charts: usize) -> Result<Self> {
        let summary = String::from_utf8(summary).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self { summary, verdict, findings, charts })
    }

    /// Prints the result: a table per layer, the verdict, and where everything is.
    pub(super) fn print(&self, run: &RunDir) -> Result<()> {
        self.print_table()?;
        terminal::print("")?;
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
        let shown = |f: &&Finding| {
            (f.statistic == "mutual_information" || f.statistic == "conditional_mutual_information")
                && f.view == "chosen"
                && f.decides()
        };
        let mut rows: Vec<&Finding> = self.findings.iter().filter(shown).collect();
        rows.sort_by_key(|finding| (finding.layer, finding.given.is_some()));
        for finding in rows {
            terminal::print(&table_line(finding))?;
        }
        Ok(())
    }
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
