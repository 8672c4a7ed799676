//! Finished runs that stand for checkpoints; route runs must have routed the same tokens in the same way.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    checkpoint_comparison::facts,
    checkpoint_spec::CheckpointSpec,
    fingerprint::Fingerprint,
    options::RunOptions,
    pass_identity::{arithmetic_options, queue_options, text_options},
    progress::Progress,
};
use crate::{
    checkpoint::Checkpoint,
    corpus::{Corpus, InputFile},
    error::{Error, OptionName, Result, bullets},
    model::Arithmetic,
    run::{
        Identity, QueueOptions, RecordedInput, RecordedLayout, RunDir, RunKind, RunRecord, TextOptions, again,
        differences,
    },
    trace::RoutingTrace,
};

/// Refuses runs of another command: only a route run and an import have one trace of one checkpoint.
///
/// # Errors
/// [`Error::Usage`] with every such run; [`Error::RunFolder`] if a manifest cannot be read.
pub(crate) fn refuse_other_commands(specs: &[CheckpointSpec]) -> Result<()> {
    let mut problems = Vec::new();
    for spec in specs.iter().filter(|spec| spec.is_run()) {
        let record = RunDir::open(&spec.folder)?.loose_record()?;
        if let Some(strategy) = record.strategy() {
            let folder = spec.folder.display();
            problems.push(format!(
                "`{folder}` was routed with the strategy `{strategy}`; expected the model's own routers"
            ));
        } else if !matches!(record.kind(), Some(RunKind::Route | RunKind::Import)) {
            let (folder, command) = (spec.folder.display(), record.command().unwrap_or("another program"));
            problems.push(format!("`{folder}` holds a run of {command}; expected one of route or import"));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("only a run of one trace can stand for a checkpoint:{}", bullets(&problems)),
        "give the checkpoint itself, or one trace of the run: its sub-folder checkpoints/LABEL, or passes/unchanged",
    ))
}

/// The checkpoint that a run was made from, if it is still the same.
///
/// # Errors
/// [`Error::Usage`] if it is gone or has changed, or the run names none.
pub(crate) fn checkpoint_of(run: &Path, progress: &dyn Progress) -> Result<PathBuf> {
    let recorded = RunDir::open(run)?.record()?.identity.checkpoint;
    let refuse = |what: String| {
        Error::usage(
            format!(
                "{} needs the last checkpoint itself: `{}` is a finished run, and {what}",
                OptionName::NoiseFloor,
                run.display()
            ),
            format!("give the checkpoint's folder in place of the run, or leave {} out", OptionName::NoiseFloor),
        )
    };
    let Some(recorded) = recorded else {
        return Err(refuse("its manifest names no checkpoint".to_owned()));
    };
    let folder = PathBuf::from(&recorded.path);
    let shown = folder.display();
    let checkpoint = Checkpoint::open(&folder)
        .map_err(|error| refuse(format!("`{shown}`, which it was made from, cannot be opened: {error}")))?;
    let hashed = recorded.weights.iter().all(|file| file.sha256.is_some());
    let different = differences(&recorded, &Fingerprint::new(&checkpoint, !hashed, progress)?.files)?;
    if different.is_empty() {
        return Ok(folder);
    }
    Err(refuse(format!("`{shown}`, which it was made from, has changed since: {}", different.join("; "))))
}

/// The record that all runs must agree with if no checkpoint is opened: made from the first run, the text and the options.
///
/// # Errors
/// [`Error::Usage`] for options that contradict each other, and if the first run does not record its configuration; the
/// errors of reading the text.
pub(crate) fn expected_record(options: &RunOptions, first: &CheckpointSpec) -> Result<RunRecord> {
    options.check()?;
    let recorded = RunDir::open(&first.folder)?.record()?;
    let architecture = recorded.described().ok_or_else(|| {
        Error::usage(
            format!("`{}` does not record the configuration of its checkpoint", first.folder.display()),
            "the run was made by another version: give one of the checkpoints, or make the run again",
        )
    })?;
    let router = architecture.router_settings(options.routing.capacity_rule, options.routing.capacity_factor);
    let context = options.input.context(architecture.longest_sequence)?;
    // A model without a BOS has none, whatever the options say.
    let has_bos = options.input.bos && recorded.identity.text.as_ref().is_none_or(|text| text.bos);
    let inputs = inputs(&options.corpus, recorded.identity.text.as_ref())?;
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        text: Some(text_options(options, inputs, context, has_bos)),
        queues: Some(queue_options(options, &router)),
        arithmetic: Some(arithmetic_options(Arithmetic::F32)),
        ..recorded.identity.clone()
    };
    Ok(RunRecord { identity, ..recorded })
}

