//! Small files that other programs wrote: read up to a limit of size, recognized by their first bytes, and with the
//! extensions of JSON that Python writes.

mod form;
mod json;
mod read_limited;

pub use self::{
    form::{Form, Kind},
    json::{NOT_FINITE, parse_json},
    read_limited::{open_regular, peek, read_bytes, read_text, text_of},
};

/// A file that is not what its name says.
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

/// How many bytes decide what a file is.
const FIRST: usize = 1024;
const AGAIN: &str = "fetch the file again";
const UNPACK: &str = "unpack it";
const DECOMPRESS: &str = "decompress it";
const NOT_READ: &str = "convert it to safetensors, or fetch the checkpoint in the Hugging Face layout";
const UTF_8: &str = "save it as UTF-8";
const FETCH_PAGE: &str = "the download gave a page of words instead of the file; fetch it again";

/// Recognizes by its first bytes a file that no file of a checkpoint should be: a git-lfs pointer, a web page, an archive,
/// another encoding, zeros. Pickles are recognized where weights are read.
pub fn foreign(bytes: &[u8]) -> Option<Foreign> {
    let first = &bytes[..bytes.len().min(FIRST)];
    let Some(form) = Form::of(first) else {
        let nothing = first.len() >= 16 && first.iter().all(|&byte| byte == 0);
        return nothing
            .then(|| Foreign::new("begins with zeros only: a download that was laid out but not written", AGAIN));
    };
    let hint = match form {
        Form::LfsPointer(_) => Form::FETCH_LFS,
        Form::Gzip | Form::Zstd | Form::Other(_, Kind::Compressed { .. }) => DECOMPRESS,
        Form::Utf32 | Form::Utf16 { .. } => return Some(Foreign::new(format!("is not UTF-8 but {form}"), UTF_8)),
        Form::Markup(_) => FETCH_PAGE,
        Form::Other(_, Kind::Archive) => UNPACK,
        Form::Other(_, Kind::Numbers) => NOT_READ,
        Form::Parquet | Form::Other(..) => AGAIN,
        Form::Pickle => return None,
    };
    Some(Foreign::new(format!("is {form}"), hint))
}

#[cfg(test)]
mod tests {
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
}
