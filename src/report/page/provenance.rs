//! The manifest of a run as lines of key and value.

use serde_json::Value;

use super::filling::KeyAndValue;
use crate::stats::thousands;

/// The most places that could not be used, or not unchanged, that a page lists; it also gives their number.
const PLACES_SHOWN: usize = 20;
/// The most items of the other lists in the manifest, such as the files that were read.
const ITEMS_SHOWN: usize = 200;

/// The manifest as lines of key and value.
pub(in crate::report) fn flatten(prefix: &str, value: &Value, lines: &mut Vec<KeyAndValue>) {
    let below = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    let line = |value: String| KeyAndValue { name: prefix.to_owned(), value };
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                // The manifest lists only the first places, but counts all.
                let total = map.get(&format!("{key}_total")).and_then(Value::as_u64);
                flatten_items(&below(key), value, total, lines);
            }
        }
        Value::Array(_) => flatten_items(prefix, value, None, lines),
        other => lines.push(line(plain(other))),
    }
}

/// A list as several lines, or as one line of words; any other value unchanged.
fn flatten_items(name: &str, value: &Value, total: Option<u64>, lines: &mut Vec<KeyAndValue>) {
    let Value::Array(items) = value else { return flatten(name, value, lines) };
    let places = ["skipped", "notes"].iter().any(|list| name.rsplit('.').next() == Some(list));
    let shown = &items[..items.len().min(if places { PLACES_SHOWN } else { ITEMS_SHOWN })];
    let further = total.unwrap_or(0).max(items.len() as u64) - shown.len() as u64;
    let where_to = match total.filter(|total| *total > items.len() as u64) {
        Some(_) => format!("; manifest.json lists the first {}", thousands(items.len() as u64)),
        None => ", in manifest.json".to_owned(),
    };
    let more = (further > 0).then(|| format!("\u{2026} and {} more{where_to}", thousands(further)));
    if items.iter().any(|item| item.is_object() || item.is_array()) {
        shown.iter().enumerate().for_each(|(index, item)| flatten(&format!("{name}.{index}"), item, lines));
        lines.extend(more.map(|value| KeyAndValue { name: name.to_owned(), value }));
    } else {
        let words = shown.iter().map(plain).chain(more);
        lines.push(KeyAndValue { name: name.to_owned(), value: words.collect::<Vec<_>>().join(" ") });
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
