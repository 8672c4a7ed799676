//! Opens runs that are complete.

use std::path::Path;

use super::{again::again, folder::RunDir, record::RunRecord, runs_in_report::shown_beside};
use crate::error::{CommandName, Error, Result};

/// Opens a finished run for reading, with its record.
///
/// # Errors
/// [`Error::RunFolder`] if the folder holds no run, or one that is not complete.
pub fn open_finished(root: &Path) -> Result<(RunDir, RunRecord)> {
    complete(RunDir::open(root)?)
}

/// Opens a finished run for writing, with its record. No other process can write there as long as the returned folder is held.
///
/// # Errors
/// As [`open_finished`]; [`Error::RunFolder`] also if another process writes there.
pub fn open_finished_to_write(root: &Path) -> Result<(RunDir, RunRecord)> {
    complete(RunDir::open_to_write(root)?)
}

fn complete(run: RunDir) -> Result<(RunDir, RunRecord)> {
    if run.loose_record()?.is_complete() {
        let record = run.record()?;
        return Ok((run, record));
    }
    Err(Error::run_folder(
        format!("run `{}` is not complete: its statistics may be missing or of other settings", run.path().display()),
        format!(
            "repeat the command that made it with {}, or make the statistics with {}",
            again(run.path()),
            CommandName::Stats.on_the_run()
        ),
    ))
}

/// Notes for the reader of a finished run's numbers: that another version computed them, and that damage could not be noticed
/// if the run has no checksums.
pub fn notes_on_statistics(run: &RunDir, record: &RunRecord) -> Vec<String> {
    match record.statistic_cost.as_ref().and_then(|cost| cost.statistics_version.as_deref()) {
        Some(version) => notes(run, "the statistics were", version),
        None => notes_on_run(run, record),
    }
}

/// The same notes about the trace of a run, whose numbers are computed again.
pub fn notes_on_run(run: &RunDir, record: &RunRecord) -> Vec<String> {
    notes(run, "the run was", &record.identity.version)
}

fn notes(run: &RunDir, what: &str, version: &str) -> Vec<String> {
    let place = run.path().display();
    let now = env!("CARGO_PKG_VERSION");
    let mut notes = Vec::new();
    if version != now {
        notes.push(format!("`{place}`: {what} made by version {version}; this is version {now}"));
    }
    if run.digest().is_none() {
        notes.push(format!("`{place}` was made before checksums were kept: damage to its files cannot be noticed"));
    }
    notes
}

/// A note that the report of the run above still shows this run as it was before, if it shows this run.
pub fn note_on_report_above(run: &RunDir) -> Option<String> {
    let own = run.path().canonicalize().ok()?;
    let above = RunDir::open(own.parent()?).ok()?;
    let record = above.loose_record().ok()?;
    shown_beside(&above, record.report_runs()).contains(&own).then(|| {
        let place = above.path().display();
        let again = CommandName::Chart.on(&place);
        format!("`{place}/report.html` shows this run too, as it was: {again} makes it anew")
    })
}
