//! Ranges that stay on the disk: a file with holes, and beside it the checksums of the blocks that are there. Never among the blobs of
//! the hub's clients, who would take it for a whole file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crc32fast::Hasher;

use super::{super::cache::writing, pieces, positioned::write_all_at};
use crate::{
    error::{Error, Result},
    read_at::{LocalFile, ReadAt},
};

/// How the table begins, before the size of a block and of the file.
const MAGIC: &[u8; 8] = b"OMA-RNG2";
/// The bytes before the checksums.
const HEAD: usize = 24;
/// After so long the table is written again: what a process that is killed has fetched until then stays.
const OFTEN: Duration = Duration::from_secs(1);

/// The blocks of one file that have been fetched, by this process or another.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    table_path: PathBuf,
    size: u64,
    /// The data, to be read; `None` where there is none and none can be made.
    reader: Option<LocalFile>,
    /// What is written, or why nothing can be.
    writer: std::result::Result<Writer, ErrorKind>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Writer {
    data: File,
    table: File,
}

/// What is known of the blocks.
#[derive(Debug)]
struct State {
    /// The checksum of each block that is there; 0 for one that is not.
    sums: Vec<u32>,
    /// Whether this process has compared a block with its checksum, or written it.
    compared: Vec<bool>,
    /// Whether the table on the disk lacks something.
    is_changed: bool,
    /// When the table was written.
    written: Instant,
}

impl Kept {
    /// Opens what is kept of a blob of this size in `folder`, or begins it. Where nothing can be written, or nothing is to be, what is
    /// there can be read all the same.
    ///
    /// # Errors
    /// The folder cannot be written for another reason than that it is only to be read.
    pub(super) fn open(folder: &Path, blob: &str, size: u64, only_read: bool) -> Result<Self> {
        let (path, table_path) = (folder.join(blob), folder.join(format!("{blob}.blocks")));
        let opened = if only_read {
            Err(ErrorKind::PermissionDenied.into())
        } else {
            fs::create_dir_all(folder).and_then(|()| Writer::open(&path, &table_path))
        };
        let writer = match opened {
            Ok(writer) => Ok(writer),
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                Err(error.kind())
            }
            Err(error) => return Err(writing(&path)(error)),
        };
        let found = match &writer {
            Ok(writer) => writer.data.try_clone(),
            Err(_) => File::open(&path),
        };
        let is_whole = |file: &File| file.metadata().is_ok_and(|metadata| metadata.len() == size);
        // A table without its data, or of blocks of another size, says nothing.
        let known = found.as_ref().is_ok_and(is_whole).then(|| read_table(&table_path, size)).flatten();
        let reader = match &writer {
            Ok(writer) => {
                if known.is_none() {
                    writer.begin(size).map_err(writing(&path))?;
                }
                Some(found.and_then(LocalFile::new).map_err(Error::io("open", &path))?)
            }
            Err(_) => found.and_then(LocalFile::new).ok().filter(|_| known.is_some()),
        };
        let blocks = count(size);
        let state = State {
            sums: known.unwrap_or_else(|| vec![0; blocks]),
            compared: vec![false; blocks],
            is_changed: false,
            written: Instant::now(),
        };
        Ok(Self { path, table_path, size, reader, writer, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error of something that is to be written where nothing can be.
    fn writer(&self) -> Result<&Writer> {
        self.writer.as_ref().map_err(|kind| writing(&self.path)((*kind).into()))
    }

    /// The bytes of a block; the last one is short.
    fn block(&self, block: u64) -> Range<u64> {
        pieces::bytes(&(block..block + 1), self.size)
    }

    /// The blocks of a range of blocks that are not there. One whose bytes are not those that were written is not there.
    pub(super) fn missing(&self, range: &Range<u64>) -> Vec<u64> {
        let unsure: Vec<(u64, u32)> = {
            let state = self.state();
            let is_unsure = |block: &u64| state.sums[*block as usize] != 0 && !state.compared[*block as usize];
            range.clone().filter(is_unsure).map(|block| (block, state.sums[block as usize])).collect()
        };
        let found: Vec<(u64, bool)> =
            unsure.iter().map(|(block, sum)| (*block, self.sum(*block) == Some(*sum))).collect();
        let mut state = self.state();
        for (block, is_right) in found {
            let block = block as usize;
            // Another thread may have fetched it meanwhile.
            if !state.compared[block] {
                state.compared[block] = is_right;
                state.sums[block] = if is_right { state.sums[block] } else { 0 };
            }
        }
        range.clone().filter(|block| state.sums[*block as usize] == 0).collect()
    }

    /// How many of these bytes were never written. What is on the disk is not read: whether it is right is found out when it is needed.
    pub(super) fn unwritten(&self, bytes: &Range<u64>) -> u64 {
        let state = self.state();
        let unwritten =
            pieces::blocks(bytes).filter(|block| state.sums[*block as usize] == 0).map(|block| self.block(block));
        unwritten.map(|own| own.end.min(bytes.end) - own.start.max(bytes.start)).sum()
    }

    /// The checksum of a block as it is on the disk.
    fn sum(&self, block: u64) -> Option<u32> {
        let range = self.block(block);
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.reader.as_ref()?.read_exact_at(&mut bytes, range.start).ok()?;
        let mut hasher = Hasher::new();
        hasher.update(&bytes);
        Some(sum_of(hasher))
    }

    /// Takes the bytes of a range of blocks as they arrive.
    pub(super) fn arriving(&self, blocks: &Range<u64>) -> Arriving<'_> {
        Arriving { kept: self, block: blocks.start, filled: 0, hasher: Hasher::new() }
    }

    /// Writes bytes that arrived; they count as there only after [`Kept::mark`].
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        write_all_at(&self.writer()?.data, bytes, offset).map_err(writing(&self.path))
    }

