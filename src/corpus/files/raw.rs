//! Bytes on their way from a file: buffered, so that the next ones can be looked at; counted and hashed as they are used.

use std::{
    fs::{self, File},
    io::{self, BufRead, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::Identity;
use crate::error::{Error, Result};

/// Bytes that are buffered, and so the most that can be looked at.
const BUFFER: usize = 1 << 16;

/// So much of a file is read only to know it when its rows are not needed any more: its hash, and how many rows there are.
pub(super) const READ_ON: u64 = 1 << 30;

/// A reader whose next bytes can be looked at.
pub(super) struct Peeked<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    /// The buffer is filled as a whole each time: what is used does not depend on how a pipe hands its bytes on.
    pub whole_blocks: bool,
    ended: bool,
    hasher: Option<Sha256>,
    /// Bytes that were used.
    pub used: u64,
}

impl<R: Read> Peeked<R> {
    /// A reader that does not hash.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new(), start: 0, whole_blocks: false, ended: false, hasher: None, used: 0 }
    }

    /// What comes next: read on until `enough` says so, the buffer is full or there is no more.
    pub(super) fn peek(&mut self, enough: impl Fn(&[u8]) -> bool) -> io::Result<&[u8]> {
        while !self.ended && self.next().len() < BUFFER && (self.next().is_empty() || !enough(self.next())) {
            self.read_once()?;
        }
        Ok(self.next())
    }

    /// What was read and not used.
    fn next(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn read_once(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let held = self.buffer.len();
        self.buffer.resize(BUFFER, 0);
        let outcome = loop {
            match self.inner.read(&mut self.buffer[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        let read = *outcome.as_ref().unwrap_or(&0);
        self.buffer.truncate(held + read);
        self.ended = outcome? == 0;
        Ok(())
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Peeked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let whole = self.whole_blocks;
        if self.next().is_empty() {
            self.peek(|_| !whole)?;
        }
        Ok(self.next())
    }

    fn consume(&mut self, count: usize) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&self.buffer[self.start..self.start + count]);
        }
        self.start += count;
        self.used += count as u64;
    }
}

/// A file, or the standard input.
pub(super) type Raw = Peeked<Box<dyn Read>>;

impl Raw {
    /// Opens a path; `-` is the standard input.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let inner: Box<dyn Read> =
            if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        Ok(Self { hasher: Some(Sha256::new()), ..Self::new(inner) })
    }

    /// The identity of what was used. With `most` so many more bytes are read first; without, the rest of a stream is
    /// left where it is.
    ///
    /// # Errors
    /// The rest cannot be read.
    pub(super) fn finish(mut self, most: Option<u64>) -> io::Result<Identity> {
        let mut left = most.unwrap_or(0);
        while left > 0 {
            let count = (self.fill_buf()?.len() as u64).min(left);
            if count == 0 {
                break;
            }
            self.consume(count as usize);
            left -= count;
        }
        let whole = if most.is_some() { self.fill_buf()?.is_empty() } else { self.ended && self.next().is_empty() };
        let digest = self.hasher.unwrap_or_default().finalize();
        let hex: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Identity { sha256: hex.concat(), bytes: self.used, partial: !whole })
    }
}

/// Whether a path is a pipe, the standard input or a device: read once, from the start, perhaps without end.
pub(super) fn is_stream(path: &Path) -> bool {
    path == Path::new("-") || fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// The identity of a whole file, whatever it holds.
///
/// # Errors
/// It cannot be read.
pub(in crate::corpus) fn identify(path: &Path) -> Result<Identity> {
    let raw = Raw::open(path).map_err(Error::io("open", path))?;
    raw.finish(Some(u64::MAX)).map_err(Error::io("read", path))
}
