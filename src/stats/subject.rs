//! The subject of a number: what it is about.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::names::{Cohort, Priority, Ranking, Variable, Variant};
use crate::{
    routing::{CapacityRule, ExpertId},
    trace::Role,
};

/// Text that is usually a literal, and sometimes read from a file.
pub type Name = Cow<'static, str>;

/// What a [`super::Finding`] is about: its keys, of which an absent one means "over all". Names and order of the fields
/// are those of the columns of `stats/NAME.csv` and of the keys of `summary.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Subject {
    /// Which variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<Variable>,
    /// The variable that is known already, for conditional statistics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<Variable>,
    /// Label of the checkpoint that the number is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Label of the checkpoint that it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Category (domain, language ...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The second category of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_category: Option<String>,
    /// Expert index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expert: Option<ExpertId>,
    /// The second expert of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_expert: Option<ExpertId>,
    /// Raw position, or first position of a bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// Token id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<u32>,
    /// The token's piece, as the tokenizer has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Name of a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// What a list is ranked by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Ranking>,
    /// Rank in a list, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Which of several numbers of the statistic: how ids are averaged, which margin, which overlap ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// Quantile of a distribution, in (0, 1), absent = the mean; for a bin of values the quantile at its upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// Smallest value of a bin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bin_low: Option<f64>,
    /// Largest value of a bin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bin_high: Option<f64>,
    /// Data set: the name of an input file or folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Message of a conversation, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u16>,
    /// Who speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Capacity factor of a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_factor: Option<f64>,
    /// Capacity rule of a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<CapacityRule>,
    /// Which sequences compete in a replay: [`super::GROUPS_OF_RUN`], "sequence", "batch:N", "tokens:N".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouping: Option<Name>,
    /// Who gets a slot first in a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Which sequences a curve is over; absent = all that reach the position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort: Option<Cohort>,
    /// Tokens that the checkpoint was trained on, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_tokens: Option<f64>,
    /// Ranks that share the experts of a layer, each a contiguous block of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expert_parallel: Option<u32>,
}

