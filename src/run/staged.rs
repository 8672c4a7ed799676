//! Replaces several files together: all new files are on the disk under temporary names before the first old one is replaced.

use std::{io::Write, path::PathBuf};

use tempfile::{NamedTempFile, TempPath};

use super::{
    checksums::UNLISTED,
    digested::Digested,
    durable::{create_unfinished, finish, folder_of, sync_all, sync_folder},
    folder::RunDir,
    record::RunRecord,
    run_entries::clear_derived,
};
use crate::error::{Error, Result};

/// How many files are open at the same time, to be synced together.
const TOGETHER: usize = 16;

/// The new files of a run. If this is dropped before [`Self::publish`], the run stays as it was.
#[derive(Debug)]
pub struct Staged<'a> {
    run: &'a RunDir,
    open: Vec<(PathBuf, NamedTempFile)>,
    ready: Vec<(PathBuf, TempPath)>,
    /// Names and digests of those files that get a checksum.
    listed: Vec<(String, String)>,
    names: Vec<String>,
}

impl<'a> Staged<'a> {
    /// Without any file yet.
    pub fn new(run: &'a RunDir) -> Self {
        Self { run, open: Vec::new(), ready: Vec::new(), listed: Vec::new(), names: Vec::new() }
    }

    /// Adds a file below the folder of the run, under a temporary name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.run.file(name);
        self.add_written(name, |file| file.write_all(bytes).map_err(Error::io("write", &path)))
    }

    /// Adds a file that `write` writes, piece by piece: it is never whole in memory.
    ///
    /// # Errors
    /// [`Error::Io`], and those of `write`.
    pub fn add_written(&mut self, name: &str, write: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>) -> Result<()> {
        self.run.check_there()?;
        let path = self.run.file(name);
        let file = match create_unfinished(&path) {
            // The process may have too many open files: those that wait are finished and closed first.
            Err(_) if !self.open.is_empty() => {
                self.settle()?;
                create_unfinished(&path)?
            }
            file => file?,
        };
        let mut file = Digested::new(file);
        let written = write(&mut file);
        let (file, digest) = file.finish().map_err(Error::io("write", &path))?;
        written?;
        self.open.push((path, file));
        self.names.push(name.to_owned());
        if !UNLISTED.contains(&name) {
            self.listed.push((name.to_owned(), digest));
        }
        if self.open.len() == TOGETHER { self.settle() } else { Ok(()) }
    }

    fn settle(&mut self) -> Result<()> {
        sync_all(&self.open)?;
        self.ready.extend(self.open.drain(..).map(|(path, file)| (path, file.into_temp_path())));
        Ok(())
    }

    /// Moves the files into place and removes the older files in `folders`. From the first change to the last the manifest says
    /// that the run is not complete.
    ///
    /// # Errors
    /// [`Error::Io`].
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
