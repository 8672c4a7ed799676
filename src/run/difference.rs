//! The differences between two manifests in words; every key is named by its whole path.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The number of characters up to which a value is shown whole.
const SHOWN: usize = 80;

/// The places where two values differ when written as JSON: see `differences_in_json`.
///
/// # Errors
/// [`Error::Internal`] if one of them cannot be written as JSON.
pub fn differences(there: &impl Serialize, now: &impl Serialize) -> Result<Vec<String>> {
    Ok(differences_in_json(&as_json(there)?, &as_json(now)?))
}

/// A value of a record as JSON.
pub(super) fn as_json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Error::internal(format!("manifest.json: {error}")))
}

/// The places where two JSON values differ, one line for each innermost place: `key.sub[0].key: ... there, ... now`. At the
/// top level only the keys of `now` are compared, because a manifest has more keys than an identity.
pub(super) fn differences_in_json(there: &Value, now: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, now) in now.as_object().into_iter().flatten() {
        compare(key, &there[key.as_str()], now, &mut lines);
    }
    lines
}

fn compare(place: &str, there: &Value, now: &Value, lines: &mut Vec<String>) {
    match (there, now) {
        _ if there == now => {}
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.keys().filter(|key| !new.contains_key(*key));
            for key in new.keys().chain(gone).filter(|key| !names_a_commit(old, key) && !names_a_commit(new, key)) {
                compare(&format!("{place}.{key}"), &there[key.as_str()], &now[key.as_str()], lines);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() && old.iter().any(is_nested) => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{place}[{index}]"), old, new, lines);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.iter().chain(new).any(is_nested) => {
            lines.push(format!("{place}: a list of {} there, of {} now", old.len(), new.len()));
        }
        _ => {
            let (there, now) = shown(there, now);
            lines.push(format!("{place}: {there} there, {now} now"));
        }
    }
}

/// Whether a key of an object says how the commit of a repository was named, which makes no other run: the commit itself is beside it.
pub(super) fn names_a_commit(object: &Map<String, Value>, key: &str) -> bool {
    key == "revision" && object.contains_key("repository")
}

fn is_nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// Both values as JSON. Long values are cut where they agree, so that the shown parts differ.
fn shown(there: &Value, now: &Value) -> (String, String) {
    let [there, now] = [there, now].map(|value| value.to_string().chars().collect::<Vec<_>>());
    let common = there.iter().zip(&now).take_while(|(a, b)| a == b).count();
    let start = if there.len().max(now.len()) <= SHOWN { 0 } else { common.saturating_sub(SHOWN / 2) };
    (cut(&there, start), cut(&now, start))
}

/// At most [`SHOWN`] characters from `start` on; `…` stands for what is left out.
fn cut(text: &[char], start: usize) -> String {
    let rest = text.iter().skip(start);
    let before = if start > 0 { "…" } else { "" };
    let after = if text.len() > start + SHOWN { "…" } else { "" };
    format!("{before}{}{after}", rest.take(SHOWN).collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_innermost_place_is_named() {
        let there =
            json!({"seed": 1, "more": 2, "weights": [{"path": "a", "sha256": "x"}, {"path": "b"}], "layers": [1, 3]});
        let now =
            json!({"seed": 2, "weights": [{"path": "a", "sha256": "y"}, {"path": "b", "bytes": 3}], "layers": [1]});
        let expected = [
            "seed: 1 there, 2 now",
            "weights[0].sha256: \"x\" there, \"y\" now",
            "weights[1].bytes: null there, 3 now",
            "layers: [1,3] there, [1] now",
        ];
        assert_eq!(differences_in_json(&there, &now), expected);
        assert_eq!(differences_in_json(&there, &json!({"weights": []})), ["weights: a list of 2 there, of 0 now"]);
        assert!(differences_in_json(&there, &json!({"seed": 1})).is_empty());
        let at =
            |revision: &str| json!({"checkpoint": {"hub": {"repository": "o/t", "revision": revision, "commit": "1"}}});
        assert!(differences_in_json(&at("main"), &at("1")).is_empty(), "the same commit by another name");
    }

    #[test]
    fn long_values_never_look_the_same() {
        let text = |end: &str| json!({ "path": format!("{}{end}", "a".repeat(200)) });
        let line = differences_in_json(&text("one"), &text("two")).concat();
        assert!(line.contains("one\" there") && line.contains("two\" now") && line.chars().count() < 200, "{line}");
    }
}
