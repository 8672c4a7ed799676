//! `sequences.jsonl`: what the sequences of a record are called.

use std::{collections::HashMap, io::BufRead};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    corpus::{Role, Span},
    error::{Error, Result},
    import::{routes::RouteSequence, source::Source, text_file},
};

/// The file.
pub(super) const FILE: &str = "sequences.jsonl";

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
    turns: Vec<(Role, u32, u32)>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// A text, or a number as text.
pub(super) fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.is_number().then(|| value.to_string()))
}

impl Named {
    /// What stands under a key.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match key {
            "document" => self.document.clone(),
            "category" => self.category.clone(),
            "dataset" => self.dataset.clone(),
            key => self.other.get(key).and_then(text_of),
        }
    }

    /// Its turns, numbered from 0. `rows` is the position after that of the last row; the last token may have none.
    ///
    /// # Errors
    /// What is wrong with a turn.
    pub(super) fn turns(&self, rows: usize) -> Result<Vec<Span>, String> {
        let number = |at: usize| u16::try_from(at).map_err(|_| format!("has {} turns in {FILE}", self.turns.len()));
        let span = |(at, &(role, start, end))| Ok(Span { turn: number(at)?, role, start, end });
        let spans: Vec<Span> = self.turns.iter().enumerate().map(span).collect::<Result<_, String>>()?;
        if let Some(Span { turn, start, end, .. }) = spans.iter().find(|span| span.start > span.end) {
            return Err(format!("has in {FILE} turn {turn} from position {start} to {end}"));
        }
        if let Some(pair) = spans.windows(2).find(|pair| pair[0].end > pair[1].start) {
            let (before, two) = (pair[0].turn, pair[1]);
            let start = two.start;
            return Err(format!(
                "has in {FILE} turn {} that begins at position {start}, within turn {before}",
                two.turn
            ));
        }
        match spans.iter().find(|span| span.end as usize > rows + 1) {
            Some(span) => {
                Err(format!("has in {FILE} turn {} that ends at position {}, and {rows} rows", span.turn, span.end))
            }
            None => Ok(spans),
        }
    }
}

/// The sequences, and an error behind the last one where `names` go beyond it: names that are counted otherwise than from 0 would
/// stand at the wrong sequences.
pub(super) fn none_beyond<'a>(
    mut sequences: impl Iterator<Item = Result<RouteSequence>> + 'a,
    names: &'a HashMap<u32, Named>,
) -> impl Iterator<Item = Result<RouteSequence>> + 'a {
    let (mut count, mut has_ended) = (0, false);
    std::iter::from_fn(move || {
        if let Some(sequence) = sequences.next() {
            count += 1;
            return Some(sequence);
        }
        let last = names.keys().copied().max().filter(|last| !has_ended && *last >= count);
        has_ended = true;
        last.map(|last| {
            Err(Error::corpus(
                format!(
                    "{FILE} names sequence {last}; the record has {count}, counted from 0 in the order of the files"
                ),
                format!("correct {FILE}, or leave it out"),
            ))
        })
    })
}

/// The names by sequence; none without the file.
///
/// # Errors
/// [`Error::Corpus`] for a line that is no such object, or names a sequence twice.
pub(super) fn read(source: &Source) -> Result<HashMap<u32, Named>> {
    let mut names = HashMap::new();
    let Some(path) = source.named(FILE) else { return Ok(names) };
    let file = text_file::open(path)?;
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
