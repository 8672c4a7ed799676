//! `drops`: conversations through one or two checkpoints -> where tokens lose their experts, why, and what prevents it.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{
    analyse::{Analysis, analyse},
    checkpoints::{Spec, check_labels},
    compatible::check_compatible,
    machine,
    passes::{self, Pass, forward_one},
    plan::{Work, print_plan},
    prepare::Prepared,
    protect,
    request::{Request, Transcripts},
    route::{forward, note_resumed, out},
    terminal,
};
use crate::{
    cli::DropsArgs,
    corpus::{ChatTemplate, Template},
    error::{Error, Result, path_text},
    routing::CapacityRule,
    run_dir::RunDir,
};

/// Runs `drops` and prints the result.
pub(super) fn run(arguments: &DropsArgs) -> anyhow::Result<()> {
    let Some((run, analysis)) = drops(arguments)? else { return Ok(()) };
    analysis.print(&run, arguments.common.execution.json)?;
    Ok(())
}

/// The whole run; `None` after `--dry-run`. Nothing is written before everything has been opened and validated.
pub(super) fn drops(arguments: &DropsArgs) -> Result<Option<(RunDir, Analysis)>> {
    let clock = Instant::now();
    machine::watch_for_interrupts();
    machine::set_threads(arguments.common.execution.threads)?;
    check_factors(arguments)?;
    let specs = specs(arguments)?;
    let arguments = &with_template(arguments, &specs)?;
    let passes = passes(arguments, &specs);
    let (mut prepared, identity) = prepare(arguments, &specs, &passes)?;
    if arguments.common.execution.dry_run {
        print_plan(&prepared, &passes[0].request, &work(&passes))?;
        return Ok(None);
    }
    let folder = out(arguments.out.as_deref())?;
    let occupied = arguments.common.execution.occupied();
    let (run, resumed) = RunDir::prepare(folder, occupied, &Value::Object(decisive(&identity)))?;
    note_resumed(&run, resumed, arguments.common.execution.quiet);
    let mut manifest = main_pass(&run, &mut prepared, &passes, identity, specs.len() > 1)?;
    for pass in &passes[1..] {
        prepared = prepared.with_checkpoint(&pass.spec, &pass.request)?;
        forward_one(&run, &prepared, pass)?;
    }
    drop(prepared);
    let analysis = analyse(&run, &mut manifest, arguments.common.execution.quiet, Some(clock))?;
    Ok(Some((run, analysis)))
}

/// Opens, reads, validates and compares everything; ready for the first pass. Returns the identity of the run too.
fn prepare(arguments: &DropsArgs, specs: &[Spec], passes: &[Pass]) -> Result<(Prepared, Map<String, Value>)> {
    let out = arguments.out.as_deref();
    let prepared = Prepared::new(&passes[0].request)?;
    if let Some(out) = out {
        protect::texts(out, &passes[0].request, &prepared.corpus)?;
    }
    let (prepared, identities) = passes::identities(prepared, passes)?;
    let identity = identity(arguments, specs, &prepared.identity);
    if let Some(out) = out {
        passes::check(out, arguments.common.execution.occupied(), &decisive(&identity), passes, &identities)?;
    }
    Ok((prepared, identity))
}

/// The first checkpoint's forward pass, then that of the second one, then the exact replays.
fn passes(arguments: &DropsArgs, specs: &[Spec]) -> Vec<Pass> {
    let pass = |spec: &Spec, factor: Option<f64>| Pass {
        spec: spec.clone(),
        request: request(arguments, spec, factor),
        folder: factor.map_or_else(|| trace_of(specs, spec), replay_folder),
    };
    let replays = arguments.exact_replay.iter().map(|&factor| pass(&specs[0], Some(factor)));
    specs.iter().map(|spec| pass(spec, None)).chain(replays).collect()
}

/// What `--dry-run` says about the passes, if there are several.
fn work(passes: &[Pass]) -> Work {
    if passes.len() == 1 {
        return Work::one();
    }
    let line = |pass: &Pass| match pass.request.common.routing.capacity_factor {
        Some(factor) => format!("  {}: forward pass at capacity factor {factor}", pass.spec.label),
        None => format!("  {}: forward pass", pass.spec.label),
    };
    let lines = std::iter::once("checkpoints:".to_owned()).chain(passes.iter().map(line)).collect();
    Work { lines, passes: passes.len() }
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
        if !passes::is_whole(run, Some(prepared), &passes[1..]) {
            run.write_manifest(&manifest)?;
        }
        return Ok(manifest);
    }
    let mut manifest = Value::Object(identity);
    manifest["complete"] = json!(false);
    if !passes::is_whole(run, Some(prepared), passes) {
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
fn specs(arguments: &DropsArgs) -> Result<Vec<Spec>> {
    let typed = std::iter::once(&arguments.checkpoint).chain(&arguments.compare);
    let specs: Vec<Spec> = typed.map(|typed| Spec::new(typed, false)).collect();
    check_labels(&specs)?;
    if let Some(spec) = specs.iter().find(|spec| spec.is_run()) {
        return Err(Error::usage(
            format!("`{}` is a finished run; drops needs the checkpoint itself", spec.folder.display()),
            "statistics of a finished drops run are made again by `openmoe-analyze stats RUN`",
        ));
    }
    if let Some(out) = &arguments.out {
        protect::folders(out, specs.iter().map(|spec| spec.folder.as_path()))?;
    }
    check_compatible(&specs)?;
    Ok(specs)
}

/// The arguments with the chat template that is meant by `auto`: that of the first checkpoint, for all.
fn with_template(arguments: &DropsArgs, specs: &[Spec]) -> Result<DropsArgs> {
    let mut arguments = arguments.clone();
    if arguments.transcripts.is_empty() {
        return Ok(arguments);
    }
    let resolved = |spec: &Spec| -> Result<ChatTemplate> {
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
fn request(arguments: &DropsArgs, spec: &Spec, factor: Option<f64>) -> Request {
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
fn trace_of(specs: &[Spec], spec: &Spec) -> String {
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
fn identity(arguments: &DropsArgs, specs: &[Spec], first: &Map<String, Value>) -> Map<String, Value> {
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
