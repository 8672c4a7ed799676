//! A row of a corpus: its text or token ids, and the name and category of its document.

use serde_json::{Map, Value};

use super::{
    ids::token_ids,
    keys::{is_column_of, likely_text, listed_keys, lookup, object_in},
    row_treatment::Treatment,
    value_words::describe_value,
};
use crate::error::OptionName;

/// Keys that name a category if the user names no key, in the order in which they are tried.
pub(super) const CATEGORY_KEYS: [&str; 3] = ["domain", "category", "language"];
/// The longest value of these keys that counts as a category, in bytes; under a key that the user names it may be of any length.
const LONGEST_CATEGORY: usize = 200;

/// Keys of questions and of answers; a row without `text` may have one of each, which are joined.
const ASKED: [&str; 7] = ["instruction", "prompt", "question", "query", "problem", "inputs", "input"];
const ANSWERED: [&str; 8] = ["completion", "response", "output", "answer", "solution", "targets", "outputs", "target"];
/// Keys of texts that may precede the question.
const BEFORE: [&str; 2] = ["system_prompt", "system"];
const BETWEEN: [&str; 2] = ["input", "context"];
/// Keys of conversations, which are not plain text.
const CONVERSATIONS: [&str; 3] = ["messages", "conversations", "conversation"];
/// Keys beside `input_ids` that would change the routing, but are not used.
const BESIDE_IDS: [&str; 3] = ["text", "position_ids", "segment_ids"];

/// The keys that the user named.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AskedKeys<'a> {
    /// The key of the category.
    pub category: Option<&'a str>,
    /// The key of the text.
    pub text: Option<&'a str>,
}

impl<'a> AskedKeys<'a> {
    /// The keys that may name a category.
    pub(super) fn categories(&self) -> Vec<&'a str> {
        self.category.map_or_else(|| CATEGORY_KEYS.to_vec(), |key| vec![key])
    }

    /// Whether an object has the keys that a row needs.
    pub(super) fn are_in(&self, object: &Map<String, Value>) -> bool {
        self.text.map_or_else(|| is_text(&|key| object.contains_key(key)), |key| lookup(object, key).is_some())
    }

    /// Whether a column of a table is needed for a row.
    pub(super) fn want(&self, column: &str) -> bool {
        let of = |key: &str| is_column_of(column, key);
        let text = self.text.map_or_else(
            || {
                let ids = ["input_ids", "attention_mask"].iter().chain(&BESIDE_IDS);
                ids.chain(&ASKED).chain(&ANSWERED).chain(&BEFORE).chain(&BETWEEN).any(|key| column == *key)
            },
            of,
        );
        text || column == "id" || self.categories().into_iter().any(of)
    }
}

/// Whether the keys for which `has` is true make a text: a text key, or a question with its answer.
pub(super) fn is_text(has: &dyn Fn(&str) -> bool) -> bool {
    let any = |keys: &[&str]| keys.iter().any(|key| has(key));
    has("text") || has("input_ids") || any(&ASKED) && any(&ANSWERED)
}

/// A row that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The row's `id`.
    pub id: Option<String>,
    /// The values under each of [`AskedKeys::categories`]; empty for a text without keys.
    pub categories: Vec<Option<String>>,
    /// The text or token ids that are routed.
    pub content: Content,
    /// What was done to get the content, each with an amount.
    pub told: Vec<(Treatment, usize)>,
}

/// A text to encode, or token ids to use unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A text.
    Text(String),
    /// `input_ids`.
    Ids(Vec<u32>),
}

impl Row {
    /// A document without keys.
    pub(super) fn text(text: String) -> Self {
        Self { id: None, categories: Vec::new(), content: Content::Text(text), told: Vec::new() }
    }

    /// Reads a JSON row.
    ///
    /// # Errors
    /// The reason why the row cannot be used.
    pub(super) fn new(value: Value, keys: &AskedKeys<'_>) -> Result<Self, String> {
        let Value::Object(mut object) = value else {
            return Err(format!("{}; expected an object with `text` or `input_ids`", describe_value(&value)));
        };
        let id = object.get("id").map_or(Ok(None), scalar).map_err(|found| format!("`id` {found}"))?;
        let categories = match keys.category {
            Some(_) => vec![category(&object, keys.category)?],
            None => CATEGORY_KEYS.iter().map(|key| default_category(&object, key)).collect(),
        };
        let mut told = Vec::new();
        let content = content(&mut object, keys.text, &mut told)?;
        Ok(Self { id, categories, content, told })
    }
}

