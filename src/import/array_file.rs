//! Files of named arrays: NPZ, as numpy writes them, and safetensors.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use flate2::{Crc, read::DeflateDecoder};
use serde::Deserialize;
use serde_json::Value;
use zip::{CompressionMethod, ZipArchive};

use super::{
    npy,
    number_array::{NumberArray, NumberType},
};
use crate::error::{Error, Result};

/// The first bytes of a ZIP archive with entries.
const ZIP: &[u8] = b"PK\x03\x04";
/// The longest header of safetensors that is read, as the format itself limits it.
const LONGEST_HEADER: u64 = 100_000_000;
/// Deflate makes its input at most so many times smaller.
const MOST_DEFLATED: u64 = 1032;

/// An open file.
pub(super) struct ArrayFile {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

/// Where an array lies.
enum Entry {
    /// The number of a member of an archive.
    Member(usize),
    /// Bytes of a file of safetensors.
    Tensor { dtype: String, shape: Vec<usize>, start: u64, end: u64 },
}

/// An array in the header of a file of safetensors.
#[derive(Deserialize)]
struct Info {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

impl ArrayFile {
    /// Reads which arrays there are.
    ///
    /// # Errors
    /// [`Error::Corpus`] if it is neither, or damaged.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let mut first = [0; 8];
        file.read_exact(&mut first).map_err(|_| refused(path, format!("has {length} bytes: it is cut off")))?;
        let entries =
            if first.starts_with(ZIP) { members(file) } else { tensors(&mut file, u64::from_le_bytes(first), length) };
        Ok(Self { path: path.to_path_buf(), entries: entries.map_err(|what| refused(path, what))? })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its arrays.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether it has an array.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Reads an array.
    ///
    /// # Errors
    /// [`Error::Corpus`] if there is none of that name, or it cannot be read; [`Error::Io`].
    pub(super) fn read(&self, name: &str) -> Result<NumberArray> {
        let Some(entry) = self.entries.get(name) else {
            let known: Vec<&str> = self.names().take(8).collect();
            return Err(refused(&self.path, format!("has no array `{name}`; it has {}", known.join(", "))));
        };
        let file = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        let read = match entry {
            Entry::Member(index) => member(file, *index),
            Entry::Tensor { dtype, shape, start, end } => tensor(file, dtype, shape, *start..*end),
        };
        read.map_err(|what| self.refused(name, &what))
    }

    /// Says what is wrong with an array.
    pub(super) fn refused(&self, name: &str, what: &str) -> Error {
        refused(&self.path, format!("has an array `{name}` that {what}"))
    }
}

fn refused(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::corpus(
        format!("`{}` {what}", path.display()),
        "docs/import.md lists the arrays; a damaged file is to be written again, by numpy.savez or safetensors",
    )
}

/// The arrays of an archive.
fn members(file: File) -> Result<BTreeMap<String, Entry>, String> {
    let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| format!("is a damaged archive: {error}"))?;
    let name =
        |index| Some((archive.name_for_index(index)?.ok()?.strip_suffix(".npy")?.to_owned(), Entry::Member(index)));
    Ok((0..archive.len()).filter_map(name).collect())
}

fn member(file: File, index: usize) -> Result<NumberArray, String> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    let member = archive.by_index_raw(index).map_err(|error| format!("is damaged: {error}"))?;
    let (size, packed, method) = (member.size(), member.compressed_size(), member.compression());
    let expected = member.crc32();
    if size > packed.saturating_mul(MOST_DEFLATED).saturating_add(1024) {
        return Err(format!("says that {packed} bytes become {size}, which cannot be"));
    }
    let mut bytes = Vec::new();
    let read = match method {
        CompressionMethod::Stored => member.take(size).read_to_end(&mut bytes),
        CompressionMethod::DEFLATE => DeflateDecoder::new(member).take(size).read_to_end(&mut bytes),
        other => return Err(format!("is compressed by {other}; expected numpy.savez or numpy.savez_compressed")),
    };
    read.map_err(|error| format!("cannot be unpacked: {error}"))?;
    let mut checksum = Crc::new();
    checksum.update(&bytes);
    if checksum.sum() != expected {
        return Err("is damaged: its checksum is not the one that it was written with".to_owned());
    }
    npy::read(&bytes)
}

/// The arrays that the header of a file of safetensors names.
fn tensors(file: &mut File, header: u64, length: u64) -> Result<BTreeMap<String, Entry>, String> {
    if header > LONGEST_HEADER || header > length.saturating_sub(8) {
        return Err("is neither an archive of numpy nor a file of safetensors, or is cut off".to_owned());
    }
    let mut bytes = Vec::new();
    let read = file.take(header).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    let unreadable = |error: serde_json::Error| format!("has a header of safetensors that cannot be: {error}");
    let header_values: BTreeMap<String, Value> = serde_json::from_slice(&bytes).map_err(unreadable)?;
    let mut entries = BTreeMap::new();
    for (name, value) in header_values.into_iter().filter(|(name, _)| name != "__metadata__") {
        let Info { dtype, shape, data_offsets: [start, end] } = serde_json::from_value(value).map_err(unreadable)?;
        let (start, end) = (start.saturating_add(8 + header), end.saturating_add(8 + header));
        if start > end || end > length {
            return Err(format!("has {length} bytes, and its array `{name}` bytes {start} to {end}: it is cut off"));
        }
        entries.insert(name, Entry::Tensor { dtype, shape, start, end });
    }
    Ok(entries)
}

