//! Finds the conversation in a row: its key and its shape.
//!
//! The first unambiguous row of a file decides for the whole file. Well-known keys are tried first, then any key whose value is a
//! list of messages, because people choose their own names.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    TranscriptFormat,
    message::{self, role_named},
    pairs,
};

/// Keys of lists of messages that are tried before any other, in this order.
const MESSAGE_KEYS: [&str; 9] =
    ["conversations", "messages", "conversation", "dialog", "dialogue", "dialogs", "chat", "conv", "turns"];
/// Keys whose lists of strings are messages of two alternating speakers.
const ALTERNATING_KEYS: [&str; 6] = ["data", "conversations", "conversation", "dialog", "dialogue", "messages"];

/// How the conversations of a file are arranged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The format that is reported.
    pub format: TranscriptFormat,
    /// Where the conversation is.
    pub shape: Shape,
    /// Whether the row was unambiguous; if not, the layout counts only for that row.
    pub sure: bool,
}

/// Where the conversation of a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// MT-Bench: the user's side.
    Questions,
    /// MT-Bench: the model's side.
    Answers,
    /// A tree of replies.
    Tree,
    /// A list of messages under this key, with these keys of speaker and text.
    Messages(String, (&'static str, &'static str)),
    /// A list of exchanges under this key, `[{"human", "assistant"}]`; without a key the row itself is the only exchange.
    Exchanges(Option<String>),
    /// A list of strings under this key, the user's first.
    Alternating(String),
    /// A prompt and a response beside each other.
    Pair,
}

impl Layout {
    fn sure(format: TranscriptFormat, shape: Shape) -> Self {
        Self { format, shape, sure: true }
    }

    /// The layout of a row, in the wanted format if one is given.
    ///
    /// # Errors
    /// The row has no conversation; the text says what it has.
    pub(super) fn detect(row: &Map<String, Value>, wanted: Option<TranscriptFormat>) -> Result<Self, String> {
        let Some(wanted) = wanted else { return any(row) };
        let shape = match wanted {
            TranscriptFormat::MtBenchQuestions => Shape::Questions,
            TranscriptFormat::MtBenchAnswers => Shape::Answers,
            TranscriptFormat::Oasst => Shape::Tree,
            TranscriptFormat::Instruction => match any(row) {
                Ok(found) if found.format == wanted => found.shape,
                _ => Shape::Pair,
            },
            TranscriptFormat::ShareGpt | TranscriptFormat::OpenAi | TranscriptFormat::WildChat => {
                let other =
                    || Some(any(row).ok()?).filter(|found| alike(found.format, wanted)).map(|found| found.shape);
                let own = messages_under(row, wanted.key());
                let usual = || Shape::Messages(wanted.key().into(), usual_names(wanted));
                own.or_else(other).unwrap_or_else(usual)
            }
        };
        Ok(Self { format: wanted, shape, sure: true })
    }

    /// Where the conversation is, in words; `None` if the format says it.
    pub(super) fn told(&self) -> Option<String> {
        match &self.shape {
            Shape::Messages(key, (role, text))
                if *key != self.format.key() || (*role, *text) != usual_names(self.format) =>
            {
                Some(format!("messages are taken from `{key}`, with the speaker in `{role}` and the text in `{text}`"))
            }
            Shape::Exchanges(Some(key)) => Some(format!("exchanges are taken from `{key}`, with the speakers as keys")),
            Shape::Exchanges(None) => Some("a row is one exchange, with the speakers as keys".into()),
            Shape::Alternating(key) => {
                Some(format!("the strings of `{key}` are taken as the user's and the assistant's in turn"))
            }
            _ => None,
        }
    }
}

/// Whether two formats differ only in the outer key.
fn alike(one: TranscriptFormat, other: TranscriptFormat) -> bool {
    usual_names(one) == usual_names(other) && one != TranscriptFormat::Instruction
}

/// The usual keys of speaker and text in a format.
fn usual_names(format: TranscriptFormat) -> (&'static str, &'static str) {
    if format == TranscriptFormat::ShareGpt { ("from", "value") } else { ("role", "content") }
}

