//! From paths to rows: finds the files, recognizes their formats, and reads their rows as JSON with their places.
//!
//! The rows go to a [`RowSink`], which is the only difference here between a corpus and a transcript.

mod collect;
mod decode;
mod ending;
mod feed;
mod json;
mod magic;
mod name;
mod parquet;
mod raw;
mod read_file;
mod rows;
mod scan;
#[cfg(test)]
mod tests;

pub use self::parquet::{ColumnParts, ParquetColumns, Slices};
pub(super) use self::{
    collect::{Source, collect_files},
    name::dataset_name,
    raw::identify_file,
    read_file::read_source,
};

use std::ops::ControlFlow;

use serde_json::{Map, Value};

use crate::error::Result;

/// Receives the rows or the text of one file, in order.
pub(super) trait RowSink {
    /// The name for such files in messages: `corpus` or `transcript`.
    fn noun(&self) -> &'static str;

    /// Takes the next row with its place, `file:line`, or the reason why it cannot be used. Returns `Break` if no more rows are
    /// needed: the rest of a stream is then not read, but the rest of a file may still come, to be counted.
    fn row(&mut self, place: String, row: Result<Value, String>) -> Result<ControlFlow<()>>;

    /// Takes the whole file as one document, or the reason why it cannot be used.
    fn text(&mut self, place: String, text: Result<String, String>) -> Result<ControlFlow<()>>;

    /// Why text files cannot be documents here; `None` if they can.
    fn refuses_text(&self) -> Option<Refusal>;

    /// Takes a note about something that was used, but not unchanged.
    fn note(&mut self, place: String, reason: String);

    /// Decides, before any row is read, whether each column of a table is read.
    ///
    /// # Errors
    /// The table holds no rows for this sink.
    fn columns(&mut self, columns: &[Column]) -> Result<Vec<bool>, Refusal>;

    /// Whether an object is a row, and not an object that contains all rows, as in `{"data": [...]}`.
    fn is_row(&self, object: &Map<String, Value>) -> bool;
}

/// Why a file cannot be read, without its name. It becomes an error if the file was given, and a skipped file if it was found in
/// a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What was found and what was expected, as in `is a web page, not rows`.
    pub message: String,
    /// The next step.
    pub hint: String,
}

impl Refusal {
    /// A refusal with its next step.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name.
    pub name: String,
    /// The kind of its cells.
    pub kind: ColumnKind,
    /// Its type in words, for messages: `list<struct<role: string, content: string>>`.
    pub type_name: String,
}

/// The kinds of cells, by what they become as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// Text; bytes are UTF-8.
    Text,
    /// Numbers, and true or false.
    Scalar,
    /// Dates and times, as text; they are a category only if the user names their column.
    Time,
    /// Lists.
    List,
    /// Objects.
    Object,
    /// An unsupported type.
    Other,
}

/// The identity of a file, or of the part of it that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// SHA-256 of the bytes that were read, hexadecimal.
    pub sha256: String,
    /// The number of bytes.
    pub bytes: u64,
    /// Whether only the beginning of the file was read, because no more was needed.
    pub partial: bool,
}
