//! Reads the bytes of a file through a buffer, so that the next bytes can be examined before they are used. Used bytes are
//! counted and hashed.

use std::{
    fs::{self, File},
    io::{self, BufRead, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::Identity;
use crate::error::{Error, Result};

/// The size of the buffer in bytes, and so the most that can be examined in advance.
const BUFFER: usize = 1 << 16;

/// The most bytes that are read only for the hash and the number of rows of a file, when its rows are not needed any more.
pub(super) const READ_ON: u64 = 1 << 30;

/// A reader whose next bytes can be examined.
pub(super) struct Peeked<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    /// Whether the buffer is always filled completely, so that the used bytes do not depend on the portions that a pipe gives.
    pub whole_blocks: bool,
    ended: bool,
    hasher: Option<Sha256>,
    /// How many bytes were used.
    pub used: u64,
}

impl<R: Read> Peeked<R> {
    /// A reader that does not hash.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new(), start: 0, whole_blocks: false, ended: false, hasher: None, used: 0 }
    }

    /// The next bytes: reads until `enough` is true, the buffer is full or the data ends.
    pub(super) fn peek(&mut self, enough: impl Fn(&[u8]) -> bool) -> io::Result<&[u8]> {
        while !self.ended && self.next().len() < BUFFER && (self.next().is_empty() || !enough(self.next())) {
            self.read_once()?;
        }
        Ok(self.next())
    }

    /// The bytes that were read but not used.
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

/// A file, or standard input.
pub(super) type Raw = Peeked<Box<dyn Read>>;

impl Raw {
    /// Opens a path; `-` is standard input.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let inner: Box<dyn Read> =
            if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        Ok(Self { hasher: Some(Sha256::new()), ..Self::new(inner) })
    }

    /// The identity of the used bytes. With `most`, up to that many more bytes are read first; without it, the rest of a stream is
    /// not read.
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

/// Whether a path is a pipe, standard input or a device: it can be read only once, and may be endless.
pub(super) fn is_stream(path: &Path) -> bool {
    path == Path::new("-") || fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// The identity of a whole file, whatever its contents are.
///
/// # Errors
/// It cannot be read.
pub(in crate::corpus) fn identify_file(path: &Path) -> Result<Identity> {
    let raw = Raw::open(path).map_err(Error::io("open", path))?;
    raw.finish(Some(u64::MAX)).map_err(Error::io("read", path))
}
