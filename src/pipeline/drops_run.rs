//! `drops`: conversations through one or two checkpoints -> where tokens lose their experts, why, and what prevents it.

use std::{path::Path, time::Instant};

use serde_json::{Map, Value, json};

use super::{
    checkpoint_comparison::check_compatible,
    checkpoint_list::check_labels,
    checkpoint_spec::CheckpointSpec,
    forward::forward,
    pass::{self, Pass, forward_one},
    prepared_pass::Prepared,
    request::{Request, Transcripts},
    run_folder::note_resumed,
    statistics::{Analysis, analyse},
};
use crate::{
    cli::DropsArgs,
    commands::terminal,
    corpus::{ChatTemplate, Template},
    error::{Error, Result, path_text},
    routing::CapacityRule,
    run::{RunDir, protect_folders, protect_texts},
};

/// A drops run, ready to start.
pub(crate) struct DropsRun {
    /// The run's own pass, then those beside it.
    pub(crate) passes: Vec<Pass>,
    pub(crate) prepared: Prepared,
    specs: Vec<CheckpointSpec>,
    identity: Map<String, Value>,
}

impl DropsRun {
    /// Opens, reads, validates and compares everything.
    pub(crate) fn new(arguments: &DropsArgs) -> Result<Self> {
        check_factors(arguments)?;
        let specs = specs(arguments)?;
        let arguments = &with_template(arguments, &specs)?;
        let passes = passes(arguments, &specs);
        let (prepared, identity) = prepare(arguments, &specs, &passes)?;
        Ok(Self { passes, prepared, specs, identity })
    }

    /// The whole run, in the folder `out`. Nothing is written before everything has been opened and validated. `clock`
    /// started with the command.
    pub(crate) fn run(self, arguments: &DropsArgs, out: &Path, clock: Instant) -> Result<(RunDir, Analysis)> {
        let Self { passes, mut prepared, specs, identity } = self;
        let execution = &arguments.common.execution;
        let (run, resumed) = RunDir::prepare(out, execution.occupied(), &Value::Object(decisive(&identity)))?;
        note_resumed(&run, resumed, execution.quiet);
        let mut manifest = main_pass(&run, &mut prepared, &passes, identity, specs.len() > 1)?;
        for pass in &passes[1..] {
            prepared = prepared.with_checkpoint(&pass.spec, &pass.request)?;
            forward_one(&run, &prepared, pass)?;
        }
        drop(prepared);
        let analysis = analyse(&run, &mut manifest, execution.quiet, Some(clock))?;
        Ok((run, analysis))
    }
}

/// Opens, reads, validates and compares everything; ready for the first pass. Returns the identity of the run too.
fn prepare(arguments: &DropsArgs, specs: &[CheckpointSpec], passes: &[Pass]) -> Result<(Prepared, Map<String, Value>)> {
    let out = arguments.out.as_deref();
    let prepared = Prepared::new(&passes[0].request)?;
    if let Some(out) = out {
        protect_texts(out, prepared.text_paths(&passes[0].request))?;
    }
    let (prepared, identities) = pass::identities(prepared, passes)?;
    let identity = identity(arguments, specs, &prepared.identity);
    if let Some(out) = out {
        pass::check(out, arguments.common.execution.occupied(), &decisive(&identity), passes, &identities)?;
    }
    Ok((prepared, identity))
}

/// The first checkpoint's forward pass, then that of the second one, then the exact replays.
fn passes(arguments: &DropsArgs, specs: &[CheckpointSpec]) -> Vec<Pass> {
    let pass = |spec: &CheckpointSpec, factor: Option<f64>| Pass {
        spec: spec.clone(),
        request: request(arguments, spec, factor),
        folder: factor.map_or_else(|| trace_of(specs, spec), replay_folder),
    };
    let replays = arguments.exact_replay.iter().map(|&factor| pass(&specs[0], Some(factor)));
    specs.iter().map(|spec| pass(spec, None)).chain(replays).collect()
}

/// The first checkpoint's forward pass: into the folder of the run itself if it is the only one, else into a sub-folder.
/// Returns the manifest of the run.
fn main_pass(
    run: &RunDir,
    prepared: &mut Prepared,
    passes: &[Pass],
    identity: Map<String, Value>,
    several: bool,
) -> Result<Value> {
    let pass = &passes[0];
    if !several {
        let own = std::mem::replace(&mut prepared.identity, identity);
        let manifest = forward(run, prepared, &pass.request)?;
        prepared.identity = own;
        if !pass::is_whole(run, Some(prepared), &passes[1..]) {
            run.write_manifest(&manifest)?;
        }
        return Ok(manifest);
    }
    let mut manifest = Value::Object(identity);
    manifest["complete"] = json!(false);
    if !pass::is_whole(run, Some(prepared), passes) {
        run.write_manifest(&manifest)?;
    }
    let record = forward_one(run, prepared, pass)?;
    for (key, value) in record.as_object().into_iter().flatten().filter(|(key, _)| *key != "complete") {
        if manifest.get(key).is_none() {
            manifest[key] = value.clone();
        }
    }
    Ok(manifest)
}

