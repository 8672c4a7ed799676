//! `drift`: the same tokens through several checkpoints of one run -> when was routing learnt, and what still changes?

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{
    analyse::{Analysis, analyse},
    checkpoints::{Spec, check_compatible, specs},
    machine,
    prepare::Prepared,
    request::Request,
    route::forward,
};
use crate::{
    cli::DriftArgs,
    error::{Error, Result},
    run_dir::{Occupied, RunDir},
};

/// Runs `drift` and prints the result.
pub(super) fn run(arguments: &DriftArgs) -> anyhow::Result<()> {
    let (run, analysis) = drift(arguments)?;
    analysis.print(&run, arguments.common.execution.json)?;
    Ok(())
}

/// The whole run. Nothing is written before every checkpoint has been opened, validated and compared with the others.
pub(super) fn drift(arguments: &DriftArgs) -> Result<(RunDir, Analysis)> {
    let clock = Instant::now();
    machine::watch_for_interrupts();
    machine::set_threads(arguments.common.execution.threads)?;
    let specs = specs(arguments)?;
    check_compatible(&specs)?;
    let first = specs.iter().find(|spec| !spec.is_run()).unwrap_or(&specs[0]);
    let mut prepared = Prepared::new(&request(arguments, first))?;
    for spec in specs.iter().filter(|spec| spec.is_run()) {
        check_reusable(spec, &prepared.identity)?;
    }
    let identity = identity(arguments, &specs, &prepared.identity);
    let occupied = arguments.common.execution.occupied();
    let (run, _) = RunDir::prepare(&arguments.out, occupied, &Value::Object(identity.clone()))?;
    let mut manifest = Value::Object(identity);
    manifest["complete"] = json!(false);
    manifest["seed"] = json!(arguments.common.statistics.seed);
    manifest["resamples"] = json!(arguments.common.statistics.resamples);
    manifest["exclude_bos"] = json!(arguments.common.statistics.exclude_bos);
    manifest["command_line"] = json!(std::env::args().collect::<Vec<_>>());
    run.write_json("manifest.json", &manifest)?;
    for spec in &specs {
        let record = if spec.is_run() {
            RunDir::open(&spec.folder)?.manifest()?
        } else {
            let request = request(arguments, spec);
            prepared = prepared.with_checkpoint(&request)?;
            prepared.label.clone_from(&spec.label);
            prepared.arithmetic = spec.arithmetic;
            prepared.identity.insert("dtype".into(), json!(spec.arithmetic.name()));
            forward_one(&run, &format!("checkpoints/{}", spec.label), &prepared, &request)?
        };
        for key in ["sequences", "documents", "tokens", "layout"] {
            manifest[key] = record[key].clone();
        }
    }
    drop(prepared);
    let analysis = analyse(&run, &mut manifest, arguments.common.execution.quiet, Some(clock))?;
    Ok((run, analysis))
}

/// One checkpoint's forward pass into a sub-folder of its own; returns its manifest.
pub(super) fn forward_one(run: &RunDir, folder: &str, prepared: &Prepared, request: &Request) -> Result<Value> {
    let folder = run.file(folder);
    let identity = Value::Object(prepared.identity.clone());
    let occupied = if folder.join("manifest.json").exists() { Occupied::Resume } else { Occupied::Refuse };
    let (folder, _) = RunDir::prepare(&folder, occupied, &identity)?;
    let mut record = forward(&folder, prepared, request)?;
    record["complete"] = json!(true);
    folder.write_json("manifest.json", &record)?;
    Ok(record)
}

/// The forward pass of one checkpoint. Router logits are kept, so that `gate_overlap` can be recomputed.
fn request(arguments: &DriftArgs, spec: &Spec) -> Request {
    let mut common = arguments.common.clone();
    common.execution.log_logits = true;
    Request { checkpoint: spec.folder.clone(), corpus: arguments.corpus.clone(), transcripts: None, common }
}

/// Keys of a route run's manifest that say which tokens were routed, and how.
const INPUT_KEYS: [&str; 10] = [
    "inputs",
    "category_key",
    "context",
    "truncate",
    "bos",
    "max_sequences",
    "group",
    "capacity_rule",
    "capacity_factor",
    "min_capacity",
];

/// A finished run can stand for a checkpoint if it routed the same tokens in the same way.
fn check_reusable(spec: &Spec, identity: &Map<String, Value>) -> Result<()> {
    let manifest = RunDir::open(&spec.folder)?.manifest()?;
    let mut different: Vec<&str> =
        INPUT_KEYS.into_iter().filter(|key| Some(&manifest[*key]) != identity.get(*key)).collect();
    if manifest["tokenizer"]["sha256"] != identity["tokenizer"]["sha256"] {
        different.push("tokenizer");
    }
    if manifest["complete"] == true && different.is_empty() {
        return Ok(());
    }
    let what = if different.is_empty() {
        "is not complete".to_owned()
    } else {
        format!("was made with other inputs: {}", different.join(", "))
    };
    Err(Error::usage(
        format!("run `{}` {what}; it cannot stand for a checkpoint", spec.folder.display()),
        "give the checkpoint itself, or make the run with the same corpus and options",
    ))
}

/// What decides the results: the checkpoints, and what the route runs have in common.
fn identity(arguments: &DriftArgs, specs: &[Spec], route: &Map<String, Value>) -> Map<String, Value> {
    let mut identity: Map<String, Value> = route
        .iter()
        .filter(|(key, _)| !["command", "checkpoint", "log_logits"].contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let checkpoints: Vec<Value> = specs
        .iter()
        .map(|spec| {
            json!({
                "label": spec.label,
                "path": spec.folder,
                "training_tokens": spec.training_tokens,
                "off_axis": spec.off_axis,
                "arithmetic": spec.arithmetic.name(),
                "trace": spec.trace(),
            })
        })
        .collect();
    identity.insert("command".into(), json!("drift"));
    identity.insert("checkpoints".into(), json!(checkpoints));
    identity.insert("match_experts".into(), json!(arguments.match_experts));
    identity.insert("tokens_of_interest".into(), json!(arguments.tokens_of_interest));
    identity.insert("corpus".into(), json!(arguments.corpus));
    identity
}
