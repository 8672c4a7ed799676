//! Hashes that are known of the files of a checkpoint: those that the cache of the hub, or its client, recorded. A conversion compares
//! them before it writes anything: nothing else would notice a wrong bit in a weight.

use std::path::PathBuf;

use crate::{
    checkpoint::{Checkpoint, check_blob, known_sha256},
    error::Result,
    pipeline::{
        fingerprint::read_watched,
        progress::{PlannedStage, Progress, RunningStage, Stage},
    },
};

/// Bytes that are read and hashed in a second, until it is measured.
const BYTES_PER_SECOND: f64 = 5e8;

/// The files of a checkpoint whose hash is known.
pub(super) struct Known {
    /// Weight files, by their index.
    files: Vec<usize>,
    /// The ZIP that all of the checkpoint lies in.
    archive: Option<PathBuf>,
    bytes: u64,
}

impl Known {
    /// Finds them.
    pub(super) fn of(checkpoint: &Checkpoint) -> Self {
        let all = checkpoint.files();
        let files: Vec<usize> = (0..all.len()).filter(|&index| known_sha256(&all[index].path).is_some()).collect();
        let archive = checkpoint.archive().filter(|path| known_sha256(path).is_some());
        let size = archive.and_then(|path| path.metadata().ok()).map_or(0, |metadata| metadata.len());
        let bytes = files.iter().map(|&index| all[index].bytes).sum::<u64>() + size;
        Self { files, archive: archive.map(PathBuf::from), bytes }
    }

    /// The stage that comparing them is; `None` if there are none.
    pub(super) fn planned(&self) -> Option<PlannedStage> {
        let seconds = self.bytes as f64 / BYTES_PER_SECOND;
        (self.bytes > 0).then_some(PlannedStage { stage: Stage::Weights, seconds, units: Some(self.bytes) })
    }

    /// Reads all of them.
    ///
    /// # Errors
    /// One cannot be read, or is not the file that was fetched; [`crate::error::Error::Interrupted`].
    pub(super) fn compare(&self, checkpoint: &Checkpoint, progress: &dyn Progress) -> Result<()> {
        check_blob(&checkpoint.config_path(), checkpoint.config_sha256())?;
        for &index in &self.files {
            progress.check()?;
            read_watched(checkpoint, index, progress)?;
        }
        if let Some(archive) = &self.archive {
            progress.check()?;
            let stage = RunningStage::begin(progress, Stage::Weights, Some(self.bytes));
            stage.working_on(&archive.file_name().unwrap_or_default().to_string_lossy());
            check_blob(archive, &checkpoint.hash_archive(&mut |bytes| stage.advance(bytes))?)?;
        }
        Ok(())
    }
}
