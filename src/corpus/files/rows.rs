//! Files -> JSON rows with their places, each file read once from start to end.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use serde_json::Value;

use super::array::{Failure, read_array};
use crate::error::{Error, Result};

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 16;

/// Gives every line that is not blank to `sink` with its place, `file:line`: the value, or why it is none.
///
/// # Errors
/// The file cannot be read; and what `sink` returns.
pub(super) fn read_lines(
    path: &Path,
    reader: impl Read,
    mut sink: impl FnMut(String, Result<Value, String>) -> Result<()>,
) -> Result<()> {
    let mut reader = without_byte_order_mark(path, reader)?;
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(Error::io("read", path))? == 0 {
            break;
        }
        if !bytes.trim_ascii().is_empty() {
            sink(format!("{}:{line}", path.display()), parse_line(&bytes))?;
        }
    }
    Ok(())
}

/// Gives every element of a JSON list to `sink` with its place, `file:number` from 1. Where the list breaks off, `sink`
/// hears why; what came before has been used.
///
/// # Errors
/// The file cannot be read; and what `sink` returns.
pub(super) fn read_list(
    path: &Path,
    reader: impl Read,
    mut sink: impl FnMut(String, Result<Value, String>) -> Result<()>,
) -> Result<()> {
    let reader = without_byte_order_mark(path, reader)?;
    let mut number = 0;
    let outcome = read_array(reader, |value| {
        number += 1;
        sink(format!("{}:{number}", path.display()), Ok(value))
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(Failure::Sink(error)) => Err(error),
        Err(Failure::Json(error)) if error.is_io() => Err(Error::io("read", path)(error.into())),
        Err(Failure::Json(error)) => {
            let reason = format!(
                "not a JSON list of objects: {error}; what follows row {number} was not read; a file with one object a \
                 line must be named .jsonl"
            );
            sink(path.display().to_string(), Err(reason))
        }
    }
}

/// Buffers a file and skips the byte-order mark that some editors put before UTF-8.
fn without_byte_order_mark<R: Read>(path: &Path, reader: R) -> Result<BufReader<R>> {
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    if reader.fill_buf().map_err(Error::io("read", path))?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(reader)
}

fn parse_line(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("invalid UTF-8 at byte {} of the line", error.valid_up_to()))?;
    serde_json::from_str(text.trim_end()).map_err(|error| format!("broken JSON: {}", without_line(&error)))
}

/// `serde_json` counts lines within the text it is given, which is one line here.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}
