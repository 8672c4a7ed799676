//! Small files that other programs wrote: read within a limit, told by their first bytes, forgiven what Python writes.

use std::{borrow::Cow, fs::File, io::Read, path::Path};

use serde::de::DeserializeOwned;

/// Why a file is not what its name says, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What it is instead; continues a sentence that begins with its name.
    pub what: String,
    /// The next step.
    pub hint: &'static str,
}

impl Foreign {
    fn new(what: impl Into<String>, hint: &'static str) -> Self {
        Self { what: what.into(), hint }
    }
}

/// Bytes from which a file is told.
const FIRST: usize = 1024;
const AGAIN: &str = "fetch the file again";
const DECOMPRESS: &str = "decompress it";
const NOT_READ: &str = "convert it to safetensors, or fetch the checkpoint in the Hugging Face layout";
const UTF_8: &str = "save it as UTF-8";

/// First bytes, what they are the mark of, and what to do. Marks that are letters stand for nothing in a text.
const MARKS: [(&[u8], &str, &str); 17] = [
    (b"\x1f\x8b", "is compressed with gzip", DECOMPRESS),
    (b"\x28\xb5\x2f\xfd", "is compressed with Zstandard", DECOMPRESS),
    (b"\xfd7zXZ\0", "is compressed with xz", DECOMPRESS),
    (b"BZh9", "is compressed with bzip2", DECOMPRESS),
    (b"\x04\x22\x4d\x18", "is compressed with lz4", DECOMPRESS),
    (b"PK\x03\x04", "is a zip archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", "unpack it"),
    (b"GGUF", "is a GGUF file", NOT_READ),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file", NOT_READ),
    (b"\x93NUMPY", "is a NumPy array", NOT_READ),
    (b"PAR1", "is a Parquet file", AGAIN),
    (b"%PDF-", "is a PDF document", AGAIN),
    (b"\x7fELF", "is a program", AGAIN),
    (b"\x89PNG", "is a picture", AGAIN),
    (b"\xff\xfe\0\0", "is not UTF-8 but UTF-32", UTF_8),
    (b"\xff\xfe", "is not UTF-8 but UTF-16", UTF_8),
    (b"\xfe\xff", "is not UTF-8 but UTF-16", UTF_8),
];

/// What a file is by its first bytes, where that is something that nobody reads here: git-lfs pointers, web pages, archives,
/// other encodings, zeros.
pub fn foreign(first: &[u8]) -> Option<Foreign> {
    if first.starts_with(b"version https://git-lfs") || first.starts_with(b"version https://hawser") {
        let text = String::from_utf8_lossy(first);
        let size = text.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse::<u64>().ok());
        let bytes = size.map_or_else(|| "a file".to_owned(), |bytes| format!("{bytes} bytes"));
        let what = format!("is a git-lfs pointer to {bytes} that were not fetched");
        return Some(Foreign::new(what, "fetch them: git lfs pull"));
    }
    if let Some((_, what, hint)) = MARKS.into_iter().find(|(mark, ..)| first.starts_with(mark)) {
        return Some(Foreign::new(what, hint));
    }
    if first.get(257..262) == Some(b"ustar") {
        return Some(Foreign::new("is a tar archive", "unpack it"));
    }
    if first.len() >= 16 && first.iter().all(|&byte| byte == 0) {
        return Some(Foreign::new("begins with zeros only: a download that was laid out but not written", AGAIN));
    }
    utf16(first).or_else(|| markup(first))
}

/// UTF-16 without a mark: every second of the first bytes is zero, no other is.
fn utf16(first: &[u8]) -> Option<Foreign> {
    let pairs = &first[..first.len().min(32)];
    let all = |zero: usize| pairs.chunks_exact(2).all(|pair| pair[zero] == 0 && pair[1 - zero] != 0);
    (pairs.len() >= 8 && (all(0) || all(1))).then(|| Foreign::new("is not UTF-8 but UTF-16", UTF_8))
}

fn markup(first: &[u8]) -> Option<Foreign> {
    let start = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    let begins = |mark: &str| start.get(..mark.len()).is_some_and(|text| text.eq_ignore_ascii_case(mark.as_bytes()));
    let page = ["<!doctype html", "<html", "<head", "<?xml"].into_iter().any(begins);
    page.then(|| Foreign::new("is a web page", "the download gave a page of words instead of the file; fetch it again"))
}

/// The first bytes of a regular file.
///
/// # Errors
/// It is not one, or cannot be read.
pub fn peek(path: &Path) -> Result<Vec<u8>, Foreign> {
    read_up_to(path, FIRST as u64)
}

