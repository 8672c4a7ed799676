//! Reads keys of a config.json, and reports all problems together.

use std::fmt::Display;

use serde_json::{Map, Value};

/// The largest size that is accepted, so that products of sizes do not overflow.
const MAX_SIZE: usize = 1 << 24;
const A_SIZE: &str = "a positive integer up to 2^24";
const AN_ID: &str = "an integer from 0";
const A_POSITIVE_NUMBER: &str = "a positive number that f32 holds";

/// Reads keys and collects the problems with them. Null counts as absent; several names of a key are its spellings.
pub(super) struct ConfigKeys<'a> {
    object: &'a Map<String, Value>,
    /// The family, for messages.
    family: &'static str,
    /// One line for each problem.
    problems: Vec<String>,
}

/// Whether a key is there with a value.
pub(super) fn has(object: &Map<String, Value>, key: &str) -> bool {
    object.get(key).is_some_and(|value| !value.is_null())
}

impl<'a> ConfigKeys<'a> {
    /// The keys of a family's configuration.
    pub(super) fn new(object: &'a Map<String, Value>, family: &'static str) -> Self {
        Self { object, family, problems: Vec::new() }
    }

    /// What was wrong with the keys that were read.
    pub(super) fn problems(self) -> Vec<String> {
        let mut problems: Vec<String> = Vec::new();
        // A key that is read for two purposes is reported once.
        for line in self.problems {
            if !problems.contains(&line) {
                problems.push(line);
            }
        }
        problems
    }

