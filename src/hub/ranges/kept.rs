//! Ranges that stay on the disk: a file with holes, and beside it which of its blocks are there. Never among the blobs of the hub's
//! clients, who would take it for a whole file.

use std::{
    fs::{File, OpenOptions},
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    super::cache::{make_folder, writing},
    pieces::{BLOCK, blocks},
    positioned::write_all_at,
};
use crate::{
    error::{Error, Result},
    read_at::{LocalFile, ReadAt},
};

/// How the file of bits begins, before the size of a block and of the file.
const MAGIC: &[u8; 8] = b"OMA-RNG1";
/// The bytes before the bits.
const HEAD: usize = 24;
/// So many new bytes are written to the disk together, before their bits.
const TOGETHER: u64 = 64 << 20;

/// The blocks of one file that have been fetched, by this process or another.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    size: u64,
    data: File,
    /// The same file, to be read.
    reader: LocalFile,
    bits: File,
    bits_path: PathBuf,
    state: Mutex<State>,
}

/// One bit a block.
#[derive(Debug, Default)]
struct State {
    /// What is there for this process.
    there: Vec<u8>,
    /// Bytes that are there and may not be on the disk.
    unsynced: u64,
}

impl Kept {
    /// Opens what is kept of a blob of this size in `folder`, or begins it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn open(folder: &Path, blob: &str, size: u64) -> Result<Self> {
        make_folder(folder)?;
        let path = folder.join(blob);
        let open = |path: &Path| {
            let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            options.map_err(writing(path))
        };
        let bits_path = folder.join(format!("{blob}.blocks"));
        let (data, bits) = (open(&path)?, open(&bits_path)?);
        let is_whole = data.metadata().map_err(Error::io("read", &path))?.len() == size;
        if !is_whole {
            data.set_len(size).map_err(writing(&path))?;
        }
        let reader = data.try_clone().and_then(LocalFile::new).map_err(Error::io("open", &path))?;
        let kept = Self { path, size, data, reader, bits, bits_path, state: Mutex::default() };
        // Bits without their data, or of blocks of another size, say nothing.
        let there = kept.read_bits().filter(|_| is_whole);
        if there.is_none() {
            kept.write_bits(&vec![0; kept.bit_bytes()]).map_err(writing(&kept.bits_path))?;
        }
        kept.state().there = there.unwrap_or_else(|| vec![0; kept.bit_bytes()]);
        Ok(kept)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bit_bytes(&self) -> usize {
        self.size.div_ceil(BLOCK).div_ceil(8) as usize
    }

    fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(MAGIC);
        head[8..16].copy_from_slice(&BLOCK.to_le_bytes());
        head[16..].copy_from_slice(&self.size.to_le_bytes());
        head
    }

    fn read_bits(&self) -> Option<Vec<u8>> {
        let mut all = std::fs::read(&self.bits_path).ok()?;
        let is_whole = all.len() >= HEAD + self.bit_bytes() && all[..HEAD] == self.head();
        is_whole.then(|| all.split_off(HEAD))
    }

    fn write_bits(&self, bits: &[u8]) -> io::Result<()> {
        write_all_at(&self.bits, &[&self.head(), bits].concat(), 0)
    }

    /// The blocks of a range of blocks that are not there.
    pub(super) fn missing(&self, range: &Range<u64>) -> Vec<u64> {
        let state = self.state();
        range.clone().filter(|block| !is_set(&state.there, *block)).collect()
    }

    /// Writes bytes that arrived; they count as there only after [`Kept::mark`].
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        write_all_at(&self.data, bytes, offset).map_err(writing(&self.path))
    }

    /// From now on the blocks are there.
    pub(super) fn mark(&self, range: &Range<u64>) -> Result<()> {
        let is_due = {
            let mut state = self.state();
            for block in range.clone() {
                if let Some(byte) = state.there.get_mut((block / 8) as usize) {
                    *byte |= 1 << (block % 8);
                }
            }
            state.unsynced += (range.end - range.start) * BLOCK;
            state.unsynced >= TOGETHER
        };
        if is_due { self.sync() } else { Ok(()) }
    }

    /// Writes to the disk first the blocks, then that they are there: what the bits say holds also after a crash. The bits that other
    /// processes have set meanwhile stay.
    pub(super) fn sync(&self) -> Result<()> {
        let there = {
            let mut state = self.state();
            if state.unsynced == 0 {
                return Ok(());
            }
            state.unsynced = 0;
            state.there.clone()
        };
        let written = self.data.sync_data().and_then(|()| {
            let others = self.read_bits().unwrap_or_default();
            let merged: Vec<u8> =
                there.iter().enumerate().map(|(at, own)| own | others.get(at).copied().unwrap_or(0)).collect();
            self.write_bits(&merged)?;
            Ok(merged)
        });
        let merged = written.map_err(writing(&self.path))?;
        // What others have fetched need not be fetched again.
        self.state().there.iter_mut().zip(merged).for_each(|(own, merged)| *own |= merged);
        Ok(())
    }

    /// Reads what is there.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        debug_assert!(self.missing(&blocks(&(offset..offset + buffer.len() as u64))).is_empty());
        self.reader.read_exact_at(buffer, offset).map_err(Error::io("read", &self.path))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Without its bit a block is fetched again.
        let _ = self.sync();
    }
}

fn is_set(bits: &[u8], block: u64) -> bool {
    bits.get((block / 8) as usize).is_some_and(|byte| byte >> (block % 8) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 3 * BLOCK + 5;

    #[test]
    fn what_one_process_fetched_the_next_one_has() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::open(folder.path(), "abc", SIZE).unwrap();
        assert_eq!(kept.missing(&(0..4)), [0, 1, 2, 3]);
        kept.write(3 * BLOCK, b"hello").unwrap();
        assert_eq!(kept.missing(&(3..4)), [3], "it is not marked yet");
        kept.mark(&(3..4)).unwrap();
        drop(kept);
        let kept = Kept::open(folder.path(), "abc", SIZE).unwrap();
        assert_eq!(kept.missing(&(0..4)), [0, 1, 2]);
        let mut buffer = [0; 4];
        kept.read(&mut buffer, 3 * BLOCK + 1).unwrap();
        assert_eq!(&buffer, b"ello");
    }

    #[test]
    fn two_processes_keep_each_others_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = [0, 1].map(|_| Kept::open(folder.path(), "abc", SIZE).unwrap());
        one.mark(&(0..1)).unwrap();
        other.mark(&(2..3)).unwrap();
        one.sync().unwrap();
        other.sync().unwrap();
        assert_eq!(other.missing(&(0..4)), [1, 3]);
        assert_eq!(Kept::open(folder.path(), "abc", SIZE).unwrap().missing(&(0..4)), [1, 3]);
    }

    #[test]
    fn bits_without_their_data_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        Kept::open(folder.path(), "abc", SIZE).unwrap().mark(&(0..4)).unwrap();
        std::fs::remove_file(folder.path().join("abc")).unwrap();
        assert_eq!(Kept::open(folder.path(), "abc", SIZE).unwrap().missing(&(0..4)).len(), 4);
        Kept::open(folder.path(), "abc", SIZE).unwrap().mark(&(0..4)).unwrap();
        assert_eq!(Kept::open(folder.path(), "abc", SIZE + BLOCK).unwrap().missing(&(0..5)).len(), 5);
        std::fs::write(folder.path().join("abc.blocks"), "damaged").unwrap();
        assert_eq!(Kept::open(folder.path(), "abc", SIZE).unwrap().missing(&(0..4)).len(), 4);
    }
}
