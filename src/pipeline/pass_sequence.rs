//! Several forward passes over the same tokens, each into a sub-folder with a manifest of its own.

use std::path::Path;

use serde::Serialize;

use super::{
    forward::{forward, has_whole_trace, is_complete},
    options::RunOptions,
    pass::Pass,
    pass_manifest::record,
    prepared_pass::PreparedPass,
    progress::Progress,
};
use crate::{
    error::Result,
    run::{Identity, Occupied, RunDir, RunRecord},
};

/// Opens and hashes what every pass needs. Ends with the first pass ready; returns the identity of every pass too.
///
/// # Errors
/// Those of opening.
pub(crate) fn identities(
    mut prepared: PreparedPass,
    options: &RunOptions,
    passes: &[Pass],
    progress: &dyn Progress,
) -> Result<(PreparedPass, Vec<Identity>)> {
    let mut identities = Vec::new();
    for pass in passes {
        prepared = prepared.with_pass(options, pass, progress)?;
        identities.push(prepared.identity.clone());
    }
    match passes.first() {
        Some(first) => Ok((prepared.with_pass(options, first, progress)?, identities)),
        None => Ok((prepared, identities)),
    }
}

/// Compares the run and its passes with what their folders hold: every folder is checked
/// before the manifest of the run is written again.
///
/// # Errors
/// [`crate::error::Error::RunFolder`] as [`RunDir::check`].
pub(crate) fn check(
    out: &Path,
    occupied: Occupied,
    run: &impl Serialize,
    passes: &[Pass],
    identities: &[Identity],
) -> Result<()> {
    RunDir::check(out, occupied, run)?;
    let mut below = passes.iter().zip(identities).filter(|(pass, _)| pass.folder != ".");
    below.try_for_each(|(pass, identity)| RunDir::check_below(out, &pass.folder, occupied, identity))
}

/// Whether a run that goes on has nothing to make: it stays complete until its statistics change.
pub(crate) fn is_whole(run: &RunDir, prepared: Option<&PreparedPass>, passes: &[Pass]) -> bool {
    let pass = |pass: &Pass, prepared| {
        let folder = RunDir::open(&run.file(&pass.folder)).ok();
        folder.is_some_and(|folder| has_whole_trace(&folder, prepared, pass.log_logits))
    };
    is_complete(run) && prepared.is_none_or(|prepared| passes.iter().all(|one| pass(one, prepared)))
}

/// One forward pass into its sub-folder; what is there already, whole and of this pass, is kept. Returns its record.
pub(crate) fn forward_one(
    run: &RunDir,
    prepared: &PreparedPass,
    options: &RunOptions,
    pass: &Pass,
    progress: &dyn Progress,
) -> Result<RunRecord> {
    let folder = run.prepare_below(&pass.folder, &prepared.identity)?;
    let mut record = record(prepared, options);
    forward(&folder, prepared, pass, &mut record, progress)?;
    record.complete = true;
    folder.write_record(&record)?;
    Ok(record)
}
