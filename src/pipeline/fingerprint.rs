//! The identity of a checkpoint, and what was noticed while its bytes were read.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    checkpoint::{Checkpoint, CheckpointState, WeightReading, check_blob, describe_oddities},
    commands::terminal,
    error::{Error, Result, path_text},
};

/// A checkpoint's identity, and the state in which its files had it.
#[derive(Clone, Debug)]
pub(crate) struct Fingerprint {
    /// The hash of its configuration; of each weight file the path with its SHA-256, or with its size and times of change.
    pub(crate) value: Value,
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
    pub(crate) fn new(checkpoint: &Checkpoint, no_hash: bool) -> Result<Self> {
        let mut state = checkpoint.state()?;
        let mut sums = Vec::new();
        let mut oddities = Vec::new();
        let mut weights = Vec::new();
        for (index, file) in checkpoint.files().iter().enumerate() {
            if no_hash {
                weights.push(by_size_and_time(&file.path)?);
                continue;
            }
            let reading = read_watched(checkpoint, index)?;
            weights.push(json!({ "path": path_text(&file.path), "bytes": file.bytes, "sha256": reading.sha256 }));
            oddities.extend(reading.oddities);
            sums.push(reading.sha256);
        }
        state = state.with_sums(sums);
        checkpoint.check_unchanged(&state)?;
        check_blob(&checkpoint.config_path(), checkpoint.config_sha256())?;
        let value = json!({
            "path": path_text(checkpoint.dir()),
            "config_sha256": checkpoint.config_sha256(),
            "weights": weights,
        });
        let mut notes = checkpoint.notes().to_vec();
        notes.extend(describe_oddities(&oddities));
        for note in &notes {
            terminal::warn_once(&format!("{}: {note}", checkpoint.dir().display()));
        }
        if no_hash {
            notes.push("--no-hash: the numbers of the weights were not looked at".to_owned());
        }
        Ok(Self { value, state, notes })
    }
}

/// A weight file, which may take minutes to read: the bar says so.
pub(crate) fn read_watched(checkpoint: &Checkpoint, index: usize) -> Result<WeightReading> {
    let file = &checkpoint.files()[index];
    let bar = terminal::bar(file.bytes, "SHA-256", false);
    bar.set_message(file.path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let reading = checkpoint.read_whole(index, &mut |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    reading
}

/// A weight file's path with its size and times of change, in place of its hash.
fn by_size_and_time(path: &Path) -> Result<Value> {
    let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let mut value = json!({
        "path": path_text(path), "bytes": metadata.len(), "modified": modified.map(|time| time.as_secs()),
    });
    // A program that copies into a file may set the time of its content back, but not this one.
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        value["changed"] = json!(metadata.ctime());
    }
    Ok(value)
}
