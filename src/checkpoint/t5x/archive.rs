//! A ZIP that holds the folder of a step. Entries are read where they lie; nothing is written to the disk.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    sync::Arc,
};

use flate2::{CrcReader, read::DeflateDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::unpack::damaged;
use crate::read_at::{Cursor, LocalFile, ReadAt};

/// An open ZIP.
#[derive(Debug)]
pub(super) struct Archive {
    file: Arc<dyn ReadAt>,
    entries: HashMap<String, Entry>,
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug)]
struct Entry {
    begin: u64,
    packed: u64,
    size: u64,
    crc: u32,
    /// Whether it is packed; else it is stored.
    deflated: bool,
}

impl Archive {
    /// Opens it and lists its entries. Entries that are encrypted or packed in other ways are not listed.
    ///
    /// # Errors
    /// It is cut, or no ZIP; continues a sentence that begins with its name.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).and_then(LocalFile::new).map_err(|error| format!("cannot be read: {error}"))?;
        let file: Arc<dyn ReadAt> = Arc::new(file);
        let mut archive = ZipArchive::new(BufReader::new(Cursor::new(Arc::clone(&file))))
            .map_err(|error| format!("is truncated or not a ZIP archive ({error})"))?;
        let mut entries = HashMap::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(|error| format!("has an unreadable entry: {error}"))?;
            let deflated = entry.compression() == CompressionMethod::DEFLATE;
            let is_read = deflated || entry.compression() == CompressionMethod::Stored;
            if entry.encrypted() || !is_read || entry.is_dir() {
                continue;
            }
            let (Ok(name), Some(begin)) = (entry.name().map(|name| name.to_string()), entry.data_start()) else {
                continue;
            };
            let (packed, size, crc) = (entry.compressed_size(), entry.size(), entry.crc32());
            entries.insert(name, Entry { begin, packed, size, crc, deflated });
        }
        Ok(Self { file, entries })
    }

    /// Names of all entries.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The bytes of the archive itself.
    pub(super) fn bytes(&self) -> &dyn ReadAt {
        &*self.file
    }

    /// The archive itself, if it is a file of this machine.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.file()
    }

    /// The size of an entry when it is unpacked.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.size)
    }

    /// Reads an entry; its checksum is verified at its end.
    pub(super) fn read(&self, name: &str) -> Option<Box<dyn Read + Send>> {
        let entry = *self.entries.get(name)?;
        let stored = Part { file: Arc::clone(&self.file), position: entry.begin, end: entry.begin + entry.packed };
        let stored = BufReader::with_capacity(1 << 16, stored);
        let bytes: Box<dyn Read + Send> = if entry.deflated {
            Box::new(DeflateDecoder::new(stored).take(entry.size.saturating_add(1)))
        } else {
            Box::new(stored)
        };
        Some(Box::new(Verified { bytes: CrcReader::new(bytes), size: entry.size, crc: entry.crc }))
    }
}

/// A part of a file; the place where others read is not moved.
struct Part {
    file: Arc<dyn ReadAt>,
    position: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (self.end - self.position).min(buffer.len() as u64) as usize;
        self.file.read_exact_at(&mut buffer[..count], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// An entry whose size and checksum are compared at its end.
struct Verified<R> {
    bytes: CrcReader<R>,
    size: u64,
    crc: u32,
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        let crc = self.bytes.crc();
        if count == 0
            && !buffer.is_empty()
            && (u64::from(crc.amount()) != self.size & 0xffff_ffff || crc.sum() != self.crc)
        {
            return Err(damaged("has not the checksum that the ZIP archive records".to_owned()));
        }
        Ok(count)
    }
}
