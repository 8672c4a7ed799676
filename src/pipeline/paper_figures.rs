//! Single charts of a finished run as figures for a paper: beside its charts, or in a folder of one's own.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{
    chart_context::chart_context,
    mailable_paths::Paths,
    options::ReportOptions,
    progress::{Progress, RunningStage, Stage},
    run_tables::read_tables,
    statistics::mitigation_specs,
};
pub(crate) use crate::chart::FigureFormat;
use crate::{
    chart::{ChartSpec, PaperFigure, plan_all, specs_named},
    error::{Error, OptionName, Result, is_meant, similar_names},
    run::{RunDir, RunKind, RunRecord, write_file},
};

/// Which charts are drawn, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FigureOptions {
    /// Names of charts, kinds of charts or statistics.
    pub(crate) names: Vec<String>,
    /// The file format.
    pub(crate) format: FigureFormat,
    /// The width in millimetres.
    pub(crate) millimetres: f64,
    /// The folder of the files; `charts/` of the run if `None`.
    pub(crate) out: Option<PathBuf>,
}

/// A figure that was written.
#[derive(Clone, Debug)]
pub(crate) struct WrittenFigure {
    /// Its file; the words for its caption stand beside it, in a file that ends in `.txt`.
    pub(crate) file: PathBuf,
    /// What was drawn.
    pub(crate) figure: PaperFigure,
}

/// Draws charts of a run as figures, a file for each and one with its words. Files of the same names are replaced.
///
/// # Errors
/// [`Error::Usage`] if the run has no chart of a name; [`Error::Io`] if a file cannot be written.
pub(crate) fn write_figures(
    run: &RunDir,
    record: &RunRecord,
    options: &FigureOptions,
    progress: &dyn Progress,
) -> Result<Vec<WrittenFigure>> {
    let specs = if record.identity.command == RunKind::Mitigate {
        mitigation_specs(run, record)?
    } else {
        let mut tables = read_tables(run)?;
        let context = chart_context(run, record, &tables)?;
        Paths::of(record, ReportOptions::default()).shorten_documents(&mut tables);
        plan_all(&tables, &context)
    };
    let chosen = chosen(&specs, &options.names)?;
    let stage = RunningStage::begin(progress, Stage::Charts, None);
    let drawn: Vec<PaperFigure> = chosen
        .par_iter()
        .map(|spec| {
            progress.check()?;
            stage.working_on(&spec.name);
            spec.draw_for_paper(options.format, options.millimetres)
        })
        .collect::<Result<_>>()?;
    drop(stage);
    let folder = options.out.clone().unwrap_or_else(|| run.file("charts"));
    let named = chosen.iter().zip(drawn);
    named.map(|(spec, figure)| write(&folder, &spec.name, figure, options)).collect()
}

/// Writes a figure and its words. Its width is part of the name, so that no chart of the run is replaced.
fn write(folder: &Path, name: &str, figure: PaperFigure, options: &FigureOptions) -> Result<WrittenFigure> {
    let stem = format!("{name}_{}mm", options.millimetres);
    let file = folder.join(format!("{stem}.{}", options.format.name()));
    write_file(&folder.join(format!("{stem}.txt")), format!("{}\n", figure.words).as_bytes())?;
    write_file(&file, &figure.bytes)?;
    Ok(WrittenFigure { file, figure })
}

/// The charts that the names mean, each once, in the order of the names.
fn chosen<'a>(specs: &'a [ChartSpec], names: &[String]) -> Result<Vec<&'a ChartSpec>> {
    let mut chosen: Vec<&ChartSpec> = Vec::new();
    for name in names {
        let meant = specs_named(specs, name);
        if meant.is_empty() {
            return Err(no_chart(specs, name));
        }
        let new: Vec<&ChartSpec> =
            meant.into_iter().filter(|spec| chosen.iter().all(|known| known.name != spec.name)).collect();
        chosen.extend(new);
    }
    Ok(chosen)
}

fn no_chart(specs: &[ChartSpec], name: &str) -> Error {
    let kinds: BTreeSet<&str> = specs.iter().map(|spec| spec.kind).collect();
    let near = similar_names(name, kinds.iter().copied().chain(specs.iter().map(|spec| spec.name.as_str())));
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let hint = if kinds.is_empty() {
        "it has no charts at all".to_owned()
    } else {
        format!(
            "{} takes a kind, for all its layers and views, or the name of a file in charts/; the kinds are {}",
            OptionName::Only,
            kinds.join(", ")
        )
    };
    Error::usage(format!("the run has no chart `{name}`{}", is_meant(&near)), hint)
}
