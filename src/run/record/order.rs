//! The order of the keys, and the keys that this version does not know.

use serde_json::{Map, Value};

use crate::run::RunKind;

/// Puts the keys into the order of the kind of run: in a drift run text and checkpoints come first, and the text is part of the
/// identity.
pub(super) fn settled(kind: RunKind, mut keys: Map<String, Value>) -> Map<String, Value> {
    match kind {
        RunKind::Drift => {
            put_behind(&mut keys, "command", "instruction_set");
            put_behind(&mut keys, "corpus", "checkpoints");
            put_behind(&mut keys, "layout", "config");
        }
        RunKind::Route | RunKind::Drops | RunKind::Import | RunKind::Mitigate => {
            put_behind(&mut keys, "corpus", "memory_limit_bytes");
        }
    }
    keys
}

/// Moves a key behind another one, if both are there.
fn put_behind(keys: &mut Map<String, Value>, key: &str, other: &str) {
    if !keys.contains_key(other) {
        return;
    }
    let Some(value) = keys.shift_remove(key) else { return };
    let place = keys.keys().position(|name| name == other).map_or(keys.len(), |place| place + 1);
    keys.shift_insert(place, key.to_owned(), value);
}

/// The keys of an object that are not known, including those within known objects.
pub(super) fn unknown(found: &Map<String, Value>, known: &Map<String, Value>) -> Map<String, Value> {
    let of_key = |(key, value): (&String, &Value)| match (value, known.get(key)) {
        (_, None) => Some((key.clone(), value.clone())),
        (Value::Object(found), Some(Value::Object(known))) => {
            let inside = unknown(found, known);
            (!inside.is_empty()).then(|| (key.clone(), Value::Object(inside)))
        }
        _ => None,
    };
    found.iter().filter_map(of_key).collect()
}

/// Adds keys that are missing, including those within objects.
pub(super) fn merge(keys: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match (keys.get_mut(key), value) {
            (None, _) => {
                keys.insert(key.clone(), value.clone());
            }
            (Some(Value::Object(inside)), Value::Object(value)) => merge(inside, value),
            _ => {}
        }
    }
}
