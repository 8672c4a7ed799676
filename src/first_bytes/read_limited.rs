//! Reads files up to a limit of size.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{AGAIN, FIRST, Foreign, foreign};
use crate::read_at::{LocalFile, ReadAt};

/// The first bytes, by which a file is recognized.
///
/// # Errors
/// They cannot be read.
pub fn peek(bytes: &dyn ReadAt) -> Result<Vec<u8>, Foreign> {
    let mut first = vec![0; bytes.size().min(FIRST as u64) as usize];
    bytes.read_exact_at(&mut first, 0).map_err(|error| unreadable(&error))?;
    Ok(first)
}

/// Opens a regular file.
///
/// # Errors
/// The file is not a regular one, is a link to nothing, or cannot be read.
pub fn open_regular(path: &Path) -> Result<LocalFile, Foreign> {
    check_regular(path)?;
    File::open(path).and_then(LocalFile::new).map_err(|error| unreadable(&error))
}

/// A whole regular file of at most `limit` bytes.
///
/// # Errors
/// The file is larger, is not a regular one, or cannot be read.
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
    if let Some(foreign) = foreign(&bytes) {
        return Err(foreign);
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| Foreign::new(format!("is not UTF-8: {}", error.utf8_error()), "the file may be damaged"))?;
    // A tokenizer has megabytes: without a byte-order mark the text is returned without a copy.
    Ok(match text.strip_prefix('\u{feff}') {
        Some(unmarked) => unmarked.to_owned(),
        None => text,
    })
}

fn unreadable(error: &io::Error) -> Foreign {
    // What is read from elsewhere fails with an error of its own.
    let hint = if error.get_ref().is_some() {
        "try again later, or fetch the whole file first"
    } else if error.kind() == io::ErrorKind::NotFound {
        "check the spelling of the path"
    } else {
        "check its permissions"
    };
    Foreign::new(format!("cannot be read: {error}"), hint)
}

fn check_regular(path: &Path) -> Result<(), Foreign> {
    if path.is_symlink() && !path.exists() {
        let hint = "fetch the checkpoint again, or copy it with the files that its links name (cp -L)";
        return Err(Foreign::new("is a link to a file that is not there", hint));
    }
    // Reading a pipe could wait for ever, and a device might never end.
    if !path.metadata().map_err(|error| unreadable(&error))?.is_file() {
        return Err(Foreign::new("is not a regular file", "put the file itself in its place"));
    }
    Ok(())
}

fn read_up_to(path: &Path, limit: u64) -> Result<Vec<u8>, Foreign> {
    check_regular(path)?;
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(|error| unreadable(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
