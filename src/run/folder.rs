//! The folder of a run: prepares, opens, writes and reads it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

use super::{
    again::again,
    checksums::{ChecksumMatch, Checksums, UNLISTED, run_digest},
    difference::as_json,
    durable,
    durable::write_file,
    lock::Lock,
    occupied::{self, Occupied},
    record::{LooseRecord, RunRecord},
    run_entries::{self, Holds},
};
use crate::{
    checkpoint::sha256_bytes,
    error::{CommandName, Error, OptionName, Result},
};

/// A run folder.
#[derive(Clone, Debug)]
pub struct RunDir {
    root: PathBuf,
    /// Digest of the identity of the run; `None` for a run of an early version, which kept no checksums.
    digest: Option<String>,
    checksums: Option<Arc<Mutex<Checksums>>>,
    /// The lock; it is held as long as any clone of this value lives.
    lock: Option<Arc<Lock>>,
    /// What was done with an earlier run in the folder.
    how: Occupied,
}

/// Names and digests of files that are on the disk but belong to the run only after [`RunDir::list`].
#[derive(Debug, Default)]
#[must_use]
pub struct Written(Vec<(String, String)>);

impl Written {
    /// Appends files that were written later.
    pub fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }
}

impl RunDir {
    /// Prepares a folder for a run described by `identity` (the keys of its manifest that decide its results): creates and locks it,
    /// which proves before any long work that it can be written to, and removes temporary files that a killed process left.
    ///
    /// Returns the folder and whether an earlier run is being resumed.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if it is occupied, is a file, holds another run, or another process writes there; [`Error::Io`] if it
    /// cannot be written.
    pub fn prepare(root: &Path, occupied: Occupied, identity: &impl Serialize) -> Result<(Self, bool)> {
        let identity = &as_json(identity)?;
        occupied::check(root, occupied, identity)?;
        durable::create_folders(root)?;
        let lock = Lock::acquire(root)?.map(Arc::new);
        // Everything is checked again now that the folder is locked: another process may have written there in between.
        let resumed = occupied::check(root, occupied, identity)?;
        let digest = run_digest(identity);
        if occupied == Occupied::Replace {
            Self::replace(root, &digest)?;
        }
        Ok((Self::prepare_locked(root, occupied, digest, resumed, lock)?, resumed))
    }

    /// Prepares a run below this one, such as that of one of several checkpoints. Parts of it that are there already are kept,
    /// unless this run replaces an earlier one.
    ///
    /// # Errors
    /// As [`Self::check_below`].
    pub fn prepare_below(&self, name: &str, identity: &impl Serialize) -> Result<Self> {
        self.check_there()?;
        let identity = &as_json(identity)?;
        let root = self.file(name);
        durable::create_folders(&root)?;
        let holds = Holds::of(&root)?;
        let resumed = match self.how {
            Occupied::Replace => occupied::check_cleared(&root, &holds).map(|()| false),
            _ => occupied::check_resumable_part(&root, &holds, identity),
        }?;
        Self::prepare_locked(&root, self.how, run_digest(identity), resumed, self.lock.clone())
    }

    /// Refuses everything that [`Self::prepare_below`] would refuse in the sub-folder `name` of a run, without touching anything.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the folder holds anything but a pass of the run, or another process writes there.
    pub fn check_below(root: &Path, name: &str, occupied: Occupied, identity: &impl Serialize) -> Result<()> {
        occupied::check_part(root, name, occupied, &as_json(identity)?)
    }

    /// Removes the run that is there. At every moment the folder can be recognized as that of the old or of the new run.
    fn replace(root: &Path, digest: &str) -> Result<()> {
        run_entries::check_below(root)?;
        run_entries::clear_results(root)?;
        Checksums::new(root, digest).write()?;
        run_entries::clear_manifest(root)
    }

    fn prepare_locked(
        root: &Path,
        how: Occupied,
        digest: String,
        resumed: bool,
        lock: Option<Arc<Lock>>,
    ) -> Result<Self> {
        run_entries::sweep(root)?;
        let recorded = Checksums::open(root)?;
        let same = resumed && recorded.run() == Some(&digest);
        let checksums = if same { recorded } else { Checksums::new(root, &digest) };
        let checksums = Some(Arc::new(Mutex::new(checksums)));
        Ok(Self { root: root.to_path_buf(), digest: Some(digest), checksums, lock, how })
    }