/// The layout of a row that may be of any format.
fn any(row: &Map<String, Value>) -> Result<Layout, String> {
    use TranscriptFormat::{Instruction, MtBenchAnswers, MtBenchQuestions, Oasst};
    let strings = |key: &str| matches!(row.get(key), Some(Value::Array(list)) if list.iter().all(Value::is_string));
    if strings("turns") {
        return Ok(Layout::sure(MtBenchQuestions, Shape::Questions));
    }
    if row.get("choices").is_some_and(Value::is_array) {
        return Ok(Layout::sure(MtBenchAnswers, Shape::Answers));
    }
    if let Some(shape) = MESSAGE_KEYS.into_iter().find_map(|key| messages_under(row, key)) {
        return Ok(of_messages(shape));
    }
    if row.get("prompt").is_some_and(Value::is_object) {
        return Ok(Layout::sure(Oasst, Shape::Tree));
    }
    if pairs::is_pair(row) {
        return Ok(Layout::sure(Instruction, Shape::Pair));
    }
    if let Some(shape) = row.keys().find_map(|key| messages_under(row, key)) {
        return Ok(of_messages(shape));
    }
    if let Some(key) = row.iter().find_map(|(key, value)| is_exchanges(value).then_some(key)) {
        return Ok(Layout::sure(Instruction, Shape::Exchanges(Some(key.clone()))));
    }
    if is_exchange(row) {
        return Ok(Layout::sure(Instruction, Shape::Exchanges(None)));
    }
    let is_filled = |key: &&str| strings(key) && row[*key].as_array().is_some_and(|list| list.len() > 1);
    if let Some(key) = ALTERNATING_KEYS.into_iter().find(is_filled) {
        return Ok(Layout::sure(Instruction, Shape::Alternating(key.into())));
    }
    unsure(row).ok_or_else(|| unknown(row))
}

fn of_messages(shape: Shape) -> Layout {
    let format = match &shape {
        Shape::Messages(_, (_, "value")) => TranscriptFormat::ShareGpt,
        Shape::Messages(key, _) if key == TranscriptFormat::WildChat.key() => TranscriptFormat::WildChat,
        _ => TranscriptFormat::OpenAi,
    };
    Layout::sure(format, shape)
}

/// Guesses the format only by keys, for rows that cannot be used but show what is meant: keys with lists first, then any value.
fn unsure(row: &Map<String, Value>) -> Option<Layout> {
    use TranscriptFormat::{MtBenchAnswers, MtBenchQuestions, OpenAi, ShareGpt, WildChat};
    let formats = [MtBenchQuestions, MtBenchAnswers, ShareGpt, OpenAi, WildChat];
    let is_list = |format: &TranscriptFormat| row.get(format.key()).is_some_and(Value::is_array);
    let found = formats.into_iter().find(is_list);
    let format = found.or_else(|| formats.into_iter().find(|format| row.contains_key(format.key())))?;
    let shape = match format {
        MtBenchQuestions => Shape::Questions,
        MtBenchAnswers => Shape::Answers,
        _ => Shape::Messages(format.key().into(), usual_names(format)),
    };
    Some(Layout { format, shape, sure: false })
}

/// The list of messages under a key, if there is one.
fn messages_under(row: &Map<String, Value>, key: &str) -> Option<Shape> {
    let list = list_of(row.get(key)?).ok()?;
    let names = message::role_and_text_keys(&list)?;
    Some(Shape::Messages(key.into(), names))
}

/// A list that is given directly, as JSON in a string, or as a table of columns (`{"role": [...], "content": [...]}`).
///
/// # Errors
/// The value is something else; the text says what.
pub(super) fn list_of(value: &Value) -> Result<Cow<'_, [Value]>, String> {
    match value {
        Value::Array(list) => Ok(Cow::Borrowed(list)),
        Value::String(text) if text.trim_start().starts_with('[') => match serde_json::from_str(text) {
            Ok(Value::Array(list)) => Ok(Cow::Owned(list)),
            _ if text.contains("{'") => {
                Err("a string that holds a list of Python; expected a list, or its JSON".into())
            }
            _ => Err("a string that begins like a list, but is no JSON; expected a list".into()),
        },
        Value::Object(columns) => table(columns).map(Cow::Owned).ok_or_else(|| "an object; expected a list".into()),
        other => Err(format!("{}; expected a list", crate::corpus::value_words::describe_value(other))),
    }
}

/// The rows of a table whose columns are lists of equal length.
fn table(columns: &Map<String, Value>) -> Option<Vec<Value>> {
    let lists: Vec<(&String, &Vec<Value>)> =
        columns.iter().map(|(key, value)| Some((key, value.as_array()?))).collect::<Option<_>>()?;
    let length = lists.first()?.1.len();
    if lists.iter().any(|(_, list)| list.len() != length) {
        return None;
    }
    let row = |at: usize| lists.iter().map(|(key, list)| ((*key).clone(), list[at].clone())).collect();
    Some((0..length).map(|at| Value::Object(row(at))).collect())
}

fn is_exchanges(value: &Value) -> bool {
    let Value::Array(list) = value else { return false };
    !list.is_empty() && list.iter().all(|exchange| exchange.as_object().is_some_and(is_exchange))
}