/// The part of a layer's tokens that a subject is about, if one key names it, or a data set and another key.
///
/// Checkpoints, variants and settings of a replay are further keys, which do not matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// The whole layer.
    All,
    /// A data set.
    Dataset(&'a str),
    /// A category.
    Category(&'a str),
    /// Who speaks.
    Role(Role),
    /// A message of the conversations.
    Turn(u16),
    /// A role in a data set.
    DatasetRole(&'a str, Role),
    /// A message in a data set.
    DatasetTurn(&'a str, u16),
    /// An expert.
    Expert(ExpertId),
    /// A token id and its text.
    Token(u32, Option<&'a str>),
    /// A bin of a curve.
    Bucket {
        /// Whether only sequences that reach the end of the window count, and positions in it.
        fixed: bool,
        /// `None` = over all.
        dataset: Option<&'a str>,
        /// First position of the bin.
        first: u32,
    },
    /// A point of a raw curve.
    Position {
        /// `None` = over all.
        dataset: Option<&'a str>,
        /// The position.
        position: u32,
    },
}

impl Subject {
    /// The part of the layer's tokens that the subject is about; `None` if that is none of the scopes.
    pub fn scope(&self) -> Option<Scope<'_>> {
        let (dataset, role) = (self.dataset.as_deref(), self.role);
        let scope = match (self.variable, dataset, self.category.as_deref(), role, self.turn) {
            (Some(Variable::PositionBucket), dataset, None, None, None) => {
                Scope::Bucket { fixed: self.cohort.is_some(), dataset, first: self.position? }
            }
            (Some(Variable::Position), dataset, None, None, None) => {
                Scope::Position { dataset, position: self.position? }
            }
            (Some(Variable::Expert), None, None, None, None) => Scope::Expert(self.expert?),
            (Some(Variable::Token), None, None, None, None) => Scope::Token(self.token_id?, self.text.as_deref()),
            (None, None, None, None, None) => Scope::All,
            (None, Some(dataset), None, None, None) => Scope::Dataset(dataset),
            (None, None, Some(category), None, None) => Scope::Category(category),
            (None, None, None, Some(role), None) => Scope::Role(role),
            (None, None, None, None, Some(turn)) => Scope::Turn(turn),
            (None, Some(dataset), None, Some(role), None) => Scope::DatasetRole(dataset, role),
            (None, Some(dataset), None, None, Some(turn)) => Scope::DatasetTurn(dataset, turn),
            _ => return None,
        };
        // With any further key it is another subject.
        let beside = [self.position.is_some(), self.expert.is_some(), self.token_id.is_some(), self.cohort.is_some()];
        let own = match scope {
            Scope::Bucket { fixed, .. } => [true, false, false, fixed],
            Scope::Position { .. } => [true, false, false, false],
            Scope::Expert(_) => [false, true, false, false],
            Scope::Token(..) => [false, false, true, false],
            _ => [false; 4],
        };
        (beside == own && self.document.is_none()).then_some(scope)
    }

    /// The same subject within a part of the layer's tokens.
    #[must_use]
    pub fn within(self, scope: Scope<'_>) -> Self {
        let own = |text: &str| Some(text.to_owned());
        match scope {
            Scope::All => self,
            Scope::Dataset(dataset) => Self { dataset: own(dataset), ..self },
            Scope::Category(category) => Self { category: own(category), ..self },
            Scope::Role(role) => Self { role: Some(role), ..self },
            Scope::Turn(turn) => Self { turn: Some(turn), ..self },
            Scope::DatasetRole(dataset, role) => Self { dataset: own(dataset), role: Some(role), ..self },
            Scope::DatasetTurn(dataset, turn) => Self { dataset: own(dataset), turn: Some(turn), ..self },
            Scope::Expert(expert) => Self { variable: Some(Variable::Expert), expert: Some(expert), ..self },
            Scope::Token(id, text) => {
                Self { variable: Some(Variable::Token), token_id: Some(id), text: text.and_then(own), ..self }
            }
            Scope::Bucket { fixed, dataset, first } => Self {
                variable: Some(Variable::PositionBucket),
                position: Some(first),
                dataset: dataset.and_then(own),
                cohort: fixed.then_some(Cohort::Fixed),
                ..self
            },
            Scope::Position { dataset, position } => Self {
                variable: Some(Variable::Position),
                position: Some(position),
                dataset: dataset.and_then(own),
                ..self
            },
        }
    }

    /// Whether it is about all tokens of the layer.
    pub fn is_over_all(&self) -> bool {
        self.scope() == Some(Scope::All)
    }

    /// Whether it is in `summary.json`, unless the statistic has a separate rule: everything except single token
    /// ids, positions, pairs and the entries of lists.
    pub fn is_headline(&self) -> bool {
        self.token_id.is_none()
            && self.position.is_none()
            && self.other_expert.is_none()
            && self.other_category.is_none()
            && self.rank.is_none()
    }

    /// Whether it is about a layer, category, data set ... as a whole, and not about a single expert, token id or
    /// position.
    pub fn is_whole(&self) -> bool {
        self.expert.is_none() && self.token_id.is_none() && self.position.is_none()
    }

    /// Whether this is the row of an information statistic that verdict, charts and tables quote. Position has two
    /// baselines; the stricter one decides, which moves positions within each sequence.
    pub fn decides(&self) -> bool {
        let by_position = matches!(self.variable, Some(Variable::Position | Variable::PositionBucket));
        self.variant == by_position.then_some(Variant::WithinSequenceShift)
    }
}

impl From<Scope<'_>> for Subject {
    fn from(scope: Scope<'_>) -> Self {
        Self::default().within(scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_back_from_the_keys_that_it_makes() {
        let scopes = [
            Scope::All,
            Scope::Dataset("chat"),
            Scope::Category("x"),
            Scope::Role(Role::User),
            Scope::Turn(3),
            Scope::DatasetRole("chat", Role::User),
            Scope::DatasetTurn("chat", 3),
            Scope::Expert(7),
            Scope::Token(5, Some("the")),
            Scope::Token(5, None),
            Scope::Bucket { fixed: false, dataset: None, first: 64 },
            Scope::Bucket { fixed: true, dataset: Some("chat"), first: 0 },
            Scope::Position { dataset: None, position: 9 },
            Scope::Position { dataset: Some("chat"), position: 9 },
        ];
        for scope in scopes {
            let subject = Subject::from(scope);
            assert_eq!(subject.scope(), Some(scope));
            assert_eq!(subject.is_over_all(), scope == Scope::All);
        }
    }

    #[test]
    fn one_key_more_is_another_subject() {
        let all = Subject::default();
        for subject in [
            Subject { expert: Some(1), ..all.clone() },
            Subject { position: Some(1), ..all.clone() },
            Subject { document: Some("a".into()), ..all.clone() },
            Subject { category: Some("x".into()), role: Some(Role::User), ..all.clone() },
            Subject { variable: Some(Variable::Expert), ..all.clone() },
            Subject { token_id: Some(1), ..Subject::from(Scope::Dataset("chat")) },
        ] {
            assert_eq!(subject.scope(), None, "{subject:?}");
        }
        let compared = Subject { checkpoint: Some("a".into()), variant: Some(Variant::Slope), ..all };
        assert!(compared.is_over_all(), "checkpoints and variants stand beside the scope");
    }
}
