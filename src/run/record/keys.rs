//! Reads a manifest; an error names the key, its value and what was expected.

use std::path::Path;

use serde::{
    Deserializer,
    de::{DeserializeOwned, Error as _, Visitor, value},
    forward_to_deserialize_any,
};
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::error::{Error, Result, run_again};

/// What to do about a manifest that cannot be right.
fn hint() -> String {
    run_again("the manifest was changed or the run made by another version")
}

/// The manifest of a run, as JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct ManifestKeys<'a> {
    run: &'a Path,
    manifest: &'a Value,
}

impl<'a> ManifestKeys<'a> {
    /// A manifest and the folder that it lies in, for messages.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if it is not an object.
    pub(super) fn new(run: &'a Path, manifest: &'a Value) -> Result<Self> {
        let keys = Self { run, manifest };
        if manifest.is_object() { Ok(keys) } else { Err(keys.wrong("", manifest, "an object")) }
    }

    /// The keys of a part that every manifest has.
    ///
    /// # Errors
    /// [`Error::RunFolder`] for the first key that is missing or has an impossible value.
    pub(super) fn part<T: DeserializeOwned>(&self) -> Result<T> {
        self.read("", self.manifest)
    }

    /// The keys of a part that some manifests have: `None` if it has none of these keys.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub(super) fn optional_part<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let is_there = |key: &&str| self.manifest.get(key).is_some();
        if fields_of::<T>().iter().any(is_there) { self.part().map(Some) } else { Ok(None) }
    }

    /// A key that every manifest has.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if it is missing or has an impossible value.
    pub(super) fn key<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let value = self.manifest.get(key).ok_or_else(|| self.missing(key))?;
        self.read(key, value)
    }

    /// A key that may be missing, or null.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if it has an impossible value.
    pub(super) fn optional<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.manifest.get(key).filter(|value| !value.is_null()).map(|value| self.read(key, value)).transpose()
    }

    fn read<T: DeserializeOwned>(&self, above: &str, value: &Value) -> Result<T> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let mut key = above.to_owned();
            let mut found = value;
            for segment in error.path() {
                descend(segment, &mut key, &mut found);
            }
            let reason = error.inner().to_string();
            match reason.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
                Some(field) => self.missing(&joined(&key, field)),
                None => self.wrong(&key, found, &expected(&reason)),
            }
        })
    }

    /// The error for a wrong value.
    pub(super) fn wrong(&self, key: &str, found: &Value, expected: &str) -> Error {
        let run = self.run.display();
        let what = if key.is_empty() { String::new() } else { format!("`{key}` ") };
        Error::run_folder(format!("manifest.json of `{run}` has {what}{}; expected {expected}", terse(found)), hint())
    }

    fn missing(&self, key: &str) -> Error {
        let run = self.run.display();
        Error::run_folder(
            format!("manifest.json of `{run}` has no `{key}`, which every run of its kind records"),
            hint(),
        )
    }
}

/// Follows one step of a path: appends its name to `key`, and sets `found` to the value there.
fn descend(segment: &Segment, key: &mut String, found: &mut &Value) {
    static NOTHING: Value = Value::Null;
    match segment {
        Segment::Map { key: name } => {
            *key = joined(key, name);
            *found = found.get(name).unwrap_or(&NOTHING);
        }
        Segment::Seq { index } => {
            *key = format!("{key}[{index}]");
            *found = found.get(index).unwrap_or(&NOTHING);
        }
        Segment::Enum { .. } | Segment::Unknown => {}
    }
}

fn joined(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

/// What was expected, in words, taken from a message of serde.
fn expected(reason: &str) -> String {
    let what = reason.split_once("expected ").map_or(reason, |(_, what)| what);
    match what {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number".to_owned(),
        "i64" => "a whole number, which may be negative".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        structure if structure.starts_with("struct ") => "an object".to_owned(),
        other => other.to_owned(),
    }
}

/// A value as JSON, cut if it is long.
fn terse(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text }
}

/// The keys that a structure is read from. They come from the structure itself, so that no list has to be kept up to date.
fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // This always fails: nothing but the names is read.
    let _ = T::deserialize(FieldNames(&mut fields));
    fields
}

/// A deserializer that only records which keys a structure asks for.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(value::Error::custom("nothing is read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
