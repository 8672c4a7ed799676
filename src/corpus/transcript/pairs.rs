//! Instruction data: a prompt and its response under two keys, lists of exchanges, and lists of strings of alternating speakers.

use serde_json::{Map, Value};

use super::message::{Findings, Message, read_messages, role_and_text_keys, role_named};
use crate::corpus::{Role, value_words::describe_value};

/// Keys of a prompt, in the order in which they are tried.
const PROMPT_KEYS: [&str; 5] = ["prompt", "instruction", "question", "query", "input"];
/// Keys of a response.
const RESPONSE_KEYS: [&str; 5] = ["chosen", "response", "completion", "output", "answer"];
/// Keys of the material that a prompt is about; it is appended to the prompt.
const INPUT_KEYS: [&str; 2] = ["input", "context"];
/// The marks of the two speakers in a conversation that is given as one text.
const MARKS: [(&str, Role); 2] = [("\n\nHuman:", Role::User), ("\n\nAssistant:", Role::Assistant)];

/// The prompt and the response of a row by their keys.
fn keys(row: &Map<String, Value>) -> (Option<&'static str>, Option<&'static str>) {
    let is_filled = |key: &&str| match row.get(*key) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        _ => false,
    };
    (PROMPT_KEYS.into_iter().find(is_filled), RESPONSE_KEYS.into_iter().find(is_filled))
}

/// Whether a row has a prompt with a response, or a whole conversation under `chosen`.
pub(super) fn is_pair(row: &Map<String, Value>) -> bool {
    match keys(row) {
        (Some(_), Some(_)) => true,
        (None, Some("chosen")) => match &row["chosen"] {
            Value::Array(list) => role_and_text_keys(list).is_some(),
            other => other.as_str().is_some_and(|text| text.starts_with(MARKS[0].0)),
        },
        _ => false,
    }
}

/// The conversation of a row with a prompt and a response, and the keys that it comes from.
///
/// # Errors
/// One of the two is missing or has an unexpected type; the text says which.
pub(super) fn read_pair(
    row: &Map<String, Value>,
    findings: &mut Findings,
) -> Result<(Vec<Message>, Vec<&'static str>), String> {
    let (prompt, response) = keys(row);
    let Some(response_key) = response else {
        return Err(format!("no response; expected one of {}", listed(&RESPONSE_KEYS)));
    };
    let mut used = vec![response_key];
    let mut conversation = history(row, &mut used)?;
    let answer = side(&row[response_key], Role::Assistant, findings).map_err(|reason| of(response_key, &reason))?;
    let Some(prompt_key) = prompt else {
        let taken = format!("the conversation is taken from `{response_key}`");
        findings.note(taken);
        return Ok((whole(answer), used));
    };
    used.push(prompt_key);
    let mut asked = side(&row[prompt_key], Role::User, findings).map_err(|reason| of(prompt_key, &reason))?;
    about(row, prompt_key, &mut asked, &mut used);
    findings.note(format!("`{prompt_key}` is taken as what the user says, `{response_key}` as the answer"));
    if answer.len() > asked.len() && same(&answer[..asked.len()], &asked) {
        return Ok((answer, used)); // The response repeats the prompt.
    }
    let are_turns = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    if are_turns(&row[prompt_key]) && are_turns(&row[response_key]) {
        conversation.extend(in_turn(asked, answer)?);
    } else {
        conversation.extend(asked.into_iter().chain(answer));
    }
    Ok((conversation, used))
}

fn of(key: &str, reason: &str) -> String {
    format!("`{key}`: {reason}")
}

fn listed(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

fn same(some: &[Message], others: &[Message]) -> bool {
    some.iter().zip(others).all(|(one, other)| one.role == other.role && one.text == other.text)
}

/// A side of a pair: a text, texts, or a list of messages.
fn side(value: &Value, speaker: Role, findings: &mut Findings) -> Result<Vec<Message>, String> {
    match value {
        Value::String(text) => Ok(vec![Message::new(speaker, text.as_str())]),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            Ok(list.iter().filter_map(Value::as_str).map(|text| Message::new(speaker, text)).collect())
        }
        Value::Array(list) => {
            let names = role_and_text_keys(list).ok_or("a list of neither strings nor messages")?;
            read_messages(list, names, findings)
        }
        other => Err(format!("{}; expected a string or a list of messages", describe_value(other))),
    }
}

/// Appends the material that a prompt is about to the prompt.
fn about(row: &Map<String, Value>, prompt_key: &str, asked: &mut [Message], used: &mut Vec<&'static str>) {
    let [only] = asked else { return };
    for key in INPUT_KEYS.into_iter().filter(|key| *key != prompt_key) {
        if let Some(text) = row.get(key).and_then(Value::as_str) {
            used.push(key);
            if !text.trim().is_empty() {
                *only = Message::new(only.role, format!("{}\n\n{text}", only.text));
            }
        }
    }
}

