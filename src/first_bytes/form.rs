//! Recognizes what a file is by its first bytes. The code that reads the file says what to do about it.

use std::fmt;

/// What a file is, if it does not begin as plain UTF-8 text. `Display` continues a sentence: "is ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The pointer that git-lfs leaves where a large file was not fetched, with the size of that file if the pointer gives it.
    LfsPointer(Option<u64>),
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// UTF-32.
    Utf32,
    /// UTF-16, with a mark or without.
    Utf16 {
        /// Whether the low byte of each pair comes first.
        little: bool,
    },
    /// A pickle of Python.
    Pickle,
    /// Parquet.
    Parquet,
    /// A web page or XML; its name.
    Markup(&'static str),
    /// Any other format that has a magic number: its name and its kind.
    Other(&'static str, Kind),
}

/// Kinds of files that need the same next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Several files in one.
    Archive,
    /// One file, compressed.
    Compressed {
        /// The program that decompresses it.
        by: &'static str,
    },
    /// Arrays of numbers, such as weights.
    Numbers,
    /// Rows of a table.
    Table,
    /// Rows that cannot be read without a key.
    Encrypted,
    /// Pages of words.
    Document,
    /// Nothing that holds words or numbers.
    Other,
}

/// Magic numbers: first bytes, the name of the format and its kind.
const MARKS: [(&[u8], &str, Kind); 18] = [
    (b"PK\x03\x04", "a zip archive", Kind::Archive),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", Kind::Archive),
    (b"Rar!\x1a\x07", "a rar archive", Kind::Archive),
    (b"\xfd7zXZ\0", "compressed with xz", Kind::Compressed { by: "xz" }),
    (b"BZh", "compressed with bzip2", Kind::Compressed { by: "bzip2" }),
    (b"\x04\x22\x4d\x18", "compressed with lz4", Kind::Compressed { by: "lz4" }),
    (b"GGUF", "a GGUF file", Kind::Numbers),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", Kind::Numbers),
    (b"\x93NUMPY", "a NumPy array", Kind::Numbers),
    (b"ARROW1", "an Arrow IPC file", Kind::Table),
    (b"\xff\xff\xff\xff", "an Arrow IPC stream", Kind::Table),
    (b"SQLite format 3\0", "an SQLite database", Kind::Table),
    (b"Obj\x01", "an Avro file", Kind::Table),
    (b"ORC", "an ORC file", Kind::Table),
    (b"PARE", "an encrypted Parquet file", Kind::Encrypted),
    (PDF, "a PDF document", Kind::Document),
    (b"\x89PNG", "a picture", Kind::Other),
    (b"\x7fELF", "a program", Kind::Other),
];
/// The only magic number made of letters that is enough by itself.
const PDF: &[u8] = b"%PDF-";

impl Form {
    /// The next step for a git-lfs pointer.
    pub const FETCH_LFS: &str = "fetch them: git lfs pull";

    /// Recognizes the first bytes of a file, or of its decompressed content. `None` means text as far as can be seen, no bytes at
    /// all, or a format without a magic number.
    pub fn of(first: &[u8]) -> Option<Self> {
        lfs_pointer(first)
            .or_else(|| by_bytes(first))
            .or_else(|| by_mark(first))
            .or_else(|| (first.get(257..262) == Some(b"ustar")).then_some(Self::Other("a tar archive", Kind::Archive)))
            .or_else(|| bare_utf16(first))
            .or_else(|| markup(first))
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LfsPointer(Some(bytes)) => {
                return write!(f, "a git-lfs pointer to {bytes} bytes that were not fetched");
            }
            Self::LfsPointer(None) => "a git-lfs pointer to some bytes that were not fetched",
            Self::Gzip => "compressed with gzip",
            Self::Zstd => "compressed with Zstandard",
            Self::Utf32 => "UTF-32",
            Self::Utf16 { .. } => "UTF-16",
            Self::Pickle => "a Python pickle",
            Self::Parquet => "a Parquet file",
            Self::Markup(what) | Self::Other(what, _) => what,
        })
    }
}

fn lfs_pointer(first: &[u8]) -> Option<Form> {
    let known = [&b"version https://git-lfs"[..], b"version https://hawser"];
    known.iter().find(|mark| first.starts_with(mark))?;
    let text = String::from_utf8_lossy(first);
    let size = text.lines().find_map(|line| line.strip_prefix("size ")).and_then(|size| size.trim().parse().ok());
    Some(Form::LfsPointer(size))
}

/// Magic numbers that no text begins with.
fn by_bytes(first: &[u8]) -> Option<Form> {
    Some(match first {
        [0x1f, 0x8b, ..] => Form::Gzip,
        // A frame, or a skippable frame, as pzstd writes.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Form::Zstd,
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Form::Utf32,
        [0xff, 0xfe, ..] => Form::Utf16 { little: true },
        [0xfe, 0xff, ..] => Form::Utf16 { little: false },
        [0x80, 2..=5, ..] => Form::Pickle,
        _ => return None,
    })
}

/// Magic numbers made of letters, with which a text may begin too. Every such format but PDF also has bytes that no text has.
fn by_mark(first: &[u8]) -> Option<Form> {
    let is_text = first.iter().copied().all(is_textual);
    let is =
        |mark: &[u8]| first.starts_with(mark) && (!is_text || mark == PDF || !mark.iter().copied().all(is_textual));
    if is(b"PAR1") {
        return Some(Form::Parquet);
    }
    MARKS.into_iter().find(|(mark, ..)| is(mark)).map(|(_, what, kind)| Form::Other(what, kind))
}

fn is_textual(byte: u8) -> bool {
    byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c)
}

/// UTF-16 of mostly Latin text without a byte-order mark: every second byte is zero, all others are not.
fn bare_utf16(first: &[u8]) -> Option<Form> {
    let pairs = &first[..first.len().min(64)];
    let all = |zero: usize| pairs.chunks_exact(2).all(|pair| pair[zero] == 0 && pair[1 - zero] != 0);
    if pairs.len() < 4 {
        return None;
    }
    all(1).then_some(true).or_else(|| all(0).then_some(false)).map(|little| Form::Utf16 { little })
}

fn markup(first: &[u8]) -> Option<Form> {
    let start = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    let begins = |mark: &str| start.get(..mark.len()).is_some_and(|found| found.eq_ignore_ascii_case(mark.as_bytes()));
    if begins("<?xml") {
        return Some(Form::Markup("an XML file"));
    }
    ["<!doctype html", "<html", "<head"].into_iter().any(begins).then_some(Form::Markup("a web page"))
}
