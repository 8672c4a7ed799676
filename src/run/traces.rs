//! The traces of a run of several: where they are, and that they are still the same.

use std::path::Path;

use serde_json::{Value, json};

use super::{folder::RunDir, kind::RunKind};
use crate::error::{Error, Result};

/// The key of a manifest with the digests of the runs that hold its traces, by label.
const TRACES: &str = "trace_digests";

/// The checkpoints of a run of several, by label, with the folders that hold their traces.
///
/// # Errors
/// [`Error::RunFolder`] if the manifest names none, or a folder holds no run.
pub fn recorded_checkpoints(run: &RunDir, manifest: &Value) -> Result<Vec<(String, RunDir)>> {
    let recorded = manifest["checkpoints"].as_array().into_iter().flatten();
    let all: Vec<(String, RunDir)> = recorded
        .filter_map(|entry| Some((entry["label"].as_str()?, entry["trace"].as_str()?)))
        .map(|(label, trace)| Ok((label.to_owned(), recorded_trace(run, manifest, label, trace)?)))
        .collect::<Result<_>>()?;
    if all.is_empty() {
        return Err(Error::run_folder(
            format!("manifest.json of `{}` names no checkpoint with a trace", run.path().display()),
            "the run was made by another version: run it again with --force",
        ));
    }
    Ok(all)
}

/// The run that holds the trace of one checkpoint: the same that the statistics were made from before, if they were.
fn recorded_trace(run: &RunDir, manifest: &Value, label: &str, trace: &str) -> Result<RunDir> {
    let (path, place) = (run.file(trace), run.path().display());
    let reuses = if Path::new(trace).is_absolute() { "reuses" } else { "consists of" };
    let made = |what: &str| {
        Error::run_folder(
            format!("`{place}` {reuses} the run `{}`, {what}", path.display()),
            format!("put it back where it was, or make `{place}` again"),
        )
    };
    if !path.join("manifest.json").exists() {
        return Err(made("which is not there any more"));
    }
    let opened = RunDir::open(&path)?;
    match manifest[TRACES][label].as_str() {
        Some(digest) if opened.digest() != Some(digest) => Err(made("in whose place there is another run now")),
        _ => Ok(opened),
    }
}

/// The folders that hold the run's traces, by label.
///
/// # Errors
/// As [`recorded_checkpoints`].
pub fn traces_of(kind: RunKind, run: &RunDir, manifest: &Value) -> Result<Vec<(String, RunDir)>> {
    match kind {
        RunKind::Route => Ok(vec![(manifest["label"].as_str().unwrap_or_default().to_owned(), run.clone())]),
        RunKind::Drift | RunKind::Drops => recorded_checkpoints(run, manifest),
    }
}

/// Compares what no statistic reads with its checksum too: who believes the numbers may look into the trace next.
///
/// # Errors
/// As [`RunDir::read`].
pub fn check_traces(kind: RunKind, run: &RunDir, manifest: &Value) -> Result<()> {
    run.check_trace()?;
    let replays = manifest["exact_replay"].as_array().into_iter().flatten().filter_map(|entry| entry["trace"].as_str());
    replays.map(|folder| RunDir::open(&run.file(folder))).try_for_each(|replay| replay?.check_trace())?;
    traces_of(kind, run, manifest)?.iter().try_for_each(|(_, trace)| trace.check_trace())
}

/// Which run every trace is of, so that no other one is taken for it later.
///
/// # Errors
/// As [`recorded_checkpoints`].
pub fn record_traces(kind: RunKind, run: &RunDir, manifest: &mut Value) -> Result<()> {
    if kind == RunKind::Route {
        return Ok(());
    }
    let digest = |(label, trace): (String, RunDir)| Some((label, json!(trace.digest()?)));
    manifest[TRACES] = Value::Object(traces_of(kind, run, manifest)?.into_iter().filter_map(digest).collect());
    Ok(())
}
