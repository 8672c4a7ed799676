//! The cache of the Hugging Face hub on a disk: `models--OWNER--NAME/snapshots/COMMIT/FILE` links to `blobs/HASH`.

use std::path::{Path, PathBuf};

use super::name::is_commit;

/// The folder of a repository: `models--OWNER--NAME`.
pub(super) fn folder_name(repository: &str) -> String {
    format!("models--{}", repository.replace('/', "--"))
}

/// The checkpoint that a folder stands for: for the root of a cached repository the snapshot of its main branch, or its
/// only snapshot; for any other folder the folder itself.
pub fn snapshot(folder: &Path) -> PathBuf {
    if folder.join("config.json").exists() {
        return folder.to_path_buf();
    }
    let snapshots = folder.join("snapshots");
    let main = std::fs::read_to_string(folder.join("refs/main")).unwrap_or_default();
    let main = main.trim();
    if is_commit(main) && snapshots.join(main).is_dir() {
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

/// The name of the blob that a link of a snapshot leads to: its SHA-256, or the hash of git for small files.
pub fn blob_name(file: &Path) -> Option<String> {
    let blob = file.canonicalize().ok()?;
    let is_blob = blob.parent().and_then(Path::file_name).is_some_and(|name| name == "blobs");
    blob.file_name().filter(|_| is_blob)?.to_str().map(str::to_owned)
}
