//! What a file is, by its first bytes. The name decides nothing that bytes say.

use super::Refusal;

/// What a file begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Magic {
    /// Text, as far as can be seen; also nothing at all.
    Text,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Parquet.
    Parquet,
    /// UTF-16, the low byte first or last.
    Utf16 {
        /// Whether the low byte of each pair comes first.
        little: bool,
    },
    /// A web page or XML: text, but no rows.
    Markup(Refusal),
    /// Something that is neither text nor rows.
    Foreign(Refusal),
}

/// First bytes, what they are the mark of, and what to do with it.
const FOREIGN: [(&[u8], &str, &str); 17] = [
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"\xfd7zXZ\0", "compressed with xz", "decompress it: xz -d FILE, or xz -dc FILE | ... --corpus -"),
    (b"BZh", "compressed with bzip2", "decompress it: bzip2 -d FILE, or bzip2 -dc FILE | ... --corpus -"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "decompress it: lz4 -d FILE, or lz4 -dc FILE | ... --corpus -"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a rar archive", UNPACK),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", CONVERT),
    (b"ARROW1", "an Arrow IPC file", CONVERT),
    (b"\xff\xff\xff\xff", "an Arrow IPC stream", CONVERT),
    (b"\x93NUMPY", "a NumPy array", CONVERT),
    (b"SQLite format 3\0", "an SQLite database", CONVERT),
    (b"Obj\x01", "an Avro file", CONVERT),
    (b"ORC", "an ORC file", CONVERT),
    (b"PARE", "an encrypted Parquet file", "write it without encryption"),
    (b"%PDF-", "a PDF document", "write its text into a .txt file"),
    (b"\x89PNG", "a picture", "give text"),
    (b"\x7fELF", "a program", "give text"),
];

const UNPACK: &str = "unpack it, and give what is in it";
const CONVERT: &str = "write it as .jsonl or .parquet";

/// Judges the first bytes of a file, or of what was compressed in it.
pub(super) fn magic(first: &[u8]) -> Magic {
    if let Some(refusal) = lfs_pointer(first) {
        return Magic::Foreign(refusal);
    }
    match first {
        [0x1f, 0x8b, ..] => return Magic::Gzip,
        // A frame, or one that may be skipped, as pzstd writes.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => return Magic::Zstd,
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Magic::Foreign(Refusal::new("is UTF-32; expected UTF-8", "iconv -t UTF-8 converts it"));
        }
        [0xff, 0xfe, ..] => return Magic::Utf16 { little: true },
        [0xfe, 0xff, ..] => return Magic::Utf16 { little: false },
        [0x80, 2..=5, ..] => return Magic::Foreign(Refusal::new("is a Python pickle; expected text or rows", CONVERT)),
        _ => {}
    }
    // Marks of letters may begin a text, too; of the formats that have one, only PDF may be without other bytes.
    let is_text = first.iter().copied().all(is_textual);
    let is = |mark: &[u8]| {
        first.starts_with(mark) && (!is_text || mark == b"%PDF-" || !mark.iter().copied().all(is_textual))
    };
    if is(b"PAR1") {
        return Magic::Parquet;
    }
    if let Some((_, what, hint)) = FOREIGN.into_iter().find(|(mark, ..)| is(mark)) {
        return Magic::Foreign(Refusal::new(format!("is {what}; expected text or rows"), hint));
    }
    if first.get(257..262) == Some(b"ustar") {
        return Magic::Foreign(Refusal::new("is a tar archive; expected text or rows", UNPACK));
    }
    bare_utf16(first).or_else(|| zeros(first)).or_else(|| markup(first)).unwrap_or(Magic::Text)
}

fn is_textual(byte: u8) -> bool {
    byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c)
}

/// What git leaves where a large file was not fetched.
fn lfs_pointer(first: &[u8]) -> Option<Refusal> {
    let known = [&b"version https://git-lfs"[..], b"version https://hawser"];
    known.iter().find(|mark| first.starts_with(mark))?;
    let text = String::from_utf8_lossy(first);
    let size = text.lines().find_map(|line| line.strip_prefix("size ")).map(str::trim);
    let size = size.filter(|size| size.len() < 20 && size.bytes().all(|byte| byte.is_ascii_digit()));
    Some(Refusal::new(
        format!("is a git-lfs pointer to {} bytes that were not fetched", size.unwrap_or("some")),
        "fetch them: git lfs pull",
    ))
}

