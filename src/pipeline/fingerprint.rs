//! The identity of a checkpoint: hashes of its files, and what was noticed while their bytes were read.

use std::path::Path;

use super::progress::{Progress, RunningStage, Stage};
use crate::{
    checkpoint::{Checkpoint, CheckpointState, WeightReading, check_blob, describe_oddities},
    error::{Error, OptionName, Result, path_text},
    run::{CheckpointFiles, WeightFile},
};

/// The identity of a checkpoint, and the state of its files when it was taken.
#[derive(Clone, Debug)]
pub(crate) struct Fingerprint {
    /// The hash of its configuration, and for each weight file its path with its SHA-256, or with its size and times of change.
    pub(crate) files: CheckpointFiles,
    /// The files as they were before they were read.
    pub(crate) state: CheckpointState,
    /// Oddities that the user must know about.
    pub(crate) notes: Vec<String>,
}

impl Fingerprint {
    /// Reads and hashes all weights, or with `no_hash` takes only their size and times; warns of numbers that are odd.
    ///
    /// # Errors
    /// A file cannot be read, changes while it is read, or is not the one that the cache of a hub names.
    pub(crate) fn new(checkpoint: &Checkpoint, no_hash: bool, progress: &dyn Progress) -> Result<Self> {
        let mut state = checkpoint.state()?;
        let mut sums = Vec::new();
        let mut oddities = Vec::new();
        let mut weights = Vec::new();
        for (index, file) in checkpoint.files().iter().enumerate() {
            if let Some(stated) = &file.stated_sha256 {
                let (path, sha256) = (path_text(&file.path), Some(stated.clone()));
                weights.push(WeightFile { path, bytes: file.bytes, sha256, modified: None, changed: None });
                sums.push(stated.clone());
                continue;
            }
            if no_hash {
                weights.push(by_size_and_time(&file.path)?);
                continue;
            }
            let reading = read_watched(checkpoint, index, progress)?;
            let (path, sha256) = (path_text(&file.path), Some(reading.sha256.clone()));
            weights.push(WeightFile { path, bytes: file.bytes, sha256, modified: None, changed: None });
            oddities.extend(reading.oddities);
            sums.push(reading.sha256);
        }
        state = state.with_sums(sums);
        checkpoint.check_unchanged(&state)?;
        check_blob(&checkpoint.config_path(), checkpoint.config_sha256())?;
        let files = CheckpointFiles {
            path: path_text(checkpoint.dir()),
            config_sha256: checkpoint.config_sha256().to_owned(),
            weights,
            hub: None,
        };
        let mut notes = checkpoint.notes().to_vec();
        notes.extend(describe_oddities(&oddities));
        for note in &notes {
            progress.warn_once(&format!("{}: {note}", checkpoint.dir().display()));
        }
        if no_hash {
            notes.push(format!("{}: the numbers of the weights were not looked at", OptionName::NoHash));
        }
        Ok(Self { files, state, notes })
    }
}

/// Reads a weight file, which may take minutes.
pub(crate) fn read_watched(checkpoint: &Checkpoint, index: usize, progress: &dyn Progress) -> Result<WeightReading> {
    let file = &checkpoint.files()[index];
    let stage = RunningStage::begin(progress, Stage::Weights, Some(file.bytes));
    stage.working_on(&file.path.file_name().unwrap_or_default().to_string_lossy());
    checkpoint.read_whole(index, &mut |bytes| stage.advance(bytes))
}

/// A weight file's path with its size and times of change, in place of its hash.
fn by_size_and_time(path: &Path) -> Result<WeightFile> {
    let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    // A program that overwrites a file may restore its modification time, but not this one.
    #[cfg(unix)]
    let changed = Some(std::os::unix::fs::MetadataExt::ctime(&metadata));
    #[cfg(not(unix))]
    let changed = None;
    Ok(WeightFile {
        path: path_text(path),
        bytes: metadata.len(),
        sha256: None,
        modified: modified.map(|time| time.as_secs()),
        changed,
    })
}
