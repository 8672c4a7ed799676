//! Runs whose results are all in place.

use std::path::Path;

use serde_json::Value;

use super::{beside::shown_beside, folder::RunDir};
use crate::error::{Error, Result};

/// A finished run and its manifest, to be read.
///
/// # Errors
/// [`Error::RunFolder`] if the folder holds no run, or one that is not complete.
pub fn open_finished(root: &Path) -> Result<(RunDir, Value)> {
    complete(RunDir::open(root)?)
}

/// A finished run and its manifest; no other process writes there as long as it is held.
///
/// # Errors
/// As [`open_finished`]; [`Error::RunFolder`] also if another process writes there.
pub fn open_finished_to_write(root: &Path) -> Result<(RunDir, Value)> {
    complete(RunDir::open_to_write(root)?)
}

fn complete(run: RunDir) -> Result<(RunDir, Value)> {
    let manifest = run.manifest()?;
    if manifest["complete"] == true {
        return Ok((run, manifest));
    }
    Err(Error::run_folder(
        format!("run `{}` is not complete: its statistics may be missing or of other settings", run.path().display()),
        "repeat the command that made it with --resume, or make the statistics with `openmoe-analyze stats RUN`",
    ))
}

/// What a reader of a finished run's numbers should know: that another version made them, and that nothing vouches for them
/// where no checksums were kept.
pub fn notes_on_statistics(run: &RunDir, manifest: &Value) -> Vec<String> {
    let key = if manifest["statistics_version"].is_string() { "statistics_version" } else { "version" };
    notes_on_version(run, manifest, key)
}

/// The same of the version that stands in the manifest under `key`.
pub fn notes_on_version(run: &RunDir, manifest: &Value, key: &str) -> Vec<String> {
    let place = run.path().display();
    let now = env!("CARGO_PKG_VERSION");
    let mut notes = Vec::new();
    if let Some(then) = manifest[key].as_str().filter(|then| *then != now) {
        let what = if key == "version" { "the run was" } else { "the statistics were" };
        notes.push(format!("`{place}`: {what} made by version {then}; this is version {now}"));
    }
    if run.digest().is_none() {
        notes.push(format!("`{place}` was made before checksums were kept: damage to its files cannot be noticed"));
    }
    notes
}

/// That the report of the run above shows this run as it was, if it does.
pub fn note_on_report_above(run: &RunDir) -> Option<String> {
    let own = run.path().canonicalize().ok()?;
    let above = RunDir::open(own.parent()?).ok()?;
    let manifest = above.manifest().ok()?;
    shown_beside(&above, &manifest).contains(&own).then(|| {
        let place = above.path().display();
        format!("`{place}/report.html` shows this run too, as it was: `openmoe-analyze chart {place}` makes it anew")
    })
}
