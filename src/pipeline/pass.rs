//! Several forward passes over the same tokens, each into a sub-folder with a manifest of its own.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    checkpoint_spec::CheckpointSpec,
    forward::{forward, has_whole_trace, is_complete},
    prepared_pass::Prepared,
    request::Request,
};
use crate::{
    error::Result,
    run::{Occupied, RunDir},
};

/// One forward pass of a run of several.
#[derive(Debug)]
pub(crate) struct Pass {
    /// The checkpoint.
    pub(crate) spec: CheckpointSpec,
    /// What goes through it, and how.
    pub(crate) request: Request,
    /// The sub-folder of the run that its trace goes to; `.` is the run itself.
    pub(crate) folder: String,
}

/// Opens and hashes what every pass needs. Ends with the first pass ready; returns the identity of every pass too.
///
/// # Errors
/// Those of opening.
pub(crate) fn identities(mut prepared: Prepared, passes: &[Pass]) -> Result<(Prepared, Vec<Value>)> {
    let mut identities = Vec::new();
    for pass in passes {
        prepared = prepared.with_checkpoint(&pass.spec, &pass.request)?;
        identities.push(Value::Object(prepared.identity.clone()));
    }
    match passes.first() {
        Some(first) => Ok((prepared.with_checkpoint(&first.spec, &first.request)?, identities)),
        None => Ok((prepared, identities)),
    }
}

/// Compares the run and its passes with what their folders hold: nothing may be found out only after the manifest of the
/// run has been written anew.
///
/// # Errors
/// [`crate::error::Error::RunFolder`] as [`RunDir::check`].
pub(crate) fn check(
    out: &Path,
    occupied: Occupied,
    run: &Map<String, Value>,
    passes: &[Pass],
    identities: &[Value],
) -> Result<()> {
    RunDir::check(out, occupied, &Value::Object(run.clone()))?;
    let mut below = passes.iter().zip(identities).filter(|(pass, _)| pass.folder != ".");
    below.try_for_each(|(pass, identity)| RunDir::check_below(out, &pass.folder, occupied, identity))
}

/// Whether a run that goes on has nothing to make: it stays complete until its statistics change.
pub(crate) fn is_whole(run: &RunDir, prepared: Option<&Prepared>, passes: &[Pass]) -> bool {
    let pass = |pass: &Pass, prepared| {
        let folder = RunDir::open(&run.file(&pass.folder)).ok();
        folder.is_some_and(|folder| has_whole_trace(&folder, prepared, pass.request.common.execution.log_logits))
    };
    is_complete(run) && prepared.is_none_or(|prepared| passes.iter().all(|one| pass(one, prepared)))
}

/// One forward pass into its sub-folder; what is there already, whole and of this pass, is kept. Returns its manifest.
pub(crate) fn forward_one(run: &RunDir, prepared: &Prepared, pass: &Pass) -> Result<Value> {
    let folder = run.prepare_below(&pass.folder, &Value::Object(prepared.identity.clone()))?;
    let mut record = forward(&folder, prepared, &pass.request)?;
    record["complete"] = json!(true);
    folder.write_manifest(&record)?;
    Ok(record)
}