    /// Refuses every folder that [`Self::prepare`] would refuse, without touching it. Returns whether an earlier run would be
    /// resumed.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn check(root: &Path, occupied: Occupied, identity: &impl Serialize) -> Result<bool> {
        occupied::check(root, occupied, &as_json(identity)?)
    }

    /// The entry of a run in folder `root` that is or contains `path`; entries are the files and folders that a run writes, and
    /// that replacing it removes. Both paths are compared as they are.
    pub fn entry_holding(root: &Path, path: &Path) -> Option<&'static str> {
        run_entries::entry_holding(root, path)
    }

    /// Opens the folder of an existing run to read it.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if there is no run.
    pub fn open(root: &Path) -> Result<Self> {
        let mut run =
            Self { root: root.to_path_buf(), digest: None, checksums: None, lock: None, how: Occupied::Refuse };
        run.digest = run.loose_record()?.run_digest().map(str::to_owned);
        if let Some(digest) = &run.digest {
            let recorded = Checksums::open(root)?;
            // Checksums of another run say nothing about this one.
            let own = if recorded.run() == Some(digest) { recorded } else { Checksums::new(root, digest) };
            run.checksums = Some(Arc::new(Mutex::new(own)));
        }
        Ok(run)
    }

    /// Opens the folder of an existing run to write into it, and removes temporary files that a killed process left.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if there is no run, or another process writes there; [`Error::Io`] if it cannot be written.
    pub fn open_to_write(root: &Path) -> Result<Self> {
        Self::open(root)?;
        let lock = Self::lock(root)?.map(Arc::new);
        let run = Self { lock, ..Self::open(root)? };
        if run.loose_record()?.is_of_a_run() {
            run_entries::sweep(root)?;
        }
        Ok(run)
    }

    /// Locks a run for writing, unless it belongs to one that another process writes.
    fn lock(run: &Path) -> Result<Option<Lock>> {
        occupied::check_above(run)?;
        let lock = Lock::acquire(run)?;
        // Another process may have locked a run above in between.
        occupied::check_above(run)?;
        Ok(lock)
    }

    /// Locks the run that contains a file, if there is one; the lock must be held while the file is written.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if another process writes there; [`Error::Io`] if nothing can be written there.
    pub fn lock_around(file: &Path) -> Result<Option<Lock>> {
        let whole = std::path::absolute(file).map_err(Error::io("find", file))?;
        let is_run =
            |folder: &&Path| Self::open(folder).and_then(|run| run.loose_record()).is_ok_and(|r| r.is_of_a_run());
        match whole.ancestors().take(occupied::ABOVE).find(is_run) {
            Some(run) => Self::lock(run),
            None => Ok(None),
        }
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The path of a file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The digest of the identity of the run; `None` for a run of an early version, which kept no checksums.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Writes a file below the folder, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write_all(&[(name.to_owned(), bytes)])
    }

    fn write_all(&self, files: &[(String, impl AsRef<[u8]>)]) -> Result<()> {
        let written = self.write_unlisted(files)?;
        self.list(written)
    }

    /// Writes files that belong together. They get their checksums only in [`Self::list`]; a run that is resumed before makes them
    /// again.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::RunFolder`] if the folder is gone.
    pub fn write_unlisted(&self, files: &[(String, impl AsRef<[u8]>)]) -> Result<Written> {
        self.check_there()?;
        for (name, bytes) in files {
            write_file(&self.file(name), bytes.as_ref())?;
        }
        let listed = files.iter().filter(|(name, _)| !UNLISTED.contains(&name.as_str()));
        Ok(Written(listed.map(|(name, bytes)| (name.clone(), sha256_bytes(bytes.as_ref()))).collect()))
    }

    /// Records the checksums of files that are on the disk, which makes them part of the run.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn list(&self, Written(sums): Written) -> Result<()> {
        match self.checksums() {
            Some(mut checksums) if !sums.is_empty() => checksums.add(sums),
            _ => Ok(()),
        }
    }

    /// Writes the manifest, with the digest that binds the files to it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::RunFolder`] if the folder is gone.
    pub fn write_record(&self, record: &RunRecord) -> Result<()> {
        self.check_there()?;
        let run_digest = self.digest.clone().or_else(|| record.run_digest.clone());
        let record = RunRecord { run_digest, ..record.clone() };
        write_file(&self.file("manifest.json"), &record.to_bytes()?)
    }

    /// Sorts the checksums by name, so that the file does not depend on how the run was carried out.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn settle_checksums(&self) -> Result<()> {
        self.checksums().map_or(Ok(()), |mut checksums| checksums.write())
    }

    /// Lists these files instead of those that the list has in some folders.
    pub(super) fn replace_checksums(&self, folders: &[&str], files: Vec<(String, String)>) -> Result<()> {
        self.checksums().map_or(Ok(()), |mut checksums| checksums.replace(folders, files))
    }

    /// Reads a file of the run, and compares it with its checksum unless this process has compared it before.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::RunFolder`] if its bytes are not those that were written.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.file(name);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        if self.checksums().is_none_or(|checksums| checksums.is_known(name)) {
            return Ok(bytes);
        }
        let digest = sha256_bytes(&bytes);
        let verdict = self.checksums().map_or(ChecksumMatch::Same, |checksums| checksums.compare(name, &digest));
        let what = match verdict {
            ChecksumMatch::Same => return Ok(bytes),
            ChecksumMatch::Other => "its SHA-256 is not the one that it was written with",
            ChecksumMatch::Unlisted => "checksums.sha256 of this run does not list it",
        };
        Err(damaged(&path, what))
    }

    /// Whether a file exists and has the bytes that this run wrote.
    pub fn is_intact(&self, name: &str) -> bool {
        match self.checksums() {
            Some(checksums) if checksums.is_known(name) => return self.file(name).is_file(),
            Some(checksums) if checksums.lists(name) => {}
            _ => return false,
        }
        self.read(name).is_ok()
    }

    /// Compares every file of the trace with its checksum, including those that no statistic has read yet.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn check_trace(&self) -> Result<()> {
        let unread =
            |name: &String| !name.starts_with("stats/") && !name.starts_with("charts/") && name != "summary.json";
        let known = |name: &String| self.checksums().is_none_or(|checksums| checksums.is_known(name));
        let names = self.checksums().map_or_else(Vec::new, |checksums| checksums.below(""));
        names.iter().filter(|name| unread(name) && !known(name)).try_for_each(|name| self.read(name).map(|_| ()))
    }

    /// Whether the run has a file: it exists, or it has a checksum and was lost.
    pub fn has(&self, name: &str) -> bool {
        self.file(name).is_file() || self.checksums().is_some_and(|checksums| checksums.lists(name))
    }

    /// The files of a sub-folder of the run, sorted by name: those with a checksum, or all of them if the run has no checksums.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read; [`Error::RunFolder`] if it is there and no file in it has a checksum.
    pub fn names(&self, folder: &str) -> Result<Vec<String>> {
        if let Some(checksums) = self.checksums() {
            let names = checksums.below(folder);
            let path = self.file(folder);
            // The list was lost, or is that of another run: what the folder holds must not be taken for nothing.
            if names.is_empty() && path.is_dir() {
                return Err(damaged(&path, "checksums.sha256 of this run lists none of its files"));
            }
            return Ok(names);
        }
        let path = self.file(folder);
        let read = fs::read_dir(&path).map_err(Error::io("read", &path))?;
        let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        let names: Vec<String> = read.map(name).collect::<std::io::Result<_>>().map_err(Error::io("read", &path))?;
        let mut names: Vec<String> = names.into_iter().map(|name| format!("{folder}/{name}")).collect();
        names.sort();
        Ok(names)
    }

    fn checksums(&self) -> Option<MutexGuard<'_, Checksums>> {
        self.checksums.as_deref().map(|checksums| checksums.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fails if the folder was removed or renamed while the run goes on: the run must not create another one.
    pub(super) fn check_there(&self) -> Result<()> {
        if self.root.is_dir() {
            return Ok(());
        }
        Err(Error::run_folder(
            format!("`{}`, the folder of this run, is not there any more", self.root.display()),
            "start the command again",
        ))
    }

    /// The run's manifest, checked.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if there is none, it is not JSON, or as [`RunRecord::read`].
    pub fn record(&self) -> Result<RunRecord> {
        RunRecord::read(&self.root, &self.loose_record()?.into_json())
    }

    /// The run's manifest, unchecked.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if there is none or it is not JSON.
    pub fn loose_record(&self) -> Result<LooseRecord> {
        let path = self.file("manifest.json");
        let missing = |what: String| Error::run_folder(what, format!("give the folder that {} named", OptionName::Out));
        let text = fs::read(&path).map_err(|error| {
            missing(format!("`{}` is not the folder of a run: manifest.json: {error}", self.root.display()))
        })?;
        LooseRecord::parse(&text).map_err(|error| {
            Error::run_folder(
                format!("`{}` is damaged, it is not JSON: {error}", path.display()),
                format!(
                    "repeat the command that made the run with {}: what has its checksum is kept; an import begins anew with {}",
                    OptionName::Resume,
                    OptionName::Force
                ),
            )
        })
    }
}

/// The error for a file whose bytes are not those that were written.
fn damaged(path: &Path, what: &str) -> Error {
    let is_derived = |path: &Path| path.ends_with("stats") || path.ends_with("summary.json");
    let hint = if is_derived(path) || path.parent().is_some_and(is_derived) {
        format!("make the statistics again with {}", CommandName::Stats.on_the_run())
    } else {
        match again(path) {
            OptionName::Resume => format!(
                "repeat the command that made the run with {}: it makes what is damaged again, and keeps the rest",
                OptionName::Resume
            ),
            option => format!("repeat the command that made the run with {option}"),
        }
    };
    Error::run_folder(format!("`{}` is damaged: {what}", path.display()), hint)
}
