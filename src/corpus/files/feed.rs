//! Passes the rows of one file to the sink: parses, unwraps and counts them.

use std::{collections::HashSet, io, ops::ControlFlow};

use serde_json::{Map, Value};

use super::{
    Refusal, RowSink,
    json::{Oddities, parse},
    raw::READ_ON,
};
use crate::error::{Error, Result};

/// Keys that usually hold the list of rows, whatever the rows look like.
const WRAPPING: [&str; 8] = ["data", "rows", "examples", "items", "records", "documents", "instances", "train"];

/// Why a file was not read to its end.
#[derive(Debug)]
pub(super) enum ReadFailure {
    /// The file is not what it should be.
    File(Refusal),
    /// Its bytes cannot be read.
    Bytes(io::Error),
    /// The sink refuses to go on.
    Sink(Error),
}

impl From<Error> for ReadFailure {
    fn from(error: Error) -> Self {
        Self::Sink(error)
    }
}

impl From<io::Error> for ReadFailure {
    fn from(error: io::Error) -> Self {
        Self::Bytes(error)
    }
}

/// Oddities of rows that were used, but not unchanged; each is noted once for a file.
#[derive(Default)]
struct RowOddities {
    twice: Rows,
    key: String,
    halves: Rows,
    deep: Rows,
    lists: Rows,
}

/// The number of rows with an oddity, and the place of the first.
#[derive(Default)]
struct Rows {
    count: u64,
    first: String,
}

impl Rows {
    fn add(&mut self, place: &str) {
        self.count += 1;
        if self.count == 1 {
            place.clone_into(&mut self.first);
        }
    }

    fn say(&self, what: &str) -> Option<String> {
        let rows = if self.count == 1 { "1 row" } else { &format!("{} rows", self.count) };
        (self.count > 0).then(|| format!("{what} ({rows}, the first is {})", self.first))
    }
}

/// Hands rows to a sink.
pub(super) struct Feed<'s> {
    /// The file's name.
    pub file: String,
    /// The receiver of the rows.
    pub sink: &'s mut dyn RowSink,
    /// Whether the file is a stream, whose rest is not read when no more rows are needed.
    stream: bool,
    /// The number of rows that were passed on.
    pub rows: u64,
    /// Whether the sink needs no more rows.
    pub full: bool,
    /// The first row, which may turn out to be an object that contains all rows.
    held: Option<(String, Value)>,
    told: RowOddities,
}

impl<'s> Feed<'s> {
    /// A feed for one file.
    pub(super) fn new(file: String, sink: &'s mut dyn RowSink, stream: bool) -> Self {
        Self { file, sink, stream, rows: 0, full: false, held: None, told: RowOddities::default() }
    }

    /// Whether reading may stop after `used` bytes.
    pub(super) fn is_done(&self, used: u64) -> bool {
        self.full && (self.stream || used > READ_ON)
    }

