//! Other keys beside the messages of a row: a system prompt, tools, and texts that do not belong to the conversation.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    layout::list_of,
    message::{Findings, Message, REASONING_KEYS, role_and_text_keys},
};
use crate::corpus::Role;

/// Keys of a system prompt, in the order in which they are tried.
const SYSTEM_KEYS: [&str; 4] = ["system", "system_prompt", "system_message", "system_instruction"];
/// Keys of values that a chat template may write before the messages, with their names in the template.
const GIVEN_KEYS: [(&str, &str); 2] = [("tools", "tools"), ("documents", "documents")];
/// Keys of texts that do not belong to the conversation.
const TEXT_KEYS: [&str; 14] = [
    "instruction",
    "input",
    "output",
    "prompt",
    "response",
    "completion",
    "question",
    "answer",
    "context",
    "chosen",
    "rejected",
    "functions",
    "function_call",
    "text",
];

/// Values that the row gives to the template besides the messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// Name in the template, and value: a list of objects.
    pub values: Vec<(&'static str, Arc<Value>)>,
}

impl Given {
    /// About how many bytes of text a template has to write for it.
    pub(super) fn bytes(&self) -> usize {
        self.values.iter().map(|(_, value)| value.to_string().len()).sum()
    }
}

/// Takes the system prompt and the values that a template may write; notes what is left out.
pub(super) fn beside(
    row: &Map<String, Value>,
    used: &[&str],
    messages: &mut Vec<Message>,
    findings: &mut Findings,
) -> Given {
    system(row, used, messages, findings);
    let mut given = Given::default();
    for (key, name) in GIVEN_KEYS.into_iter().filter(|(key, _)| !used.contains(key)) {
        let Some(value) = row.get(key).filter(|value| is_filled(value)) else { continue };
        match objects(value) {
            Some(list) => given.values.push((name, Arc::new(list))),
            None => findings.note(format!("`{key}` beside the messages left out: no list of objects")),
        }
    }
    let is_known = |key: &&str| TEXT_KEYS.contains(key) || REASONING_KEYS.contains(key);
    for (key, value) in row.iter().filter(|(key, value)| !used.contains(&key.as_str()) && is_filled(value)) {
        let is_text = is_known(&key.as_str()) && !is_said(value, messages);
        if is_text || value.as_array().is_some_and(|list| role_and_text_keys(list).is_some()) {
            findings.note(format!("`{key}` beside the messages left out"));
        }
    }
    given
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        _ => true,
    }
}

/// Whether a text repeats a message.
fn is_said(value: &Value, messages: &[Message]) -> bool {
    value.as_str().is_some_and(|text| messages.iter().any(|message| message.text.trim() == text.trim()))
}

/// A list of objects, also if it is given as JSON in a string.
fn objects(value: &Value) -> Option<Value> {
    let list = list_of(value).ok()?;
    list.iter().all(Value::is_object).then(|| Value::Array(list.into_owned()))
}

/// Puts a system prompt before the messages, unless they begin with one.
fn system(row: &Map<String, Value>, used: &[&str], messages: &mut Vec<Message>, findings: &mut Findings) {
    let mut found = SYSTEM_KEYS.into_iter().filter(|key| !used.contains(key) && row.get(*key).is_some_and(is_filled));
    let Some(key) = found.next() else { return };
    found.for_each(|other| findings.note(format!("`{other}` left out: `{key}` is the system prompt")));
    let Some(text) = row[key].as_str() else {
        return findings.note(format!("`{key}` beside the messages left out: no string"));
    };
    match messages.first() {
        Some(first) if first.role != Role::System => {
            messages.insert(0, Message::new(Role::System, text));
            findings.note(format!("`{key}` is taken as a first message of the role system"));
        }
        Some(first) if first.text.trim() != text.trim() => {
            findings.note(format!("`{key}` left out: the messages begin with one of the role system"));
        }
        _ => {}
    }
}
