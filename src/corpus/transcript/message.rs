//! Reads messages: their speakers and texts.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use crate::corpus::{Role, value_words::describe_value};

/// The most messages of one conversation: turns are counted in 16 bits.
pub(super) const MOST_MESSAGES: usize = 1 << 16;

/// Keys of the speaker of a message, in the order in which they are tried.
const ROLE_KEYS: [&str; 5] = ["role", "from", "speaker", "author", "sender"];
/// Keys of the text of a message.
const TEXT_KEYS: [&str; 5] = ["content", "value", "text", "message", "utterance"];
/// Keys of a model's reasoning before its answer, the usual one first.
pub(super) const REASONING_KEYS: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];
/// Keys of tool calls.
pub(super) const CALL_KEYS: [&str; 2] = ["tool_calls", "function_call"];

/// One message of a conversation. It is cheap to clone, because the paths of a tree share their messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text, tool calls included.
    pub text: Arc<str>,
    /// Further content of the message, if it has any.
    pub more: Option<Arc<More>>,
}

/// The content of a message besides its role and its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct More {
    /// Its text without tool calls, if it has such calls.
    pub without_calls: Option<WithoutCalls>,
    /// All its other keys.
    pub keys: Map<String, Value>,
}

/// The text of a message without its tool calls; `None` inside if it consists only of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WithoutCalls(pub Option<Arc<str>>);

impl Message {
    /// A message that has only a text.
    pub(super) fn new(role: Role, text: impl Into<Arc<str>>) -> Self {
        Self { role, text: text.into(), more: None }
    }

    /// The text without tool calls.
    pub(super) fn said(&self) -> &str {
        let without = self.more.as_ref().and_then(|more| more.without_calls.as_ref());
        without.map_or(&self.text, |said| said.0.as_deref().unwrap_or_default())
    }

    /// About how many bytes a template has to move for it.
    pub(super) fn bytes(&self) -> usize {
        let value = |value: &Value| value.as_str().map_or_else(|| value.to_string().len(), str::len);
        self.text.len() + self.more.iter().flat_map(|more| more.keys.values()).map(value).sum::<usize>()
    }

    /// The reasoning of the model, with its key.
    pub(super) fn reasoning(&self) -> Option<(&'static str, &Value)> {
        let keys = &self.more.as_ref()?.keys;
        let found = |key: &&'static str| keys.get(*key).filter(|value| !value.is_null()).map(|value| (*key, value));
        REASONING_KEYS.iter().find_map(found)
    }
}

/// Words for the roles; case does not matter.
const ROLE_WORDS: [(Role, &[&str]); 4] = [
    (Role::System, &["system", "developer"]),
    (Role::User, &["user", "human", "prompter", "customer", "instruction"]),
    (
        Role::Assistant,
        &[
            "assistant",
            "gpt",
            "chatgpt",
            "bing",
            "bard",
            "function_call",
            "bot",
            "chatbot",
            "ai",
            "model",
            "claude",
            "gemini",
            "agent",
            "tool_call",
        ],
    ),
    (
        Role::Tool,
        &[
            "tool",
            "function",
            "observation",
            "ipython",
            "tool_response",
            "tool_result",
            "tool_results",
            "function_response",
            "environment",
        ],
    ),
];

/// The role that a word names.
pub(super) fn role_named(word: &str) -> Option<Role> {
    let word = word.trim().to_ascii_lowercase();
    ROLE_WORDS.into_iter().find(|(_, words)| words.contains(&word.as_str())).map(|(role, _)| role)
}

/// Observations made while messages are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// Notes on what was left out, with counts.
    pub notes: Vec<(String, usize)>,
    /// Words that stand for a role but are not its name.
    pub roles: BTreeMap<String, Role>,
}

impl Findings {
    /// Notes that something was left out.
    pub(super) fn note(&mut self, reason: impl Into<String>) {
        self.notes.push((reason.into(), 1));
    }

