//! Whether files are still those that were hashed: size, times and place on the disk, looked at again while a run reads them.

use std::{fs::Metadata, time::UNIX_EPOCH};

use super::{Checkpoint, refusal};
use crate::error::{Error, Result};

/// What tells a file that is open from itself after a change, without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    bytes: u64,
    /// Time of the last change of the content, in nanoseconds; a copying program may set it back.
    modified: u128,
    /// Time of the last change of any kind, device and inode, where the system tells them.
    #[cfg(unix)]
    changed: (i64, i64, u64, u64),
}

impl FileState {
    fn new(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            bytes: metadata.len(),
            modified: modified.map_or(0, |time| time.as_nanos()),
            #[cfg(unix)]
            changed: (metadata.ctime(), metadata.ctime_nsec(), metadata.dev(), metadata.ino()),
        }
    }
}

/// The state of all files of a checkpoint at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointState {
    config_sha256: String,
    weights: Vec<FileState>,
}

impl Checkpoint {
    /// The state of the weight files that are open.
    ///
    /// # Errors
    /// The system does not tell it.
    pub fn state(&self) -> Result<CheckpointState> {
        let state = |(handle, file): (&std::fs::File, &super::WeightFile)| {
            handle.metadata().map(|metadata| FileState::new(&metadata)).map_err(Error::io("read", &file.path))
        };
        let weights = self.handles.iter().zip(&self.files).map(state).collect::<Result<_>>()?;
        Ok(CheckpointState { config_sha256: self.config_sha256.clone(), weights })
    }

    /// Refuses to go on if any file is not what it was at an earlier moment.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] that names the files that have changed.
    pub fn check_unchanged(&self, before: &CheckpointState) -> Result<()> {
        let now = self.state()?;
        if now == *before {
            return Ok(());
        }
        let mut problems = Vec::new();
        if now.config_sha256 != before.config_sha256 || now.weights.len() != before.weights.len() {
            problems.push("`config.json` or the list of weight files changed while the run read it".to_owned());
        }
        for ((file, now), before) in self.files.iter().zip(&now.weights).zip(&before.weights) {
            if now != before {
                let name = file.path.file_name().unwrap_or_default().to_string_lossy();
                problems
                    .push(format!("`{name}` changed while the run read it: its size or times are not those it had"));
            }
        }
        Err(refusal(
            &self.dir,
            problems,
            "what this pass has written may be of mixed weights: when nothing writes to the files any more, run the same \
             command with --force; --resume goes on only if the files are again what they were",
        ))
    }
}
