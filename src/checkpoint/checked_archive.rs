//! An archive of `torch.save` that is read in ranges: where its entries begin is confirmed when they are read, and their CRC-32 when
//! all their bytes have passed.

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use crc32fast::Hasher;

use crate::{
    error::{Error, one_line, quoted_name},
    pickle::{LOCAL_HEADER, StoredEntry, TorchArchive},
    read_at::ReadAt,
};

/// The most pieces of an entry that are remembered: single rows of an embedding never make up the whole.
const MOST_PIECES: usize = 4096;

/// The bytes of an archive, checked while they are read.
#[derive(Debug)]
pub(super) struct CheckedArchive {
    bytes: Arc<dyn ReadAt>,
    /// The name of the file.
    name: String,
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
    pub(super) fn wrap(bytes: &Arc<dyn ReadAt>, archive: &TorchArchive, name: &str) -> Arc<dyn ReadAt> {
        if bytes.file().is_some() {
            return bytes.clone();
        }
        let entries = archive.stored_entries().into_iter().map(|entry| (entry, Mutex::default())).collect();
        Arc::new(Self { bytes: bytes.clone(), name: name.to_owned(), entries })
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
            self.bytes.forget(entry.header..entry.header + LOCAL_HEADER);
            return Err(self.damaged(
                &format!(
                    "the entry at byte {} of the archive does not begin at byte {}, where torch.save puts it",
                    entry.header, entry.begin
                ),
                "fetch the whole file",
            ));
        }
        Ok(())
    }

    /// Bytes of an entry are not those that were written: forgets what is kept of them, and reads them once more, if all of them were
    /// asked for at once. Where they were not, somebody has used some of them already.
    fn again(
        &self,
        entry: &StoredEntry,
        progress: &Mutex<Progress>,
        buffer: &mut [u8],
        offset: u64,
        mut found: u32,
    ) -> io::Result<()> {
        let range = entry.begin..entry.begin + entry.bytes;
        let is_forgotten = self.bytes.forget(range.clone());
        if is_forgotten && offset == range.start && buffer.len() as u64 >= entry.bytes {
            self.bytes.read_exact_at(buffer, offset)?;
            let mut hasher = Hasher::new();
            hasher.update(&buffer[..entry.bytes as usize]);
            found = hasher.finalize();
            if found != entry.crc32 {
                self.bytes.forget(range.clone());
            }
        }
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.pieces.clear();
        progress.done = found == entry.crc32;
        if progress.done {
            return Ok(());
        }
        let hint = if is_forgotten {
            "what was kept of them is forgotten: run it again, and they are fetched anew; if it repeats, the file is damaged where it comes from, or a proxy changes the bytes"
        } else {
            "they are read from a cache that cannot be written: remove what it keeps of the file, or set HF_HUB_CACHE to another folder"
        };
        let Range { start, end } = range;
        let what = format!(
            "bytes {start}..{end} have CRC-32 {found:08x}; the archive says {:08x}: they are not those that were written",
            entry.crc32
        );
        Err(self.damaged(&what, hint))
    }

    fn damaged(&self, what: &str, hint: &str) -> io::Error {
        io::Error::other(Error::hub(format!("{}: {what}", quoted_name(&one_line(&self.name))), hint))
    }
}

impl ReadAt for CheckedArchive {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn to_fetch(&self, range: Range<u64>) -> u64 {
        self.bytes.to_fetch(range)
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
        let found = {
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.confirmed = true;
            progress.add(entry, offset - entry.begin, piece.len() as u64, hasher)
        };
        match found {
            Some(found) if found != entry.crc32 => self.again(entry, progress, buffer, offset, found),
            _ => Ok(()),
        }
    }
}

