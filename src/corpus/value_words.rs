//! Values of JSON in words.

use serde_json::Value;

/// A value in words for messages: what it is, or itself where it is short.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        Value::String(_) => "a string".into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
