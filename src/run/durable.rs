//! Writes files that are whole even after a power cut: a file is written under a temporary name, synced and renamed, then its
//! folder is synced.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    thread::{self, Builder},
};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// The beginning of the temporary name of an unfinished file; six letters and digits follow.
pub(super) const UNFINISHED: &str = ".writing-";

/// How many files are synced at the same time: a disk can write them together.
const SIDE_BY_SIDE: usize = 8;

/// The folder of a file; for a bare name the current folder.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Writes a file, whole or not at all, and creates missing folders above it. The file is on the disk when this returns.
///
/// # Errors
/// [`Error::Io`].
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = unfinished(path, bytes)?;
    sync(path, &file)?;
    finish(file.into_temp_path(), path)?;
    sync_folder(folder_of(path))
}

/// Writes the bytes under a temporary name beside `path`, not synced yet.
pub(super) fn unfinished(path: &Path, bytes: &[u8]) -> Result<NamedTempFile> {
    let mut file = create_unfinished(path)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    Ok(file)
}

/// Creates an empty file under a temporary name beside `path`, with the mode of any new file under the user's umask.
pub(super) fn create_unfinished(path: &Path) -> Result<NamedTempFile> {
    let parent = folder_of(path);
    create_folders(parent)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(mode);
    builder.tempfile_in(parent).map_err(Error::io("write into", parent))
}

/// Gives a synced file its name.
pub(super) fn finish(file: tempfile::TempPath, path: &Path) -> Result<()> {
    file.persist(path).map_err(|error| error.error).map_err(Error::io("write", path))
}

/// Syncs a file through the handle that wrote it, so that delayed errors of writing are reported here.
pub(super) fn sync(path: &Path, file: &NamedTempFile) -> Result<()> {
    tolerant(file.as_file().sync_all()).map_err(Error::io("write", path))
}

/// Syncs several files, [`SIDE_BY_SIDE`] at a time.
pub(super) fn sync_all(files: &[(PathBuf, NamedTempFile)]) -> Result<()> {
    let share = files.len().div_ceil(SIDE_BY_SIDE).max(1);
    let one_after_the_other =
        |files: &[(PathBuf, NamedTempFile)]| files.iter().try_for_each(|(path, file)| sync(path, file));
    thread::scope(|scope| {
        let started = files.chunks(share).map(|files| {
            let started = Builder::new().spawn_scoped(scope, move || one_after_the_other(files));
            // If no thread can be started, this one does the work.
            (files, started.ok())
        });
        let started: Vec<_> = started.collect();
        started.into_iter().try_for_each(|(files, thread)| match thread {
            Some(thread) => {
                thread.join().unwrap_or_else(|_| Err(Error::internal("a thread that syncs files panicked")))
            }
            None => one_after_the_other(files),
        })
    })
}

/// Syncs a folder, so that the names in it survive a power cut.
///
/// # Errors
/// [`Error::Io`].
pub fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    match tolerant(synced) {
        Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(Error::io("sync", folder)(error)),
        _ => Ok(()),
    }
}

/// Creates the folders that are missing, and syncs them.
pub(super) fn create_folders(folder: &Path) -> Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|ancestor| !ancestor.is_dir()).collect();
    if missing.is_empty() || folder == Path::new("") {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    missing.into_iter().filter(|made| *made != Path::new("")).try_for_each(|made| sync_folder(folder_of(made)))
}

/// Accepts the error of a file system that does not support syncing.
fn tolerant(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) => Ok(()),
        other => other,
    }
}
