//! `drift`: the same tokens through several checkpoints of one run -> when was routing learnt, and what still changes?

use std::{path::Path, time::Instant};

use super::{
    checkpoint_comparison::check_compatible,
    checkpoint_list::{refuse_one, specs},
    checkpoint_spec::CheckpointSpec,
    pass::{self, Pass, forward_one},
    pass_manifest::{self, command_line, statistic_settings, texts},
    prepared_pass::Prepared,
    request::Request,
    reused_runs,
    run_folder::note_resumed,
    statistics::{Analysis, analyse},
    token_ids,
};
use crate::{
    cli::DriftArgs,
    error::{Error, Result, path_text},
    run::{
        DriftSettings, Identity, RecordedCheckpoint, RunDir, RunKind, RunRecord, TextSummary, protect_folders,
        protect_texts,
    },
};

/// A drift run, ready to start.
pub(crate) struct DriftRun {
    pub(crate) specs: Vec<CheckpointSpec>,
    /// The forward passes: those of the checkpoints that are no finished runs.
    pub(crate) passes: Vec<Pass>,
    /// `None` if every checkpoint is a finished run.
    pub(crate) prepared: Option<Prepared>,
    /// What is recorded of it before it starts.
    pub(crate) record: RunRecord,
}

impl DriftRun {
    /// Opens, reads, validates and compares everything.
    pub(crate) fn new(arguments: &DriftArgs) -> Result<Self> {
        let specs = specs(arguments)?;
        if let Some(out) = &arguments.out {
            protect_folders(out, specs.iter().map(|spec| spec.folder.as_path()))?;
        }
        refuse_one(&specs)?;
        check_compatible(&specs)?;
        let passes: Vec<Pass> = specs.iter().filter(|spec| !spec.is_run()).map(|spec| pass(arguments, spec)).collect();
        let (prepared, expected) = prepare(arguments, &specs, &passes)?;
        reused_runs::check(&specs, &expected, arguments.common.execution.quiet)?;
        token_ids::check(arguments, prepared.as_ref(), &expected, &specs[0])?;
        let (prepared, identities) = match prepared {
            Some(prepared) => {
                let (prepared, identities) = pass::identities(prepared, &passes)?;
                (Some(prepared), identities)
            }
            None => (None, Vec::new()),
        };
        let record = record(arguments, &specs, &expected, identity(&specs, &expected, &identities)?);
        if let Some(out) = &arguments.out {
            pass::check(out, arguments.common.execution.occupied(), &record.decisive(), &passes, &identities)?;
        }
        Ok(Self { specs, passes, prepared, record })
    }

    /// The whole run, in the folder `out`. Nothing is written before every checkpoint has been opened, validated and
    /// compared with the others. `clock` started with the command.
    pub(crate) fn run(self, arguments: &DriftArgs, out: &Path, clock: Instant) -> Result<(RunDir, Analysis)> {
        let Self { passes, prepared, mut record, .. } = self;
        let execution = &arguments.common.execution;
        let (run, resumed) = RunDir::prepare(out, execution.occupied(), &record.decisive())?;
        note_resumed(&run, resumed, execution.quiet);
        if !pass::is_whole(&run, prepared.as_ref(), &passes) {
            run.write_record(&record)?;
        }
        if let Some(mut prepared) = prepared {
            for pass in &passes {
                prepared = prepared.with_checkpoint(&pass.spec, &pass.request)?;
                forward_one(&run, &prepared, pass)?;
            }
        }
        let analysis = analyse(&run, &mut record, execution.quiet, Some(clock))?;
        Ok((run, analysis))
    }
}

/// The record of the run before it starts: of the text it says what that of a route run does.
fn record(arguments: &DriftArgs, specs: &[CheckpointSpec], expected: &RunRecord, identity: Identity) -> RunRecord {
    let labels: Vec<&str> = specs.iter().map(|spec| spec.label.as_str()).collect();
    RunRecord {
        drift: Some(DriftSettings {
            match_experts: arguments.match_experts,
            tokens_of_interest: arguments.tokens_of_interest.clone(),
        }),
        statistics: statistic_settings(&arguments.common.statistics),
        command_line: command_line(),
        config: expected.config.clone(),
        text: TextSummary { conversations_cut: None, ..expected.text.clone() },
        threads: Some(rayon::current_num_threads()),
        corpus: texts(&arguments.corpus),
        ..RunRecord::new(identity, labels.join(", "), expected.layout.clone())
    }
}

/// Reads the text, if there is a checkpoint that it will go through; what every trace must agree with.
fn prepare(arguments: &DriftArgs, specs: &[CheckpointSpec], passes: &[Pass]) -> Result<(Option<Prepared>, RunRecord)> {
    let out = arguments.out.as_deref();
    let Some(first) = passes.first() else {
        out.map_or(Ok(()), |out| protect_texts(out, &arguments.corpus))?;
        return Ok((None, reused_runs::expected(arguments, &specs[0])?));
    };
    let prepared = Prepared::new(&first.request)?;
    out.map_or(Ok(()), |out| protect_texts(out, prepared.text_paths(&first.request)))?;
    let expected = pass_manifest::record(&prepared, &first.request);
    Ok((Some(prepared), expected))
}

/// The forward pass of one checkpoint. Router logits are kept, so that `gate_overlap` can be recomputed.
fn pass(arguments: &DriftArgs, spec: &CheckpointSpec) -> Pass {
    let mut common = arguments.common.clone();
    common.execution.log_logits = true;
    let request =
        Request { checkpoint: spec.folder.clone(), corpus: arguments.corpus.clone(), transcripts: None, common };
    Pass { spec: spec.clone(), request, folder: below(spec) }
}

/// Where the trace of a checkpoint is, below the folder of the run.
fn below(spec: &CheckpointSpec) -> String {
    path_text(&Path::new("checkpoints").join(&spec.label))
}

/// Where the trace of a checkpoint is: below the folder of the run, or the whole path of the run that is reused. The manifest,
/// where it is looked up again, is UTF-8.
fn trace(spec: &CheckpointSpec) -> Result<String> {
    if !spec.is_run() {
        return Ok(below(spec));
    }
    let whole = spec.folder.canonicalize().ok().into_iter().chain(std::path::absolute(&spec.folder));
    whole.into_iter().find_map(|path| path.to_str().map(str::to_owned)).ok_or_else(|| {
        Error::usage(
            format!("the path of the run `{}` is no UTF-8, so no manifest can name it", spec.folder.display()),
            "give the run another name, or name a link to it",
        )
    })
}

/// What decides the traces: the checkpoints, and what their route runs have in common. `identities` are those of the
/// forward passes; a finished run records its own.
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
