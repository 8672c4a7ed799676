//! Reads a row of a transcript: one or several conversations, or one side of an MT-Bench conversation.

use serde_json::{Map, Value};

use super::{
    OasstPaths,
    layout::{Layout, Shape, list_of},
    message::{self, Findings, MOST_MESSAGES, Message, read_messages},
    oasst,
    other_keys::{Given, beside},
    pairs::{exchange_of, read_alternating, read_exchanges, read_pair},
};
use crate::corpus::{
    row::{category, scalar},
    value_words::describe_value,
};

/// Keys that name a document, in the order in which they are tried.
const ID_KEYS: [&str; 5] = ["id", "question_id", "conversation_id", "conversation_hash", "message_tree_id"];

/// The conversations of one document; there are several only if they are paths of one tree of replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// `file:line`.
    pub place: String,
    /// The name that the row has.
    pub id: Option<String>,
    /// The data set, if it is not that of the file: the model that answered.
    pub dataset: Option<String>,
    /// The value under the key of the category.
    pub category: Option<String>,
    /// Values that the template gets besides the messages.
    pub given: Given,
    /// The messages of each conversation, in order.
    pub conversations: Vec<Vec<Message>>,
}

impl Document {
    /// Bytes of all its messages.
    pub(super) fn bytes(&self) -> usize {
        self.conversations.iter().flatten().map(|message| message.text.len()).sum()
    }
}

/// One side of an MT-Bench conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Side {
    /// `file:line`.
    pub place: String,
    /// The `question_id`.
    pub id: String,
    /// The `model_id` of an answer.
    pub model: Option<String>,
    /// The number of choices after the first one.
    pub further_choices: usize,
    /// The value under the key of the category.
    pub category: Option<String>,
    /// The texts of one speaker, turn by turn.
    pub turns: Vec<String>,
}

/// The content of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TranscriptRow {
    /// Whole conversations.
    Document(Document),
    /// The user's side.
    Question(Side),
    /// The model's side.
    Answer(Side),
}

/// Reads a row of a known layout; what had to be left out is added to `findings`.
///
/// # Errors
/// The reason why the row cannot be used.
pub(super) fn read_row(
    place: &str,
    row: &Map<String, Value>,
    layout: &Layout,
    category_key: Option<&str>,
    oasst_paths: OasstPaths,
    findings: &mut Findings,
) -> Result<TranscriptRow, String> {
    let category = category(row, category_key)?;
    let place = place.to_owned();
    let (conversations, given) = match &layout.shape {
        Shape::Questions => {
            let turns = turns(content(row, layout, "turns")?, "turns")?;
            return Ok(TranscriptRow::Question(side(place, row, category, turns, 0)?));
        }
        Shape::Answers => {
            let (turns, further) = first_choice(content(row, layout, "choices")?)?;
            return Ok(TranscriptRow::Answer(side(place, row, category, turns, further)?));
        }
        Shape::Tree => (oasst::paths(content(row, layout, "prompt")?, oasst_paths, findings)?, Given::default()),
        _ => {
            let (mut messages, used) = conversation(row, layout, findings)?;
            let given = beside(row, &used, &mut messages, findings);
            (vec![messages], given)
        }
    };
    Ok(TranscriptRow::Document(Document { place, id: id(row)?, dataset: None, category, given, conversations }))
}

/// The messages of a row with one conversation, and the keys that they come from.
fn conversation<'a>(
    row: &Map<String, Value>,
    layout: &'a Layout,
    findings: &mut Findings,
) -> Result<(Vec<Message>, Vec<&'a str>), String> {
    let list = |key: &str| -> Result<_, String> {
        list_of(content(row, layout, key)?).map_err(|found| format!("the messages are {found}"))
    };
    Ok(match &layout.shape {
        Shape::Messages(key, usual) => {
            let list = list(key)?;
            let names = message::role_and_text_keys(&list).unwrap_or(*usual);
            (read_messages(&list, names, findings)?, vec![key.as_str()])
        }
        Shape::Exchanges(Some(key)) => (read_exchanges(&list(key)?, findings)?, vec![key.as_str()]),
        Shape::Exchanges(None) => (exchange_of(row, findings), vec!["system"]),
        Shape::Alternating(key) => (read_alternating(&list(key)?)?, vec![key.as_str()]),
        _ => read_pair(row, findings)?,
    })
}

/// The value under the key of the messages.
fn content<'a>(row: &'a Map<String, Value>, layout: &Layout, key: &str) -> Result<&'a Value, String> {
    row.get(key).ok_or_else(|| format!("no `{key}`; the file is read as {}", layout.format))
}

/// Refuses conversations without messages, or with too many.
pub(super) fn check(conversation: &[Message]) -> Result<(), String> {
    match conversation.len() {
        0 => Err("the conversation has no messages".into()),
        count if count > MOST_MESSAGES => {
            Err(format!("the conversation has {count} messages; at most {MOST_MESSAGES} can be counted"))
        }
        _ => Ok(()),
    }
}

/// The first of the keys that names the row.
fn id(object: &Map<String, Value>) -> Result<Option<String>, String> {
    for key in ID_KEYS {
        let found = object.get(key).map_or(Ok(None), scalar).map_err(|found| format!("`{key}` {found}"))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn side(
    place: String,
    row: &Map<String, Value>,
    category: Option<String>,
    turns: Vec<String>,
    further_choices: usize,
) -> Result<Side, String> {
    let text = |key: &str| row.get(key).map_or(Ok(None), scalar).map_err(|found| format!("`{key}` {found}"));
    let id = text("question_id")?.ok_or("no `question_id`")?;
    Ok(Side { place, id, model: text("model_id")?, further_choices, category, turns })
}

/// The turns of the first choice, and the number of further choices.
fn first_choice(choices: &Value) -> Result<(Vec<String>, usize), String> {
    match choices {
        Value::Array(choices) => match choices.first().map(|choice| choice.get("turns")) {
            Some(Some(list)) => Ok((turns(list, "choices[0].turns")?, choices.len() - 1)),
            Some(None) => Err("the first of `choices` has no `turns`".into()),
            None => Err("`choices` is an empty list".into()),
        },
        other => Err(format!("`choices` is {}; expected a list", describe_value(other))),
    }
}

fn turns(list: &Value, key: &str) -> Result<Vec<String>, String> {
    let Value::Array(list) = list else {
        return Err(format!("`{key}` is {}; expected a list of strings", describe_value(list)));
    };
    if list.is_empty() {
        return Err(format!("`{key}` is an empty list"));
    }
    let text = |turn: &Value| turn.as_str().map(str::to_owned);
    let texts: Option<Vec<String>> = list.iter().map(text).collect();
    texts.ok_or_else(|| format!("`{key}` holds something that is no string"))
}
