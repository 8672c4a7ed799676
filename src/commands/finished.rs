//! Opens a run whose results are all in place.

use std::path::Path;

use serde_json::Value;

use super::{page, terminal};
use crate::{
    error::{Error, Result},
    run_dir::RunDir,
};

/// A finished run and its manifest, to be read.
///
/// # Errors
/// [`Error::RunFolder`] if the folder holds no run, or one that is not complete.
pub(super) fn open(root: &Path, quiet: bool) -> Result<(RunDir, Value)> {
    complete(RunDir::open(root)?, quiet)
}

/// A finished run and its manifest; no other process writes there as long as it is held.
///
/// # Errors
/// As [`open`]; [`Error::RunFolder`] also if another process writes there.
pub(super) fn open_to_write(root: &Path, quiet: bool) -> Result<(RunDir, Value)> {
    complete(RunDir::open_to_write(root)?, quiet)
}

fn complete(run: RunDir, quiet: bool) -> Result<(RunDir, Value)> {
    let manifest = run.manifest()?;
    if manifest["complete"] == true {
        let key = if manifest["statistics_version"].is_string() { "statistics_version" } else { "version" };
        note_version(&run, &manifest, key, quiet);
        return Ok((run, manifest));
    }
    Err(Error::run_folder(
        format!("run `{}` is not complete: its statistics may be missing or of other settings", run.path().display()),
        "repeat the command that made it with --resume, or make the statistics with `openmoe-analyze stats RUN`",
    ))
}

/// Says that what is read was made by another version, and that nothing vouches for it where none was kept.
pub(super) fn note_version(run: &RunDir, manifest: &Value, key: &str, quiet: bool) {
    let place = run.path().display();
    let now = env!("CARGO_PKG_VERSION");
    if quiet {
        return;
    }
    if let Some(then) = manifest[key].as_str().filter(|then| *then != now) {
        let what = if key == "version" { "the run was" } else { "the statistics were" };
        terminal::note(&format!("`{place}`: {what} made by version {then}; this is version {now}"));
    }
    if run.digest().is_none() {
        terminal::note(&format!(
            "`{place}` was made before checksums were kept: damage to its files cannot be noticed"
        ));
    }
}

/// Says that the report of the run above shows this run as it was.
pub(super) fn note_joint(run: &RunDir, quiet: bool) {
    let (Ok(own), false) = (run.path().canonicalize(), quiet) else { return };
    let Some(above) = own.parent().and_then(|above| RunDir::open(above).ok()) else { return };
    let Ok(manifest) = above.manifest() else { return };
    if page::shown_beside(&above, &manifest).contains(&own) {
        let place = above.path().display();
        terminal::note(&format!(
            "`{place}/report.html` shows this run too, as it was: `openmoe-analyze chart {place}` makes it anew"
        ));
    }
}
