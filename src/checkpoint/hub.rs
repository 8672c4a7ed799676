//! The cache of the Hugging Face hub: `models--OWNER--NAME/snapshots/REVISION/FILE` links to `blobs/HASH`.

use std::{
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use super::open::refusal;
use crate::error::Result;

/// The checkpoint that a folder stands for: for the root of a cached repository the snapshot of its main branch, or its
/// only snapshot; for any other folder the folder itself.
pub fn snapshot(folder: &Path) -> PathBuf {
    if folder.join("config.json").exists() {
        return folder.to_path_buf();
    }
    let snapshots = folder.join("snapshots");
    let main = std::fs::read_to_string(folder.join("refs/main")).unwrap_or_default();
    let main = main.trim();
    if is_hexadecimal(main, 40) && snapshots.join(main).is_dir() {
        return snapshots.join(main);
    }
    let entries = std::fs::read_dir(&snapshots).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    match (folders.pop(), folders.is_empty()) {
        (Some(only), true) => only,
        _ => folder.to_path_buf(),
    }
}

/// The name of a snapshot's repository without its owner; `None` for any other folder.
pub fn repository_name(folder: &Path) -> Option<String> {
    let snapshots = folder.parent().filter(|parent| parent.file_name().is_some_and(|name| name == "snapshots"))?;
    let root = snapshots.parent()?.file_name()?.to_str()?;
    root.strip_prefix("models--")?.rsplit("--").next().map(str::to_owned)
}

/// Compares the SHA-256 of a file with the one that the hub's client recorded, if it did.
///
/// # Errors
/// [`crate::error::Error::Checkpoint`] if they differ: the file is not the one that was fetched.
pub fn check_blob(file: &Path, sha256: &str) -> Result<()> {
    let Some(known) = name_of_blob(file).or_else(|| noted_by_download(file)) else { return Ok(()) };
    // For small files the client records a SHA-1 of 40 digits instead, which is not checked.
    if !is_hexadecimal(&known, 64) || known.eq_ignore_ascii_case(sha256) {
        return Ok(());
    }
    let shown = file.file_name().unwrap_or_default().to_string_lossy();
    Err(refusal(
        file.parent().unwrap_or(file),
        vec![format!(
            "`{shown}` has SHA-256 {sha256}; the cache of the hub calls it {known}: it is not the file that was fetched"
        )],
        "remove the file and what the cache holds of it, and fetch it again",
    ))
}

/// The name of the file that a link in the cache leads to.
fn name_of_blob(file: &Path) -> Option<String> {
    let blob = file.canonicalize().ok()?;
    let in_blobs = blob.parent().and_then(Path::file_name).is_some_and(|name| name == "blobs");
    blob.file_name().filter(|_| in_blobs)?.to_str().map(str::to_owned)
}

/// The hash that the client recorded for a download into a local folder. The record (revision, hash, time) is in the folder that
/// the client was given; the file may be in a sub-folder of it. A file that was changed after the recorded time has no hash
/// here, because the client treats it as another file too.
fn noted_by_download(file: &Path) -> Option<String> {
    let name = format!("{}.metadata", file.file_name()?.to_str()?);
    let folder = file.parent()?.canonicalize().ok()?;
    let note = folder.ancestors().find_map(|root| {
        let notes = root.join(".cache/huggingface/download").join(folder.strip_prefix(root).ok()?);
        std::fs::read_to_string(notes.join(&name)).ok()
    })?;
    let [_, hash, time] = note.lines().collect::<Vec<_>>()[..] else { return None };
    let modified = file.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    (modified <= time.trim().parse::<f64>().ok()? + 1.0).then(|| hash.trim().to_owned())
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
