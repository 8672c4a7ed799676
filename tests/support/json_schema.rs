//! As much of JSON Schema as the schemas in `docs/schema/` use; a keyword that is not known here is a failure, not a pass.

use serde_json::{Map, Value};

/// Keywords that say something to people alone.
const WORDS: [&str; 6] = ["$schema", "title", "description", "format", "default", "$defs"];

/// Where a value is not what a schema says, one line for each place.
pub(crate) fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let keywords = match schema {
        Value::Bool(true) => return,
        Value::Object(keywords) => keywords,
        other => return found.push(format!("{place}: nothing is allowed by {other}")),
    };
    for (keyword, says) in keywords.iter().filter(|(keyword, _)| !WORDS.contains(&keyword.as_str())) {
        match keyword.as_str() {
            "$ref" => {
                let pointer = says.as_str().unwrap().trim_start_matches('#');
                check(root, root.pointer(pointer).unwrap(), value, place, found);
            }
            "type" if is_of(says, value) => {}
            "enum" if says.as_array().unwrap().contains(value) => {}
            "const" if says == value => {}
            "minimum" if value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap()) => {}
            "maximum" if value.as_f64().is_none_or(|number| number <= says.as_f64().unwrap()) => {}
            "minItems" if value.as_array().is_none_or(|items| items.len() as u64 >= says.as_u64().unwrap()) => {}
            "maxItems" if value.as_array().is_none_or(|items| items.len() as u64 <= says.as_u64().unwrap()) => {}
            "type" | "enum" | "const" | "minimum" | "maximum" | "minItems" | "maxItems" => {
                found.push(format!("{place}: {value}, expected {keyword} {says}"));
            }
            "allOf" => says.as_array().unwrap().iter().for_each(|part| check(root, part, value, place, found)),
            "anyOf" | "oneOf" => any_of(root, says.as_array().unwrap(), value, place, found),
            "required" => required(says, value, place, found),
            "properties" => properties(root, says.as_object().unwrap(), value, place, found),
            "additionalProperties" => additional(root, keywords, says, value, place, found),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, says, item, &format!("{place}[{index}]"), found);
                }
            }
            other => found.push(format!("{place}: the keyword `{other}` is not known to this test")),
        }
    }
}

fn is_of(types: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("no type is called {other}"),
    };
    types.as_array().map_or_else(|| is(types), |types| types.iter().any(is))
}

fn any_of(root: &Value, parts: &[Value], value: &Value, place: &str, found: &mut Vec<String>) {
    let mut reasons = Vec::new();
    for part in parts {
        let mut own = Vec::new();
        check(root, part, value, place, &mut own);
        if own.is_empty() {
            return;
        }
        reasons.append(&mut own);
    }
    found.push(format!("{place}: none of {} forms: {}", parts.len(), reasons.join("; ")));
}

fn required(names: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let Some(keys) = value.as_object() else { return };
    let missing = names.as_array().unwrap().iter().filter(|name| !keys.contains_key(name.as_str().unwrap()));
    found.extend(missing.map(|name| format!("{place}: {name} is missing")));
}

fn properties(root: &Value, known: &Map<String, Value>, value: &Value, place: &str, found: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        if let Some(schema) = known.get(key) {
            check(root, schema, value, &format!("{place}.{key}"), found);
        }
    }
}

fn additional(
    root: &Value,
    keywords: &Map<String, Value>,
    schema: &Value,
    value: &Value,
    place: &str,
    found: &mut Vec<String>,
) {
    let known = keywords.get("properties").and_then(Value::as_object);
    for (key, value) in value.as_object().into_iter().flatten() {
        if known.is_none_or(|known| !known.contains_key(key)) {
            check(root, schema, value, &format!("{place}.{key}"), found);
        }
    }
}

/// Without this the test could be blind.
#[test]
fn a_value_that_is_not_as_described_is_seen() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a", "b"], "$defs": { "Small": { "type": "integer", "minimum": 0, "maximum": 9 } },
        "properties": {
            "a": { "$ref": "#/$defs/Small" }, "b": { "type": ["array", "null"], "items": { "enum": ["x"] } },
            "c": { "anyOf": [{ "type": "null" }, { "const": 1 }] },
        },
    });
    let found = |value: Value| problems(&schema, &value).len();
    assert_eq!(found(serde_json::json!({ "a": 9, "b": ["x"], "c": 1, "d": "unknown" })), 0);
    assert_eq!(found(serde_json::json!({ "a": 10, "b": ["x", "y"], "c": 2 })), 3);
    assert_eq!((found(serde_json::json!({ "a": -1.5, "b": null })), found(serde_json::json!([]))), (2, 1));
    assert_eq!(problems(&serde_json::json!({ "pattern": "x" }), &Value::Null).len(), 1, "an unknown keyword");
}
