//! The formats that the ending of a file's name can name.

/// The format that the ending of a file's name says. If the bytes say something else, the bytes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::corpus) enum Ending {
    /// One JSON object on each line.
    Lines,
    /// A JSON list of objects, or one object on each line.
    Array,
    /// One document.
    Text,
    /// A table with a row per document.
    Parquet,
    /// Unknown: the bytes decide.
    Unknown,
}
