//! `sequences.jsonl`: what the sequences of a record are called.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
};

use serde::Deserialize;

use crate::{
    error::{Error, Result},
    import::{routes::Turn, source::Source},
};

/// The file.
const FILE: &str = "sequences.jsonl";

/// What is known of a sequence.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Named {
    sequence: u32,
    /// Its document.
    pub(super) document: Option<String>,
    /// Its category.
    pub(super) category: Option<String>,
    /// Its data set.
    pub(super) dataset: Option<String>,
    #[serde(default)]
    turns: Vec<(String, u32, u32)>,
}

impl Named {
    /// Its turns.
    pub(super) fn turns(&self) -> Vec<Turn> {
        self.turns.iter().map(|(role, start, end)| Turn { role: role.clone(), start: *start, end: *end }).collect()
    }
}

/// The names by sequence; none without the file.
///
/// # Errors
/// [`Error::Corpus`] for a line that is no such object, or names a sequence twice.
pub(super) fn read(source: &Source) -> Result<HashMap<u32, Named>> {
    let mut names = HashMap::new();
    let Some(path) = source.named(FILE) else { return Ok(names) };
    let file = BufReader::new(File::open(path).map_err(Error::io("open", path))?);
    for (number, line) in (1..).zip(file.lines()) {
        let line = line.map_err(Error::io("read", path))?;
        if line.trim().is_empty() {
            continue;
        }
        let refused = |what: String| {
            Error::corpus(
                format!("`{}`, line {number} {what}", path.display()),
                r#"expected lines such as {"sequence": 0, "document": "a", "category": "law"}"#,
            )
        };
        let named: Named = serde_json::from_str(&line).map_err(|error| refused(format!("cannot be read: {error}")))?;
        let sequence = named.sequence;
        if names.insert(sequence, named).is_some() {
            return Err(refused(format!("names sequence {sequence} a second time")));
        }
    }
    Ok(names)
}
