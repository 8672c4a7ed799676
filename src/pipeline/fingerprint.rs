//! The identity of a checkpoint, and what was noticed while its bytes were read.

use std::path::Path;

use super::progress::{Progress, RunningStage, Stage};
use crate::{
    checkpoint::{Checkpoint, CheckpointState, WeightReading, check_blob, describe_oddities},
    error::{Error, Result, path_text},
    run::{CheckpointFiles, WeightFile},
};

/// A checkpoint's identity, and the state in which its files had it.
#[derive(Clone, Debug)]
pub(crate) struct Fingerprint {
    /// The hash of its configuration; of each weight file the path with its SHA-256, or with its size and times of change.
    pub(crate) files: CheckpointFiles,
    /// The files as they were before they were read.
    pub(crate) state: CheckpointState,
    /// What the user must be told of.
    pub(crate) notes: Vec<String>,
}

impl Fingerprint {
    /// Reads all weights, unless size and time are to stand for them; warns of what is odd about their numbers.
    ///
    /// # Errors
    /// A file cannot be read, changes meanwhile, or is not the one that the cache of a hub names.
    pub(crate) fn new(checkpoint: &Checkpoint, no_hash: bool, progress: &dyn Progress) -> Result<Self> {
        let mut state = checkpoint.state()?;
        let mut sums = Vec::new();
        let mut oddities = Vec::new();
        let mut weights = Vec::new();
        for (index, file) in checkpoint.files().iter().enumerate() {
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
        };
        let mut notes = checkpoint.notes().to_vec();
        notes.extend(describe_oddities(&oddities));
        for note in &notes {
            progress.warn_once(&format!("{}: {note}", checkpoint.dir().display()));
        }
        if no_hash {
            notes.push("--no-hash: the numbers of the weights were not looked at".to_owned());
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
    // A program that copies into a file may set the time of its content back, but not this one.
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