    /// From now on the block is there, with this checksum.
    fn mark(&self, block: u64, sum: u32) -> Result<()> {
        let mut state = self.state();
        (state.sums[block as usize], state.compared[block as usize], state.is_changed) = (sum, true, true);
        if state.written.elapsed() >= OFTEN { self.keep(&mut state) } else { Ok(()) }
    }

    /// From now on these blocks are not there. `false`: nothing can be fetched in their place.
    pub(super) fn forget(&self, blocks: Range<u64>) -> bool {
        let Ok(writer) = &self.writer else { return false };
        let range = blocks.start as usize..blocks.end as usize;
        let mut state = self.state();
        state.sums[range.clone()].fill(0);
        state.compared[range.clone()].fill(false);
        // What another process says of them would else come back from the table.
        write_all_at(&writer.table, &vec![0; 4 * range.len()], (HEAD + 4 * range.start) as u64).is_ok()
    }

    /// Writes the table. No block has to be on the disk before it: after a crash of the machine the checksum of one that is not is
    /// another one. What other processes have fetched meanwhile stays, and need not be fetched again.
    fn keep(&self, state: &mut State) -> Result<()> {
        let Ok(writer) = &self.writer else { return Ok(()) };
        let others = read_table(&self.table_path, self.size).unwrap_or_default();
        for (own, other) in state.sums.iter_mut().zip(others).filter(|(own, _)| **own == 0) {
            *own = other;
        }
        writer.table(self.size, &state.sums).map_err(writing(&self.table_path))?;
        (state.is_changed, state.written) = (false, Instant::now());
        Ok(())
    }

    /// Reads what is there.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let reader = self.reader.as_ref().ok_or_else(|| Error::internal("ranges are read that were never kept"))?;
        reader.read_exact_at(buffer, offset).map_err(Error::io("read", &self.path))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut state = self.state();
        if state.is_changed {
            // What the table lacks is fetched again.
            let _ = self.keep(&mut state);
        }
    }
}

/// Blocks while their bytes arrive, in order: each is there once its last byte has come.
#[derive(Debug)]
pub(super) struct Arriving<'k> {
    kept: &'k Kept,
    block: u64,
    /// Bytes of the block that have come.
    filled: u64,
    /// The checksum of these.
    hasher: Hasher,
}

impl Arriving<'_> {
    /// Keeps the bytes that come next; they belong at `offset`.
    pub(super) fn take(&mut self, offset: u64, mut bytes: &[u8]) -> Result<()> {
        self.kept.write(offset, bytes)?;
        while !bytes.is_empty() {
            let block = self.kept.block(self.block);
            let wanted = block.end - block.start - self.filled;
            let (own, rest) = bytes.split_at(bytes.len().min(wanted as usize));
            self.hasher.update(own);
            self.filled += own.len() as u64;
            if own.len() as u64 == wanted {
                self.kept.mark(self.block, sum_of(std::mem::take(&mut self.hasher)))?;
                (self.block, self.filled) = (self.block + 1, 0);
            }
            bytes = rest;
        }
        Ok(())
    }
}

/// The checksum of a block: CRC-32, of which 0 is kept free for a block that is not there.
fn sum_of(hasher: Hasher) -> u32 {
    hasher.finalize().max(1)
}

impl Writer {
    fn open(data: &Path, table: &Path) -> io::Result<Self> {
        let open = |path| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        Ok(Self { data: open(data)?, table: open(table)? })
    }

    /// Nothing is there yet.
    fn begin(&self, size: u64) -> io::Result<()> {
        self.data.set_len(size)?;
        self.table(size, &vec![0; count(size)])
    }

    fn table(&self, size: u64, sums: &[u32]) -> io::Result<()> {
        let sums = sums.iter().flat_map(|sum| sum.to_le_bytes());
        write_all_at(&self.table, &head(size).into_iter().chain(sums).collect::<Vec<u8>>(), 0)
    }
}

fn count(size: u64) -> usize {
    size.div_ceil(pieces::BLOCK) as usize
}

fn head(size: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..16].copy_from_slice(&pieces::BLOCK.to_le_bytes());
    head[16..].copy_from_slice(&size.to_le_bytes());
    head
}

/// The checksums that a table holds, if it is one of a file of this size.
fn read_table(path: &Path, size: u64) -> Option<Vec<u32>> {
    let all = fs::read(path).ok()?;
    let sums = all.strip_prefix(&head(size))?.get(..4 * count(size))?;
    Some(sums.chunks_exact(4).map(|sum| u32::from_le_bytes([sum[0], sum[1], sum[2], sum[3]])).collect())
}

#[cfg(test)]
mod tests;