    /// Records a word that stands for a role.
    pub(super) fn note_role(&mut self, word: &str, role: Role) {
        if word != role.name() && !self.roles.contains_key(word) {
            self.roles.insert(word.to_owned(), role);
        }
    }
}

/// Reads a role from a key of a message.
pub(super) fn role_of(message: &Map<String, Value>, key: &str, findings: &mut Findings) -> Result<Role, String> {
    let word = match message.get(key) {
        Some(Value::String(word)) => word,
        Some(other) => return Err(format!("`{key}` is {}; expected a string", describe_value(other))),
        None => return Err(format!("no `{key}`")),
    };
    let role = role_named(word).ok_or_else(|| {
        let known: Vec<_> = ROLE_WORDS.iter().flat_map(|(_, words)| *words).copied().collect();
        let word: String = word.chars().take(60).collect();
        format!("`{key}` is \"{word}\"; expected one of {}", known.join(", "))
    })?;
    findings.note_role(word, role);
    Ok(role)
}

/// The keys of role and text in a list of messages; `None` if no message has both.
pub(super) fn role_and_text_keys(list: &[Value]) -> Option<(&'static str, &'static str)> {
    list.iter().take(16).find_map(|message| {
        let message = message.as_object()?;
        let role = ROLE_KEYS.into_iter().find(|key| message.get(*key).is_some_and(Value::is_string))?;
        let text = TEXT_KEYS.into_iter().find(|key| message.contains_key(*key))?;
        Some((role, text))
    })
}

/// Reads a list of messages; `names` are the keys of role and text.
///
/// # Errors
/// The reason why the list, or one of its messages, cannot be used.
pub(super) fn read_messages(
    list: &[Value],
    (role_key, text_key): (&str, &str),
    findings: &mut Findings,
) -> Result<Vec<Message>, String> {
    let mut read = |(turn, message): (usize, &Value)| {
        let of = |reason| format!("message {turn}: {reason}");
        let Value::Object(message) = message else {
            return Err(format!("message {turn} is {}; expected an object", describe_value(message)));
        };
        let role = role_of(message, role_key, findings).map_err(of)?;
        let (text, without_calls) = text(message, text_key, findings).map_err(of)?;
        let other = |(key, value): &(&String, &Value)| *key != role_key && *key != text_key && !value.is_null();
        let keys: Map<_, _> = message.iter().filter(other).map(|(key, value)| (key.clone(), value.clone())).collect();
        let is_plain = keys.is_empty() && without_calls.is_none();
        let more = (!is_plain).then(|| Arc::new(More { without_calls, keys }));
        Ok(Message { role, text: text.into(), more })
    };
    list.iter().enumerate().map(&mut read).collect()
}

/// A text and, if it contains tool calls, the text without them.
type Text = (String, Option<WithoutCalls>);

