//! Files of one JSON object a line.

use std::{io::BufRead, path::Path};

use serde::de::DeserializeOwned;

use super::text_file;
use crate::error::{Error, Result};

/// The objects of a file with their line numbers, blank lines passed over; `expected` is an example of a line.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened; each line may be an [`Error::Corpus`].
pub(super) fn lines<T: DeserializeOwned>(
    path: &Path,
    expected: &'static str,
) -> Result<impl Iterator<Item = Result<(usize, T)>> + use<T>> {
    let path = path.to_path_buf();
    let file = text_file::open(&path)?;
    Ok((1..).zip(file.lines()).filter_map(move |(number, line)| {
        let read = |line: std::io::Result<String>| {
            let line = line.map_err(|error| match error.kind() {
                std::io::ErrorKind::InvalidData => refused(&path, number, "is no text in UTF-8", expected),
                _ => Error::io("read", &path)(error),
            })?;
            if line.trim().is_empty() {
                return Ok(None);
            }
            let value = serde_json::from_str(&line);
            value.map(|value| Some((number, value))).map_err(|error| refused(&path, number, &fault(&error), expected))
        };
        read(line).transpose()
    }))
}

/// What is wrong with the text of a line; its number is told elsewhere.
fn fault(error: &serde_json::Error) -> String {
    format!("cannot be read: {error}").replace(" at line 1 column ", " at column ")
}

/// Says what is wrong with a line.
pub(super) fn refused(path: &Path, number: usize, what: &str, expected: &str) -> Error {
    Error::corpus(format!("`{}`, line {number} {what}", path.display()), format!("expected lines such as {expected}"))
}
