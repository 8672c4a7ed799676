//! An archive of `torch.save` that is read in ranges: where its entries begin is confirmed when they are read, and their CRC-32 when
//! all their bytes have passed.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crc32fast::Hasher;

use crate::{
    pickle::{LOCAL_HEADER, StoredEntry, TorchArchive},
    read_at::ReadAt,
};

/// The most pieces of an entry that are remembered: single rows of an embedding never make up the whole.
const MOST_PIECES: usize = 4096;

/// The bytes of an archive, checked while they are read.
#[derive(Debug)]
pub(super) struct CheckedArchive {
    bytes: Arc<dyn ReadAt>,
    /// In the order of their first bytes.
    entries: Vec<(StoredEntry, Mutex<Progress>)>,
}

/// What is known of an entry.
#[derive(Debug, Default)]
struct Progress {
    /// Whether the local header confirms where its bytes begin.
    confirmed: bool,
    /// Whether all bytes passed and had the right checksum, or too many pieces were read.
    done: bool,
    /// Pieces that passed: the first byte within the entry, the byte after the last one, and the checksum.
    pieces: BTreeMap<u64, (u64, Hasher)>,
}

impl CheckedArchive {
    /// The bytes of an archive that is not a file of this machine; a file is returned as it is, because it is read whole anyway.
    pub(super) fn wrap(bytes: &Arc<dyn ReadAt>, archive: &TorchArchive) -> Arc<dyn ReadAt> {
        if bytes.file().is_some() {
            return bytes.clone();
        }
        let entries = archive.stored_entries().into_iter().map(|entry| (entry, Mutex::default())).collect();
        Arc::new(Self { bytes: bytes.clone(), entries })
    }

    /// The entry that holds the byte at `offset`.
    fn entry(&self, offset: u64) -> Option<&(StoredEntry, Mutex<Progress>)> {
        let before = self.entries.partition_point(|(entry, _)| entry.begin <= offset);
        let found = &self.entries[before.checked_sub(1)?];
        (offset < found.0.begin.saturating_add(found.0.bytes)).then_some(found)
    }

    /// Compares the place of an entry with what its local header says.
    fn confirm(&self, entry: &StoredEntry) -> io::Result<()> {
        let mut header = [0; LOCAL_HEADER as usize];
        self.bytes.read_exact_at(&mut header, entry.header)?;
        let length = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let begin = entry.header + LOCAL_HEADER + length(26) + length(28);
        if !header.starts_with(b"PK\x03\x04") || begin != entry.begin {
            return Err(damaged(format!(
                "the entry at byte {} of the archive does not begin at byte {}, where torch.save puts it; fetch the whole file",
                entry.header, entry.begin
            )));
        }
        Ok(())
    }
}

impl ReadAt for CheckedArchive {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.bytes.read_exact_at(buffer, offset)?;
        let Some((entry, progress)) = self.entry(offset) else { return Ok(()) };
        let is_confirmed = progress.lock().unwrap_or_else(PoisonError::into_inner).confirmed;
        if !is_confirmed {
            self.confirm(entry)?;
        }
        let mut hasher = Hasher::new();
        let within = entry.bytes - (offset - entry.begin);
        let piece = &buffer[..buffer.len().min(usize::try_from(within).unwrap_or(usize::MAX))];
        hasher.update(piece);
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.confirmed = true;
        progress.add(entry, offset - entry.begin, piece.len() as u64, hasher)
    }
}

impl Progress {
    /// Adds a piece, joins it with its neighbours, and compares the checksum once the entry is whole.
    fn add(&mut self, entry: &StoredEntry, begin: u64, bytes: u64, mut hasher: Hasher) -> io::Result<()> {
        let mut end = begin + bytes;
        let is_known = self.pieces.range(..end).next_back().is_some_and(|(_, (known, _))| *known > begin);
        if self.done || bytes == 0 || is_known {
            return Ok(());
        }
        if let Some((after, following)) = self.pieces.remove(&end) {
            hasher.combine(&following);
            end = after;
        }
        let before = self.pieces.range_mut(..begin).next_back().filter(|(_, (known, _))| *known == begin);
        if let Some((_, (known, sum))) = before {
            sum.combine(&hasher);
            *known = end;
        } else {
            self.pieces.insert(begin, (end, hasher));
        }
        let whole = self.pieces.get(&0).filter(|(known, _)| *known == entry.bytes);
        let Some((_, sum)) = whole else {
            self.done = self.pieces.len() > MOST_PIECES;
            return Ok(());
        };
        let found = sum.clone().finalize();
        if found != entry.crc32 {
            return Err(damaged(format!(
                "bytes {}..{} have CRC-32 {found:08x}; the archive says {:08x}: they are not those that were written",
                entry.begin,
                entry.begin + entry.bytes,
                entry.crc32
            )));
        }
        (self.done, self.pieces) = (true, BTreeMap::new());
        Ok(())
    }
}

fn damaged(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(content: &[u8]) -> StoredEntry {
        StoredEntry { header: 0, begin: 64, bytes: content.len() as u64, crc32: crc32fast::hash(content) }
    }

    fn add(progress: &mut Progress, entry: &StoredEntry, content: &[u8], begin: usize, end: usize) -> io::Result<()> {
        let mut hasher = Hasher::new();
        hasher.update(&content[begin..end]);
        progress.add(entry, begin as u64, (end - begin) as u64, hasher)
    }

    #[test]
    fn pieces_in_any_order_make_up_the_whole() {
        let content: Vec<u8> = (0..100).collect();
        let mut progress = Progress::default();
        for (begin, end) in [(50, 60), (0, 10), (60, 100), (0, 10), (5, 20), (10, 50)] {
            assert!(!progress.done);
            add(&mut progress, &entry(&content), &content, begin, end).unwrap();
        }
        assert!(progress.done && progress.pieces.is_empty());
    }

    #[test]
    fn one_flipped_bit_is_found_when_the_last_piece_has_passed() {
        let content: Vec<u8> = (0..100).collect();
        let mut flipped = content.clone();
        flipped[17] ^= 1;
        let mut progress = Progress::default();
        add(&mut progress, &entry(&content), &flipped, 0, 50).unwrap();
        let error = add(&mut progress, &entry(&content), &flipped, 50, 100).unwrap_err();
        assert!(error.to_string().starts_with("bytes 64..164 have CRC-32 "), "{error}");
    }
}
