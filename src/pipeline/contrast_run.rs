//! Contrasts two conditions of a finished run, or two finished runs: which experts they use differently.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{
    paper_comparison::kind_in_words,
    progress::{Progress, RunningStage, Stage},
    recorded_settings::recorded_settings,
    result_folder::ResultFolder,
};
use crate::{
    chart::{Chart, ChartSpec, plan_contrast},
    error::{CommandName, Error, OptionName, Result, path_text},
    report::{ContrastReport, ContrastedRun},
    run::{RunDir, RunKind, RunRecord, notes_on_run, open_finished, traces_of},
    stats::{Condition, Contrast, ContrastSettings, ContrastStudy, LayerSide, Settings, Side},
    trace::{RoutingTrace, SequenceTable, SpanTable},
};

/// The files of a contrast.
const FILES: [&str; 4] = ["contrast.csv", "contrast.parquet", "contrast.md", "contrast.json"];
/// The folder of a contrast.
const FOLDER: ResultFolder =
    ResultFolder { what: "contrast", files: &FILES, charts: &["largest_differences", "z_by_layer_and_expert"] };

/// What is contrasted, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ContrastOptions {
    /// The folder of a finished run, or of two: side A is from the first, side B from the last.
    pub runs: Vec<PathBuf>,
    /// Conditions `KEY=VALUE` that tokens of side A meet, all at once; none for all tokens of the first of two runs.
    pub a: Vec<String>,
    /// The same of side B; none for everything else in one run, for all tokens of the second run in two.
    pub b: Vec<String>,
    /// How many of the largest differences are looked at token by token.
    pub top: usize,
    /// Seed; the first run's if `None`.
    pub seed: Option<u64>,
    /// Resamples of the documents behind intervals.
    pub resamples: usize,
    /// Permutations behind p-values.
    pub permutations: usize,
}

impl Default for ContrastOptions {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            a: Vec::new(),
            b: Vec::new(),
            top: 20,
            seed: None,
            resamples: 1000,
            permutations: 1000,
        }
    }
}

/// One run with everything that is asked about its tokens.
struct OpenedRun {
    about: ContrastedRun,
    record: RunRecord,
    trace: RoutingTrace,
    sequences: SequenceTable,
    spans: SpanTable,
}

impl OpenedRun {
    fn open(folder: &Path, progress: &dyn Progress) -> Result<Self> {
        let (run, record) = open_finished(folder)?;
        for note in notes_on_run(&run, &record) {
            progress.note(&note);
        }
        let trace = RoutingTrace::open(&only_trace(&run, &record)?)?;
        let about = ContrastedRun {
            name: path_text(folder),
            checkpoint: record.label.clone(),
            corpus: record.text_names().join(", "),
        };
        let (sequences, spans) = (trace.sequences()?, trace.spans()?);
        Ok(Self { about, record, trace, sequences, spans })
    }

    fn side(&self, conditions: &[String]) -> Result<Side> {
        let conditions: Vec<Condition> = conditions.iter().map(|text| text.parse()).collect::<Result<_>>()?;
        Side::of(&conditions, &self.sequences, &self.spans, self.trace.provides())
    }

    /// The side of one of two runs, under a name that says which.
    fn side_of_two(&self, conditions: &[String], name: &str) -> Result<Side> {
        if conditions.is_empty() {
            return Ok(Side::all(name, &self.sequences));
        }
        let side = self.side(conditions)?;
        let name = format!("{} of {name}", side.name());
        Ok(side.named(name))
    }
}

/// The folder of the only trace of a run.
fn only_trace(run: &RunDir, record: &RunRecord) -> Result<RunDir> {
    let mut traces = traces_of(run, record)?;
    let labels: Vec<String> = traces.iter().map(|(label, _)| format!("`{label}`")).collect();
    if record.identity.command == RunKind::Mitigate {
        // Its first trace is that of the model as it is, which the hint names.
        traces.rotate_left(1);
    }
    match (traces.pop(), traces.is_empty()) {
        (Some((_, trace)), true) => Ok(trace),
        (last, _) => Err(Error::usage(
            format!("run `{}` holds {} traces: {}", run.path().display(), labels.len(), labels.join(", ")),
            format!(
                "give the folder of one of them, such as `{}`, or of two",
                last.as_ref().map_or(run.path(), |(_, trace)| trace.path()).display()
            ),
        )),
    }
}

/// A contrast whose runs and conditions are checked.
pub(crate) struct ContrastRun {
    runs: Vec<OpenedRun>,
    sides: [Side; 2],
    /// The document of every sequence of both sides, by common numbers, and how many there are.
    documents: ([Vec<u32>; 2], usize),
    conditions: [Vec<String>; 2],
    settings: ContrastSettings,
}

