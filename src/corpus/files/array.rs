//! A JSON list of rows, read one row at a time.

use std::{fmt, io::Read};

use serde::{
    Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::error::Error;

/// Why a list could not be read to its end.
pub(super) enum Failure {
    /// Not JSON, or not a list; what came before has been used.
    Json(serde_json::Error),
    /// Whoever took the rows refused to go on.
    Sink(Error),
}

/// Gives every element of the list to `sink`, in order; only one is in memory.
pub(super) fn read_array(reader: impl Read, mut sink: impl FnMut(Value) -> Result<(), Error>) -> Result<(), Failure> {
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let mut failure = None;
    let rows = Rows { sink: &mut sink, failure: &mut failure };
    let outcome = deserializer.deserialize_seq(rows).and_then(|()| deserializer.end());
    match failure {
        Some(error) => Err(Failure::Sink(error)),
        None => outcome.map_err(Failure::Json),
    }
}

struct Rows<'a, S> {
    sink: &'a mut S,
    failure: &'a mut Option<Error>,
}

impl<'de, S: FnMut(Value) -> Result<(), Error>> Visitor<'de> for Rows<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            if let Err(error) = (self.sink)(row) {
                *self.failure = Some(error);
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}
