//! The cache of the Hugging Face hub: `models--OWNER--NAME/snapshots/REVISION/FILE` links to `blobs/HASH`.

use std::path::{Path, PathBuf};

use super::refusal;
use crate::error::Result;

/// The checkpoint that is meant by a folder: in the root of a cached repository the snapshot of its main branch, or its
/// only one; else the folder itself.
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

/// Holds the SHA-256 of a file against the one that the cache calls it by, where it does.
///
/// # Errors
/// [`crate::error::Error::Checkpoint`] if they differ: the file is not the one that was fetched.
pub fn check_blob(file: &Path, sha256: &str) -> Result<()> {
    let Ok(blob) = file.canonicalize() else { return Ok(()) };
    let in_blobs = blob.parent().and_then(Path::file_name).is_some_and(|name| name == "blobs");
    let name = blob.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // Small files are called by a SHA-1 of 40 digits, which nothing else here needs.
    if !in_blobs || !is_hexadecimal(name, 64) || name.eq_ignore_ascii_case(sha256) {
        return Ok(());
    }
    let shown = file.file_name().unwrap_or_default().to_string_lossy();
    Err(refusal(
        file.parent().unwrap_or(file),
        vec![format!(
            "`{shown}` has SHA-256 {sha256}; the cache of the hub calls it {name}: it is not the file that was fetched"
        )],
        "remove the file from the cache and fetch it again",
    ))
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
