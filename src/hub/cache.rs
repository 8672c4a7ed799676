//! The cache that all clients of the hub share: `models--OWNER--NAME` with `refs`, `blobs` and `snapshots`.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::{
    layout::{blob_name, folder_name},
    listing::{HubFile, Listing, is_inside},
    name::is_commit,
};
use crate::error::{Error, Result};

/// What a file is called whose blob is not known, such as a copy in a snapshot.
pub(super) const UNKNOWN: &str = "0000000000000000000000000000000000000000";
/// How deep folders of a snapshot are looked through.
const MAX_DEPTH: usize = 32;

/// The part of the cache that belongs to one repository.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Nothing is made yet.
    pub(super) fn new(root: &Path, repository: &str) -> Self {
        Self { folder: root.join(folder_name(repository)) }
    }

    /// The snapshot of a commit.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Where the bytes of a blob are.
    pub(super) fn blob(&self, blob: &str) -> PathBuf {
        self.folder.join("blobs").join(blob)
    }

    /// The commit that a revision was when it was last asked for.
    pub(super) fn known_commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let commit = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Keeps which commit a revision is.
    pub(super) fn remember(&self, revision: &str, commit: &str) -> Result<()> {
        if is_commit(revision) || self.known_commit(revision).is_some_and(|known| known == commit) {
            return Ok(());
        }
        replace(&self.folder.join("refs").join(revision), commit.as_bytes())
    }

    /// Where all bytes of a file are, by its size: in the snapshot of the commit, or among the blobs because another commit has it too.
    pub(super) fn place(&self, commit: &str, file: &HubFile) -> Option<PathBuf> {
        let places = [self.snapshot(commit).join(&file.path), self.blob(&file.blob)];
        places.into_iter().find(|path| is_whole(path, file.size))
    }

    /// Whether all bytes of a file are among the blobs.
    pub(super) fn has_blob(&self, file: &HubFile) -> bool {
        is_whole(&self.blob(&file.blob), file.size)
    }

    /// Sees to it that a file whose bytes are there is in the snapshot of the commit; where it is then. `None`: they are not there.
    pub(super) fn in_snapshot(&self, commit: &str, file: &HubFile) -> Result<Option<PathBuf>> {
        let pointer = self.snapshot(commit).join(&file.path);
        match self.place(commit, file) {
            Some(place) if place != pointer => self.link(commit, file).map(|()| Some(pointer)),
            place => Ok(place),
        }
    }

    /// Removes a file at one of its places, because its bytes are others. What a link leads to is removed only if it is its blob.
    pub(super) fn remove(&self, place: &Path, file: &HubFile) -> Result<()> {
        let blob = self.blob(&file.blob);
        let leads_to_blob = place.canonicalize().ok() == blob.canonicalize().ok();
        if leads_to_blob && blob != place {
            fs::remove_file(&blob).map_err(writing(&blob))?;
        }
        fs::remove_file(place).map_err(writing(place))
    }

    /// Puts a file whose bytes are there into the snapshot of a commit: a relative link, or where there are none the bytes themselves.
    fn link(&self, commit: &str, file: &HubFile) -> Result<()> {
        let pointer = self.snapshot(commit).join(&file.path);
        let folder = pointer.parent().unwrap_or(&pointer);
        make_folder(folder)?;
        let up = file.path.matches('/').count() + 2;
        let target: PathBuf = ["..".to_owned()].iter().cycle().take(up).collect();
        let target = target.join("blobs").join(&file.blob);
        let temporary = folder.join(unique(&file.blob));
        place(&target, &self.blob(&file.blob), &temporary)
            .and_then(|()| fs::rename(&temporary, &pointer))
            .inspect_err(|_| drop(fs::remove_file(&temporary)))
            .map_err(writing(&pointer))
    }

    /// What the snapshot of a commit holds.
    pub(super) fn held(&self, commit: &str) -> Listing {
        let root = self.snapshot(commit);
        let (mut files, mut folders) = (Vec::new(), vec![(root.clone(), 0)]);
        while let Some((folder, depth)) = folders.pop() {
            for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
                // Of a link what it leads to.
                let Ok(metadata) = fs::metadata(&path) else { continue };
                if metadata.is_dir() && depth < MAX_DEPTH {
                    folders.push((path, depth + 1));
                } else if metadata.is_file() {
                    let relative = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                    let is_known = |blob: &String| [40, 64].contains(&blob.len());
                    let blob = blob_name(&path).filter(is_known).unwrap_or_else(|| UNKNOWN.to_owned());
                    if is_inside(&relative) {
                        files.push(HubFile { path: relative, size: metadata.len(), blob });
                    }
                }
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Listing { commit: commit.to_owned(), files }
    }
}

fn is_whole(path: &Path, size: u64) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

/// A link, or where the system or its user may make none, another name for the same bytes, or a copy of them.
fn place(target: &Path, blob: &Path, at: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    let linked = std::os::unix::fs::symlink(target, at);
    #[cfg(windows)]
    let linked = std::os::windows::fs::symlink_file(target, at);
    linked.or_else(|_| fs::hard_link(blob, at)).or_else(|_| fs::copy(blob, at).map(|_| ()))
}

/// A name that no other process and no other thread uses.
pub(super) fn unique(name: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name: String = name.chars().take(16).collect();
    format!(".{name}.{}.{time:x}.{count}.tmp", std::process::id())
}

/// Makes a folder and those above it.
pub(super) fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(writing(folder))
}

/// Writes a small file under another name first, so that it is whole or absent, whoever else writes it.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    make_folder(folder)?;
    let temporary = folder.join(unique("new"));
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&temporary, path))
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
        .map_err(writing(path))
}

/// The error of something that the cache cannot take.
pub(super) fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| {
        let message = format!("the cache of the hub cannot be written: `{}`: {source}", path.display());
        match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::hub(
                message,
                "set HF_HUB_CACHE (or HF_HOME) to a folder that can be written; with HF_HUB_OFFLINE=1 a cache is only read",
            ),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Error::hub(
                message,
                "make room, or set HF_HUB_CACHE (or HF_HOME) to a folder on another disk; then run it again: what has arrived is kept",
            ),
            _ => Error::Io { action: "write", path, source },
        }
    }
}

#[cfg(test)]
mod tests;