/// A scalar as text; `None` for null and the empty string. The error for a list or an object says what was found.
pub(super) fn scalar(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(truth) => Ok(Some(truth.to_string())),
        Value::Array(_) | Value::Object(_) => Err(format!("is {}; expected a string", describe_value(value))),
    }
}

/// The category of a row. A key that the user named must hold a scalar; a default key that holds something else is ignored.
pub(super) fn category(object: &Map<String, Value>, key: Option<&str>) -> Result<Option<String>, String> {
    let Some(key) = key else {
        return Ok(CATEGORY_KEYS.iter().find_map(|key| default_category(object, key)));
    };
    let Some(value) = lookup(object, key) else { return Ok(None) };
    if let Some(inner) = object_in(&value) {
        return Err(format!("category `{key}` is {}", object_words(&inner, key, OptionName::Category)));
    }
    scalar(&value).map_err(|found| format!("category `{key}` {found}"))
}

/// The value under a default key, if it can be a category.
fn default_category(object: &Map<String, Value>, key: &str) -> Option<String> {
    scalar(object.get(key)?).ok().flatten().filter(|value| value.len() <= LONGEST_CATEGORY)
}

/// The keys of an object, and the option that would name one of them.
fn object_words(object: &Map<String, Value>, key: &str, option: OptionName) -> String {
    let scalars: Vec<&str> =
        object.iter().filter(|(_, value)| !value.is_array() && !value.is_object()).map(|(name, _)| &**name).collect();
    match scalars.first() {
        Some(first) => {
            let inner = option.with(format_args!("{key}.{first}"));
            format!("an object with {}: try {inner}", listed_keys(scalars.iter().copied()))
        }
        None => "an object without a string".to_owned(),
    }
}

fn content(
    object: &mut Map<String, Value>,
    text_key: Option<&str>,
    told: &mut Vec<(Treatment, usize)>,
) -> Result<Content, String> {
    if let Some(key) = text_key {
        return match lookup(object, key) {
            Some(value) => text_of(value.into_owned(), key, told).map(Content::Text),
            None => Err(format!("no `{key}`; {}", instead(object))),
        };
    }
    if let Some(ids) = object.remove("input_ids").filter(|ids| !ids.is_null()) {
        let unused = BESIDE_IDS.into_iter().filter(|key| object.get(*key).is_some_and(|value| !value.is_null()));
        told.extend(unused.map(|key| (Treatment::Unused(key), 0)));
        return token_ids(ids, object.remove("attention_mask").as_ref(), told).map(Content::Ids);
    }
    match object.remove("text") {
        Some(Value::Null) | None => {}
        Some(text) => return text_of(text, "text", told).map(Content::Text),
    }
    match joined(object, told) {
        Some(text) => Ok(Content::Text(text)),
        None => Err(format!("neither `text` nor `input_ids`; {}", instead(object))),
    }
}

/// The text of a value: a string, or a list of strings, which are joined by line breaks.
fn text_of(value: Value, key: &str, told: &mut Vec<(Treatment, usize)>) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text,
        Value::Array(lines) if lines.is_empty() => return Err(format!("`{key}` is an empty list")),
        Value::Array(lines) if lines.iter().all(Value::is_string) => {
            told.push((Treatment::Lines(key.to_owned()), 0));
            let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
            lines.join("\n")
        }
        Value::Array(_) => return Err(format!("`{key}` is a list; expected a string, or a list of strings")),
        Value::Object(object) => return Err(format!("`{key}` is {}", object_words(&object, key, OptionName::TextKey))),
        other => return Err(format!("`{key}` is {}; expected a string", describe_value(&other))),
    };
    if text.is_empty() { Err(format!("`{key}` is empty")) } else { Ok(text) }
}

/// The question and the answer as one text; `None` unless there are both.
fn joined(object: &Map<String, Value>, told: &mut Vec<(Treatment, usize)>) -> Option<String> {
    let text = |key: &'static str| {
        let text = object.get(key)?.as_str().filter(|text| !text.is_empty())?;
        Some((key, text))
    };
    let answered = ANSWERED.into_iter().find_map(text)?;
    let asked = ASKED.into_iter().find_map(text)?;
    let before = BEFORE.into_iter().find_map(text);
    let between = BETWEEN.into_iter().find_map(text).filter(|between| between.0 != asked.0);
    let parts: Vec<_> = before.into_iter().chain([asked]).chain(between).chain([answered]).collect();
    let mut joined = String::new();
    for (_, part) in &parts {
        if !joined.is_empty() && !joined.ends_with(char::is_whitespace) && !part.starts_with(char::is_whitespace) {
            joined.push('\n');
        }
        joined.push_str(part);
    }
    told.push((Treatment::Joined(parts.into_iter().map(|(key, _)| key).collect()), 0));
    Some(joined)
}

