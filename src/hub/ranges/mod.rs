//! One file of the hub, read in ranges: [`RangeFile`].

mod at_once;
mod kept;
mod pieces;
mod positioned;
mod window;

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

pub(super) use self::at_once::{Halt, each_at_once};
use self::{
    at_once::CONNECTIONS,
    kept::Kept,
    pieces::{BLOCK, LONGEST, ReadAhead, blocks, bytes, pieces},
    window::Window,
};
use super::source::Source;
use crate::{
    error::{Error, Result},
    read_at::ReadAt,
};

/// What is read ahead at most of a file whose ranges are kept, in bytes.
const AHEAD_KEPT: u64 = LONGEST;
/// What is read ahead at most of a file whose ranges are kept nowhere, in bytes.
const AHEAD_WINDOW: u64 = 4 << 20;
/// What stays in memory of such a file, in bytes.
const WINDOW: u64 = 16 << 20;
/// A longer read of such a file goes straight into the reader's memory, in bytes.
const DIRECT: u64 = 2 << 20;

/// What becomes of the ranges of a file that have been fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeMode {
    /// They stay on the disk, for the next process too.
    Kept,
    /// They are kept nowhere; a few MiB stay in memory.
    Streamed,
}

/// A file of the hub at one commit, of which only those bytes are fetched that are read, rounded to blocks of 32 KiB. Several threads
/// may read at once. An error inside an [`io::Error`] of it is an [`Error`]; [`Error::io`] takes it out again.
#[derive(Debug)]
pub struct RangeFile {
    source: Source,
    store: Store,
    ahead: ReadAhead,
    moved: AtomicU64,
    requests: AtomicU64,
}

#[derive(Debug)]
enum Store {
    Kept(Kept),
    Window(Window),
}