/// UTF-16 of mostly Latin text without a byte-order mark: every second byte is zero, all others are not.
fn bare_utf16(first: &[u8]) -> Option<Magic> {
    let pairs: Vec<_> = first.chunks_exact(2).take(32).map(|pair| (pair[0] == 0, pair[1] == 0)).collect();
    if pairs.len() < 2 {
        return None;
    }
    let all = |wanted| pairs.iter().all(|pair| *pair == wanted);
    all((false, true))
        .then_some(true)
        .or_else(|| all((true, false)).then_some(false))
        .map(|little| Magic::Utf16 { little })
}

fn zeros(first: &[u8]) -> Option<Magic> {
    let byte = first.iter().position(|byte| *byte == 0)?;
    Some(Magic::Foreign(nul(byte)))
}

/// The refusal of a file that holds a zero byte.
pub(super) fn nul(byte: usize) -> Refusal {
    Refusal::new(
        format!("holds NUL at byte {byte}, so it is no text"),
        "it may be damaged, or of another format; fetch or convert it",
    )
}

fn markup(first: &[u8]) -> Option<Magic> {
    let start = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    let begins = |mark: &str| start.get(..mark.len()).is_some_and(|found| found.eq_ignore_ascii_case(mark.as_bytes()));
    let what = [("<!doctype html", "a web page"), ("<html", "a web page"), ("<?xml", "an XML file")];
    let (_, what) = what.into_iter().find(|(mark, _)| begins(mark))?;
    Some(Magic::Markup(Refusal::new(
        format!("is {what}; expected rows"),
        "a download may have given an error page or a login page instead of the file; fetch it again",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(first: &[u8]) -> String {
        match magic(first) {
            Magic::Foreign(refusal) | Magic::Markup(refusal) => refusal.message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_is_text() {
        for text in [
            &b""[..],
            b"{",
            b"[1]",
            b"\xef\xbb\xbf{}",
            b"BZh is a word",
            b"ORC and elf",
            b"PARENTS and PAR1",
            b"PAR1 is a mark",
            b"caf\xe9",
            b"a\0"[..1].as_ref(),
        ] {
            assert_eq!(magic(text), Magic::Text, "{text:?}");
        }
        let utf16 = |text: &str, little: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
        };
        assert_eq!(magic(&utf16("\u{feff}{\"a\"", true)), Magic::Utf16 { little: true });
        assert_eq!(magic(&utf16("\u{feff}{\"a\"", false)), Magic::Utf16 { little: false });
        assert_eq!(magic(&utf16("{\"a\"", true)), Magic::Utf16 { little: true });
        assert_eq!(magic(&utf16("{\"a\"", false)), Magic::Utf16 { little: false });
    }

    #[test]
    fn what_is_no_text_is_named() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
        assert_eq!(message(pointer), "is a git-lfs pointer to 9 bytes that were not fetched");
        assert!(message(b"PK\x03\x04\x14\0").starts_with("is a zip archive"));
        assert!(message(b"\x80\x04\x95").starts_with("is a Python pickle"));
        assert!(message(b"BZh91AY&SY\x01\x02").starts_with("is compressed with bzip2"));
        assert!(message(b"ok\0\0\0").starts_with("holds NUL at byte 2"));
        assert!(message(&[0; 64]).starts_with("holds NUL at byte 0"));
        assert!(message(b"  <!DOCTYPE HTML>").starts_with("is a web page"));
        assert_eq!(magic(b"PAR1\x15\0"), Magic::Parquet);
        assert!(message(b"PARE\x15\0").starts_with("is an encrypted Parquet file"));
        assert_eq!(magic(b"\x1f\x8b\x08"), Magic::Gzip);
        assert_eq!(magic(b"\x28\xb5\x2f\xfd"), Magic::Zstd);
    }
}
