//! The identity of a checkpoint: hashes of its files, and what was noticed while their bytes were read.

use super::progress::{Progress, RunningStage, Stage};
use crate::{
    checkpoint::{Checkpoint, CheckpointState, WeightReading, check_blob, describe_oddities},
    error::{OptionName, Result, path_text, plural},
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
        let mut elsewhere = 0;
        for (index, file) in checkpoint.files().iter().enumerate() {
            if let Some(stated) = &file.stated_sha256 {
                let (path, sha256) = (path_text(&file.path), Some(stated.clone()));
                weights.push(WeightFile { path, bytes: file.bytes, sha256, modified: None, changed: None });
                sums.push(stated.clone());
                elsewhere += 1;
                continue;
            }
            if no_hash {
                weights.push(by_size_and_time(checkpoint, index)?);
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
        if elsewhere > 0 {
            let note = not_computed(elsewhere);
            progress.note(&format!("{}: {note}", checkpoint.dir().display()));
            notes.push(note);
        }
        if no_hash {
            notes.push(format!("{}: the numbers of the weights were not looked at", OptionName::NoHash));
        }
        Ok(Self { files, state, notes })
    }
}

/// What is not known of files of which only parts are read.
fn not_computed(files: usize) -> String {
    format!(
        "{} read in ranges: the SHA-256 is the one that the hub states, not one that was computed, and the numbers were not looked at \
         for zeros and NaN; `fetch` first for both",
        plural(files as u64, "weight file")
    )
}

/// Reads a weight file, which may take minutes.
pub(crate) fn read_watched(checkpoint: &Checkpoint, index: usize, progress: &dyn Progress) -> Result<WeightReading> {
    let file = &checkpoint.files()[index];
    let stage = RunningStage::begin(progress, Stage::Weights, Some(file.bytes));
    stage.working_on(&file.path.file_name().unwrap_or_default().to_string_lossy());
    checkpoint.read_whole(index, &mut |bytes| stage.advance(bytes))
}

/// A weight file's path with its size and times of change, in place of its hash; of an array in several files the latest times.
fn by_size_and_time(checkpoint: &Checkpoint, index: usize) -> Result<WeightFile> {
    let file = &checkpoint.files()[index];
    let metadata = checkpoint.metadata(index)?;
    let seconds =
        |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).ok().map(|time| time.as_secs());
    let modified = metadata.iter().filter_map(|metadata| metadata.modified().ok().and_then(seconds)).max();
    // A program that overwrites a file may restore its modification time, but not this one.
    #[cfg(unix)]
    let changed = metadata.iter().map(std::os::unix::fs::MetadataExt::ctime).max();
    #[cfg(not(unix))]
    let changed = None;
    Ok(WeightFile { path: path_text(&file.path), bytes: file.bytes, sha256: None, modified, changed })
}
