//! Files of text, without the mark of UTF-8 that some programs write before it.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
};

use crate::error::{Error, Result};

/// The mark as bytes, and as the character that it is read as.
const MARK: (&[u8], char) = (b"\xef\xbb\xbf", '\u{feff}');

/// Opens a file to read its lines.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn open(path: &Path) -> Result<BufReader<File>> {
    let mut file = BufReader::new(File::open(path).map_err(Error::io("open", path))?);
    let first = file.fill_buf().map_err(Error::io("read", path))?;
    let mark = first.len() - unmarked_bytes(first).len();
    file.consume(mark);
    Ok(file)
}

/// Reads a file.
///
/// # Errors
/// [`Error::Io`] also for what is no text.
pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map(|text| unmarked(&text).to_owned()).map_err(Error::io("read", path))
}

/// The bytes behind the mark.
pub(super) fn unmarked_bytes(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK.0).unwrap_or(bytes)
}

/// The text behind the mark.
pub(super) fn unmarked(text: &str) -> &str {
    text.strip_prefix(MARK.1).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_utf_8_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (bytes, expected) in
            [("", ""), ("{}\n", "{}\n"), ("\u{feff}{}\n", "{}\n"), ("\u{feff}", ""), ("a\u{feff}", "a\u{feff}")]
        {
            fs::write(&path, bytes).unwrap();
            let lines: Vec<String> = open(&path).unwrap().lines().collect::<std::io::Result<_>>().unwrap();
            assert_eq!((read(&path).unwrap().as_str(), lines.join("\n").as_str()), (expected, expected.trim_end()));
        }
    }
}
