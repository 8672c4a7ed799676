//! What a notebook is made from.

use serde_json::Value;

use crate::stats::Tables;

/// A finished run, as far as a notebook needs it.
#[derive(Clone, Copy, Debug)]
pub struct NotebookSource<'a> {
    /// Its `manifest.json`.
    pub manifest: &'a Value,
    /// The tables of its statistics.
    pub tables: &'a Tables,
    /// Its verdict, line by line.
    pub verdict: &'a [String],
    /// Its folder as seen from the notebook's, with `/` between the parts.
    pub folder: &'a str,
}