/// Whether an object's keys are speakers, one of them the user and one the model.
fn is_exchange(object: &Map<String, Value>) -> bool {
    use crate::corpus::Role;
    let spoken = |(key, value): (&String, &Value)| value.is_string().then(|| role_named(key)).flatten();
    let roles: Vec<Role> = object.iter().filter_map(spoken).collect();
    roles.contains(&Role::User) && roles.contains(&Role::Assistant)
}

/// The reason why a row cannot be used: the keys that it has, and what it looks like.
fn unknown(row: &Map<String, Value>) -> String {
    let has = |keys: &[&str]| keys.iter().all(|key| row.contains_key(*key));
    if has(&["message_id", "parent_id", "text"]) {
        return "a row is one message of an OASST export; expected its trees, `{\"message_tree_id\", \"prompt\": {..., \
                \"replies\"}}`, which are exported as ..._trees.jsonl"
            .into();
    }
    if has(&["role", "content"]) || has(&["from", "value"]) {
        return "a row is one message; expected a conversation, a list of messages under one key".into();
    }
    let python = |(key, value): (&String, &Value)| {
        let text = value.as_str()?;
        let is_list = text.starts_with('[') && text.contains("{'");
        is_list.then(|| format!("`{key}` is a string that holds a list of Python; expected a list, or its JSON"))
    };
    if let Some(reason) = row.iter().find_map(python) {
        return reason;
    }
    let found: Vec<_> = row.keys().take(8).map(|key| format!("`{key}`")).collect();
    let found = if found.is_empty() { "no key".to_owned() } else { found.join(", ") };
    format!(
        "no known format: the row has {found}; expected a list of messages ({{\"role\", \"content\"}} or {{\"from\", \
         \"value\"}}), a prompt with its response, `turns` or `choices` of MT-Bench, or an OASST tree in `prompt`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(row: &Value) -> Result<(TranscriptFormat, bool), String> {
        Layout::detect(row.as_object().unwrap(), None).map(|layout| (layout.format, layout.sure))
    }

    #[test]
    fn a_row_tells_its_format() {
        use TranscriptFormat::{Instruction, MtBenchAnswers, MtBenchQuestions, Oasst, OpenAi, ShareGpt, WildChat};
        let openai = json!([{"role": "user", "content": "a"}]);
        let sharegpt = json!([{"from": "human", "value": "a"}]);
        for (row, format, sure) in [
            (json!({"question_id": 1, "turns": []}), MtBenchQuestions, true),
            (json!({"question_id": 1, "choices": []}), MtBenchAnswers, true),
            (json!({"conversations": []}), ShareGpt, false),
            (json!({"conversation": []}), WildChat, false),
            (json!({"messages": []}), OpenAi, false),
            (json!({"turns": 3, "prompt": "a", "messages": []}), OpenAi, false),
            (json!({"messages": "a"}), OpenAi, false),
            (json!({"prompt": {}}), Oasst, true),
            (json!({"conversations": openai}), OpenAi, true),
            (json!({"messages": sharegpt}), ShareGpt, true),
            (json!({"turn": 2, "conversation": openai}), WildChat, true),
            (json!({"turns": openai}), OpenAi, true),
            (json!({"prompt": "a", "response": "b", "anything": sharegpt}), Instruction, true),
            (json!({"x": 1, "anything": sharegpt}), ShareGpt, true),
            (json!({"x": 1, "anything": openai.to_string()}), OpenAi, true),
            (json!({"chat": {"from": ["human", "gpt"], "value": ["a", "b"]}}), ShareGpt, true),
            (json!({"conversation": [{"human": "a", "assistant": "b"}]}), Instruction, true),
            (json!({"user": "a", "assistant": "b"}), Instruction, true),
            (json!({"id": "0", "data": ["a", "b"]}), Instruction, true),
            (json!({"prompt": openai, "completion": [{"role": "assistant", "content": "b"}]}), Instruction, true),
            (json!({"chosen": openai, "rejected": openai}), Instruction, true),
        ] {
            assert_eq!(of(&row), Ok((format, sure)), "{row}");
        }
    }

    #[test]
    fn a_row_that_is_none_says_what_it_looks_like() {
        for (row, reason) in [
            (json!({"text": "a"}), "the row has `text`; expected a list of messages"),
            (json!({}), "no key"),
            (json!({"role": "user", "content": "a"}), "a row is one message; expected a conversation"),
            (json!({"message_id": "m", "parent_id": null, "text": "a", "role": "prompter"}), "..._trees.jsonl"),
            (json!({"chat": "[{'role': 'user', 'content': 'a'}]"}), "`chat` is a string that holds a list of Python"),
        ] {
            let found = of(&row).unwrap_err();
            assert!(found.contains(reason), "{found}");
        }
    }
}
