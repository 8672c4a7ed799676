//! The traces of a run with several forward passes: where they are, and whether they are still the same.

use std::path::Path;

use super::{
    again::again,
    folder::RunDir,
    record::{RecordedCheckpoint, RunRecord, TraceDigests},
};
use crate::{
    error::{ANOTHER_VERSION, Error, Result, run_again},
    routing::RunKind,
};

/// The checkpoints of a run with several forward passes, by label, with the folders that hold their traces.
///
/// # Errors
/// [`Error::RunFolder`] if the record names none, or a folder holds no run.
pub fn recorded_checkpoints(run: &RunDir, record: &RunRecord) -> Result<Vec<(String, RunDir)>> {
    let checkpoints = &record.identity.checkpoints;
    if checkpoints.is_empty() {
        return Err(Error::run_folder(
            format!("manifest.json of `{}` names no checkpoint with a trace", run.path().display()),
            run_again(ANOTHER_VERSION),
        ));
    }
    let opened = |entry: &RecordedCheckpoint| Ok((entry.label.clone(), recorded_trace(run, record, entry)?));
    checkpoints.iter().map(opened).collect()
}

/// The run that holds the trace of one checkpoint. It must be the run that earlier statistics were made from, if there are any.
fn recorded_trace(run: &RunDir, record: &RunRecord, checkpoint: &RecordedCheckpoint) -> Result<RunDir> {
    let (path, place) = (run.file(&checkpoint.trace), run.path().display());
    let reuses = if Path::new(&checkpoint.trace).is_absolute() { "reuses" } else { "consists of" };
    let made = |what: &str| {
        Error::run_folder(
            format!("`{place}` {reuses} the run `{}`, {what}", path.display()),
            format!("put it back where it was, or make `{place}` again"),
        )
    };
    if !path.join("manifest.json").exists() && !record.complete {
        return Err(Error::run_folder(
            format!("`{place}` is not complete: the run `{}` is not there", path.display()),
            format!("repeat the command that made it with {}", again(run.path())),
        ));
    }
    if !path.join("manifest.json").exists() {
        return Err(made("which is not there any more"));
    }
    let opened = RunDir::open(&path)?;
    match record.trace_digests.as_ref().and_then(|digests| digests.of(&checkpoint.label)) {
        Some(digest) if opened.digest() != Some(digest) => Err(made("in whose place there is another run now")),
        _ => Ok(opened),
    }
}

/// The folders that hold the run's traces, by label.
///
/// # Errors
/// As [`recorded_checkpoints`].
pub fn traces_of(run: &RunDir, record: &RunRecord) -> Result<Vec<(String, RunDir)>> {
    match record.identity.command {
        RunKind::Route | RunKind::Import => Ok(vec![(record.label.clone(), run.clone())]),
        RunKind::Drift | RunKind::Drops | RunKind::Mitigate => recorded_checkpoints(run, record),
    }
}

/// Compares all files of the traces with their checksums, including those that no statistic reads: somebody who relies on
/// the numbers may read the trace next.
///
/// # Errors
/// As [`RunDir::read`].
pub fn check_traces(run: &RunDir, record: &RunRecord) -> Result<()> {
    run.check_trace()?;
    let mut replays = record.identity.exact_replay.iter().flatten();
    replays.try_for_each(|replay| RunDir::open(&run.file(&replay.trace))?.check_trace())?;
    traces_of(run, record)?.iter().try_for_each(|(_, trace)| trace.check_trace())
}

/// Records which run each trace belongs to, so that no other run is taken for it later.
///
/// # Errors
/// As [`recorded_checkpoints`].
pub fn record_traces(run: &RunDir, record: &mut RunRecord) -> Result<()> {
    if matches!(record.identity.command, RunKind::Route | RunKind::Import) {
        return Ok(());
    }
    let digest = |(label, trace): (String, RunDir)| Some((label, trace.digest()?.to_owned()));
    record.trace_digests = Some(TraceDigests(traces_of(run, record)?.into_iter().filter_map(digest).collect()));
    Ok(())
}