/// A whole regular file of at most `limit` bytes.
///
/// # Errors
/// It is larger, is none, or cannot be read.
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Foreign> {
    let is_larger = path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > limit);
    let bytes = if is_larger { Vec::new() } else { read_up_to(path, limit + 1)? };
    if is_larger || bytes.len() as u64 > limit {
        return Err(Foreign::new(format!("has more than {limit} bytes, which no file of this kind has"), AGAIN));
    }
    Ok(bytes)
}

/// A whole text of at most `limit` bytes, without the byte-order mark of UTF-8.
///
/// # Errors
/// As [`read_bytes`]; or the file is something else, or not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, Foreign> {
    text_of(read_bytes(path, limit)?)
}

/// Bytes as text, without the byte-order mark of UTF-8.
///
/// # Errors
/// They are something else, or not UTF-8.
pub fn text_of(bytes: Vec<u8>) -> Result<String, Foreign> {
    if bytes.is_empty() {
        return Err(Foreign::new("is empty", AGAIN));
    }
    if let Some(foreign) = foreign(&bytes[..bytes.len().min(FIRST)]) {
        return Err(foreign);
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| Foreign::new(format!("is not UTF-8: {}", error.utf8_error()), "the file may be damaged"))?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

fn read_up_to(path: &Path, limit: u64) -> Result<Vec<u8>, Foreign> {
    let unreadable = |error: std::io::Error| Foreign::new(format!("cannot be read: {error}"), "check its permissions");
    if path.is_symlink() && !path.exists() {
        let hint = "fetch the checkpoint again, or copy it with the files that its links name (cp -L)";
        return Err(Foreign::new("is a link to a file that is not there", hint));
    }
    // A pipe would wait for ever, a device never end.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(Foreign::new("is not a regular file", "put the file itself in its place"));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(bytes)
}

/// JSON as Python's `json` writes it: `NaN` and `Infinity`, which are no JSON, are read as the strings of that name, so that
/// only a key that is needed minds.
///
/// # Errors
/// It is no JSON even so.
pub fn parse_json<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text).or_else(|error| match quote_not_finite(text) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(text) => serde_json::from_str(&text),
    })
}

/// The text with `NaN`, `Infinity` and `-Infinity` in quotation marks where they stand outside of strings.
fn quote_not_finite(text: &str) -> Cow<'_, str> {
    let mut quoted = String::new();
    let (mut copied, mut in_string, mut escaped) = (0, false, false);
    let bytes = text.as_bytes();
    let mut here = 0;
    while here < bytes.len() {
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| bytes[here..].starts_with(word.as_bytes()));
        match (word, bytes[here]) {
            (Some(word), _) if !in_string => {
                quoted.push_str(&text[copied..here]);
                quoted.extend(["\"", word, "\""]);
                here += word.len();
                copied = here;
                continue;
            }
            (_, b'"') if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && bytes[here] == b'\\' && !escaped;
        here += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    quoted.push_str(&text[copied..]);
    Cow::Owned(quoted)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn what(first: &[u8]) -> String {
        foreign(first).unwrap().what
    }

    #[test]
    fn what_is_not_read_is_named_and_text_is_text() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
        assert_eq!(what(pointer), "is a git-lfs pointer to 9 bytes that were not fetched");
        assert_eq!(what(b"\xef\xbb\xbf <HTML>"), "is a web page");
        assert!(what(&[0; 64]).contains("zeros only"));
        for text in ["{\"a\": 1}", "[1]", "a", "", "version https://example.org", "caf\u{e9}"] {
            assert_eq!(foreign(text.as_bytes()), None, "{text}");
            let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(what(&utf16), "is not UTF-8 but UTF-16");
        }
        let bare: Vec<u8> = "{\"a\": 1}".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(what(&bare), "is not UTF-8 but UTF-16");
    }

    #[test]
    fn files_are_read_within_their_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "\u{feff}{}").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "{}");
        assert!(read_text(&path, 4).unwrap_err().what.contains("more than 4 bytes"));
        assert_eq!(read_text(dir.path(), 4).unwrap_err().what, "is not a regular file");
        std::fs::write(&path, "").unwrap();
        assert_eq!(read_text(&path, 5).unwrap_err().what, "is empty");
    }

    #[test]
    fn numbers_that_are_none_are_strings() {
        let text = r#"{"a": [NaN, -Infinity], "b \"NaN": "x\\", "c": Infinity}"#;
        let expected = json!({"a": ["NaN", "-Infinity"], "b \"NaN": "x\\", "c": "Infinity"});
        assert_eq!(parse_json::<Value>(text).unwrap(), expected);
        assert!(parse_json::<Value>("{\"a\": Inf}").is_err() && parse_json::<Value>("{").is_err());
    }
}
