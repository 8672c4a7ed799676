//! A drift run: the same tokens go through several checkpoints of one training run. When was routing learnt, and what still
//! changes?

use std::{path::Path, time::Instant};

use super::{
    checkpoint_comparison::check_compatible,
    checkpoint_list::{checkpoint_specs, refuse_one},
    checkpoint_spec::CheckpointSpec,
    imported_checkpoints::record_of_imports,
    options::{DriftOptions, RunOptions},
    pass::Pass,
    pass_record::{self, paths_as_text, statistic_settings},
    pass_sequence::{self, forward_one},
    prepared_pass::PreparedPass,
    progress::Progress,
    reused_runs::{check_reused, expected_record},
    run_folder::note_resumed,
    statistics::{Analysis, finish_run},
    token_ids::check_token_ids,
    work_plan,
};
use crate::{
    error::{Error, OptionName, Result, path_text},
    run::{
        DriftSettings, Identity, RecordedCheckpoint, RunDir, RunKind, RunRecord, TextSummary, protect_folders,
        protect_texts,
    },
};

/// Routes a text with several checkpoints of one training run, into the new or empty folder `out`; imports of their routes may take
/// the place of all of them, and then there is no text.
/// [`ExecutionOptions::occupied`](super::options::ExecutionOptions::occupied) decides what happens to a folder that is not empty.
///
/// # Errors
/// Options, checkpoints, text or a folder that cannot be used. Nothing is written then, unless the forward pass itself fails.
/// [`Error::Interrupted`] if the run is cancelled; what is complete is kept.
pub fn drift(options: DriftOptions, out: &Path, progress: &dyn Progress) -> Result<(RunDir, Analysis)> {
    DriftRun::new(options, Some(out), progress)?.run(out, progress)
}

/// That the rounding of a noise floor is not that of the model's own code.
fn rounding_elsewhere(options: &DriftOptions, prepared: &PreparedPass) -> Option<String> {
    let architecture = prepared.checkpoint.architecture();
    (options.noise_floor && !architecture.is_openmoe()).then(|| {
        format!(
            "{} rounds activations to bf16 where OpenMoE's code rounds them; the code of {} rounds elsewhere: a floor of that \
             size, not the model's own run in bf16",
            OptionName::NoiseFloor,
            architecture.family
        )
    })
}

/// A drift run, ready to start.
pub(crate) struct DriftRun {
    options: DriftOptions,
    /// The checkpoints in the order of training, those beside the time axis anywhere.
    pub(crate) specs: Vec<CheckpointSpec>,
    /// The forward passes: one for each checkpoint that is not a finished run.
    pub(crate) passes: Vec<Pass>,
    /// `None` if every checkpoint is a finished run.
    pub(crate) prepared: Option<PreparedPass>,
    /// The record with which it starts.
    pub(crate) record: RunRecord,
    clock: Instant,
}

impl DriftRun {
    /// Opens, reads, validates and compares everything; also the folder `out`, if the run is to be written.
    pub(crate) fn new(options: DriftOptions, out: Option<&Path>, progress: &dyn Progress) -> Result<Self> {
        let clock = Instant::now();
        let specs = checkpoint_specs(&options, progress)?;
        if let Some(out) = out {
            protect_folders(out, specs.iter().map(|spec| spec.folder.as_path()))?;
        }
        refuse_one(&specs)?;
        let passes: Vec<Pass> = specs.iter().filter(|spec| !spec.is_run()).map(pass).collect();
        let (prepared, expected) = match record_of_imports(&options, &specs, progress)? {
            Some(expected) => (None, expected),
            None => prepare(&options, out, &specs, &passes, progress)?,
        };
        check_token_ids(&options, prepared.as_ref(), &expected, &specs[0], progress)?;
        let (prepared, identities, to_fetch) = match prepared {
            Some(prepared) => {
                let (prepared, identities, to_fetch) =
                    pass_sequence::identities(prepared, &options.run, &passes, progress)?;
                (Some(prepared), identities, to_fetch)
            }
            None => (None, Vec::new(), Vec::new()),
        };
        if let Some(line) = prepared.as_ref().and_then(|prepared| rounding_elsewhere(&options, prepared)) {
            progress.note(&line);
        }
        let record = record(&options, &specs, &expected, identity(&specs, &expected, &identities)?);
        if let Some(out) = out {
            let occupied = options.run.execution.occupied;
            pass_sequence::check(out, occupied, &record.decisive(), &passes, &identities)?;
        }
        if let Some(prepared) = &prepared {
            pass_sequence::note_to_fetch(out, prepared, &passes, &to_fetch, progress);
        }
        Ok(Self { options, specs, passes, prepared, record, clock })
    }

    /// The options that all passes share.
    pub(crate) fn run_options(&self) -> &RunOptions {
        &self.options.run
    }

