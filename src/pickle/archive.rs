//! The zip that `torch.save` writes since PyTorch 1.6: one pickle, and one stored (uncompressed) entry for each storage.

use std::{
    io::{BufReader, Read},
    sync::Arc,
};

use zip::{CompressionMethod, ZipArchive, read::ZipFileEntry, result::ZipError};

use super::read_pickle::MAX_PICKLE;
use crate::{
    error::quoted_name,
    read_at::{Cursor, ReadAt},
};

/// An open archive.
pub(crate) struct TorchArchive {
    archive: ZipArchive<BufReader<Cursor>>,
    /// Name of the entry that is the pickle.
    name: String,
    /// What the names of all entries begin with.
    root: String,
    /// Whether every byte is at hand: then the local header of an entry says where its bytes begin.
    is_local: bool,
}

/// An entry of an archive that is read in ranges, as the directory at its end describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredEntry {
    /// First byte of its local header.
    pub(crate) header: u64,
    /// First byte of its content, where `torch.save` puts it.
    pub(crate) begin: u64,
    /// Bytes of its content.
    pub(crate) bytes: u64,
    /// CRC-32 of its content.
    pub(crate) crc32: u32,
}

impl TorchArchive {
    /// Opens it.
    ///
    /// # Errors
    /// It is cut, no zip, not of `torch.save`, or of a big-endian machine.
    pub(crate) fn open(bytes: Arc<dyn ReadAt>) -> Result<Self, String> {
        let is_local = bytes.file().is_some();
        let archive = ZipArchive::new(BufReader::new(Cursor::new(bytes))).map_err(|error| {
            format!("is truncated or not a zip archive ({error}); expected what torch.save writes since PyTorch 1.6")
        })?;
        let name = archive
            .file_names()
            .filter_map(|name| name.ok().map(|name| name.to_string()))
            .find(|name| name == "data.pkl" || name.ends_with("/data.pkl"))
            .ok_or("holds no data.pkl; expected what torch.save writes")?;
        let root = name.trim_end_matches("data.pkl").to_owned();
        let mut opened = Self { archive, name, root, is_local };
        opened.big_endian()?;
        Ok(opened)
    }

    /// The pickle, of `most` bytes at most; its checksum is verified on the way.
    ///
    /// # Errors
    /// It is damaged or larger.
    pub(crate) fn data(&mut self, most: u64) -> Result<Vec<u8>, String> {
        self.entry(&self.name.clone(), most)
    }

    /// Refuses files that were written on a big-endian machine.
    fn big_endian(&mut self) -> Result<(), String> {
        match self.entry(&format!("{}byteorder", self.root), MAX_PICKLE) {
            Ok(order) if order != b"little" => Err(format!(
                "stores its numbers in byte order {}; expected `little`",
                quoted_name(String::from_utf8_lossy(&order).trim())
            )),
            _ => Ok(()),
        }
    }

    /// A whole entry; its checksum is verified on the way.
    fn entry(&mut self, name: &str, most: u64) -> Result<Vec<u8>, String> {
        let shown = quoted_name(name);
        let entry =
            self.archive.by_name(name).map_err(|error| format!("holds an unreadable entry {shown}: {error}"))?;
        if entry.size() > most {
            return Err(format!("holds an entry {shown} of {} bytes; expected at most {most}", entry.size()));
        }
        let mut bytes = Vec::new();
        entry
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("holds an unreadable entry {shown}: {error}"))?;
        Ok(bytes)
    }

    /// First byte in the file, and length, of the numbers of a storage.
    ///
    /// # Errors
    /// It is not there, or compressed.
    pub(crate) fn storage_range(&mut self, key: &str) -> Result<(u64, u64), String> {
        let name = format!("{}data/{key}", self.root);
        let shown = quoted_name(&name);
        let index =
            self.archive.index_for_name(&name).ok_or_else(|| format!("names entry {shown}, which is not there"))?;
        let unreadable = |error: ZipError| format!("has an unreadable entry {shown}: {error}");
        let entry = self.archive.by_index_data(index).map_err(unreadable)?;
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(format!("is compressed ({}); expected a stored entry", entry.compression()));
        }
        if !self.is_local {
            let StoredEntry { begin, bytes, .. } = stored(&entry);
            return Ok((begin, bytes));
        }
        let entry = self.archive.by_index_raw(index).map_err(unreadable)?;
        let begin = entry.data_start().ok_or_else(|| format!("has an unreadable entry {shown}"))?;
        Ok((begin, entry.size()))
    }

    /// The entries that hold numbers, by their first bytes.
    pub(crate) fn stored_entries(&self) -> Vec<StoredEntry> {
        let entries = (0..self.archive.len()).filter_map(|index| self.archive.by_index_data(index).ok());
        let stored = entries.filter(|entry| entry.compression() == CompressionMethod::Stored && entry.size() > 0);
        let mut stored: Vec<_> = stored.map(|entry| self::stored(&entry)).collect();
        stored.sort_by_key(|entry| entry.begin);
        stored
    }
}

/// Where `torch.save` puts the bytes of an entry: behind its local header, whose extra field is as long as it takes to begin at a
/// multiple of 64 bytes; sizes and places from 4 GiB on stand in that field too (`inline_container.cc` of PyTorch's caffe2/serialize).
fn stored(entry: &ZipFileEntry<'_>) -> StoredEntry {
    const LARGE: u64 = u32::MAX as u64;
    let (header, bytes) = (entry.header_start(), entry.size());
    let mut fields = 4;
    if bytes >= LARGE || header >= LARGE {
        fields += 4 + if bytes >= LARGE { 16 } else { 0 } + if header >= LARGE { 8 } else { 0 };
    }
    let end = header.saturating_add(LOCAL_HEADER + entry.name_raw().len() as u64 + fields);
    let begin = end.checked_next_multiple_of(64).unwrap_or(u64::MAX);
    StoredEntry { header, begin, bytes, crc32: entry.crc32() }
}

/// Bytes of a local header without the name and the extra field.
pub(crate) const LOCAL_HEADER: u64 = 30;
