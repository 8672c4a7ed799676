//! Compares the paper with finished runs: what is compared, and the folder that the comparison is written into.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{
    progress::{Progress, RunningStage, Stage},
    run_tables::read_table,
};
use crate::{
    chart::{Chart, ChartSpec, plan_comparison},
    error::{Error, OptionName, Result, path_text},
    paper::Run,
    report::ComparisonReport,
    routing::{LayerId, RoutingShape},
    run::{Occupied, RecordedCheckpoint, RunDir, RunKind, notes_on_statistics, open_finished, write_file},
    stats::{Statistic, Tables},
};

/// The files of a comparison, in the order in which they are moved into place.
const FILES: [&str; 3] = ["comparison.csv", "comparison.md", "comparison.json"];
const CHARTS: &str = "charts";
/// How the name of the folder begins in which a comparison is being made.
const UNFINISHED: &str = ".comparison-";

/// The results of a finished run that are compared; its trace is not read.
pub(crate) fn compared_run(folder: &Path, progress: &dyn Progress) -> Result<Run> {
    let (run, record) = open_finished(folder)?;
    for note in notes_on_statistics(&run, &record) {
        progress.note(&note);
    }
    let command = record.identity.command;
    let statistics: &[Statistic] = match command {
        RunKind::Route => &[Statistic::ExpertShare, Statistic::RoutingStd],
        RunKind::Drift => &[Statistic::TokenDrift],
        RunKind::Drops => &[Statistic::AssignmentDropRatio],
    };
    Ok(Run {
        name: path_text(folder),
        command,
        label: record.label.clone(),
        checkpoint: checkpoint_name(&record.label, &record.identity.checkpoints),
        corpus: record.text_names().join(", "),
        shape: record.shape(folder)?,
        tokens: record.text.tokens,
        documents: record.text.documents as u64,
        tables: read_tables(&run, &statistics.iter().map(|statistic| statistic.table()).collect::<Vec<_>>())?,
    })
}

/// The label of the checkpoint; for a drift run the labels of the first and the last checkpoint on the time axis, for two
/// compared checkpoints both labels.
fn checkpoint_name(label: &str, checkpoints: &[RecordedCheckpoint]) -> String {
    let on_axis: Vec<&str> =
        checkpoints.iter().filter(|entry| !entry.off_axis).map(|entry| entry.label.as_str()).collect();
    match on_axis.as_slice() {
        [first, second] => format!("{first} and {second}"),
        [first, .., last] => format!("{first} to {last}, {} checkpoints", on_axis.len()),
        _ => label.to_owned(),
    }
}

fn read_tables(run: &RunDir, names: &[&str]) -> Result<Tables> {
    let table = |name: &&str| Ok(((*name).to_owned(), read_table(run, name)?));
    names.iter().map(table).collect()
}

/// Refuses a run that is given twice: it would be counted as two.
pub(crate) fn each_once(folders: &[PathBuf]) -> Result<()> {
    let place = |folder: &PathBuf| folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let twice =
        folders.iter().enumerate().find(|(at, folder)| folders[..*at].iter().any(|f| place(f) == place(folder)));
    twice.map_or(Ok(()), |(_, folder)| {
        Err(Error::usage(format!("run `{}` is given twice", folder.display()), "give every run once"))
    })
}

/// Experts, choices and MoE layers; layer by layer where they differ.
fn kind_in_words(shape: &RoutingShape) -> String {
    let sizes: Vec<(usize, usize)> = shape.layers().map(|(_, layer)| (layer.num_experts, layer.top_k)).collect();
    if sizes.windows(2).all(|pair| pair[0] == pair[1]) {
        let (experts, choices) = (shape.most_experts(), shape.most_choices());
        return format!("{experts} experts, top-{choices}, MoE layers {:?}", shape.moe_layers());
    }
    let layer = |(layer, (experts, choices)): (&LayerId, &(usize, usize))| {
        format!("layer {layer} of {experts} experts, top-{choices}")
    };
    shape.moe_layers().iter().zip(&sizes).map(layer).collect::<Vec<_>>().join(", ")
}

/// Refuses runs of models of different shapes: one layer number would mean different things.
pub(crate) fn one_kind_of_model(runs: &[Run]) -> Result<()> {
    let Some(first) = runs.first() else { return Ok(()) };
    let of = |run: &Run| kind_in_words(&run.shape);
    match runs.iter().find(|run| of(run) != of(first)) {
        None => Ok(()),
        Some(other) => Err(Error::usage(
            format!(
                "runs of different kinds of model: `{}` has {}; `{}` has {}",
                first.name,
                of(first),
                other.name,
                of(other)
            ),
            "compare the runs of one kind of model at a time",
        )),
    }
}

