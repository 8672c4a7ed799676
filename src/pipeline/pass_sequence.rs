//! Several forward passes over the same tokens, each written into a sub-folder with its own manifest.

use std::path::Path;

use serde::Serialize;

use super::{
    download_plan::{bytes_to_fetch, note_downloads},
    forward_pass::{has_whole_trace, is_complete, run_forward_pass},
    options::RunOptions,
    pass::Pass,
    pass_record::pass_record,
    prepared_pass::PreparedPass,
    progress::Progress,
};
use crate::{
    error::Result,
    run::{Identity, Occupied, RunDir, RunRecord},
};

/// Opens and hashes what every pass needs. Returns the first pass, ready to start, the identity of every pass, and how many bytes each
/// would fetch from the hub.
///
/// # Errors
/// Those of opening.
pub(crate) fn identities(
    mut prepared: PreparedPass,
    options: &RunOptions,
    passes: &[Pass],
    progress: &dyn Progress,
) -> Result<(PreparedPass, Vec<Identity>, Vec<u64>)> {
    let (mut identities, mut to_fetch) = (Vec::new(), Vec::new());
    for pass in passes {
        prepared = prepared.with_pass(options, pass, progress)?;
        identities.push(prepared.identity.clone());
        to_fetch.push(bytes_to_fetch(pass, &prepared.checkpoint, prepared.waves()));
    }
    if let Some(first) = passes.first() {
        prepared = prepared.with_pass(options, first, progress)?;
    }
    Ok((prepared, identities, to_fetch))
}

/// Says what the passes fetch together, unless the folder holds all of their traces.
pub(crate) fn note_to_fetch(
    out: Option<&Path>,
    prepared: &PreparedPass,
    passes: &[Pass],
    to_fetch: &[u64],
    progress: &dyn Progress,
) {
    let run = || out.and_then(|out| RunDir::open(out).ok());
    note_downloads(to_fetch, || run().is_some_and(|run| is_whole(&run, Some(prepared), passes)), progress);
}

/// Compares the run and its passes with what their folders hold. Every folder is checked before the manifest of the run is
/// written again.
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

/// Whether a resumed run has all its traces: it then stays marked as complete until its statistics change.
pub(crate) fn is_whole(run: &RunDir, prepared: Option<&PreparedPass>, passes: &[Pass]) -> bool {
    let pass = |pass: &Pass, prepared| {
        let folder = RunDir::open(&run.file(&pass.folder)).ok();
        folder.is_some_and(|folder| has_whole_trace(&folder, prepared, pass))
    };
    is_complete(run) && prepared.is_none_or(|prepared| passes.iter().all(|one| pass(one, prepared)))
}

/// Runs one forward pass into its sub-folder and returns its record. Parts of the same pass that are there already, and whole,
/// are kept.
pub(crate) fn forward_one(
    run: &RunDir,
    prepared: &PreparedPass,
    options: &RunOptions,
    pass: &Pass,
    progress: &dyn Progress,
) -> Result<RunRecord> {
    let folder = run.prepare_below(&pass.folder, &prepared.identity)?;
    let mut record = pass_record(prepared, pass, options);
    run_forward_pass(&folder, prepared, pass, &mut record, progress)?;
    record.complete = true;
    folder.write_record(&record)?;
    Ok(record)
}