impl RangeFile {
    /// # Errors
    /// The folder for what is kept cannot be written.
    pub(super) fn new(source: Source, mode: RangeMode, folder: &Path) -> Result<Self> {
        let (store, ahead) = match mode {
            RangeMode::Kept => {
                let only_read = source.client.settings.offline;
                (Store::Kept(Kept::open(folder, &source.file.blob, source.file.size, only_read)?), AHEAD_KEPT)
            }
            RangeMode::Streamed => (Store::Window(Window::new(WINDOW)), AHEAD_WINDOW),
        };
        let (moved, requests) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { source, store, ahead: ReadAhead::new(ahead), moved, requests })
    }

    /// Bytes that came over the network so far.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Ranges that were asked for so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Fetches these ranges of bytes, as far as they are missing, by several connections at once. Of a file that is streamed as much
    /// as stays in memory; a long range of it is better read at once.
    ///
    /// # Errors
    /// [`Error::Hub`], [`Error::Interrupted`]; the disk does not take them.
    pub fn want(&self, ranges: &[Range<u64>]) -> Result<()> {
        let size = self.source.file.size;
        let mut wanted: Vec<Range<u64>> =
            ranges.iter().map(|range| blocks(&(range.start.min(size)..range.end.min(size)))).collect();
        wanted.sort_by_key(|range| range.start);
        let mut next = 0;
        let missing = wanted.into_iter().flat_map(|range| {
            let range = range.start.max(next)..range.end;
            next = next.max(range.end);
            self.missing(&range)
        });
        let missing: Vec<u64> = missing.collect();
        match &self.store {
            Store::Kept(_) => self.fetch(&pieces(missing)).map(drop),
            Store::Window(window) => {
                let fits = (window.capacity() / 2 / BLOCK) as usize;
                self.fetch(&pieces(missing.into_iter().take(fits))).map(drop)
            }
        }
    }

    fn missing(&self, range: &Range<u64>) -> Vec<u64> {
        match &self.store {
            Store::Kept(kept) => kept.missing(range),
            Store::Window(window) => {
                let there = window.get(range.clone());
                range.clone().filter(|block| !there.contains_key(block)).collect()
            }
        }
    }

    /// Fetches pieces, each a range of blocks; returns the blocks where they are kept in memory only.
    fn fetch(&self, pieces: &[Range<u64>]) -> Result<BTreeMap<u64, Arc<[u8]>>> {
        let (sender, receiver) = mpsc::channel();
        each_at_once(pieces, |piece, halt| {
            let range = bytes(piece, self.source.file.size);
            match &self.store {
                Store::Kept(kept) => {
                    let mut arriving = kept.arriving(piece);
                    self.pour(range, halt, &mut |offset, bytes| arriving.take(offset, bytes))
                }
                Store::Window(window) => {
                    let mut buffer = Vec::with_capacity((range.end - range.start) as usize);
                    self.pour(range, halt, &mut |_, bytes| {
                        buffer.extend_from_slice(bytes);
                        Ok(())
                    })?;
                    // The receiver lives until the end of this function.
                    let _ = sender.send(window.put(piece.start, &buffer));
                    Ok(())
                }
            }
        })?;
        drop(sender);
        Ok(receiver.into_iter().flatten().collect())
    }

    fn pour(&self, range: Range<u64>, halt: &Halt, take: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.source.pour(range, false, &mut |offset, bytes| {
            halt.check()?;
            self.moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            take(offset, bytes)
        })
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let end = offset + buffer.len() as u64;
        if matches!(self.store, Store::Window(_)) && buffer.len() as u64 > DIRECT {
            return self.read_directly(buffer, offset);
        }
        let wanted = blocks(&(offset..end));
        let missing = self.missing(&wanted);
        let fetched = match (missing.first(), missing.last()) {
            (Some(&first), Some(&last)) => {
                let behind = self.ahead.behind(first, last + 1);
                let all = self.source.file.size.div_ceil(BLOCK);
                let ahead = last + 1..(last + 1 + behind).min(all);
                self.fetch(&pieces(missing.iter().copied().chain(self.missing(&ahead))))?
            }
            _ => BTreeMap::new(),
        };
        match &self.store {
            Store::Kept(kept) => kept.read(buffer, offset),
            Store::Window(window) => self.assemble(buffer, offset, window, fetched),
        }
    }

    /// Fills a buffer from blocks: those that were just fetched, and those that are in memory.
    fn assemble(
        &self,
        buffer: &mut [u8],
        offset: u64,
        window: &Window,
        mut there: BTreeMap<u64, Arc<[u8]>>,
    ) -> Result<()> {
        let end = offset + buffer.len() as u64;
        for block in blocks(&(offset..end)) {
            let known = there.remove(&block).or_else(|| window.get(block..block + 1).remove(&block));
            let known = match known {
                Some(known) => known,
                // Other threads have read so much meanwhile that it is gone.
                None => match self.fetch(std::slice::from_ref(&(block..block + 1)))?.remove(&block) {
                    Some(known) => known,
                    None => return Err(Error::internal(format!("block {block} was fetched and is not there"))),
                },
            };
            let start = block * BLOCK;
            let (from, to) = (offset.max(start), end.min(start + known.len() as u64));
            let target = &mut buffer[(from - offset) as usize..(to - offset) as usize];
            target.copy_from_slice(&known[(from - start) as usize..(to - start) as usize]);
        }
        Ok(())
    }

    /// Fills a long buffer by several connections, past the memory of short reads.
    fn read_directly(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let piece = buffer.len().div_ceil(CONNECTIONS).clamp(DIRECT as usize, LONGEST as usize);
        let starts = (offset..).step_by(piece);
        let parts: Vec<(u64, std::sync::Mutex<&mut [u8]>)> =
            starts.zip(buffer.chunks_mut(piece).map(std::sync::Mutex::new)).collect();
        each_at_once(&parts, |(start, part), halt| {
            let mut part = part.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let range = *start..*start + part.len() as u64;
            self.pour(range, halt, &mut |position, bytes| {
                let at = (position - start) as usize;
                part[at..at + bytes.len()].copy_from_slice(bytes);
                Ok(())
            })
        })
    }
}

impl ReadAt for RangeFile {
    fn size(&self) -> u64 {
        self.source.file.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= self.size() => self.read(buffer, offset).map_err(io::Error::other),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn to_fetch(&self, range: Range<u64>) -> u64 {
        match &self.store {
            Store::Kept(kept) => kept.unwritten(&range),
            Store::Window(_) => range.end - range.start,
        }
    }

    fn forget(&self, range: Range<u64>) -> bool {
        let blocks = blocks(&range);
        match &self.store {
            Store::Kept(kept) => kept.forget(blocks),
            Store::Window(window) => {
                window.forget(blocks);
                true
            }
        }
    }
}
