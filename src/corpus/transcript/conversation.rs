//! A row of a transcript: conversations, or a half of one of MT-Bench.

use serde_json::{Map, Value};

use super::{
    OasstPaths,
    beside::{Given, beside},
    layout::{Layout, Shape, list_of},
    message::{self, Findings, MOST_MESSAGES, Message, messages},
    oasst,
    pairs::{alternating, exchange_of, exchanges, pair},
};
use crate::corpus::{
    row::{category, scalar},
    value_words::describe,
};

/// Keys that name a document, in the order in which they are looked at.
const ID_KEYS: [&str; 5] = ["id", "question_id", "conversation_id", "conversation_hash", "message_tree_id"];

/// Conversations that are one document: several only where they are paths of one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// `file:line`.
    pub place: String,
    /// What the row calls itself.
    pub id: Option<String>,
    /// The data set, if it is another one than that of the file: the model that answered.
    pub dataset: Option<String>,
    /// What stands under the category's key.
    pub category: Option<String>,
    /// What the template is given beside the messages.
    pub given: Given,
    /// Their messages, in the order in which they were said.
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
    /// Choices beside the first one.
    pub further_choices: usize,
    /// What stands under the category's key.
    pub category: Option<String>,
    /// The texts of one speaker, turn by turn.
    pub turns: Vec<String>,
}

/// What a row gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Whole conversations.
    Document(Document),
    /// The user's side.
    Question(Side),
    /// The model's side.
    Answer(Side),
}

/// Reads a row of a known layout; `findings` takes what had to be left out of it.
///
/// # Errors
/// The row cannot be used; says why.
pub(super) fn read_row(
    place: &str,
    row: &Map<String, Value>,
    layout: &Layout,
    category_key: Option<&str>,
    oasst_paths: OasstPaths,
    findings: &mut Findings,
) -> Result<Row, String> {
    let category = category(row, category_key)?;
    let place = place.to_owned();
    let (conversations, given) = match &layout.shape {
        Shape::Questions => {
            let turns = turns(content(row, layout, "turns")?, "turns")?;
            return Ok(Row::Question(side(place, row, category, turns, 0)?));
        }
        Shape::Answers => {
            let (turns, further) = first_choice(content(row, layout, "choices")?)?;
            return Ok(Row::Answer(side(place, row, category, turns, further)?));
        }
        Shape::Tree => (oasst::paths(content(row, layout, "prompt")?, oasst_paths, findings)?, Given::default()),
        _ => {
            let (mut messages, used) = conversation(row, layout, findings)?;
            let given = beside(row, &used, &mut messages, findings);
            (vec![messages], given)
        }
    };
    Ok(Row::Document(Document { place, id: id(row)?, dataset: None, category, given, conversations }))
}

/// The messages of a row that is one conversation, and the keys that they come from.
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
            let names = message::names(&list).unwrap_or(*usual);
            (messages(&list, names, findings)?, vec![key.as_str()])
        }
        Shape::Exchanges(Some(key)) => (exchanges(&list(key)?, findings)?, vec![key.as_str()]),
        Shape::Exchanges(None) => (exchange_of(row, findings), vec!["system"]),
        Shape::Alternating(key) => (alternating(&list(key)?)?, vec![key.as_str()]),
        _ => pair(row, findings)?,
    })
}

/// What stands under the key that holds the messages.
fn content<'a>(row: &'a Map<String, Value>, layout: &Layout, key: &str) -> Result<&'a Value, String> {
    row.get(key).ok_or_else(|| format!("no `{key}`; the file is read as {}", layout.format))
}

/// Refuses conversations that are none.
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

/// The turns of the first choice, and how many further choices there are.
fn first_choice(choices: &Value) -> Result<(Vec<String>, usize), String> {
    match choices {
        Value::Array(choices) => match choices.first().map(|choice| choice.get("turns")) {
            Some(Some(list)) => Ok((turns(list, "choices[0].turns")?, choices.len() - 1)),
            Some(None) => Err("the first of `choices` has no `turns`".into()),
            None => Err("`choices` is an empty list".into()),
        },
        other => Err(format!("`choices` is {}; expected a list", describe(other))),
    }
}

fn turns(list: &Value, key: &str) -> Result<Vec<String>, String> {
    let Value::Array(list) = list else {
        return Err(format!("`{key}` is {}; expected a list of strings", describe(list)));
    };
    if list.is_empty() {
        return Err(format!("`{key}` is an empty list"));
    }
    let text = |turn: &Value| turn.as_str().map(str::to_owned);
    let texts: Option<Vec<String>> = list.iter().map(text).collect();
    texts.ok_or_else(|| format!("`{key}` holds something that is no string"))
}
