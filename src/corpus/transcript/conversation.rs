//! A row of a transcript: conversations, or a half of one of MT-Bench.

use serde_json::{Map, Value};

use super::{
    OasstPaths, TranscriptFormat,
    message::{MOST_MESSAGES, Message, messages},
    oasst,
};
use crate::corpus::row::{category, describe, scalar};

/// Keys that name a document, in the order in which they are looked at.
const ID_KEYS: [&str; 5] = ["id", "question_id", "conversation_id", "conversation_hash", "message_tree_id"];

/// Conversations that are one document: several only where they are paths of one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// `file:line`.
    pub place: String,
    /// What the row calls itself.
    pub id: Option<String>,
    /// What stands under the category's key.
    pub category: Option<String>,
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

/// Reads a row of a known format; `notes` takes what had to be left out of it.
///
/// # Errors
/// The row cannot be used; says why.
pub(super) fn read_row(
    place: &str,
    row: &Value,
    format: TranscriptFormat,
    category_key: Option<&str>,
    oasst_paths: OasstPaths,
    notes: &mut Vec<String>,
) -> Result<Row, String> {
    let Value::Object(object) = row else {
        return Err(format!("{}; expected an object with `{}`", describe(row), format.key()));
    };
    let Some(content) = object.get(format.key()) else {
        return Err(format!("no `{}`; the file is read as {format}", format.key()));
    };
    let category = category(object, category_key)?;
    let place = place.to_owned();
    let conversations = match format {
        TranscriptFormat::MtBenchQuestions => {
            let turns = turns(content, "turns")?;
            return Ok(Row::Question(Side { place, id: question_id(object)?, category, turns }));
        }
        TranscriptFormat::MtBenchAnswers => {
            let turns = first_choice(content)?;
            return Ok(Row::Answer(Side { place, id: question_id(object)?, category, turns }));
        }
        TranscriptFormat::ShareGpt => vec![messages(content, ("from", "value"), notes)?],
        TranscriptFormat::OpenAi | TranscriptFormat::WildChat => vec![messages(content, ("role", "content"), notes)?],
        TranscriptFormat::Oasst => oasst::paths(content, oasst_paths, notes)?,
    };
    Ok(Row::Document(Document { place, id: id(object)?, category, conversations }))
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

fn question_id(object: &Map<String, Value>) -> Result<String, String> {
    let id = object.get("question_id").map_or(Ok(None), scalar).map_err(|found| format!("`question_id` {found}"))?;
    id.ok_or_else(|| "no `question_id`".into())
}

fn first_choice(choices: &Value) -> Result<Vec<String>, String> {
    match choices {
        Value::Array(choices) => match choices.first().map(|choice| choice.get("turns")) {
            Some(Some(list)) => turns(list, "choices[0].turns"),
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
