//! Only one process writes to a run at a time: it locks a file in the folder of the run. The system releases the lock when the
//! process ends, so the file that a killed process leaves locks nothing.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::error::{Error, Result};

/// The name of the lock file; it is removed at the end.
pub(super) const LOCK: &str = ".openmoe-analyze.lock";
/// How often locking is tried: a process that only checks the lock holds it for a moment.
const ATTEMPTS: usize = 5;
const MOMENT: Duration = Duration::from_millis(20);

/// Folders that this process has locked.
static HELD: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The lock on a folder that only this process may write into.
#[derive(Debug)]
pub struct Lock {
    /// The absolute path of the lock file, valid even if the current folder changes.
    path: PathBuf,
    /// Closing it ends the lock.
    file: File,
}

impl Lock {
    /// Locks a folder that exists; `None` if this process has locked it already, or the file system supports no locks.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if another process holds it; [`Error::Io`] if nothing can be written there.
    pub(super) fn acquire(root: &Path) -> Result<Option<Self>> {
        let path = place(root);
        if is_held(&path) {
            return Ok(None);
        }
        for _ in 0..ATTEMPTS {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(Error::io("write into", root))?;
            match file.try_lock() {
                // The process that held the lock before has removed the file in between: a lock on the removed file protects nothing.
                Ok(()) if !is_same(&file, &path) => {}
                Ok(()) => {
                    // The process number is only shown in messages; the lock does not depend on it.
                    let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                    held().push(path.clone());
                    return Ok(Some(Self { path, file }));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(MOMENT),
                Err(TryLockError::Error(_)) => {
                    let _ = fs::remove_file(&path);
                    return Ok(None);
                }
            }
        }
        Err(refusal(root, &path))
    }

    /// Refuses a folder that another process writes into.
    ///
    /// # Errors
    /// [`Error::RunFolder`] with the number of the process.
    pub(super) fn check(root: &Path) -> Result<()> {
        let path = place(root);
        let Ok(file) = File::open(&path) else { return Ok(()) };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) if !is_held(&path) => Err(refusal(root, &path)),
            _ => Ok(()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file is removed while it is locked: a process that opened it before notices that it is not the file of that name any
        // more. If somebody has removed it before, the file of that name is the lock of another process and must stay.
        if is_same(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
        held().retain(|path| *path != self.path);
    }
}

fn place(root: &Path) -> PathBuf {
    root.canonicalize().unwrap_or_else(|_| root.to_path_buf()).join(LOCK)
}

fn held() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_held(path: &Path) -> bool {
    held().iter().any(|known| known == path)
}

fn refusal(root: &Path, path: &Path) -> Error {
    let mut pid = String::new();
    let read = File::open(path).and_then(|mut file| file.rewind().and_then(|()| file.read_to_string(&mut pid)));
    let who = match (read, pid.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("another process (pid {pid})"),
        _ => "another process".to_owned(),
    };
    Error::run_folder(
        format!("{who} writes to `{}`", root.display()),
        "wait until it has ended, or choose another folder; nothing was touched",
    )
}

/// Whether the open file is still the file of that name.
#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_left_locks_nothing_and_none_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK), "1234").unwrap();
        Lock::check(folder.path()).unwrap();
        let lock = Lock::acquire(folder.path()).unwrap().unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(LOCK)).unwrap(), std::process::id().to_string());
        assert!(Lock::acquire(folder.path()).unwrap().is_none(), "it is held by this process");
        drop(lock);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    #[cfg(unix)]
    fn the_lock_of_another_stays() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::acquire(folder.path()).unwrap().unwrap();
        fs::remove_file(folder.path().join(LOCK)).unwrap();
        fs::write(folder.path().join(LOCK), "4711").unwrap();
        drop(lock);
        assert_eq!(fs::read_to_string(folder.path().join(LOCK)).unwrap(), "4711");
    }

    #[test]
    fn another_holder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join(LOCK);
        let mut other = File::create(&path).unwrap();
        other.lock().unwrap();
        write!(other, "4711").unwrap();
        for error in [Lock::acquire(folder.path()).unwrap_err(), Lock::check(folder.path()).unwrap_err()] {
            assert!(error.to_string().starts_with("another process (pid 4711) writes to `"), "{error}");
        }
        assert!(path.exists(), "the lock of another is not removed");
    }
}
