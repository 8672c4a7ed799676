//! The zip that `torch.save` writes since PyTorch 1.6: one pickle, and one stored (uncompressed) entry for each storage.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use zip::{CompressionMethod, ZipArchive};

use super::read_pickle::MAX_PICKLE;
use crate::error::quoted_name;

/// An open archive.
pub(crate) struct TorchArchive {
    archive: ZipArchive<BufReader<File>>,
    /// Name of the entry that is the pickle.
    name: String,
    /// What the names of all entries begin with.
    root: String,
}

impl TorchArchive {
    /// Opens it.
    ///
    /// # Errors
    /// It is cut, no zip, not of `torch.save`, or of a big-endian machine.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let handle = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        let mut archive = ZipArchive::new(BufReader::new(handle)).map_err(|error| {
            format!("is truncated or not a zip archive ({error}); expected what torch.save writes since PyTorch 1.6")
        })?;
        let name = (0..archive.len())
            .filter_map(|index| archive.by_index_raw(index).ok()?.name().ok().map(|name| name.to_string()))
            .find(|name| name == "data.pkl" || name.ends_with("/data.pkl"))
            .ok_or("holds no data.pkl; expected what torch.save writes")?;
        let root = name.trim_end_matches("data.pkl").to_owned();
        let mut opened = Self { archive, name, root };
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
        let entry =
            self.archive.by_index_raw(index).map_err(|error| format!("has an unreadable entry {shown}: {error}"))?;
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(format!("is compressed ({}); expected a stored entry", entry.compression()));
        }
        let begin = entry.data_start().ok_or_else(|| format!("has an unreadable entry {shown}"))?;
        Ok((begin, entry.size()))
    }
}
