//! One condition on tokens, and the values that a run has for it.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{
    error::{Error, Result, is_meant, similar_names},
    trace::{Role, SequenceTable, SpanTable},
};

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionKey {
    /// The category of the document.
    Category,
    /// The data set that the document belongs to.
    Dataset,
    /// The document itself.
    Document,
    /// Who speaks, in a conversation.
    Role,
    /// The number of the message in its conversation, from 0.
    Turn,
}

impl ConditionKey {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Category, Self::Dataset, Self::Document, Self::Role, Self::Turn];

    /// The name, as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Dataset => "dataset",
            Self::Document => "document",
            Self::Role => "role",
            Self::Turn => "turn",
        }
    }

    /// The name in sentences.
    fn words(self) -> &'static str {
        if self == Self::Dataset { "data set" } else { self.name() }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Category => "categories",
            Self::Dataset => "data sets",
            Self::Document => "documents",
            Self::Role => "roles",
            Self::Turn => "turns",
        }
    }

    /// Whether it is about a message of a conversation, and not about a whole sequence.
    pub(super) fn is_of_message(self) -> bool {
        matches!(self, Self::Role | Self::Turn)
    }
}

/// `KEY=VALUE`: tokens whose key has this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What it is about.
    pub key: ConditionKey,
    /// The value, as tables of the run write it.
    pub value: String,
}

impl FromStr for Condition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = ConditionKey::ALL.map(ConditionKey::name).join(", ");
        let refused = |what: String| Error::usage(what, format!("the keys are {known}; for example category=en"));
        let Some((name, value)) = text.split_once('=') else {
            return Err(refused(format!("condition `{text}`; expected KEY=VALUE")));
        };
        match ConditionKey::ALL.into_iter().find(|key| key.name() == name.trim()) {
            Some(key) => Ok(Self { key, value: value.to_owned() }),
            None => Err(refused(format!("condition `{text}`: key `{name}` is none of {known}"))),
        }
    }
}

/// As sentences call it: category `en`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.key.words(), self.value)
    }
}

/// The values that messages list; the others are counted.
const LISTED: usize = 12;

/// The values of a key that a run has, in the order of its tables.
fn values(key: ConditionKey, sequences: &SequenceTable, spans: &SpanTable) -> Vec<String> {
    match key {
        ConditionKey::Category => sequences.category_names.clone(),
        ConditionKey::Dataset => sequences.dataset_names.clone(),
        ConditionKey::Document => sequences.document_names.clone(),
        ConditionKey::Role => {
            let occur = |role: &Role| spans.role.contains(role);
            Role::ALL.into_iter().filter(occur).map(|role| role.name().to_owned()).collect()
        }
        ConditionKey::Turn => spans.turn.iter().collect::<BTreeSet<_>>().into_iter().map(ToString::to_string).collect(),
    }
}

/// What conditions on a run can be about, in words: "categories `en`, `zh`; turns 0, 1".
pub(super) fn possible_conditions(sequences: &SequenceTable, spans: &SpanTable) -> String {
    let of_key = |key: ConditionKey| {
        let values = values(key, sequences, spans);
        if key == ConditionKey::Document && values.len() > LISTED {
            return Some(format!("{} documents, such as {}", values.len(), values[0]));
        }
        (!values.is_empty()).then(|| format!("{} {}", key.plural(), listed(&values)))
    };
    ConditionKey::ALL.into_iter().filter_map(of_key).collect::<Vec<_>>().join("; ")
}

fn listed(values: &[String]) -> String {
    let shown = values.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match values.len().checked_sub(LISTED) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// The condition with the value that is meant: a value of the run, or the document whose name ends with what was typed, as examples
/// call it (`arxiv.jsonl:1` of `corpus/arxiv.jsonl:1`).
///
/// # Errors
/// [`Error::Usage`] if no token of the run can meet it, or several documents have this ending.
pub(super) fn meant(condition: &Condition, sequences: &SequenceTable, spans: &SpanTable) -> Result<Condition> {
    let values = values(condition.key, sequences, spans);
    if values.contains(&condition.value) {
        return Ok(condition.clone());
    }
    let ends = |name: &&String| {
        name.strip_suffix(&condition.value).is_some_and(|before| before.ends_with('/') && !condition.value.is_empty())
    };
    let documents = if condition.key == ConditionKey::Document { values.as_slice() } else { &[] };
    let found: Vec<String> = documents.iter().filter(ends).cloned().collect();
    if let [one] = found.as_slice() {
        return Ok(Condition { value: one.clone(), ..condition.clone() });
    }
    let possible = possible_conditions(sequences, spans);
    let hint = format!("the run has {possible}");
    if !found.is_empty() {
        return Err(Error::usage(format!("{condition} may be {}", listed(&found)), "give more of the name"));
    }
    if !values.is_empty() {
        let near = similar_names(&condition.value, values.iter().map(String::as_str));
        return Err(Error::usage(format!("the run has no {condition}{}", is_meant(&near)), hint));
    }
    let why = if condition.key.is_of_message() {
        "the run holds no conversations".to_owned()
    } else {
        format!("the run names no {}", condition.key.plural())
    };
    Err(Error::usage(format!("{condition}: {why}"), hint))
}