/// A finished contrast.
pub(crate) struct ContrastResult {
    /// What was found.
    pub(crate) contrast: Contrast,
    run: ContrastRun,
    about: Vec<ContrastedRun>,
}

impl ContrastRun {
    /// Opens and checks everything; nothing is written.
    ///
    /// # Errors
    /// [`Error::Usage`] if runs or conditions do not go together; [`Error::RunFolder`] if a run cannot be read.
    pub(crate) fn new(options: ContrastOptions, progress: &dyn Progress) -> Result<Self> {
        let runs: Vec<OpenedRun> =
            options.runs.iter().map(|folder| OpenedRun::open(folder, progress)).collect::<Result<_>>()?;
        let (sides, documents) = match runs.as_slice() {
            [run] => (sides_of_one(run, &options)?, documents_of_one(run)),
            [a, b] => {
                check_pair(a, b)?;
                (sides_of_two(a, b, &options)?, documents_of_two(a, b))
            }
            _ => {
                let what = format!("{} runs are given; expected one or two", runs.len());
                return Err(Error::usage(what, "contrast two runs at a time"));
            }
        };
        let recorded = recorded_settings(&runs[0].record);
        let statistics = Settings {
            seed: options.seed.unwrap_or(recorded.seed),
            resamples: options.resamples,
            permutations: options.permutations,
            ..recorded
        };
        let one_vocabulary = runs.windows(2).all(|pair| have_one_vocabulary(&pair[0], &pair[1]));
        let settings = ContrastSettings { statistics, top: options.top, one_vocabulary };
        Ok(Self { runs, sides, documents, conditions: [options.a, options.b], settings })
    }

    /// Computes layer by layer: one layer of each run is in memory at a time.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if a trace is damaged; [`Error::Interrupted`].
    pub(crate) fn compute(self, progress: &dyn Progress) -> Result<ContrastResult> {
        let stage = RunningStage::begin(progress, Stage::Statistics, None);
        let mut study = ContrastStudy::new(&self.settings, self.documents.1);
        let (first, last) = (&self.runs[0], &self.runs[self.runs.len() - 1]);
        for &layer in first.trace.moe_layers() {
            stage.check()?;
            stage.working_on(&format!("layer {layer}"));
            let of_first = first.trace.layer(layer)?;
            let of_last = if self.runs.len() > 1 { Some(last.trace.layer(layer)?) } else { None };
            let [documents_a, documents_b] = &self.documents.0;
            let a = LayerSide {
                sequences: &first.sequences,
                trace: &of_first,
                side: &self.sides[0],
                document: documents_a,
            };
            let b = LayerSide {
                sequences: &last.sequences,
                trace: of_last.as_ref().unwrap_or(&of_first),
                side: &self.sides[1],
                document: documents_b,
            };
            study.add_layer(&a, &b)?;
        }
        drop(stage);
        let contrast = study.finish();
        let about = self.runs.iter().map(|run| run.about.clone()).collect();
        Ok(ContrastResult { contrast, run: self, about })
    }
}

impl ContrastResult {
    /// The contrast, to be written.
    pub(crate) fn report(&self) -> ContrastReport<'_> {
        let [a, b] = &self.run.sides;
        let [conditions_a, conditions_b] = &self.run.conditions;
        ContrastReport {
            contrast: &self.contrast,
            runs: &self.about,
            names: [a.name(), b.name()],
            conditions: [conditions_a, conditions_b],
            settings: &self.run.settings.statistics,
        }
    }

    /// Draws the charts and writes all files into `out`. Returns the number of charts.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be written; [`Error::Interrupted`].
    pub(crate) fn write(&self, out: &Path, progress: &dyn Progress) -> Result<usize> {
        progress.check()?;
        let report = self.report();
        let stage = RunningStage::begin(progress, Stage::Charts, None);
        let subtitle: Vec<String> =
            self.about.iter().map(|run| format!("{} · {}", run.checkpoint, run.corpus)).collect();
        let plan = plan_contrast(&self.contrast, report.names, &subtitle.join(" | "), self.run.settings.top);
        let charts: Vec<Chart> = plan.par_iter().map(ChartSpec::draw).collect::<Result<_>>()?;
        drop(stage);
        let [csv, parquet, markdown, json] = FILES;
        let files = [
            (csv, self.contrast.to_csv()?),
            (parquet, self.contrast.to_parquet()?),
            (markdown, report.markdown().into_bytes()),
            (json, format!("{:#}\n", report.json()).into_bytes()),
        ];
        FOLDER.write(out, &files, &charts, progress)?;
        Ok(charts.len())
    }
}

