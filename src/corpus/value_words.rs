//! Describes JSON values in words.

use serde_json::Value;

/// A value for messages: the value itself if it is short, else its type.
pub(super) fn describe_value(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        Value::String(_) => "a string".into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
