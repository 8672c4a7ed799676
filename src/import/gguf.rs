//! GGUF, as far as files of numbers need it: the keys and values of the header, and arrays of single precision.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use crate::error::{Error, Result};

/// The first bytes of every file.
pub(super) const MAGIC: &[u8] = b"GGUF";
/// The longest text that is read.
const LONGEST_TEXT: u64 = 1 << 20;
/// The number of an array of single precision among the types of tensors.
const SINGLE: u32 = 0;
/// Bytes of the values of each type of the header, by its number; 0: of several lengths.
const BYTES: [u64; 13] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// A value of the header; of others than these only the place is known, and passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GgufValue {
    /// A text.
    Text(String),
    /// A whole number, not negative.
    Whole(u64),
    /// Something else.
    Other,
}

/// The header of a file.
pub(super) struct Gguf {
    file: BufReader<File>,
    length: u64,
    values: BTreeMap<String, GgufValue>,
    tensors: BTreeMap<String, Tensor>,
    /// Where the tensors begin.
    data: u64,
}

struct Tensor {
    numbers: u64,
    kind: u32,
    offset: u64,
}

impl Gguf {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::Corpus`] if it is no such file, of another version, or damaged.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let (values, tensors) = (BTreeMap::new(), BTreeMap::new());
        let mut gguf = Self { file: BufReader::new(file), length, values, tensors, data: 0 };
        gguf.read_header().map_err(|what| refused(path, &what))?;
        Ok(gguf)
    }

    /// The text of a key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        if let Some(GgufValue::Text(text)) = self.values.get(key) { Some(text) } else { None }
    }

    /// The number of a key.
    pub(super) fn whole(&self, key: &str) -> Option<u64> {
        if let Some(GgufValue::Whole(number)) = self.values.get(key) { Some(*number) } else { None }
    }

    /// The names of the tensors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The numbers of a tensor of single precision.
    ///
    /// # Errors
    /// There is none, it is of another type, or the file ends before it.
    pub(super) fn numbers(&mut self, name: &str) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("has no tensor `{name}`"))?;
        if tensor.kind != SINGLE {
            return Err(format!(
                "has the tensor `{name}` in type {}; expected {SINGLE}, single precision",
                tensor.kind
            ));
        }
        let (start, bytes) = (self.data.checked_add(tensor.offset), tensor.numbers.checked_mul(4));
        let end = start.zip(bytes).and_then(|(start, bytes)| start.checked_add(bytes));
        let (Some(start), Some(bytes), Some(_)) = (start, bytes, end.filter(|end| *end <= self.length)) else {
            return Err(format!("ends before its tensor `{name}`"));
        };
        let mut read = Vec::new();
        let done =
            self.file.seek(SeekFrom::Start(start)).and_then(|_| (&mut self.file).take(bytes).read_to_end(&mut read));
        done.map_err(|error| format!("cannot be read: {error}"))?;
        Ok(read.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn read_header(&mut self) -> Result<(), String> {
        if self.bytes::<4>()? != MAGIC {
            return Err("is no GGUF file: its first bytes are others".to_owned());
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(format!("is of version {version} of GGUF; expected 2 or 3, little-endian"));
        }
        let (tensors, values) = (self.u64()?, self.u64()?);
        for _ in 0..values {
            let key = self.read_text()?;
            let kind = self.u32()?;
            let value = self.value(kind)?;
            self.values.insert(key, value);
        }
        for _ in 0..tensors {
            let name = self.read_text()?;
            let dimensions = self.u32()?;
            let mut numbers = 1_u64;
            for _ in 0..dimensions {
                numbers =
                    self.u64()?.checked_mul(numbers).ok_or_else(|| format!("has a tensor `{name}` without end"))?;
            }
            let (kind, offset) = (self.u32()?, self.u64()?);
            self.tensors.insert(name, Tensor { numbers, kind, offset });
        }
        let alignment = self.whole("general.alignment").unwrap_or(32).max(1);
        self.data = self.place()?.div_ceil(alignment).saturating_mul(alignment);
        Ok(())
    }

    fn value(&mut self, kind: u32) -> Result<GgufValue, String> {
        match kind {
            TEXT => self.read_text().map(GgufValue::Text),
            ARRAY => self.pass_over_array().map(|()| GgufValue::Other),
            0 | 7 => self.bytes::<1>().map(|[byte]| GgufValue::Whole(byte.into())),
            2 => self.bytes().map(|bytes| GgufValue::Whole(u16::from_le_bytes(bytes).into())),
            4 => self.u32().map(|number| GgufValue::Whole(number.into())),
            10 => self.u64().map(GgufValue::Whole),
            5 => self.bytes().map(|bytes| signed(i32::from_le_bytes(bytes).into())),
            11 => self.bytes().map(|bytes| signed(i64::from_le_bytes(bytes))),
            other => self.pass_over(other, 1).map(|()| GgufValue::Other),
        }
    }

    fn pass_over_array(&mut self) -> Result<(), String> {
        let (kind, count) = (self.u32()?, self.u64()?);
        if kind != TEXT {
            return self.pass_over(kind, count);
        }
        for _ in 0..count {
            self.read_text()?;
        }
        Ok(())
    }

    fn pass_over(&mut self, kind: u32, count: u64) -> Result<(), String> {
        let bytes = BYTES.get(kind as usize).copied().filter(|bytes| *bytes > 0);
        let bytes = bytes.ok_or_else(|| format!("has a value of type {kind}, which GGUF does not know"))?;
        let place = count.checked_mul(bytes).and_then(|bytes| bytes.checked_add(self.place().ok()?));
        let place = place.filter(|place| *place <= self.length).ok_or("ends within its header")?;
        self.file.seek(SeekFrom::Start(place)).map(|_| ()).map_err(|error| format!("cannot be read: {error}"))
    }

    fn place(&mut self) -> Result<u64, String> {
        self.file.stream_position().map_err(|error| format!("cannot be read: {error}"))
    }

    fn read_text(&mut self) -> Result<String, String> {
        let length = self.u64()?;
        if length > LONGEST_TEXT || length > self.length {
            return Err(format!("has a text of {length} bytes in its header; expected at most {LONGEST_TEXT}"));
        }
        let mut text = vec![0; length as usize];
        self.file.read_exact(&mut text).map_err(|_| "ends within its header")?;
        String::from_utf8(text).map_err(|_| "has a text in its header that is no UTF-8".to_owned())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|_| "ends within its header")?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.bytes().map(u64::from_le_bytes)
    }
}

fn signed(number: i64) -> GgufValue {
    u64::try_from(number).map_or(GgufValue::Other, GgufValue::Whole)
}

/// Says what is wrong with a file.
pub(super) fn refused(path: &Path, what: &str) -> Error {
    Error::corpus(format!("`{}` {what}", path.display()), "it may be cut or damaged: write it again")
}
