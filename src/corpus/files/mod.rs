//! From paths to rows: which files there are, what each of them is, and its rows as JSON with their places.
//!
//! Whoever takes the rows is a [`RowSink`]; a corpus and a transcript differ in nothing else here.

mod collect;
mod decode;
mod ending;
mod feed;
mod json;
mod magic;
mod name;
mod parquet;
mod raw;
mod read;
mod rows;
mod scan;
#[cfg(test)]
mod tests;

pub(super) use self::{
    collect::{Source, collect},
    name::stem,
    raw::identify,
    read::read_source,
};

use std::ops::ControlFlow;

use serde_json::{Map, Value};

use crate::error::Result;

/// Takes what one file gives, in order.
pub(super) trait RowSink {
    /// What the file is called in messages: `corpus`, `transcript`.
    fn noun(&self) -> &'static str;

    /// The next row with its place, `file:line`, or why it cannot be used. `Break` says that nothing more is needed: the
    /// rest of a stream is then not read, that of a file may still come, to be counted.
    fn row(&mut self, place: String, row: Result<Value, String>) -> Result<ControlFlow<()>>;

    /// The whole file as one document, or why it is none.
    fn text(&mut self, place: String, text: Result<String, String>) -> Result<ControlFlow<()>>;

    /// Why text files are no documents here; `None` if they are.
    fn refuses_text(&self) -> Option<Refusal>;

    /// Something that was used, but not as it stands.
    fn note(&mut self, place: String, reason: String);

    /// Which columns of a table are read, before a row of it is: one answer for each.
    ///
    /// # Errors
    /// The table holds no rows for this sink.
    fn columns(&mut self, columns: &[Column]) -> Result<Vec<bool>, Refusal>;

    /// Whether an object is a row, and not the wrapping of a list of rows as in `{"data": [...]}`.
    fn is_row(&self, object: &Map<String, Value>) -> bool;
}

/// Why a file cannot be read, without its name: an error if the file was named, else a file that is left out.
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
    /// What its cells are.
    pub kind: ColumnKind,
    /// Its type in words, for messages: `list<struct<role: string, content: string>>`.
    pub type_name: String,
}

/// What the cells of a column become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// Text; bytes are UTF-8.
    Text,
    /// Numbers, and true or false.
    Scalar,
    /// Dates and times, as text: never a category that nobody asked for.
    Time,
    /// Lists.
    List,
    /// Objects.
    Object,
    /// A type that is not read.
    Other,
}

/// What was read of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// SHA-256 of the bytes that were read, hexadecimal.
    pub sha256: String,
    /// How many there were.
    pub bytes: u64,
    /// The file goes on: enough had been taken.
    pub partial: bool,
}