    /// The whole run, in the folder `out`. Nothing is written before every checkpoint has been opened, validated and
    /// compared with the others.
    pub(crate) fn run(self, out: &Path, progress: &dyn Progress) -> Result<(RunDir, Analysis)> {
        let Self { options, passes, prepared, mut record, clock, .. } = self;
        let options = &options.run;
        let (run, resumed) = RunDir::prepare(out, options.execution.occupied, &record.decisive())?;
        note_resumed(&run, resumed, progress);
        if !pass_sequence::is_whole(&run, prepared.as_ref(), &passes) {
            run.write_record(&record)?;
        }
        progress.planned(&work_plan::of_run(prepared.as_ref(), passes.len(), &record));
        if let Some(mut prepared) = prepared {
            for pass in &passes {
                prepared = prepared.with_pass(options, pass, progress)?;
                forward_one(&run, &prepared, options, pass, progress)?;
            }
        }
        let analysis = finish_run(&run, &mut record, options.execution.report, progress, Some(clock))?;
        Ok((run, analysis))
    }
}

/// The record of the run before it starts. It describes the text as the record of a route run does.
fn record(options: &DriftOptions, specs: &[CheckpointSpec], expected: &RunRecord, identity: Identity) -> RunRecord {
    let labels: Vec<&str> = specs.iter().map(|spec| spec.label.as_str()).collect();
    RunRecord {
        drift: Some(DriftSettings {
            match_experts: options.match_experts,
            tokens_of_interest: options.tokens_of_interest.clone(),
        }),
        statistics: statistic_settings(&options.run.statistics),
        command_line: options.run.execution.command_line.clone(),
        config: expected.config.clone(),
        architecture: expected.architecture.clone(),
        text: TextSummary { conversations_cut: None, ..expected.text.clone() },
        threads: Some(rayon::current_num_threads()),
        corpus: paths_as_text(&options.run.corpus),
        ..RunRecord::new(identity, labels.join(", "), expected.layout.clone())
    }
}

/// Reads the text, if there is a checkpoint that it will go through. Returns the record that every trace agrees with.
fn prepare(
    options: &DriftOptions,
    out: Option<&Path>,
    specs: &[CheckpointSpec],
    passes: &[Pass],
    progress: &dyn Progress,
) -> Result<(Option<PreparedPass>, RunRecord)> {
    let options = &options.run;
    refuse_no_text(options)?;
    check_compatible(specs)?;
    let (prepared, expected) = match passes.first() {
        None => {
            out.map_or(Ok(()), |out| protect_texts(out, &options.corpus))?;
            (None, expected_record(options, &specs[0])?)
        }
        Some(first) => {
            let prepared = PreparedPass::new(options, first, progress)?;
            out.map_or(Ok(()), |out| protect_texts(out, prepared.text_paths(options)))?;
            let expected = pass_record::pass_record(&prepared, first, options);
            (Some(prepared), expected)
        }
    };
    check_reused(specs, &expected, progress)?;
    Ok((prepared, expected))
}

/// Only imports need no text.
fn refuse_no_text(options: &RunOptions) -> Result<()> {
    if options.text_paths().next().is_some() {
        return Ok(());
    }
    Err(Error::usage(
        "drift has no text that goes through the checkpoints",
        format!("name it with {}; imports, whose routes are recorded already, need none", OptionName::Corpus),
    ))
}

/// The forward pass of one checkpoint. Router logits are kept, so that `gate_overlap` can be recomputed.
fn pass(spec: &CheckpointSpec) -> Pass {
    Pass { folder: below(spec), ..Pass::of_run(spec.clone(), true) }
}

/// Where the trace of a checkpoint is, below the folder of the run.
fn below(spec: &CheckpointSpec) -> String {
    path_text(&Path::new("checkpoints").join(&spec.label))
}

/// Where the trace of a checkpoint is: a path below the folder of the run, or the whole path of the run that is reused.
fn trace(spec: &CheckpointSpec) -> Result<String> {
    if !spec.is_run() {
        return Ok(below(spec));
    }
    spec.whole_path()
}

/// What decides the traces: the checkpoints, and what their route runs have in common. `identities` are those of the
/// forward passes; the identity of a finished run is read from its record.
fn identity(specs: &[CheckpointSpec], expected: &RunRecord, identities: &[Identity]) -> Result<Identity> {
    let mut identities = identities.iter();
    let mut checkpoints = Vec::new();
    for spec in specs {
        let checkpoint = if spec.is_run() {
            RunDir::open(&spec.folder)?.record()?.identity.checkpoint
        } else {
            identities.next().and_then(|identity| identity.checkpoint.clone())
        };
        checkpoints.push(RecordedCheckpoint {
            training_tokens: spec.training_tokens,
            off_axis: spec.off_axis,
            arithmetic: Some(spec.arithmetic.name().to_owned()),
            checkpoint,
            ..RecordedCheckpoint::new(spec.label.as_str(), path_text(&spec.folder), trace(spec)?)
        });
    }
    Ok(Identity { checkpoints, ..expected.identity.in_common(RunKind::Drift) })
}
