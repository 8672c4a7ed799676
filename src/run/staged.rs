//! Files that replace others together: all are on the disk under temporary names before the first of them changes anything.

use std::path::PathBuf;

use tempfile::{NamedTempFile, TempPath};

use super::{
    checksums::{UNLISTED, sha256},
    durable::{finish, folder_of, sync_all, sync_folder, unfinished},
    folder::RunDir,
    ours::clear_derived,
    record::RunRecord,
};
use crate::error::Result;

/// Files that are open at the same time, waiting to be synced together.
const TOGETHER: usize = 16;

/// The files of a pass over the statistics. Dropped before it is published, it leaves the run as it was.
#[derive(Debug)]
pub struct Staged<'a> {
    run: &'a RunDir,
    open: Vec<(PathBuf, NamedTempFile)>,
    ready: Vec<(PathBuf, TempPath)>,
    /// Names and digests, of those that are listed.
    listed: Vec<(String, String)>,
    names: Vec<String>,
}

impl<'a> Staged<'a> {
    /// No file yet.
    pub fn new(run: &'a RunDir) -> Self {
        Self { run, open: Vec::new(), ready: Vec::new(), listed: Vec::new(), names: Vec::new() }
    }

    /// Adds a file below the folder of the run, under a temporary name.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`].
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.run.check_there()?;
        let path = self.run.file(name);
        let file = match unfinished(&path, bytes) {
            // Few files may be open: those that wait are closed first.
            Err(_) if !self.open.is_empty() => {
                self.settle()?;
                unfinished(&path, bytes)?
            }
            file => file?,
        };
        self.open.push((path, file));
        self.names.push(name.to_owned());
        if !UNLISTED.contains(&name) {
            self.listed.push((name.to_owned(), sha256(bytes)));
        }
        if self.open.len() == TOGETHER { self.settle() } else { Ok(()) }
    }

    fn settle(&mut self) -> Result<()> {
        sync_all(&self.open)?;
        self.ready.extend(self.open.drain(..).map(|(path, file)| (path, file.into_temp_path())));
        Ok(())
    }

    /// Puts the files into their places and removes what an earlier pass left in `folders`. The manifest says that the run is
    /// not complete from the first change to the last.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`].
    pub fn publish(mut self, record: &mut RunRecord, folders: &[&str]) -> Result<()> {
        self.settle()?;
        record.complete = false;
        self.run.write_record(record)?;
        for folder in folders {
            clear_derived(self.run.path(), folder, &self.names)?;
        }
        self.run.replace_checksums(folders, std::mem::take(&mut self.listed))?;
        let mut changed: Vec<PathBuf> = Vec::new();
        for (path, file) in self.ready {
            finish(file, &path)?;
            changed.push(folder_of(&path).to_path_buf());
        }
        changed.push(self.run.path().to_path_buf());
        changed.sort();
        changed.dedup();
        changed.iter().try_for_each(|folder| sync_folder(folder))?;
        record.complete = true;
        self.run.write_record(record)
    }
}