/// The input files as they are now, with the numbers of documents taken from a run that read the same bytes.
fn inputs(paths: &[PathBuf], recorded: Option<&TextOptions>) -> Result<Vec<RecordedInput>> {
    let now = |file: &InputFile| {
        let mut entry = RecordedInput::from(file);
        let same = |known: &&RecordedInput| known.sha256 == entry.sha256 && known.path == entry.path;
        entry.documents = recorded.and_then(|text| text.inputs.iter().find(same)).and_then(|known| known.documents);
        entry
    };
    Ok(Corpus::identify(paths)?.iter().map(now).collect())
}

/// Compares every run with the record that it would have if it were made now. Runs made by another version or with other
/// processor instructions are only noted.
///
/// # Errors
/// [`Error::Usage`] with every difference of every run.
pub(crate) fn check_reused(specs: &[CheckpointSpec], expected: &RunRecord, progress: &dyn Progress) -> Result<()> {
    let mut problems = Vec::new();
    for spec in specs.iter().filter(|spec| spec.is_run()) {
        let run = RunDir::open(&spec.folder)?;
        let record = run.record()?;
        let folder = spec.folder.display();
        let mut wrong = differences(&Comparable::of(&record), &Comparable::of(expected))?;
        if let Err(error) = whole(&run, &record) {
            wrong.push(error.to_string());
        }
        problems.extend(wrong.into_iter().map(|line| format!("`{folder}`: {line}")));
        for line in differences(&Noted::of(&record), &Noted::of(expected))? {
            progress.note(&format!("`{folder}` was made elsewhere, near-ties may differ: {line}"));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("finished runs that cannot stand for checkpoints:{}", bullets(&problems)),
        "give the checkpoint itself, or make the run again with the same text and options",
    ))
}

/// The parts of a record that decide what its trace means.
#[derive(Serialize)]
struct Comparable<'a> {
    #[serde(flatten)]
    text: Option<&'a TextOptions>,
    template: Option<&'a str>,
    oasst_paths: Option<&'a str>,
    #[serde(flatten)]
    queues: Option<QueueOptions>,
    dtype: Option<&'a str>,
    layout: &'a RecordedLayout,
    #[serde(rename = "tokenizer (SHA-256)")]
    tokenizer: Option<&'a str>,
    config: Option<BTreeMap<&'static str, String>>,
}

impl<'a> Comparable<'a> {
    fn of(record: &'a RunRecord) -> Self {
        let identity = &record.identity;
        let pass = identity.forward_pass.as_ref();
        Self {
            text: identity.text.as_ref(),
            template: pass.and_then(|pass| pass.template.as_deref()),
            oasst_paths: pass.and_then(|pass| pass.oasst_paths.as_deref()),
            queues: identity.queues,
            dtype: identity.arithmetic.as_ref().map(|arithmetic| arithmetic.dtype.as_str()),
            layout: &record.layout,
            tokenizer: identity.tokenizer.as_ref().map(|tokenizer| tokenizer.sha256.as_str()),
            config: record.described().map(|architecture| facts(&architecture).into_iter().collect()),
        }
    }
}

/// The parts of a record that may change near-ties: worth a note, no reason to refuse.
#[derive(Serialize)]
struct Noted<'a> {
    version: &'a str,
    device: Option<&'a str>,
    instruction_set: Option<&'a str>,
}

impl<'a> Noted<'a> {
    fn of(record: &'a RunRecord) -> Self {
        let arithmetic = record.identity.arithmetic.as_ref();
        Self {
            version: &record.identity.version,
            device: arithmetic.map(|arithmetic| arithmetic.device.as_str()),
            instruction_set: arithmetic.map(|arithmetic| arithmetic.instruction_set.as_str()),
        }
    }
}

/// Checks that everything that statistics read is in place.
///
/// # Errors
/// [`Error::RunFolder`] for what is missing or damaged.
pub(crate) fn whole(run: &RunDir, record: &RunRecord) -> Result<()> {
    if !record.complete {
        return Err(Error::run_folder("is not complete", format!("run the same command with {}", again(run.path()))));
    }
    RoutingTrace::of(run, record)?.sequences().map(|_| ())
}
