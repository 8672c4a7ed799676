//! Several forward passes over the same tokens, each into a sub-folder with a manifest of its own.

use std::path::Path;

use serde_json::{Value, json};

use super::{checkpoints::Spec, prepare::Prepared, request::Request, route::forward};
use crate::{
    error::Result,
    run_dir::{Occupied, RunDir},
};

/// One forward pass of a run of several.
#[derive(Debug)]
pub(super) struct Pass {
    /// The checkpoint.
    pub(super) spec: Spec,
    /// What goes through it, and how.
    pub(super) request: Request,
    /// The sub-folder of the run that its trace goes to; `.` is the run itself.
    pub(super) folder: String,
}

/// Opens and hashes what every pass needs, and compares it with what an interrupted run left in the sub-folders: nothing
/// may be found out only after the manifest of the run has been written anew. Ends with the first pass ready; returns the
/// identity of each checkpoint.
///
/// # Errors
/// Those of opening, and of resuming a pass that is another one now.
pub(super) fn validate(
    mut prepared: Prepared,
    passes: &[Pass],
    resumed: Option<&Path>,
) -> Result<(Prepared, Vec<Value>)> {
    let mut checkpoints = Vec::new();
    for pass in passes {
        prepared = prepared.with_checkpoint(&pass.spec, &pass.request)?;
        checkpoints.push(prepared.identity["checkpoint"].clone());
        if let Some(out) = resumed.filter(|_| pass.folder != ".") {
            let identity = Value::Object(prepared.identity.clone());
            RunDir::check(&out.join(&pass.folder), Occupied::Resume, &identity)?;
        }
    }
    match passes.first() {
        Some(first) => Ok((prepared.with_checkpoint(&first.spec, &first.request)?, checkpoints)),
        None => Ok((prepared, checkpoints)),
    }
}

/// One forward pass into its sub-folder; what is there already is kept. Returns its manifest.
pub(super) fn forward_one(run: &RunDir, prepared: &Prepared, pass: &Pass) -> Result<Value> {
    let folder = run.file(&pass.folder);
    let identity = Value::Object(prepared.identity.clone());
    let occupied = if folder.join("manifest.json").exists() { Occupied::Resume } else { Occupied::Refuse };
    let (folder, _) = RunDir::prepare(&folder, occupied, &identity)?;
    let mut record = forward(&folder, prepared, &pass.request)?;
    record["complete"] = json!(true);
    folder.write_json("manifest.json", &record)?;
    Ok(record)
}
