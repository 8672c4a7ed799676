//! What the ending of a file's name says.

/// What the ending of a file says that it is. Its bytes may say more, and then they are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::corpus) enum Ending {
    /// One JSON object a line.
    Lines,
    /// A JSON list of objects, or one object a line.
    Array,
    /// One document.
    Text,
    /// A table with a row per document.
    Parquet,
    /// Nothing: its bytes must tell.
    Unknown,
}