/// Which experts two conditions of a finished run, or two finished runs, use differently; nothing is written.
///
/// # Errors
/// [`Error::Usage`] if runs or conditions do not go together; [`Error::RunFolder`] if a run cannot be read;
/// [`Error::Interrupted`].
pub fn contrast(options: ContrastOptions, progress: &dyn Progress) -> Result<Contrast> {
    Ok(ContrastRun::new(options, progress)?.compute(progress)?.contrast)
}

/// Refuses a folder that holds other files, and an earlier contrast unless `force` allows to replace it; also a folder that a
/// contrasted run writes. Nothing is touched.
///
/// # Errors
/// [`Error::RunFolder`], [`Error::Usage`].
pub(crate) fn check_folder(out: &Path, runs: &[PathBuf], force: bool) -> Result<()> {
    let taken = |run: &PathBuf| Some((run.clone(), RunDir::entry_holding(run, out)?));
    if let Some((run, entry)) = runs.iter().find_map(taken) {
        return Err(Error::usage(
            format!("{} `{}` lies in `{entry}` of the run `{}`", OptionName::Out, out.display(), run.display()),
            "choose a folder of its own",
        ));
    }
    FOLDER.check(out, force)
}

fn sides_of_one(run: &OpenedRun, options: &ContrastOptions) -> Result<[Side; 2]> {
    if options.a.is_empty() {
        let possible = Side::possible(&run.sequences, &run.spans);
        return Err(Error::usage(
            format!("one run is contrasted with itself: expected {} with a condition", OptionName::ConditionA),
            format!("name a part of its tokens, or give a second run; the run has {possible}"),
        ));
    }
    let a = run.side(&options.a)?;
    let b = if options.b.is_empty() { a.rest()? } else { run.side(&options.b)? };
    a.check_apart(&b)?;
    Ok([a, b])
}

fn documents_of_one(run: &OpenedRun) -> ([Vec<u32>; 2], usize) {
    let documents = &run.sequences.document;
    ([documents.clone(), documents.clone()], run.sequences.document_names.len())
}

fn sides_of_two(a: &OpenedRun, b: &OpenedRun, options: &ContrastOptions) -> Result<[Side; 2]> {
    let [name_a, name_b] = run_names(&a.about, &b.about);
    Ok([a.side_of_two(&options.a, &name_a)?, b.side_of_two(&options.b, &name_b)?])
}

/// The checkpoints, or the folders where both are of one checkpoint.
fn run_names(a: &ContrastedRun, b: &ContrastedRun) -> [String; 2] {
    if a.checkpoint == b.checkpoint {
        return [a, b].map(|run| format!("run `{}`", run.name));
    }
    [a, b].map(|run| format!("checkpoint `{}`", run.checkpoint))
}

/// Documents of one name are one document: the same text in both runs is drawn together. Different texts of one name are only
/// drawn together too, which makes nothing wrong.
fn documents_of_two(a: &OpenedRun, b: &OpenedRun) -> ([Vec<u32>; 2], usize) {
    let names = &a.sequences.document_names;
    let mut number: HashMap<&str, u32> = (0..).zip(names).map(|(at, name)| (name.as_str(), at)).collect();
    let mut count = names.len() as u32;
    let of_b: Vec<u32> = b
        .sequences
        .document_names
        .iter()
        .map(|name| {
            *number.entry(name).or_insert_with(|| {
                count += 1;
                count - 1
            })
        })
        .collect();
    let documents_b = b.sequences.document.iter().map(|document| of_b[*document as usize]).collect();
    ([a.sequences.document.clone(), documents_b], count as usize)
}

/// Refuses two runs whose experts or tokens do not go together.
fn check_pair(a: &OpenedRun, b: &OpenedRun) -> Result<()> {
    let [of_a, of_b] = [a, b].map(|run| kind_in_words(run.trace.shape()));
    if of_a != of_b {
        return Err(Error::usage(
            format!("runs of different kinds of model: `{}` has {of_a}; `{}` has {of_b}", a.about.name, b.about.name),
            "contrast two runs whose experts have the same numbers",
        ));
    }
    let words = |run: &OpenedRun| if run.record.statistics.exclude_bos { "leaves out" } else { "counts" };
    if words(a) != words(b) {
        return Err(Error::usage(
            format!(
                "`{}` {} the first token of every sequence, `{}` {} it",
                a.about.name,
                words(a),
                b.about.name,
                words(b)
            ),
            format!(
                "make the statistics of one of them again: {}, with or without {}",
                CommandName::Stats.on_the_run(),
                OptionName::ExcludeBos
            ),
        ));
    }
    Ok(())
}

/// Whether a token id is the same token in both runs: unless their tokenizers are known to differ.
fn have_one_vocabulary(a: &OpenedRun, b: &OpenedRun) -> bool {
    let digest = |run: &OpenedRun| run.record.identity.tokenizer.as_ref().map(|file| file.sha256.clone());
    match (digest(a), digest(b)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}
