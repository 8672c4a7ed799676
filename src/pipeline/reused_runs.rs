//! Finished route runs that stand for checkpoints: they must have routed the same tokens in the same way.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{
    checkpoint_comparison::facts,
    checkpoint_spec::CheckpointSpec,
    fingerprint::Fingerprint,
    identity::options,
    options::{check_options, context},
};
use crate::{
    checkpoint::{Checkpoint, Config},
    cli::DriftArgs,
    commands::terminal,
    corpus::{Corpus, InputFile},
    error::{Error, Result, bullets, path_text},
    run::{RunDir, differences},
    trace::RoutingTrace,
};

/// Keys of a route run's manifest that say which tokens were routed, and how.
const COMPARED: [&str; 15] = [
    "inputs",
    "template",
    "oasst_paths",
    "category_key",
    "text_key",
    "context",
    "truncate",
    "bos",
    "max_sequences",
    "group",
    "capacity_rule",
    "capacity_factor",
    "min_capacity",
    "dtype",
    "layout",
];

/// Those of them that are no part of what identifies a drift run: it reads no transcripts, and takes the layout of the traces as it is.
const OF_ROUTE_ALONE: [&str; 3] = ["template", "oasst_paths", "layout"];

/// Keys that may move near-ties: worth a word, no reason to refuse.
const NOTED: [&str; 3] = ["version", "device", "instruction_set"];

/// Refuses runs of another command: only a route run has one trace of one checkpoint.
///
/// # Errors
/// [`Error::Usage`] with every such run; [`Error::RunFolder`] if a manifest cannot be read.
pub(crate) fn refuse_other_commands(specs: &[CheckpointSpec]) -> Result<()> {
    let mut problems = Vec::new();
    for spec in specs.iter().filter(|spec| spec.is_run()) {
        let command = RunDir::open(&spec.folder)?.manifest()?["command"].clone();
        if command != "route" {
            let command = command.as_str().unwrap_or("another program");
            problems.push(format!("`{}` holds a run of {command}; expected one of route", spec.folder.display()));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("only a route run can stand for a checkpoint:{}", bullets(&problems)),
        "give the checkpoint itself, or one trace of the run: its sub-folder checkpoints/LABEL",
    ))
}

/// The checkpoint that a run was made from, if it is still the same.
///
/// # Errors
/// [`Error::Usage`] if it is gone or has changed, or the run names none.
pub(crate) fn checkpoint_of(run: &Path) -> Result<PathBuf> {
    let recorded = RunDir::open(run)?.manifest()?["checkpoint"].clone();
    let refuse = |what: String| {
        Error::usage(
            format!(
                "--noise-floor needs the last checkpoint itself: `{}` is a finished run, and {what}",
                run.display()
            ),
            "give the checkpoint's folder in place of the run, or leave --noise-floor out",
        )
    };
    let Some(folder) = recorded["path"].as_str().map(PathBuf::from) else {
        return Err(refuse("its manifest names no checkpoint".to_owned()));
    };
    let shown = folder.display();
    let checkpoint = Checkpoint::open(&folder)
        .map_err(|error| refuse(format!("`{shown}`, which it was made from, cannot be opened: {error}")))?;
    let hashed = recorded["weights"].as_array().into_iter().flatten().all(|file| file.get("sha256").is_some());
    let different = differences(&recorded, &Fingerprint::new(&checkpoint, !hashed)?.value);
    if different.is_empty() {
        return Ok(folder);
    }
    Err(refuse(format!("`{shown}`, which it was made from, has changed since: {}", different.join("; "))))
}