    /// The object that is read.
    pub(super) fn object(&self) -> &'a Map<String, Value> {
        self.object
    }

    /// The family.
    pub(super) fn family(&self) -> &'static str {
        self.family
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        has(self.object, key)
    }

    /// The spelling of a key that is there, for messages; the first if none is.
    pub(super) fn spelling(&self, names: &[&'static str]) -> &'static str {
        names.iter().find(|name| self.has(name)).unwrap_or(&names[0])
    }

    /// The keys of an object inside, under its first name that is there; its problems are reported here.
    pub(super) fn within<T>(&mut self, names: &[&'a str], read: impl FnOnce(&mut ConfigKeys<'a>) -> T) -> Option<T> {
        let (name, value) = self.find(names)?;
        let Value::Object(object) = value else {
            self.problems.push(format!("`config.json`: `{name}` is {value}; expected an object"));
            return None;
        };
        let mut inner = ConfigKeys::new(object, self.family);
        let read = read(&mut inner);
        let inside = inner
            .problems
            .into_iter()
            .map(|line| line.replacen("`config.json`", &format!("`config.json`, `{name}`"), 1));
        self.problems.extend(inside);
        Some(read)
    }

    /// Reports a value that the family does not have.
    pub(super) fn expect(&mut self, holds: bool, key: &str, found: impl Display, expected: &str) {
        if !holds {
            let family = self.family;
            self.problems.push(format!("`config.json`: `{key}` is {found}; {family} expects {expected}"));
        }
    }

    /// The value under the first spelling of a key that is there; a second spelling with another value is a problem.
    fn find(&mut self, names: &[&'a str]) -> Option<(&'a str, &'a Value)> {
        let mut present = names.iter().filter_map(|&name| Some((name, self.object.get(name)?)));
        let mut present = present.by_ref().filter(|(_, value)| !value.is_null());
        let first = present.next()?;
        if let Some((name, value)) = present.next().filter(|(_, value)| *value != first.1) {
            self.problems.push(format!(
                "`config.json`: `{}` is {} but `{name}` is {value}; they are two spellings of one key",
                first.0, first.1
            ));
        }
        Some(first)
    }

    /// A value of the wanted type; nothing if it is absent; nothing and a problem if it is something else.
    pub(super) fn optional<T>(
        &mut self,
        names: &[&'a str],
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let (name, value) = self.find(names)?;
        let found = read(value);
        if found.is_none() {
            self.problems.push(format!("`config.json`: `{name}` is {value}; expected {expected}"));
        }
        found
    }

    /// A positive count. Without a default the key is required; 0 stands for a count that was not found.
    pub(super) fn size(&mut self, names: &[&'a str], default: Option<usize>) -> usize {
        if default.is_none() && !names.iter().any(|name| self.has(name)) {
            self.problems.push(format!("`config.json`: `{}` is missing; expected a positive integer", names[0]));
        }
        self.optional_size(names).unwrap_or(default.unwrap_or(0))
    }

    /// A positive count that need not be there.
    pub(super) fn optional_size(&mut self, names: &[&'a str]) -> Option<usize> {
        self.optional(names, A_SIZE, |value| whole(value).filter(|size| (1..=MAX_SIZE).contains(size)))
    }

    /// A count that may be 0.
    pub(super) fn count(&mut self, names: &[&'a str], default: usize) -> usize {
        self.optional(names, AN_ID, whole).unwrap_or(default)
    }

    /// A token id.
    pub(super) fn id(&mut self, names: &[&'a str], default: u32) -> u32 {
        self.optional(names, AN_ID, |value| value.as_u64().and_then(|id| u32::try_from(id).ok())).unwrap_or(default)
    }

    /// Token ids: one, or a list.
    pub(super) fn ids(&mut self, names: &[&'a str]) -> Vec<u32> {
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let read = |value: &'a Value| match value {
            Value::Array(list) => list.iter().map(id).collect(),
            value => id(value).map(|id| vec![id]),
        };
        self.optional(names, "an id or a list of ids", read).unwrap_or_default()
    }

    /// A positive number.
    pub(super) fn positive(&mut self, names: &[&'a str], default: f64) -> f64 {
        self.optional_positive(names).unwrap_or(default)
    }

    /// A positive number that need not be there.
    pub(super) fn optional_positive(&mut self, names: &[&'a str]) -> Option<f64> {
        self.optional(names, A_POSITIVE_NUMBER, positive)
    }

    /// A number that may be 0 or negative.
    pub(super) fn number(&mut self, names: &[&'a str], default: f64) -> f64 {
        self.optional(names, "a number that f32 holds", number).unwrap_or(default)
    }

    /// Positive numbers.
    pub(super) fn positives(&mut self, names: &[&'a str]) -> Vec<f64> {
        let read = |value: &'a Value| value.as_array()?.iter().map(positive).collect::<Option<Vec<f64>>>();
        self.optional(names, "a list of positive numbers that f32 holds", read).unwrap_or_default()
    }

    /// Counts; empty if the key is absent.
    pub(super) fn counts(&mut self, names: &[&'a str]) -> Vec<usize> {
        let read = |value: &'a Value| value.as_array()?.iter().map(whole).collect::<Option<Vec<usize>>>();
        self.optional(names, "a list of integers from 0", read).unwrap_or_default()
    }

    /// Words; nothing if the key is absent.
    pub(super) fn words(&mut self, names: &[&'a str]) -> Option<Vec<&'a str>> {
        self.optional(names, "a list of words", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// A word.
    pub(super) fn text(&mut self, names: &[&'a str], default: &str) -> String {
        self.optional(names, "a string", Value::as_str).unwrap_or(default).to_owned()
    }

    /// Yes or no.
    pub(super) fn truth(&mut self, names: &[&'a str], default: bool) -> bool {
        self.optional(names, "true or false", Value::as_bool).unwrap_or(default)
    }
}

/// A number that f32 holds, in which everything is computed.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| (*number as f32).is_finite())
}

/// The same above 0, also in f32.
fn positive(value: &Value) -> Option<f64> {
    number(value).filter(|number| *number as f32 > 0.0)
}

/// A whole number from 0; it may be written with a point.
fn whole(value: &Value) -> Option<usize> {
    let of_float = || value.as_f64().filter(|x| *x >= 0.0 && x.fract() == 0.0 && *x < 1e15).map(|x| x as u64);
    value.as_u64().or_else(of_float).and_then(|number| usize::try_from(number).ok())
}