/// Refuses a folder that holds other files, and an earlier comparison, whole or stopped half-way, unless `force` allows to
/// replace it. Nothing is touched.
pub(crate) fn check_folder(out: &Path, force: bool) -> Result<()> {
    if !out.is_dir() {
        return RunDir::check(out, Occupied::Refuse, &()).map(|_| ());
    }
    let refused = |holds: &str, hint: String| {
        let what = format!("{} `{}` holds {holds}; expected a new or empty folder", OptionName::Out, out.display());
        Err(Error::run_folder(what, hint))
    };
    let names = names_in(out)?;
    if names.is_empty() || (force && is_comparison(out, &names)?) {
        return Ok(());
    }
    if is_comparison(out, &names)? {
        return refused(
            "an earlier comparison",
            format!("add {} to replace it, or choose another {}", OptionName::Force, OptionName::Out),
        );
    }
    refused("other files", format!("choose another {}", OptionName::Out))
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let name = |entry: std::io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect::<std::io::Result<_>>().map_err(Error::io("read", folder))
}

/// Whether the folder holds an earlier comparison: a whole one has `comparison.json`; one that was stopped half-way holds
/// nothing but files that a comparison writes.
fn is_comparison(out: &Path, names: &[String]) -> Result<bool> {
    if names.iter().any(|name| name == FILES[2]) {
        return Ok(true);
    }
    let own = |name: &String| FILES.contains(&name.as_str()) || name == CHARTS || name.starts_with(UNFINISHED);
    let charts = out.join(CHARTS);
    let drawn = if charts.is_dir() { names_in(&charts)? } else { Vec::new() };
    let of_paper = |name: &String| name.starts_with("figure_") || name.starts_with("between_categories");
    Ok(names.iter().all(own) && drawn.iter().all(of_paper))
}

/// Draws and writes everything into a temporary folder inside `out`, and only then replaces the files of an earlier
/// comparison. Returns the number of charts.
pub(crate) fn write_comparison(out: &Path, report: &ComparisonReport<'_>, progress: &dyn Progress) -> Result<usize> {
    progress.check()?;
    let stage = RunningStage::begin(progress, Stage::Charts, None);
    let plan = plan_comparison(report.comparison);
    let charts: Vec<Chart> = plan.par_iter().map(ChartSpec::draw).collect::<Result<_>>()?;
    drop(stage);
    std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let unfinished =
        tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(out).map_err(Error::io("write into", out))?;
    let write = |name: &str, bytes: &[u8]| write_file(&unfinished.path().join(name), bytes);
    for chart in &charts {
        write(&format!("{CHARTS}/{}.svg", chart.name), chart.svg.as_bytes())?;
        write(&format!("{CHARTS}/{}.png", chart.name), &chart.png)?;
    }
    write(FILES[0], report.csv()?.as_bytes())?;
    write(FILES[1], report.markdown().as_bytes())?;
    write(FILES[2], format!("{:#}\n", report.json()?).as_bytes())?;
    progress.check()?;
    replace(out, unfinished.path())?;
    Ok(charts.len())
}

/// Moves a comparison into place. `comparison.json` comes last, so that the folder can be recognized at every moment.
fn replace(out: &Path, made: &Path) -> Result<()> {
    let old = out.join(CHARTS);
    if old.is_dir() {
        std::fs::remove_dir_all(&old).map_err(Error::io("remove", &old))?;
    }
    for name in [CHARTS].into_iter().chain(FILES) {
        let from = made.join(name);
        if from.exists() {
            let to = out.join(name);
            std::fs::rename(&from, &to).map_err(Error::io("write", &to))?;
        }
    }
    let stopped = names_in(out)?.into_iter().filter(|name| name.starts_with(UNFINISHED)).map(|name| out.join(name));
    for folder in stopped.filter(|folder| folder != made) {
        std::fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn checkpoints_are_named_shortly() {
        let entry = |label: &str, off_axis: bool| {
            let entry = json!({"label": label, "path": label, "off_axis": off_axis, "trace": label});
            serde_json::from_value::<RecordedCheckpoint>(entry).unwrap()
        };
        let of = |entries: &[RecordedCheckpoint]| checkpoint_name("x", entries);
        assert_eq!(of(&[entry("a", false), entry("b", false), entry("c", true)]), "a and b");
        assert_eq!(of(&[entry("a", false), entry("b", false), entry("c", false)]), "a to c, 3 checkpoints");
        assert_eq!(of(&[]), "x");
    }
}