/// The text of a message: a string, nothing (null), or a list of parts whose texts are joined. Tool calls follow as JSON on a
/// separate line.
fn text(message: &Map<String, Value>, key: &str, findings: &mut Findings) -> Result<Text, String> {
    let calls: Vec<&Value> =
        CALL_KEYS.iter().filter_map(|key| message.get(*key)).filter(|call| !is_empty(call)).collect();
    let said = match message.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(parts)) => Some(join_parts(parts, findings)?),
        Some(Value::Null) => None,
        Some(other) => {
            return Err(format!("`{key}` is {}; expected a string, null or a list of parts", describe_value(other)));
        }
        None if calls.is_empty() => return Err(format!("no `{key}`")),
        None => None,
    };
    if calls.is_empty() {
        return Ok((said.unwrap_or_default(), None));
    }
    let without_calls = WithoutCalls(said.as_deref().map(Arc::from));
    let mut text = said.unwrap_or_default();
    for call in calls {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&call.to_string());
    }
    Ok((text, Some(without_calls)))
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// The joined texts of parts; parts without text are noted by their type.
fn join_parts(parts: &[Value], findings: &mut Findings) -> Result<String, String> {
    let mut joined = String::new();
    for part in parts {
        match (part, part.get("text")) {
            (Value::String(text), _) | (_, Some(Value::String(text))) => joined.push_str(text),
            (Value::Object(part), _) => {
                let kind = part.get("type").and_then(Value::as_str).unwrap_or("unknown");
                findings.note(format!("a part of type `{kind}` left out; only text is routed"));
            }
            (other, _) => return Err(format!("a part is {}; expected an object", describe_value(other))),
        }
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Read = (Vec<(Role, String)>, Vec<String>);

    fn read(list: &Value) -> Result<Read, String> {
        let mut findings = Findings::default();
        let list = list.as_array().unwrap();
        let messages = read_messages(list, ("role", "content"), &mut findings)?;
        let texts = messages.into_iter().map(|message| (message.role, message.text.to_string())).collect();
        Ok((texts, findings.notes.into_iter().map(|(note, _)| note).collect()))
    }

    #[test]
    fn contents_may_be_text_null_parts_and_calls() {
        let call = json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]);
        let (messages, notes) = read(&json!([
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [
                {"type": "text", "text": "what is"}, {"type": "image_url", "image_url": {}}, " this?", {"type": "text", "text": ""}
            ]},
            {"role": "assistant", "content": null, "tool_calls": call},
            {"role": "assistant", "content": "so", "tool_calls": call},
            {"role": "function", "content": null, "name": "f"},
            {"role": "assistant", "content": null, "tool_calls": []},
            {"role": "assistant", "function_call": {"name": "f"}},
        ]))
        .unwrap();
        let json = call.to_string();
        let expected = [
            (Role::System, "be brief"),
            (Role::User, "what is this?"),
            (Role::Assistant, json.as_str()),
            (Role::Assistant, &format!("so\n{json}")),
            (Role::Tool, ""),
            (Role::Assistant, ""),
            (Role::Assistant, "{\"name\":\"f\"}"),
        ];
        assert_eq!(messages, expected.map(|(role, text)| (role, text.to_owned())));
        assert_eq!(notes, ["a part of type `image_url` left out; only text is routed"]);
    }

    #[test]
    fn a_message_keeps_its_other_keys_and_roles_are_mapped() {
        let list = json!([
            {"from": "human", "value": "a", "weight": 0, "nothing": null}, {"from": "GPT", "value": "b", "tool_calls": [{"name": "f"}]},
            {"from": "ipython", "value": "c"}, {"from": "system", "value": "d", "reasoning": "why"}
        ]);
        let list = list.as_array().unwrap();
        let mut findings = Findings::default();
        let read = read_messages(list, role_and_text_keys(list).unwrap(), &mut findings).unwrap();
        let words: Vec<_> = findings.roles.iter().map(|(word, role)| format!("{word} {}", role.name())).collect();
        assert_eq!(words, ["GPT assistant", "human user", "ipython tool"]);
        assert_eq!(Value::Object(read[0].more.as_ref().unwrap().keys.clone()), json!({"weight": 0}));
        assert_eq!((read[1].said(), &*read[1].text), ("b", "b\n[{\"name\":\"f\"}]"));
        assert_eq!((read[2].more.as_ref(), read[3].reasoning().unwrap().0), (None, "reasoning"));
    }

    #[test]
    fn what_cannot_be_used_says_which_message_and_why() {
        for (list, reason) in [
            (json!(["hi"]), "message 0 is a string"),
            (json!([{"role": "user", "content": "a"}, {"content": "b"}]), "message 1: no `role`"),
            (
                json!([{"role": "narrator", "content": "b"}]),
                "message 0: `role` is \"narrator\"; expected one of system",
            ),
            (json!([{"role": 3, "content": "b"}]), "message 0: `role` is 3"),
            (json!([{"role": "user"}]), "message 0: no `content`"),
            (json!([{"role": "user", "content": {"a": 1}}]), "message 0: `content` is an object"),
            (json!([{"role": "user", "content": [7]}]), "message 0: a part is 7"),
        ] {
            let found = read(&list).unwrap_err();
            assert!(found.contains(reason), "{found}");
        }
    }
}
