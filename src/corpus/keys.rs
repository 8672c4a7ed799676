//! Keys of a row: looks up nested keys, lists them for messages, and suggests another key for one that is missing.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use serde_json::{Map, Value};

/// The most keys of rows that are counted for messages.
const COUNTED: usize = 512;
/// The most keys that a message names.
pub(super) const NAMED: usize = 12;
/// Deepest nested key that a message proposes.
const DEEPEST: usize = 3;

/// Usual keys of texts, in the order in which they are proposed.
pub(super) const TEXT_NAMES: [&str; 27] = [
    "text",
    "content",
    "raw_content",
    "contents",
    "raw_text",
    "body",
    "document",
    "doc",
    "txt",
    "article",
    "code",
    "func_code_string",
    "whole_func_string",
    "passage",
    "story",
    "paragraph",
    "page_content",
    "sentence",
    "markdown",
    "main_text",
    "abstract",
    "output",
    "completion",
    "response",
    "prompt",
    "input",
    "summary",
];

/// The value under a key, or under a path such as `meta.set` through nested objects. A string that holds a JSON object counts as
/// that object.
pub(super) fn lookup<'a>(object: &'a Map<String, Value>, key: &str) -> Option<Cow<'a, Value>> {
    if let Some(value) = object.get(key) {
        return Some(Cow::Borrowed(value));
    }
    key.match_indices('.').find_map(|(at, _)| {
        let rest = &key[at + 1..];
        match object_in(object.get(&key[..at])?)? {
            Cow::Borrowed(inner) => lookup(inner, rest),
            Cow::Owned(inner) => lookup(&inner, rest).map(|value| Cow::Owned(value.into_owned())),
        }
    })
}

/// Whether a column of a table holds the value under a key.
pub(super) fn is_column_of(column: &str, key: &str) -> bool {
    key.strip_prefix(column).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The object that a value is, or that it holds as JSON in a string.
pub(super) fn object_in(value: &Value) -> Option<Cow<'_, Map<String, Value>>> {
    match value {
        Value::Object(object) => Some(Cow::Borrowed(object)),
        Value::String(text) if text.trim_start().starts_with('{') => match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Some(Cow::Owned(object)),
            _ => None,
        },
        _ => None,
    }
}

/// Where a row that has neither `text` nor `input_ids` keeps its text, as far as can be guessed.
pub(super) fn likely_text(object: &Map<String, Value>) -> Option<String> {
    let strings = strings(object, "", DEEPEST);
    let name_of = |path: &str| path.rsplit('.').next().unwrap_or(path).to_ascii_lowercase();
    let named = TEXT_NAMES.iter().find_map(|name| strings.iter().find(|(path, _)| name_of(path) == *name));
    // Otherwise the longest string, if it is long enough for a text.
    let longest = || strings.iter().filter(|(_, length)| *length >= 40).max_by_key(|(_, length)| *length);
    named.or_else(longest).map(|(path, _)| path.clone())
}

/// All strings of a row and its nested objects that are not empty, by path, with their lengths.
fn strings(object: &Map<String, Value>, prefix: &str, depth: usize) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (name, value) in object {
        match (object_in(value), value) {
            (Some(inner), _) if depth > 1 => found.extend(strings(&inner, &format!("{prefix}{name}."), depth - 1)),
            (None, Value::String(text)) if !text.is_empty() => found.push((format!("{prefix}{name}"), text.len())),
            (None, Value::Array(lines)) if !lines.is_empty() && lines.iter().all(Value::is_string) => {
                let length = lines.iter().filter_map(Value::as_str).map(str::len).sum();
                found.push((format!("{prefix}{name}"), length));
            }
            _ => {}
        }
    }
    // The strings of the row itself come before those of nested objects.
    found.sort_by_key(|(path, _)| path.matches('.').count());
    found
}

/// The keys of a row as a list for a message.
pub(super) fn listed_keys<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let shown: Vec<Cow<'_, str>> = names.take(NAMED).map(short).collect();
    let more = count.saturating_sub(NAMED);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// A key as a message shows it.
fn short(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &name[..end]).into(),
        None => name.into(),
    }
}

/// Counts the keys of rows, including those of nested objects, as paths.
#[derive(Debug, Default)]
pub(super) struct KeyCounts(HashMap<String, usize>);

impl KeyCounts {
    /// Counts the keys of a row.
    pub(super) fn add(&mut self, object: &Map<String, Value>) {
        self.below(object, "", DEEPEST);
    }

    fn below(&mut self, object: &Map<String, Value>, prefix: &str, depth: usize) {
        for (name, value) in object {
            match object_in(value) {
                Some(inner) if depth > 1 => self.below(&inner, &format!("{prefix}{name}."), depth - 1),
                _ => self.one(format!("{prefix}{name}")),
            }
        }
    }

    /// Counts a key.
    pub(super) fn one(&mut self, path: String) {
        if let Some(count) = self.0.get_mut(&path) {
            *count += 1;
        } else if self.0.len() < COUNTED {
            self.0.insert(path, 1);
        }
    }

    /// The keys, most frequent first; equally frequent keys by name.
    pub(super) fn by_frequency(&self) -> Vec<String> {
        let sorted: BTreeSet<_> = self.0.iter().map(|(name, count)| (usize::MAX - count, name)).collect();
        sorted.into_iter().map(|(_, name)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn keys_may_be_nested_hold_dots_or_lie_in_a_string() {
        let row = object(json!({
            "meta": {"set": "C4", "a.b": {"c": 1}}, "x.y": 2, "json": "{\"set\": \"Pile\", \"deep\": {\"er\": 3}}", "s": "{no"
        }));
        let found = |key: &str| lookup(&row, key).map(Cow::into_owned);
        assert_eq!(found("meta.set"), Some(json!("C4")));
        assert_eq!(found("meta.a.b.c"), Some(json!(1)));
        assert_eq!(found("x.y"), Some(json!(2)));
        assert_eq!(found("json.set"), Some(json!("Pile")));
        assert_eq!(found("json.deep.er"), Some(json!(3)));
        for absent in ["meta.", ".set", "s.no", "meta.set.x", "x.z", ""] {
            assert_eq!(found(absent), None, "{absent}");
        }
        assert!(is_column_of("meta", "meta.set") && is_column_of("meta", "meta") && !is_column_of("me", "meta.set"));
    }

    #[test]
    fn text_is_found_by_name_whatever_the_case_then_by_length() {
        let of = |value| likely_text(&object(value));
        assert_eq!(of(json!({"id": "1", "url": "u", "content": "a"})).as_deref(), Some("content"));
        assert_eq!(of(json!({"Text": "a", "title": "b"})).as_deref(), Some("Text"));
        assert_eq!(of(json!({"data": {"raw_content": "a"}})).as_deref(), Some("data.raw_content"));
        assert_eq!(of(json!({"title": "b", "blob": "long ".repeat(20)})).as_deref(), Some("blob"));
        assert_eq!(of(json!({"title": "b", "n": 7})), None);
    }

    #[test]
    fn keys_are_counted_and_compared() {
        let mut counts = KeyCounts::default();
        counts.add(&object(json!({"text": "a", "meta": {"set": "x"}})));
        counts.add(&object(json!({"text": "a", "style": "x"})));
        assert_eq!(counts.by_frequency(), ["text", "meta.set", "style"]);
        let names: Vec<String> = (0..15).map(|n| format!("k{n}")).collect();
        assert!(listed_keys(names.iter().map(String::as_str)).ends_with("k11 and 3 more"));
    }
}