/// The checkpoint, and the one that it is compared with.
fn specs(arguments: &DropsArgs) -> Result<Vec<CheckpointSpec>> {
    let typed = std::iter::once(&arguments.checkpoint).chain(&arguments.compare);
    let specs: Vec<CheckpointSpec> = typed.map(|typed| CheckpointSpec::new(typed, false)).collect();
    check_labels(&specs)?;
    if let Some(spec) = specs.iter().find(|spec| spec.is_run()) {
        return Err(Error::usage(
            format!("`{}` is a finished run; drops needs the checkpoint itself", spec.folder.display()),
            "statistics of a finished drops run are made again by `openmoe-analyze stats RUN`",
        ));
    }
    if let Some(out) = &arguments.out {
        protect_folders(out, specs.iter().map(|spec| spec.folder.as_path()))?;
    }
    check_compatible(&specs)?;
    Ok(specs)
}

/// The arguments with the chat template that is meant by `auto`: that of the first checkpoint, for all.
fn with_template(arguments: &DropsArgs, specs: &[CheckpointSpec]) -> Result<DropsArgs> {
    let mut arguments = arguments.clone();
    if arguments.transcripts.is_empty() {
        return Ok(arguments);
    }
    let resolved = |spec: &CheckpointSpec| -> Result<ChatTemplate> {
        Template::open(arguments.transcript.template, &spec.folder)?.to_string().parse()
    };
    let first = resolved(&specs[0])?;
    for spec in &specs[1..] {
        let own = resolved(spec)?;
        if own != first {
            terminal::warn(&format!(
                "`{}` has template {own}, `{}` {first}: both get the same tokens, by {first}",
                spec.label, specs[0].label
            ));
        }
    }
    arguments.transcript.template = first;
    Ok(arguments)
}

fn check_factors(arguments: &DropsArgs) -> Result<()> {
    let factors = &arguments.exact_replay;
    if arguments.common.routing.capacity_rule == CapacityRule::Unlimited && !factors.is_empty() {
        return Err(Error::usage(
            "--exact-replay with --capacity-rule unlimited; expected a rule that has a factor",
            "leave one of the two out, or take --capacity-rule port",
        ));
    }
    for (index, factor) in factors.iter().enumerate() {
        if !(factor.is_finite() && *factor > 0.0) || factors[..index].contains(factor) {
            return Err(Error::usage(
                format!("--exact-replay {factor}; expected positive numbers, each once"),
                "for example --exact-replay 1.25 1.5",
            ));
        }
    }
    Ok(())
}

/// The forward pass of one checkpoint, at the run's own capacity factor or at another one.
fn request(arguments: &DropsArgs, spec: &CheckpointSpec, factor: Option<f64>) -> Request {
    let mut common = arguments.common.clone();
    common.routing.capacity_factor = factor.or(common.routing.capacity_factor);
    let transcripts = Transcripts { paths: arguments.transcripts.clone(), how: arguments.transcript.clone() };
    Request {
        checkpoint: spec.folder.clone(),
        corpus: arguments.corpus.clone(),
        transcripts: (!arguments.transcripts.is_empty()).then_some(transcripts),
        common,
    }
}

/// Where the trace of a checkpoint is, below the folder of the run.
fn trace_of(specs: &[CheckpointSpec], spec: &CheckpointSpec) -> String {
    if specs.len() == 1 { ".".to_owned() } else { format!("checkpoints/{}", spec.label) }
}

/// Where the trace of an exact replay is, below the folder of the run.
fn replay_folder(factor: f64) -> String {
    format!("exact_replay/{factor}")
}

/// The part of the identity that decides the traces; `--resume` may change the rest, which is counted anew.
fn decisive(identity: &Map<String, Value>) -> Map<String, Value> {
    identity.iter().filter(|(key, _)| *key != "bin").map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What decides the results: the forward pass of the first checkpoint, and what is done beside it.
fn identity(arguments: &DropsArgs, specs: &[CheckpointSpec], first: &Map<String, Value>) -> Map<String, Value> {
    let mut identity = first.clone();
    let checkpoints: Vec<Value> = specs
        .iter()
        .map(|spec| json!({ "label": spec.label, "path": path_text(&spec.folder), "trace": trace_of(specs, spec) }))
        .collect();
    let replays: Vec<Value> = arguments
        .exact_replay
        .iter()
        .map(|factor| json!({ "capacity_factor": factor, "trace": replay_folder(*factor) }))
        .collect();
    identity.insert("command".into(), json!("drops"));
    identity.insert("checkpoints".into(), json!(checkpoints));
    identity.insert("exact_replay".into(), json!(replays));
    identity.insert("bin".into(), json!(arguments.bin));
    identity
}