/// The exchanges before this one: `[["question", "answer"], ...]`.
fn history(row: &Map<String, Value>, used: &mut Vec<&'static str>) -> Result<Vec<Message>, String> {
    let Some(history) = row.get("history").filter(|history| !history.is_null()) else { return Ok(Vec::new()) };
    let pair = |pair: &Value| {
        let pair = pair.as_array().filter(|pair| pair.len() == 2)?;
        Some([Message::new(Role::User, pair[0].as_str()?), Message::new(Role::Assistant, pair[1].as_str()?)])
    };
    let pairs: Option<Vec<_>> = history.as_array().and_then(|list| list.iter().map(pair).collect());
    used.push("history");
    let pairs = pairs.ok_or("`history` is no list of pairs of strings")?;
    Ok(pairs.into_iter().flatten().collect())
}

/// Questions and answers, alternating.
fn in_turn(asked: Vec<Message>, said: Vec<Message>) -> Result<Vec<Message>, String> {
    if said.len() > asked.len() || said.len() + 1 < asked.len() {
        return Err(format!("{} prompts with {} responses; expected as many", asked.len(), said.len()));
    }
    let mut said = said.into_iter();
    Ok(asked.into_iter().flat_map(|question| [Some(question), said.next()]).flatten().collect())
}

/// Cuts a conversation that is given as one text at the marks of its speakers; any other conversation stays unchanged.
fn whole(messages: Vec<Message>) -> Vec<Message> {
    let [only] = &messages[..] else { return messages };
    if !only.text.starts_with(MARKS[0].0) {
        return messages;
    }
    let mut cut = Vec::new();
    let mut rest: &str = &only.text;
    while let Some((mark, role)) = MARKS.into_iter().find(|(mark, _)| rest.starts_with(mark)) {
        let said = &rest[mark.len()..];
        let end = MARKS.iter().filter_map(|(mark, _)| said.find(mark)).min().unwrap_or(said.len());
        cut.push(Message::new(role, said[..end].trim()));
        rest = &said[end..];
    }
    cut
}

/// Exchanges whose keys are the speakers, in the order of their keys.
///
/// # Errors
/// An exchange is not an object.
pub(super) fn read_exchanges(list: &[Value], findings: &mut Findings) -> Result<Vec<Message>, String> {
    let mut conversation = Vec::new();
    for (number, exchange) in list.iter().enumerate() {
        let Value::Object(exchange) = exchange else {
            return Err(format!("exchange {number} is {}; expected an object", describe_value(exchange)));
        };
        conversation.extend(exchange_of(exchange, findings));
    }
    Ok(conversation)
}

/// The messages of one exchange.
pub(super) fn exchange_of(exchange: &Map<String, Value>, findings: &mut Findings) -> Vec<Message> {
    let mut said = Vec::new();
    for (key, value) in exchange {
        match (role_named(key), value.as_str()) {
            (Some(role), Some(text)) => {
                findings.note_role(key, role);
                said.push(Message::new(role, text));
            }
            (Some(_), None) if !value.is_null() => {
                findings.note(format!("`{key}` of an exchange left out: no string"));
            }
            _ => {}
        }
    }
    // The keys of an object may come in any order; the system and the user speak before the answer.
    let order = |role: Role| [Role::System, Role::User, Role::Tool, Role::Assistant].iter().position(|&r| r == role);
    said.sort_by_key(|message| order(message.role));
    said
}

/// Strings of two alternating speakers, the user first.
///
/// # Errors
/// One of them is not a string.
pub(super) fn read_alternating(list: &[Value]) -> Result<Vec<Message>, String> {
    let speakers = [Role::User, Role::Assistant].into_iter().cycle();
    let message = |(text, speaker): (&Value, Role)| Some(Message::new(speaker, text.as_str()?));
    let messages: Option<Vec<_>> = list.iter().zip(speakers).map(message).collect();
    messages.ok_or_else(|| "the list holds something that is no string".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(row: &Value) -> String {
        let messages = match read_pair(row.as_object().unwrap(), &mut Findings::default()) {
            Ok((messages, _)) => messages,
            Err(reason) => return reason,
        };
        messages.iter().map(|m| format!("{}:{}", m.role.name(), m.text)).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn a_prompt_and_its_response_are_a_conversation() {
        let user = json!([{"role": "user", "content": "a"}]);
        let both = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]);
        for (row, expected) in [
            (json!({"prompt": "a", "response": "b"}), "user:a|assistant:b"),
            (json!({"instruction": "a", "input": "x", "output": "b"}), "user:a\n\nx|assistant:b"),
            (
                json!({"instruction": "a", "input": "", "output": "b", "history": [["q", "r"]]}),
                "user:q|assistant:r|user:a|assistant:b",
            ),
            (json!({"question": "a", "answer": "b"}), "user:a|assistant:b"),
            (json!({"prompt": ["a", "c"], "response": ["b", "d"]}), "user:a|assistant:b|user:c|assistant:d"),
            (json!({"prompt": ["a"], "response": ["b", "d"]}), "1 prompts with 2 responses; expected as many"),
            (json!({"prompt": user, "completion": [{"role": "assistant", "content": "b"}]}), "user:a|assistant:b"),
            (json!({"prompt": "a", "chosen": both, "rejected": user}), "user:a|assistant:b"),
            (json!({"chosen": both, "rejected": both}), "user:a|assistant:b"),
            (json!({"chosen": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c"}), "user:a|assistant:b|user:c"),
            (
                json!({"prompt": "a"}),
                "no response; expected one of `chosen`, `response`, `completion`, `output`, `answer`",
            ),
        ] {
            assert_eq!(read(&row), expected, "{row}");
        }
    }
}