impl Progress {
    /// Adds a piece and joins it with its neighbours; returns the checksum once the entry is whole.
    fn add(&mut self, entry: &StoredEntry, begin: u64, bytes: u64, mut hasher: Hasher) -> Option<u32> {
        let mut end = begin + bytes;
        let is_known = self.pieces.range(..end).next_back().is_some_and(|(_, (known, _))| *known > begin);
        if self.done || bytes == 0 || is_known {
            return None;
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
            return None;
        };
        let found = sum.clone().finalize();
        (self.done, self.pieces) = (true, BTreeMap::new());
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(content: &[u8]) -> StoredEntry {
        StoredEntry { header: 0, begin: 64, bytes: content.len() as u64, crc32: crc32fast::hash(content) }
    }

    fn add(progress: &mut Progress, content: &[u8], begin: usize, end: usize) -> Option<u32> {
        let mut hasher = Hasher::new();
        hasher.update(&content[begin..end]);
        progress.add(&entry(content), begin as u64, (end - begin) as u64, hasher)
    }

    #[test]
    fn pieces_in_any_order_make_up_the_whole() {
        let content: Vec<u8> = (0..100).collect();
        let mut progress = Progress::default();
        for (begin, end) in [(50, 60), (0, 10), (60, 100), (0, 10), (5, 20)] {
            assert_eq!(add(&mut progress, &content, begin, end), None);
        }
        assert_eq!(add(&mut progress, &content, 10, 50), Some(crc32fast::hash(&content)));
        assert!(progress.done && progress.pieces.is_empty());
    }

    /// An archive that is elsewhere: one entry, after its header.
    #[derive(Debug)]
    struct Elsewhere {
        right: Vec<u8>,
        /// Which bit of the entry is another one until it is forgotten.
        flipped: Mutex<Option<usize>>,
        can_forget: bool,
    }

    impl ReadAt for Elsewhere {
        fn size(&self) -> u64 {
            self.right.len() as u64
        }

        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            let mut bytes = self.right.clone();
            if let Some(at) = *self.flipped.lock().unwrap() {
                bytes[64 + at] ^= 1;
            }
            buffer.copy_from_slice(&bytes[offset as usize..offset as usize + buffer.len()]);
            Ok(())
        }

        fn to_fetch(&self, range: Range<u64>) -> u64 {
            range.end - range.start
        }

        fn forget(&self, range: Range<u64>) -> bool {
            assert_eq!(range, 64..164);
            *self.flipped.lock().unwrap() = None;
            self.can_forget
        }
    }

    /// An archive with a bit that is another one, and what its entry really holds.
    fn flipped(can_forget: bool) -> (CheckedArchive, Vec<u8>) {
        let content: Vec<u8> = (0..100).collect();
        let mut right = vec![0; 64];
        right[..4].copy_from_slice(b"PK\x03\x04");
        right[26] = 34;
        right.extend(&content);
        let bytes = Arc::new(Elsewhere { right, flipped: Mutex::new(Some(17)), can_forget });
        let entries = vec![(entry(&content), Mutex::default())];
        (CheckedArchive { bytes, name: "pytorch_model.bin".to_owned(), entries }, content)
    }

    fn failed(archive: &CheckedArchive, buffer: &mut [u8], offset: u64) -> String {
        let error = Error::io("read", "x")(archive.read_exact_at(buffer, offset).unwrap_err());
        let message = error.to_string();
        assert!(message.starts_with("`pytorch_model.bin`: bytes 64..164 have CRC-32 "), "{message}");
        error.hint().unwrap()
    }

    #[test]
    fn a_flipped_bit_of_a_tensor_that_is_read_at_once_is_fetched_again() {
        let (archive, content) = flipped(true);
        let mut buffer = [0; 100];
        archive.read_exact_at(&mut buffer, 64).unwrap();
        assert_eq!(buffer, content[..]);
    }

    #[test]
    fn a_flipped_bit_is_told_when_the_last_piece_has_passed_and_the_next_reading_is_right() {
        let (archive, _) = flipped(true);
        archive.read_exact_at(&mut [0; 50], 64).unwrap();
        let hint = failed(&archive, &mut [0; 50], 114);
        assert!(hint.contains("forgotten: run it again"), "{hint}");
        for offset in [64, 114] {
            archive.read_exact_at(&mut [0; 50], offset).unwrap();
        }
        let hint = failed(&flipped(false).0, &mut [0; 100], 64);
        assert!(hint.contains("cannot be written"), "{hint}");
    }
}
