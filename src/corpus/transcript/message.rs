//! Messages: who says what.

use serde_json::{Map, Value};

use crate::corpus::{Role, row::describe};

/// Most messages of one conversation: turns are counted in 16 bits.
pub(super) const MOST_MESSAGES: usize = 1 << 16;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub text: String,
}

/// Words for the roles; upper and lower case are the same.
const ROLE_WORDS: [(Role, &[&str]); 4] = [
    (Role::System, &["system", "developer"]),
    (Role::User, &["user", "human", "prompter"]),
    (Role::Assistant, &["assistant", "gpt", "chatgpt", "bing", "bard", "function_call"]),
    (Role::Tool, &["tool", "function", "observation"]),
];

/// The role that a word names.
fn role(word: &str) -> Option<Role> {
    let word = word.to_ascii_lowercase();
    ROLE_WORDS.into_iter().find(|(_, words)| words.contains(&word.as_str())).map(|(role, _)| role)
}

/// Reads a role from a key of a message.
pub(super) fn role_of(message: &Map<String, Value>, key: &str) -> Result<Role, String> {
    let word = match message.get(key) {
        Some(Value::String(word)) => word,
        Some(other) => return Err(format!("`{key}` is {}; expected a string", describe(other))),
        None => return Err(format!("no `{key}`")),
    };
    role(word).ok_or_else(|| {
        let known: Vec<_> = ROLE_WORDS.iter().flat_map(|(_, words)| *words).copied().collect();
        format!("`{key}` is \"{word}\"; expected one of {}", known.join(", "))
    })
}

/// Reads a list of messages; `role_key` and `text_key` say where a message has its role and its text. `notes` takes what
/// had to be left out.
///
/// # Errors
/// The list, or one of its messages, cannot be used; says why.
pub(super) fn messages(
    list: &Value,
    (role_key, text_key): (&str, &str),
    notes: &mut Vec<String>,
) -> Result<Vec<Message>, String> {
    let Value::Array(list) = list else {
        return Err(format!("the messages are {}; expected a list", describe(list)));
    };
    let read = |(turn, message): (usize, &Value)| {
        let Value::Object(message) = message else {
            return Err(format!("message {turn} is {}; expected an object", describe(message)));
        };
        let role = role_of(message, role_key).map_err(|reason| format!("message {turn}: {reason}"))?;
        let text = text(message, text_key, &mut |note| notes.push(format!("message {turn}: {note}")))
            .map_err(|reason| format!("message {turn}: {reason}"))?;
        Ok(Message { role, text })
    };
    list.iter().enumerate().map(read).collect()
}

/// The text of a message: a string, nothing (null), or a list of parts whose texts are joined. Calls of tools follow as
/// their JSON, on a line of their own.
fn text(message: &Map<String, Value>, key: &str, note: &mut dyn FnMut(String)) -> Result<String, String> {
    let calls: Vec<&Value> = ["tool_calls", "function_call"]
        .iter()
        .filter_map(|key| message.get(*key))
        .filter(|call| !is_empty(call))
        .collect();
    let mut text = match message.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => join_parts(parts, note)?,
        Some(Value::Null) => String::new(),
        Some(other) => {
            return Err(format!("`{key}` is {}; expected a string, null or a list of parts", describe(other)));
        }
        None if calls.is_empty() => return Err(format!("no `{key}`")),
        None => String::new(),
    };
    for call in calls {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&call.to_string());
    }
    Ok(text)
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// The texts of parts, joined; every other part is noted by its type.
fn join_parts(parts: &[Value], note: &mut dyn FnMut(String)) -> Result<String, String> {
    let mut joined = String::new();
    for part in parts {
        match (part, part.get("text")) {
            (Value::String(text), _) | (_, Some(Value::String(text))) => joined.push_str(text),
            (Value::Object(part), _) => {
                let kind = part.get("type").and_then(Value::as_str).unwrap_or("unknown");
                note(format!("a part of type `{kind}` left out; only text is routed"));
            }
            (other, _) => return Err(format!("a part is {}; expected an object", describe(other))),
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
        let mut notes = Vec::new();
        let messages = messages(list, ("role", "content"), &mut notes)?;
        Ok((messages.into_iter().map(|message| (message.role, message.text)).collect(), notes))
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
        assert_eq!(notes, ["message 1: a part of type `image_url` left out; only text is routed"]);
    }

    #[test]
    fn what_cannot_be_used_says_which_message_and_why() {
        for (list, reason) in [
            (json!("hi"), "the messages are a string; expected a list"),
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
