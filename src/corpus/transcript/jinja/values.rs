//! Converts JSON to values of a template, without serde, so that numbers keep all their digits.

use minijinja::value::Value;
use serde_json::Value as Json;

/// The deepest nesting of values of a message besides its text.
const DEEPEST: usize = 200;

/// A value for a template; `None` if it is nested too deep.
pub(super) fn value(json: &Json) -> Option<Value> {
    at_level(json, 0)
}

fn at_level(json: &Json, level: usize) -> Option<Value> {
    if level > DEEPEST {
        return None;
    }
    Some(match json {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => self::number(&number.to_string()),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => {
            Value::from(items.iter().map(|item| at_level(item, level + 1)).collect::<Option<Vec<_>>>()?)
        }
        Json::Object(entries) => {
            let entry = |(key, item): (&String, &Json)| Some((Value::from(key.as_str()), at_level(item, level + 1)?));
            Value::from_pairs(entries.iter().map(entry).collect::<Option<Vec<_>>>()?)
        }
    })
}

fn number(digits: &str) -> Value {
    let integer = digits.parse::<i64>().map(Value::from).or_else(|_| digits.parse::<i128>().map(Value::from));
    integer.unwrap_or_else(|_| digits.parse::<f64>().map_or_else(|_| Value::from(digits), Value::from))
}