    /// Takes a row as bytes: usually one value, sometimes several one after the other.
    pub(super) fn bytes(&mut self, place: String, bytes: &[u8]) -> Result<()> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text(place, text.trim_end().trim_start_matches('\u{feff}')),
            Err(error) => {
                let reason = format!("invalid UTF-8 at byte {} of the line", error.valid_up_to());
                self.send(place, Err(reason))
            }
        }
    }

    fn text(&mut self, place: String, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let mut oddities = Oddities::default();
        let (first, mut rest) = match parse(text, &mut oddities) {
            Ok(parsed) => parsed,
            Err(reason) => return self.send(place, Err(reason)),
        };
        let mut more = Vec::new();
        while !rest.is_empty() {
            match parse(rest, &mut oddities) {
                Ok((value, after)) => (rest, ()) = (after, more.push(value)),
                Err(_) => {
                    return self
                        .send(place, Err(format!("broken JSON: trailing characters: {}", first_characters(rest))));
                }
            }
        }
        self.tell(&place, oddities);
        self.send(place.clone(), Ok(first))?;
        more.into_iter().try_for_each(|value| self.send(place.clone(), Ok(value)))
    }

    fn tell(&mut self, place: &str, oddities: Oddities) {
        if let Some(key) = oddities.twice {
            self.told.twice.add(place);
            if self.told.twice.count == 1 {
                self.told.key = key;
            }
        }
        if oddities.halves > 0 {
            self.told.halves.add(place);
        }
        if oddities.deep {
            self.told.deep.add(place);
        }
    }

    /// Takes a row, or the reason why it cannot be used. A list counts as several rows.
    pub(super) fn send(&mut self, place: String, row: Result<Value, String>) -> Result<()> {
        match row {
            Ok(Value::Array(list)) if self.is_list(&list) => {
                self.release()?;
                self.told.lists.add(&place);
                list.into_iter().try_for_each(|row| self.emit(place.clone(), Ok(row)))
            }
            Ok(Value::Object(object)) if self.rows == 0 && self.held.is_none() && self.may_hold_all(&object) => {
                self.held = Some((place, Value::Object(object)));
                Ok(())
            }
            row => {
                self.release()?;
                self.emit(place, row)
            }
        }
    }

    fn emit(&mut self, place: String, row: Result<Value, String>) -> Result<()> {
        self.rows += 1;
        self.full |= self.sink.row(place, row)? == ControlFlow::Break(());
        Ok(())
    }

    /// Passes the first row on, because another row has come: the first did not contain all rows.
    fn release(&mut self) -> Result<()> {
        match self.held.take() {
            Some((place, row)) => self.emit(place, Ok(row)),
            None => Ok(()),
        }
    }

    /// Whether an object may contain all rows: in a list, or column by column.
    fn may_hold_all(&self, object: &Map<String, Value>) -> bool {
        is_frame(object) || !self.wraps(object).is_empty()
    }

    fn is_list(&self, list: &[Value]) -> bool {
        list.first().and_then(Value::as_object).is_some_and(|first| self.sink.is_row(first))
    }

    /// The keys of an object that hold lists of rows, if it is not a row itself.
    fn wraps(&self, object: &Map<String, Value>) -> Vec<String> {
        if self.sink.is_row(object) {
            return Vec::new();
        }
        let holds = |key: &str, value: &Value| {
            let list = value.as_array().map_or(&[][..], Vec::as_slice);
            self.is_list(list) || WRAPPING.contains(&key) && list.first().is_some_and(Value::is_object)
        };
        object.iter().filter(|(key, value)| holds(key, value)).map(|(key, _)| key.clone()).collect()
    }

    /// Records that the rest of the file could not be used.
    pub(super) fn rest(&mut self, reason: String) -> Result<()> {
        let place = if self.rows == 0 { self.file.clone() } else { format!("{} after row {}", self.file, self.rows) };
        self.release()?;
        self.full |= self.sink.row(place, Err(reason))? == ControlFlow::Break(());
        Ok(())
    }

    /// Notes something that was used, but not unchanged.
    pub(super) fn note(&mut self, reason: impl Into<String>) {
        self.sink.note(self.file.clone(), reason.into());
    }

    /// Takes the rows of a table that was written column by column.
    fn frame(&mut self, columns: &Map<String, Value>) -> Result<()> {
        self.note("is an object of columns, as pandas writes tables: each of their cells is one of a row");
        // A column may lack cells that other columns have.
        let (mut seen, mut indices) = (HashSet::new(), Vec::new());
        for index in columns.values().filter_map(Value::as_object).flat_map(Map::keys) {
            if seen.insert(index) {
                indices.push(index);
            }
        }
        for (number, index) in indices.into_iter().enumerate() {
            let cell = |(name, cells): (&String, &Value)| Some((name.clone(), cells.get(index)?.clone()));
            let row = columns.iter().filter_map(cell).collect();
            self.emit(format!("{}:{}", self.file, number + 1), Ok(Value::Object(row)))?;
        }
        Ok(())
    }

    /// Ends the file: a single object may contain all rows, which are then taken. Notes all oddities.
    pub(super) fn end(&mut self) -> Result<()> {
        if let Some((place, Value::Object(mut object))) = self.held.take() {
            if is_frame(&object) {
                self.frame(&object)?;
            } else {
                let keys = self.wraps(&object);
                match (&keys[..], keys.first().and_then(|key| object.remove(key))) {
                    ([key], Some(Value::Array(list))) => self.unwrapped(key, list)?,
                    _ => self.emit(place, Err(several(&keys)))?,
                }
            }
        }
        let told = std::mem::take(&mut self.told);
        let twice = format!("`{}` stands twice in an object: the last one is used", told.key);
        let notes = [
            told.twice.say(&twice),
            told.halves.say("halves of surrogate pairs, as in \\ud83d, became U+FFFD"),
            told.deep.say("what is nested deeper than 512 brackets was passed over"),
            told.lists.say("a list of rows stands where a row should: each is used"),
        ];
        notes.into_iter().flatten().for_each(|note| self.note(note));
        Ok(())
    }

    fn unwrapped(&mut self, key: &str, list: Vec<Value>) -> Result<()> {
        self.note(format!("is an object whose `{key}` holds the list of rows"));
        for (index, row) in list.into_iter().enumerate() {
            self.emit(format!("{}:{}", self.file, index + 1), Ok(row))?;
        }
        Ok(())
    }
}

/// Whether an object holds columns whose keys are row numbers: `{"text": {"0": ..., "1": ...}}`.
fn is_frame(object: &Map<String, Value>) -> bool {
    let is_number = |key: &String| key.parse::<u64>().is_ok_and(|number| number.to_string() == *key);
    let numbered = |cells: &Map<String, Value>| cells.keys().all(is_number);
    let has_cells = object.values().any(|cells| cells.as_object().is_some_and(|cells| !cells.is_empty()));
    has_cells && object.values().all(|cells| cells.as_object().is_some_and(numbered))
}

fn several(keys: &[String]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    format!("an object whose {} hold lists of rows; write each into a file of its own", keys.join(" and "))
}

/// The first characters of a text, for messages.
pub(super) fn first_characters(text: &str) -> String {
    let shown: String = text.chars().take(20).collect();
    let more = if text.chars().nth(20).is_some() { "..." } else { "" };
    format!("`{}{more}`", shown.escape_debug())
}
