//! JSON as Python writes it.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// What Python's `json` writes for numbers that are not finite.
pub const NOT_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// JSON as Python's `json` writes it. `NaN` and `Infinity`, which are not JSON, are read as strings of that name, so that
/// they are an error only under a key that is needed.
///
/// # Errors
/// The text is not JSON in other ways.
pub fn parse_json<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text).or_else(|error| match quote_not_finite(text) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(text) => serde_json::from_str(&text),
    })
}

/// The text with `NaN`, `Infinity` and `-Infinity` in quotation marks where they stand outside of strings.
fn quote_not_finite(text: &str) -> Cow<'_, str> {
    let mut quoted = String::new();
    let (mut copied, mut in_string, mut escaped) = (0, false, false);
    let bytes = text.as_bytes();
    let mut here = 0;
    while here < bytes.len() {
        let word = NOT_FINITE.into_iter().find(|word| bytes[here..].starts_with(word.as_bytes()));
        match (word, bytes[here]) {
            (Some(word), _) if !in_string => {
                quoted.push_str(&text[copied..here]);
                quoted.extend(["\"", word, "\""]);
                here += word.len();
                copied = here;
                continue;
            }
            (_, b'"') if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && bytes[here] == b'\\' && !escaped;
        here += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    quoted.push_str(&text[copied..]);
    Cow::Owned(quoted)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn numbers_that_are_none_are_strings() {
        let text = r#"{"a": [NaN, -Infinity], "b \"NaN": "x\\", "c": Infinity}"#;
        let expected = json!({"a": ["NaN", "-Infinity"], "b \"NaN": "x\\", "c": "Infinity"});
        assert_eq!(parse_json::<Value>(text).unwrap(), expected);
        assert!(parse_json::<Value>("{\"a\": Inf}").is_err() && parse_json::<Value>("{").is_err());
    }
}
