//! Recognizes by the first bytes of a file whether it can hold rows or text. If name and bytes disagree, the bytes count.

use super::Refusal;
use crate::{
    error::OptionName,
    first_bytes::{Form, Kind},
};

/// What a file begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Magic {
    /// Text, as far as can be seen, or an empty file.
    Text,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Parquet.
    Parquet,
    /// UTF-16.
    Utf16 {
        /// Whether the low byte of each pair comes first.
        little: bool,
    },
    /// A web page or XML: text without rows.
    Markup(Refusal),
    /// Something that is neither text nor rows.
    Foreign(Refusal),
}

const UNPACK: &str = "unpack it, and give what is in it";
const CONVERT: &str = "write it as .jsonl or .parquet";
const FETCH_PAGE: &str = "a download may have given an error page or a login page instead of the file; fetch it again";

/// Recognizes the first bytes of a file, or of its decompressed content.
pub(super) fn magic(first: &[u8]) -> Magic {
    let zero = first.iter().position(|byte| *byte == 0);
    match (Form::of(first), zero) {
        (None | Some(Form::Markup(_)), Some(byte)) => Magic::Foreign(nul(byte)),
        (None, None) => Magic::Text,
        (Some(form), _) => of_form(form),
    }
}

fn of_form(form: Form) -> Magic {
    match form {
        Form::Gzip => Magic::Gzip,
        Form::Zstd => Magic::Zstd,
        Form::Parquet => Magic::Parquet,
        Form::Utf16 { little } => Magic::Utf16 { little },
        Form::Utf32 => Magic::Foreign(Refusal::new("is UTF-32; expected UTF-8", "iconv -t UTF-8 converts it")),
        Form::LfsPointer(_) => Magic::Foreign(Refusal::new(format!("is {form}"), Form::FETCH_LFS)),
        Form::Markup(_) => Magic::Markup(Refusal::new(format!("is {form}; expected rows"), FETCH_PAGE)),
        Form::Pickle => no_text(form, CONVERT),
        Form::Other(_, kind) => no_text(form, next_step(kind)),
    }
}

fn no_text(form: Form, hint: impl Into<String>) -> Magic {
    Magic::Foreign(Refusal::new(format!("is {form}; expected text or rows"), hint))
}

fn next_step(kind: Kind) -> String {
    match kind {
        Kind::Archive => UNPACK.to_owned(),
        Kind::Compressed { by } => {
            format!("decompress it: {by} -d FILE, or {by} -dc FILE | ... {}", OptionName::Corpus.with("-"))
        }
        Kind::Numbers | Kind::Table => CONVERT.to_owned(),
        Kind::Encrypted => "write it without encryption".to_owned(),
        Kind::Document => "write its text into a .txt file".to_owned(),
        Kind::Other => "give text".to_owned(),
    }
}

/// The refusal of a file that holds a zero byte.
pub(super) fn nul(byte: usize) -> Refusal {
    Refusal::new(
        format!("holds NUL at byte {byte}, so it is no text"),
        "it may be damaged, or of another format; fetch or convert it",
    )
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