/// The keys of a row without a text, and what may help.
fn instead(object: &Map<String, Value>) -> String {
    if object.is_empty() {
        return "the row has nothing else".to_owned();
    }
    let has = listed_keys(object.keys().map(String::as_str));
    let conversation = CONVERSATIONS.into_iter().find(|key| object.get(*key).is_some_and(Value::is_array));
    match (conversation, likely_text(object)) {
        (Some(key), _) => {
            format!("the row has {has}: `{key}` is a conversation, try {} of `drops`", OptionName::Transcripts)
        }
        (None, Some(key)) => format!("the row has {has}: try {}", OptionName::TextKey.with(key)),
        (None, None) => format!("the row has {has}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: Value) -> Result<Row, String> {
        Row::new(value, &AskedKeys::default())
    }

    fn asked(value: Value, category: &str) -> Result<Row, String> {
        Row::new(value, &AskedKeys { category: Some(category), text: None })
    }

    fn text(value: Value, key: Option<&str>) -> Result<(String, Vec<Treatment>), String> {
        let row = Row::new(value, &AskedKeys { category: None, text: key })?;
        let Content::Text(text) = row.content else { panic!("{row:?}") };
        Ok((text, row.told.into_iter().map(|told| told.0).collect()))
    }

    #[test]
    fn every_key_that_may_name_a_category_is_kept() {
        let of = |value: Value| row(value).unwrap().categories;
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(of(json!({"text": "a", "language": "de", "domain": "book"})), [some("book"), None, some("de")]);
        assert_eq!(of(json!({"text": "a", "domain": "", "category": 7})), [None, some("7"), None]);
        assert_eq!(of(json!({"text": "a", "category": ["x"], "language": "x".repeat(500)})), [None, None, None]);
        let of = |value: Value, key| asked(value, key).unwrap().categories;
        assert_eq!(of(json!({"text": "a", "domain": "book", "lang": "de"}), "lang"), [some("de")]);
        assert_eq!(of(json!({"text": "a", "domain": "book"}), "lang"), [None]);
        assert_eq!(of(json!({"text": "a", "lang": ""}), "lang"), [None]);
        assert_eq!(of(json!({"text": "a", "meta": {"set": "C4"}}), "meta.set"), [some("C4")]);
        assert_eq!(of(json!({"text": "a", "meta": "{\"set\": \"C4\"}"}), "meta.set"), [some("C4")]);
    }

    #[test]
    fn ids_may_be_strings_or_numbers() {
        let of = |value: Value| row(value).unwrap().id;
        assert_eq!(of(json!({"text": "a", "id": "x"})).as_deref(), Some("x"));
        assert_eq!(of(json!({"text": "a", "id": 12})).as_deref(), Some("12"));
        assert_eq!(of(json!({"text": "a", "id": null})), None);
        assert_eq!(of(json!({"text": "a"})), None);
    }

    #[test]
    fn input_ids_are_taken_before_text_and_what_stands_beside_them_is_told() {
        let found = row(json!({"text": "a", "input_ids": [0, 5], "position_ids": [0, 0]})).unwrap();
        assert_eq!(found.content, Content::Ids(vec![0, 5]));
        assert_eq!(found.told, [(Treatment::Unused("text"), 0), (Treatment::Unused("position_ids"), 0)]);
        let text = row(json!({"text": "a", "input_ids": null})).unwrap();
        assert_eq!((text.content, text.told), (Content::Text("a".into()), Vec::new()));
    }

    #[test]
    fn masked_ids_are_left_out() {
        for mask in [json!([1, 1, 0, 0]), json!([true, true, false, false]), json!([1.0, 1.0, 0.0, 0.0])] {
            let row = row(json!({"input_ids": [0, 5, 0, 0], "attention_mask": mask})).unwrap();
            assert_eq!((row.content, row.told), (Content::Ids(vec![0, 5]), vec![(Treatment::Masked, 2)]));
        }
        let whole = row(json!({"input_ids": [0, 5], "attention_mask": [1, 1]})).unwrap();
        assert_eq!((whole.content, whole.told), (Content::Ids(vec![0, 5]), Vec::new()));
    }

    #[test]
    fn question_and_answer_are_joined_and_so_are_lists_of_lines() {
        for (value, expected, keys) in [
            (json!({"prompt": "Hi", "response": "Yes."}), "Hi\nYes.", vec!["prompt", "response"]),
            (json!({"prompt": "The sky is", "completion": " blue"}), "The sky is blue", vec!["prompt", "completion"]),
            (
                json!({"instruction": "Add", "input": "1 2", "output": "3", "id": "x"}),
                "Add\n1 2\n3",
                vec!["instruction", "input", "output"],
            ),
            (json!({"instruction": "Add", "input": "", "output": "3"}), "Add\n3", vec!["instruction", "output"]),
            (
                json!({"system_prompt": "Be brief.", "question": "Why?", "response": "So."}),
                "Be brief.\nWhy?\nSo.",
                vec!["system_prompt", "question", "response"],
            ),
            (json!({"input": "1", "output": "2"}), "1\n2", vec!["input", "output"]),
        ] {
            assert_eq!(text(value, None).unwrap(), (expected.to_owned(), vec![Treatment::Joined(keys)]));
        }
        // A `text` is used even if there are other keys.
        assert_eq!(text(json!({"text": "a", "prompt": "b", "output": "c"}), None).unwrap(), ("a".into(), vec![]));
        let lines = (String::from("a\nb"), vec![Treatment::Lines("text".into())]);
        assert_eq!(text(json!({"text": ["a", "b"]}), None).unwrap(), lines);
    }

    #[test]
    fn the_text_may_have_a_key_of_its_own() {
        let plain = |value, key| text(value, Some(key)).unwrap().0;
        assert_eq!(plain(json!({"content": "a", "text": "b", "input_ids": [1]}), "content"), "a");
        assert_eq!(plain(json!({"data": {"body": "a"}}), "data.body"), "a");
        assert_eq!(plain(json!({"data": "{\"body\": \"a\"}"}), "data.body"), "a");
        let refused = text(json!({"text": "b", "id": "x"}), Some("content")).unwrap_err();
        assert_eq!(refused, "no `content`; the row has text, id: try `InputOptions::text_key = text`");
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (value, reason) in [
            (json!([1]), "a list; expected an object"),
            (json!({"title": "a"}), "neither `text` nor `input_ids`; the row has title"),
            (
                json!({"id": 1, "Text": "a"}),
                "neither `text` nor `input_ids`; the row has id, Text: try `InputOptions::text_key = Text`",
            ),
            (
                json!({"messages": [{"role": "user"}]}),
                "`messages` is a conversation, try `RunOptions::conversations` of `drops`",
            ),
            (json!({}), "the row has nothing else"),
            (json!({"text": 5}), "`text` is 5"),
            (json!({"text": ""}), "`text` is empty"),
            (json!({"text": []}), "`text` is an empty list"),
            (json!({"text": [1]}), "`text` is a list; expected a string, or a list of strings"),
            (json!({"text": {"en": "a"}}), "`text` is an object with en: try `InputOptions::text_key = text.en`"),
            (json!({"input_ids": []}), "empty list"),
            (json!({"input_ids": "1 2"}), "`input_ids` is a string"),
            (json!({"input_ids": [1, -2]}), "holds -2"),
            (json!({"input_ids": [1.5]}), "holds 1.5"),
            (json!({"input_ids": [4_294_967_296_u64]}), "holds 4294967296"),
            (json!({"input_ids": [1, 2], "attention_mask": [1]}), "`attention_mask` has 1 entries, `input_ids` 2"),
            (json!({"input_ids": [1], "attention_mask": [0]}), "`attention_mask` masks all ids"),
            (json!({"input_ids": [1], "attention_mask": ["x"]}), "`attention_mask` holds a string; expected 0 and 1"),
            (json!({"input_ids": [1], "attention_mask": 1}), "`attention_mask` is 1; expected a list"),
            (json!({"text": "a", "id": [1]}), "`id` is a list"),
            (json!({"text": "a", "kind": {}}), "category `kind` is an object without a string"),
            (json!({"text": "a", "kind": ["x"]}), "category `kind` is a list; expected a string"),
            (
                json!({"text": "a", "kind": {"set": "C4"}}),
                "category `kind` is an object with set: try `InputOptions::category_key = kind.set`",
            ),
        ] {
            let found = asked(value, "kind").unwrap_err();
            assert!(found.contains(reason), "{found}");
        }
    }
}