fn tensor(mut file: File, dtype: &str, shape: &[usize], place: std::ops::Range<u64>) -> Result<NumberArray, String> {
    let kind = match dtype {
        "BOOL" => NumberType::Bool,
        "I8" => NumberType::I8,
        "U8" => NumberType::U8,
        "I16" => NumberType::I16,
        "U16" => NumberType::U16,
        "I32" => NumberType::I32,
        "U32" => NumberType::U32,
        "I64" => NumberType::I64,
        "U64" => NumberType::U64,
        "F16" => NumberType::F16,
        "BF16" => NumberType::Bf16,
        "F32" => NumberType::F32,
        "F64" => NumberType::F64,
        other => return Err(format!("holds {other}; expected whole numbers, fractions or truth values")),
    };
    let mut bytes = Vec::new();
    let read = file
        .seek(SeekFrom::Start(place.start))
        .and_then(|_| file.take(place.end - place.start).read_to_end(&mut bytes));
    read.map_err(|error| format!("cannot be read: {error}"))?;
    NumberArray::new(shape.to_vec(), kind, bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn npy(header: &str, numbers: &[u8]) -> Vec<u8> {
        [npy::MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), numbers].concat()
    }

    fn npz(folder: &Path) -> PathBuf {
        let path = folder.join("a.npz");
        let mut archive = ZipWriter::new(File::create(&path).unwrap());
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        archive.start_file("experts.npy", stored).unwrap();
        archive
            .write_all(&npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }", &[1, 0, 0xff, 0xff]))
            .unwrap();
        archive.finish().unwrap();
        path
    }

    fn safetensors(folder: &Path) -> PathBuf {
        let path = folder.join("a.safetensors");
        let header = r#"{"experts":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}}    "#;
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[1, 0, 0xff, 0xff]].concat();
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn both_kinds_of_file_give_the_same_array() {
        let folder = tempfile::tempdir().unwrap();
        for path in [npz(folder.path()), safetensors(folder.path())] {
            let file = ArrayFile::open(&path).unwrap();
            assert_eq!(file.names().collect::<Vec<_>>(), ["experts"]);
            assert_eq!(file.read("experts").unwrap().whole::<u16>().unwrap(), [1, u16::MAX]);
            let missing = file.read("weights").unwrap_err().to_string();
            assert!(missing.ends_with("has no array `weights`; it has experts"), "{missing}");
        }
    }

    /// An archive as `numpy.savez_compressed` writes it, of one member.
    fn deflated(name: &str, bytes: &[u8], size: u32) -> Vec<u8> {
        let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(bytes).unwrap();
        let packed = packed.finish().unwrap();
        let mut checksum = Crc::new();
        checksum.update(bytes);
        let words = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        let longs = |longs: &[u32]| longs.iter().flat_map(|long| long.to_le_bytes()).collect::<Vec<u8>>();
        let both = [
            words(&[20, 0, 8, 0, 0]),
            longs(&[checksum.sum(), packed.len() as u32, size]),
            words(&[name.len() as u16, 0]),
        ]
        .concat();
        let local = [ZIP, &both, name.as_bytes(), &packed].concat();
        let central =
            [b"PK\x01\x02", &words(&[20])[..], &both, &words(&[0, 0, 0]), &longs(&[0, 0]), name.as_bytes()].concat();
        let end =
            [&words(&[0, 0, 1, 1])[..], &longs(&[central.len() as u32, local.len() as u32]), &words(&[0])].concat();
        [&local[..], &central, b"PK\x05\x06", &end].concat()
    }

    #[test]
    fn compressed_archives_are_unpacked_and_their_sizes_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let array = npy("{'descr': '<i2', 'fortran_order': False, 'shape': (300,), }", &[7; 600]);
        fs::write(&path, deflated("experts.npy", &array, array.len() as u32)).unwrap();
        assert_eq!(ArrayFile::open(&path).unwrap().read("experts").unwrap().whole::<u16>().unwrap(), [0x707; 300]);
        for size in [array.len() as u32 - 2, u32::MAX - 1] {
            fs::write(&path, deflated("experts.npy", &array, size)).unwrap();
            assert!(ArrayFile::open(&path).unwrap().read("experts").is_err(), "{size}");
        }
    }

    #[test]
    fn every_cut_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for path in [npz(folder.path()), safetensors(folder.path())] {
            let whole = fs::read(&path).unwrap();
            for length in 0..whole.len() {
                fs::write(&path, &whole[..length]).unwrap();
                let read = ArrayFile::open(&path).and_then(|file| file.read("experts"));
                assert!(read.is_err(), "{} cut to {length}", path.display());
            }
        }
    }
}
