//! Compares the paper with finished runs: what is compared, and the folder that the comparison is written into.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{
    progress::{Progress, RunningStage, Stage},
    result_folder::ResultFolder,
    run_tables::read_table,
};
use crate::{
    chart::{Chart, ChartSpec, plan_comparison},
    error::{Error, Result, path_text},
    paper::Run,
    report::ComparisonReport,
    routing::{LayerId, RoutingShape},
    run::{RecordedCheckpoint, RunDir, RunKind, RunRecord, notes_on_statistics, open_finished},
    stats::{Statistic, Tables},
};

/// The files of a comparison.
const FILES: [&str; 3] = ["comparison.csv", "comparison.md", "comparison.json"];
/// The folder of a comparison.
const FOLDER: ResultFolder =
    ResultFolder { what: "comparison", files: &FILES, charts: &["figure_", "between_categories"] };

/// The results of a finished run that are compared; its trace is not read.
pub(crate) fn compared_run(folder: &Path, progress: &dyn Progress) -> Result<Run> {
    let (run, record) = open_finished(folder)?;
    for note in notes_on_statistics(&run, &record) {
        progress.note(&note);
    }
    let command = record.identity.command;
    let statistics: &[Statistic] = match command {
        RunKind::Route | RunKind::Import => &[Statistic::ExpertShare, Statistic::RoutingStd],
        RunKind::Drift => &[Statistic::TokenDrift],
        RunKind::Drops => &[Statistic::AssignmentDropRatio],
        RunKind::Mitigate => &[],
    };
    refuse_interventions(folder, &record)?;
    Ok(Run {
        name: path_text(folder),
        command,
        label: record.label.clone(),
        checkpoint: checkpoint_name(&record.label, &record.identity.checkpoints),
        family: record.architecture.as_ref().map(|architecture| architecture.family.clone()),
        corpus: record.text_names().join(", "),
        shape: record.shape(folder)?,
        tokens: record.text.tokens,
        documents: record.text.documents as u64,
        tables: read_tables(&run, &statistics.iter().map(|statistic| statistic.table()).collect::<Vec<_>>())?,
    })
}

/// Refuses runs whose routers were changed: the paper shows models as they are.
fn refuse_interventions(folder: &Path, record: &RunRecord) -> Result<()> {
    let (what, hint) = match &record.identity.intervention {
        Some(changed) => {
            (format!("a pass with the strategy `{}`", changed.strategy), "compare the pass `unchanged` beside it")
        }
        None if record.identity.command == RunKind::Mitigate => {
            ("a run of mitigate".to_owned(), "compare its sub-folder passes/unchanged")
        }
        None => return Ok(()),
    };
    Err(Error::usage(
        format!("`{}` is {what}; the figures of the paper are those of unchanged models", folder.display()),
        hint,
    ))
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
pub(crate) fn kind_in_words(shape: &RoutingShape) -> String {
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

/// Refuses a folder that holds other files, and an earlier comparison unless `force` allows to replace it. Nothing is touched.
pub(crate) fn check_folder(out: &Path, force: bool) -> Result<()> {
    FOLDER.check(out, force)
}

/// Draws everything, and replaces the files of an earlier comparison as soon as the new one is complete. Returns the number of
/// charts.
pub(crate) fn write_comparison(out: &Path, report: &ComparisonReport<'_>, progress: &dyn Progress) -> Result<usize> {
    progress.check()?;
    let stage = RunningStage::begin(progress, Stage::Charts, None);
    let plan = plan_comparison(report.comparison);
    let charts: Vec<Chart> = plan.par_iter().map(ChartSpec::draw).collect::<Result<_>>()?;
    drop(stage);
    let [csv, markdown, json] = FILES;
    let files = [
        (csv, report.csv()?.into_bytes()),
        (markdown, report.markdown().into_bytes()),
        (json, format!("{:#}\n", report.json()?).into_bytes()),
    ];
    FOLDER.write(out, &files, &charts, progress)?;
    Ok(charts.len())
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
