//! A file that has arrived in part: what is there is used by the next attempt, also by another process after this one was killed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    cache::{Cache, make_folder, replace, writing},
    client::Client,
    digest::{BlobHash, LONG, each_block, hexadecimal},
    listing::HubFile,
    ranges::Halt,
};
use crate::error::{Error, Result};

/// How often it is looked whether another process has finished.
const MOMENT: Duration = Duration::from_millis(200);

/// What stands beside a part: what it is a part of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    blob: String,
    size: u64,
    endpoint: String,
}

/// A part that this process writes. Where the file system has locks no other process does; where it has none, or says that everybody
/// has the lock, another one writes the same bytes at the same places, which harms neither.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: File,
    hash: BlobHash,
    length: u64,
}

impl Part {
    /// Opens the part of a file, and reads again what is there, because its hash is that of the whole. `None`: another process has
    /// finished the file meanwhile.
    ///
    /// # Errors
    /// The cache cannot be written; [`Error::Interrupted`].
    pub(super) fn open(cache: &Cache, file: &HubFile, client: &Client, halt: &Halt) -> Result<Option<Self>> {
        let path = place(cache, file, &client.settings.endpoint);
        make_folder(path.parent().unwrap_or(&path))?;
        let mut is_told = false;
        let opened = loop {
            if cache.has_blob(file) {
                return Ok(None);
            }
            let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let opened = open.map_err(writing(&path))?;
            match opened.try_lock() {
                // The process that held it before has made it a blob, or removed it.
                Ok(()) if !is_same(&opened, &path) => {}
                Ok(()) | Err(TryLockError::Error(_)) => break opened,
                Err(TryLockError::WouldBlock) => {
                    if !is_told {
                        client.note(&format!("another process fetches `{}`: waiting for it", file.path));
                        is_told = true;
                    }
                    halt.check()?;
                    client.wait(MOMENT)?;
                }
            }
        };
        let mut part = Self { path, file: opened, hash: BlobHash::of(&file.blob, file.size), length: 0 };
        part.take_up(file, client, halt)?;
        Ok(Some(part))
    }

    /// Hashes what is there, if it is a part of this file; else begins anew.
    fn take_up(&mut self, file: &HubFile, client: &Client, halt: &Halt) -> Result<()> {
        let own = Note { blob: file.blob.clone(), size: file.size, endpoint: client.settings.endpoint.clone() };
        let there = self.file.metadata().map_err(writing(&self.path))?.len();
        let known = fs::read(self.note()).ok().and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
        if known.as_ref() != Some(&own) || there > file.size {
            return replace(&self.note(), &serde_json::to_vec(&own).unwrap_or_default());
        }
        if there >= LONG {
            client.note(&format!("`{}`: reading again what is there, for its hash", file.path));
        }
        self.file.rewind().map_err(Error::io("read", &self.path))?;
        let mut reader = (&self.file).take(there);
        each_block(&mut reader, &self.path, &mut |bytes| {
            client.check()?;
            halt.check()?;
            self.hash.update(bytes);
            self.length += bytes.len() as u64;
            Ok(())
        })
    }

    /// How many bytes are there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Forgets what is there. It stays until it is overwritten: another process may write beside this one, and would leave a hole.
    pub(super) fn begin_anew(&mut self, file: &HubFile) {
        self.hash = BlobHash::of(&file.blob, file.size);
        self.length = 0;
    }

    /// Takes the next bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let at = SeekFrom::Start(self.length);
        self.file.seek(at).and_then(|_| self.file.write_all(bytes)).map_err(writing(&self.path))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes the whole part a blob, or removes it if its hash is another one; then the hash that it has is returned.
    pub(super) fn finish(self, cache: &Cache, file: &HubFile) -> Result<Option<String>> {
        let found = self.hash.clone().finish();
        let note = self.note();
        if found != file.blob {
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(&note);
            return Ok(Some(found));
        }
        let blob = cache.blob(&file.blob);
        self.file.set_len(file.size).and_then(|()| self.file.sync_all()).map_err(writing(&self.path))?;
        match fs::rename(&self.path, &blob) {
            // Where everybody has the lock another process was faster.
            Err(_) if cache.has_blob(file) => {}
            other => other.map_err(writing(&blob))?,
        }
        let _ = fs::remove_file(&note);
        Ok(None)
    }

    fn note(&self) -> PathBuf {
        self.path.with_extension("part.json")
    }
}

/// How many bytes of a file have arrived.
pub(super) fn arrived(cache: &Cache, file: &HubFile, endpoint: &str) -> u64 {
    fs::metadata(place(cache, file, endpoint)).map_or(0, |metadata| metadata.len().min(file.size))
}

/// Another mirror may send other bytes by the same name, so that each has a part of its own.
fn place(cache: &Cache, file: &HubFile, endpoint: &str) -> PathBuf {
    let endpoint = hexadecimal(&Sha256::digest(endpoint)[..4]);
    cache.blob(&format!("{}.{endpoint}.openmoe-analyze.part", file.blob))
}

/// Whether the open file is still the file of that name.
#[cfg(unix)]
fn is_same(file: &File, path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same(_: &File, path: &std::path::Path) -> bool {
    path.exists()
}
