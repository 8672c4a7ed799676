//! Checks that weight files are still the ones that were hashed: their size, times and place on the disk are compared while a run
//! reads them.

use std::{
    fs::Metadata,
    sync::{Arc, Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use super::{Checkpoint, hash::sha256_and_scan, refusal::refusal};
use crate::error::{Error, OptionName, Result};

/// The metadata of an open file that show whether it was changed, without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    bytes: u64,
    /// Time of the last change of the content, in nanoseconds; a copying program may restore an older time.
    modified: u128,
    /// Time of the last change of any kind, device and inode, if the system gives them.
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

impl FileState {
    /// Whether the content may be unchanged: a new link, name or mode changes the file's state but not its bytes.
    fn may_be_harmless(&self, before: &Self) -> bool {
        (self.bytes, self.modified) == (before.bytes, before.modified)
    }
}

/// The state of all files of a checkpoint at one moment.
#[derive(Clone, Debug)]
pub struct CheckpointState {
    config_sha256: String,
    /// For each weight file its state, for each array of T5X those of its chunk files, none for what is elsewhere; updated when a file was found to have the same bytes in a new state. Clones share them.
    weights: Arc<Mutex<Vec<Vec<FileState>>>>,
    /// SHA-256 of every weight file, if they were read.
    sums: Vec<String>,
}

impl CheckpointState {
    /// The same with the SHA-256 of every weight file, with which a file in another state is compared.
    #[must_use]
    pub fn with_sums(self, sums: Vec<String>) -> Self {
        Self { sums, ..self }
    }
}

impl Checkpoint {
    /// The state of the weight files that are open.
    ///
    /// # Errors
    /// The system does not give it.
    pub fn state(&self) -> Result<CheckpointState> {
        let weights = Arc::new(Mutex::new(self.file_states()?));
        Ok(CheckpointState { config_sha256: self.config_sha256.clone(), weights, sums: Vec::new() })
    }

    /// What the system knows about a weight file (by its index in [`Self::files`]), about every file of an array of T5X; nothing
    /// about what is read from elsewhere.
    ///
    /// # Errors
    /// The system does not give it.
    pub fn metadata(&self, file: usize) -> Result<Vec<Metadata>> {
        let metadata = match &self.arrays {
            Some(arrays) => arrays.metadata(file),
            None => self.bytes[file].file().into_iter().map(std::fs::File::metadata).collect(),
        };
        metadata.map_err(Error::io("read", &self.files[file].path))
    }

    /// What is read from elsewhere has no state: its place names its content.
    fn file_states(&self) -> Result<Vec<Vec<FileState>>> {
        let state = |file| Ok(self.metadata(file)?.iter().map(FileState::new).collect());
        (0..self.files.len()).map(state).collect()
    }

    /// Fails if any file was changed since an earlier moment. A file with the same size and content time but another state is read
    /// again, if its SHA-256 is known: if the bytes are the same, its new state is accepted.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] that names the files that have changed; those of reading.
    pub fn check_unchanged(&self, before: &CheckpointState) -> Result<()> {
        let now = self.file_states()?;
        let mut known = before.weights.lock().unwrap_or_else(PoisonError::into_inner);
        let mut problems = Vec::new();
        if self.config_sha256 != before.config_sha256 || now.len() != known.len() {
            problems.push("`config.json` or the list of weight files changed while the run read it".to_owned());
        }
        for (index, (now, known)) in now.into_iter().zip(known.iter_mut()).enumerate().filter(|(_, (a, b))| a != *b) {
            let may_be_harmless =
                now.len() == known.len() && now.iter().zip(known.iter()).all(|(now, known)| now.may_be_harmless(known));
            match before.sums.get(index) {
                Some(sum) if may_be_harmless && self.sum(index)? == *sum => *known = now,
                _ => problems.push(self.changed(index)),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(self.mixed(problems)) }
    }

    /// SHA-256 of a weight file as it is now, through the handle that the forward pass reads.
    fn sum(&self, index: usize) -> Result<String> {
        if let Some(arrays) = &self.arrays {
            return arrays.sum(index).map_err(Error::io("read", &self.files[index].path));
        }
        sha256_and_scan(&*self.bytes[index], &mut [], &mut |_| {}).map_err(Error::io("read", &self.files[index].path))
    }

    fn changed(&self, index: usize) -> String {
        let name = self.files[index].path.file_name().unwrap_or_default().to_string_lossy();
        format!("`{name}` changed while the run read it: its size, times or bytes are not those it had")
    }

    fn mixed(&self, problems: Vec<String>) -> Error {
        refusal(
            &self.dir,
            problems,
            &format!(
                "what was written since the last check may be of mixed weights and is not kept: when nothing writes to the files \
                 any more, run the same command with {}; {} goes on only if the files are again what they were",
                OptionName::Force,
                OptionName::Resume
            ),
        )
    }
}
