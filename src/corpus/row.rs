//! A row of a corpus: what it says, where its document's name and category come from.

use serde_json::{Map, Value};

/// Keys that name a category when none is asked for, in the order in which they are looked at.
pub(super) const CATEGORY_KEYS: [&str; 3] = ["domain", "category", "language"];

/// What a row gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The row's `id`.
    pub id: Option<String>,
    /// What stands under the category's key.
    pub category: Option<String>,
    /// What is routed.
    pub content: Content,
}

/// Text to encode, or token ids to use as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// `text`.
    Text(String),
    /// `input_ids`.
    Ids(Vec<u32>),
}

impl Row {
    /// Reads a JSON row. `category_key` is the key asked for; without it the default keys are looked at.
    ///
    /// # Errors
    /// The row cannot be used; says why.
    pub(super) fn new(value: Value, category_key: Option<&str>) -> Result<Self, String> {
        let Value::Object(mut object) = value else {
            return Err(format!("{}; expected an object with `text` or `input_ids`", describe(&value)));
        };
        Ok(Self {
            id: object.get("id").map_or(Ok(None), scalar).map_err(|found| format!("`id` {found}"))?,
            category: category(&object, category_key)?,
            content: content(&mut object)?,
        })
    }
}

/// The text of a scalar, `None` for null and the empty string; for lists and objects the error says what was found.
pub(super) fn scalar(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(truth) => Ok(Some(truth.to_string())),
        Value::Array(_) | Value::Object(_) => Err(format!("is {}; expected a string", describe(value))),
    }
}

/// A key that was asked for must hold a scalar; among the default keys one that does not names no category.
pub(super) fn category(object: &Map<String, Value>, key: Option<&str>) -> Result<Option<String>, String> {
    let Some(key) = key else {
        return Ok(CATEGORY_KEYS.iter().find_map(|key| scalar(object.get(*key)?).ok().flatten()));
    };
    object.get(key).map_or(Ok(None), scalar).map_err(|found| format!("category `{key}` {found}"))
}

fn content(object: &mut Map<String, Value>) -> Result<Content, String> {
    match object.remove("input_ids").filter(|ids| !ids.is_null()) {
        Some(Value::Array(ids)) if ids.is_empty() => return Err("`input_ids` is an empty list".into()),
        Some(Value::Array(ids)) => return ids.iter().map(token_id).collect::<Result<_, _>>().map(Content::Ids),
        Some(other) => return Err(format!("`input_ids` is {}; expected a list of token ids", describe(&other))),
        None => {}
    }
    match object.remove("text") {
        Some(Value::String(text)) if text.is_empty() => Err("`text` is empty".into()),
        Some(Value::String(text)) => Ok(Content::Text(text)),
        Some(other) => Err(format!("`text` is {}; expected a string", describe(&other))),
        None => Err("neither `text` nor `input_ids`".into()),
    }
}

fn token_id(value: &Value) -> Result<u32, String> {
    let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| format!("`input_ids` holds {value}; expected integers from 0"))
}

/// A value in words for messages: what it is, or itself where it is short.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        Value::String(_) => "a string".into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn default_keys_are_looked_at_in_order_and_empty_ones_passed_over() {
        let of = |value: Value, key: Option<&str>| Row::new(value, key).unwrap().category;
        assert_eq!(of(json!({"text": "a", "language": "de", "domain": "book"}), None).as_deref(), Some("book"));
        assert_eq!(of(json!({"text": "a", "domain": "", "category": 7}), None).as_deref(), Some("7"));
        assert_eq!(of(json!({"text": "a", "category": ["x"]}), None), None);
        assert_eq!(of(json!({"text": "a", "domain": "book", "lang": "de"}), Some("lang")).as_deref(), Some("de"));
        assert_eq!(of(json!({"text": "a", "domain": "book"}), Some("lang")), None);
        assert_eq!(of(json!({"text": "a", "lang": ""}), Some("lang")), None);
    }

    #[test]
    fn ids_may_be_strings_or_numbers() {
        let of = |value: Value| Row::new(value, None).unwrap().id;
        assert_eq!(of(json!({"text": "a", "id": "x"})).as_deref(), Some("x"));
        assert_eq!(of(json!({"text": "a", "id": 12})).as_deref(), Some("12"));
        assert_eq!(of(json!({"text": "a", "id": null})), None);
        assert_eq!(of(json!({"text": "a"})), None);
    }

    #[test]
    fn input_ids_are_taken_before_text() {
        let row = Row::new(json!({"text": "a", "input_ids": [0, 5]}), None).unwrap();
        assert_eq!(row.content, Content::Ids(vec![0, 5]));
        assert_eq!(Row::new(json!({"text": "a", "input_ids": null}), None).unwrap().content, Content::Text("a".into()));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (value, reason) in [
            (json!([1]), "a list; expected an object"),
            (json!({"title": "a"}), "neither `text` nor `input_ids`"),
            (json!({"text": 5}), "`text` is 5"),
            (json!({"text": ""}), "`text` is empty"),
            (json!({"input_ids": []}), "empty list"),
            (json!({"input_ids": "1 2"}), "`input_ids` is a string"),
            (json!({"input_ids": [1, -2]}), "holds -2"),
            (json!({"input_ids": [1.5]}), "holds 1.5"),
            (json!({"input_ids": [4_294_967_296_u64]}), "holds 4294967296"),
            (json!({"text": "a", "id": [1]}), "`id` is a list"),
            (json!({"text": "a", "kind": {}}), "category `kind` is an object"),
        ] {
            let found = Row::new(value, Some("kind")).unwrap_err();
            assert!(found.contains(reason), "{found}");
        }
    }
}
