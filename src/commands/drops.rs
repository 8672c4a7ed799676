//! `drops`: conversations through one or two checkpoints -> where tokens lose their experts, why, and what prevents it.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{
    analyse::{Analysis, analyse},
    checkpoints::{Spec, check_compatible, check_labels},
    drift::forward_one,
    machine,
    prepare::Prepared,
    request::{Request, Transcripts},
    route::{forward, print_plan},
};
use crate::{
    cli::DropsArgs,
    error::{Error, Result},
    routing::{CapacityRule, RouterSettings},
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
    check_factors(&arguments.exact_replay)?;
    let specs = specs(arguments)?;
    let request = request(arguments, &specs[0], None);
    let mut prepared = Prepared::new(&request)?;
    prepared.label.clone_from(&specs[0].label);
    check_replays(arguments, &prepared)?;
    if arguments.common.execution.dry_run {
        print_plan(&prepared, &request)?;
        return Ok(None);
    }
    let identity = identity(arguments, &specs, &prepared.identity);
    let (run, _) =
        RunDir::prepare(&arguments.out, arguments.common.execution.occupied(), &Value::Object(identity.clone()))?;
    let mut manifest = main_pass(&run, &mut prepared, &request, identity, specs.len() > 1)?;
    for spec in &specs[1..] {
        let request = self::request(arguments, spec, None);
        prepared = prepared.with_checkpoint(&request)?;
        prepared.label.clone_from(&spec.label);
        forward_one(&run, &trace_of(&specs, spec), &prepared, &request)?;
    }
    for &factor in &arguments.exact_replay {
        let request = self::request(arguments, &specs[0], Some(factor));
        prepared = prepared.with_request(&request)?;
        prepared.label.clone_from(&specs[0].label);
        forward_one(&run, &replay_folder(factor), &prepared, &request)?;
    }
    drop(prepared);
    let analysis = analyse(&run, &mut manifest, arguments.common.execution.quiet, Some(clock))?;
    Ok(Some((run, analysis)))
}

/// The first checkpoint's forward pass: into the folder of the run itself if it is the only one, else into a sub-folder.
/// Returns the manifest of the run.
fn main_pass(
    run: &RunDir,
    prepared: &mut Prepared,
    request: &Request,
    identity: Map<String, Value>,
    several: bool,
) -> Result<Value> {
    if !several {
        let own = std::mem::replace(&mut prepared.identity, identity);
        let manifest = forward(run, prepared, request)?;
        prepared.identity = own;
        return Ok(manifest);
    }
    let mut manifest = Value::Object(identity);
    manifest["complete"] = json!(false);
    run.write_json("manifest.json", &manifest)?;
    let record = forward_one(run, &format!("checkpoints/{}", prepared.label), prepared, request)?;
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
    if specs.len() > 1 {
        check_compatible(&specs)?;
    }
    Ok(specs)
}

fn check_factors(factors: &[f64]) -> Result<()> {
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

/// Refuses exact replays that could not run: found out before the first forward pass.
fn check_replays(arguments: &DropsArgs, prepared: &Prepared) -> Result<()> {
    if prepared.router.capacity_rule == CapacityRule::Unlimited && !arguments.exact_replay.is_empty() {
        return Err(Error::usage(
            "--exact-replay with --capacity-rule unlimited; expected a rule that has a factor",
            "leave one of the two out, or take --capacity-rule port",
        ));
    }
    for &capacity_factor in &arguments.exact_replay {
        let router = RouterSettings { capacity_factor, ..prepared.router };
        for group in &prepared.layout.groups {
            router.capacity(prepared.corpus.sequences[group.clone()].iter().map(|s| s.token_ids.len()).sum())?;
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

/// What decides the results: the forward pass of the first checkpoint, and what is done beside it.
fn identity(arguments: &DropsArgs, specs: &[Spec], first: &Map<String, Value>) -> Map<String, Value> {
    let mut identity = first.clone();
    let checkpoints: Vec<Value> = specs
        .iter()
        .map(|spec| json!({ "label": spec.label, "path": spec.folder, "trace": trace_of(specs, spec) }))
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
