//! Opens a run whose results are all in place.

use std::path::Path;

use serde_json::Value;

use crate::{
    error::{Error, Result},
    run_dir::RunDir,
};

/// A finished run and its manifest.
///
/// # Errors
/// [`Error::RunFolder`] if the folder holds no run, or one that is not complete.
pub(super) fn open(root: &Path) -> Result<(RunDir, Value)> {
    let run = RunDir::open(root)?;
    let manifest = run.manifest()?;
    if manifest["complete"] == true {
        return Ok((run, manifest));
    }
    Err(Error::run_folder(
        format!("run `{}` is not complete: its statistics may be missing or of other settings", run.path().display()),
        "repeat the command that made it with --resume, or make the statistics with `openmoe-analyze stats RUN`",
    ))
}