/// What runs must agree with if no checkpoint is opened: the first of them, and the text and the options as typed.
///
/// # Errors
/// [`Error::Usage`] for options that contradict each other, and if the first run does not record its configuration; the
/// errors of reading the text.
pub(crate) fn expected(arguments: &DriftArgs, first: &CheckpointSpec) -> Result<Value> {
    check_options(&arguments.common)?;
    let mut expected = RunDir::open(&first.folder)?.manifest()?;
    let config = config(&expected).ok_or_else(|| {
        Error::usage(
            format!("`{}` does not record the configuration of its checkpoint", first.folder.display()),
            "the run was made by another version: give one of the checkpoints, or make the run again",
        )
    })?;
    let routing = &arguments.common.routing;
    let router = config.router_settings(routing.capacity_rule, routing.capacity_factor);
    let context = context(&arguments.common, config.max_position_embeddings)?;
    for (key, value) in options(&arguments.common, &router, context) {
        expected[key.as_str()] = value;
    }
    expected["version"] = json!(env!("CARGO_PKG_VERSION"));
    expected["inputs"] = inputs(&arguments.corpus, &expected["inputs"])?;
    Ok(expected)
}

/// The files as they are now, with the numbers of documents of a run that read the same bytes.
fn inputs(paths: &[PathBuf], recorded: &Value) -> Result<Value> {
    let documents = |file: &InputFile| {
        let same = |entry: &&Value| entry["sha256"] == json!(file.sha256) && entry["path"] == path_text(&file.path);
        recorded.as_array().into_iter().flatten().find(same).map(|entry| entry["documents"].clone())
    };
    let files = Corpus::identify(paths)?;
    let entries = files.iter().map(|file| {
        let mut entry = json!(file);
        entry["documents"] = documents(file).unwrap_or_default();
        entry
    });
    Ok(entries.collect())
}

fn config(manifest: &Value) -> Option<Config> {
    serde_json::from_value(manifest["config"].clone()).ok()
}

/// Compares every run with the manifest that it would have if it were made now. Runs made by another version or with
/// other instructions are told on standard error.
///
/// # Errors
/// [`Error::Usage`] with every difference of every run.
pub(crate) fn check(specs: &[CheckpointSpec], expected: &Value, quiet: bool) -> Result<()> {
    let expected_facts = comparable(expected);
    let mut problems = Vec::new();
    for spec in specs.iter().filter(|spec| spec.is_run()) {
        let run = RunDir::open(&spec.folder)?;
        let manifest = run.manifest()?;
        let folder = spec.folder.display();
        let mut wrong = differences(&comparable(&manifest), &expected_facts);
        if let Err(error) = whole(&run, &manifest) {
            wrong.push(error.to_string());
        }
        problems.extend(wrong.into_iter().map(|line| format!("`{folder}`: {line}")));
        for line in differences(&manifest, &Value::Object(taken(expected, NOTED))).iter().filter(|_| !quiet) {
            terminal::note(&format!("`{folder}` was made elsewhere, near-ties may differ: {line}"));
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

/// What the route runs of all checkpoints of a drift run have in common, and its manifest takes over.
pub(crate) fn in_common(expected: &Value) -> Map<String, Value> {
    let routed = COMPARED.into_iter().filter(|key| !OF_ROUTE_ALONE.contains(key));
    taken(expected, ["version", "tokenizer"].into_iter().chain(routed).chain(["device", "instruction_set"]))
}

/// Some keys of a manifest with their values, null where it has none.
fn taken(manifest: &Value, keys: impl IntoIterator<Item = &'static str>) -> Map<String, Value> {
    keys.into_iter().map(|key| (key.to_owned(), manifest[key].clone())).collect()
}

/// The keys of a manifest that decide what its trace means.
fn comparable(manifest: &Value) -> Value {
    let mut keys = taken(manifest, COMPARED);
    keys.insert("tokenizer (SHA-256)".into(), manifest["tokenizer"]["sha256"].clone());
    let facts = config(manifest).map_or(Value::Null, |config| {
        Value::Object(facts(&config).into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect())
    });
    keys.insert("config".into(), facts);
    Value::Object(keys)
}

/// Whether everything that statistics read is in place.
fn whole(run: &RunDir, manifest: &Value) -> Result<()> {
    if manifest["complete"] != true {
        return Err(Error::run_folder("is not complete", "run the same command with --resume"));
    }
    RoutingTrace::open(run)?.sequences().map(|_| ())
}
