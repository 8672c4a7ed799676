//! The keys of a finding as dimensions along which a figure can be laid out.

use crate::{
    report::text::{file_and_line, readable, token_text, variable_words},
    stats::Finding,
};

/// A key of [`Finding`], in the order in which labels name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dimension {
    Checkpoint,
    Reference,
    Dataset,
    Category,
    OtherCategory,
    Role,
    Turn,
    Document,
    Token,
    Expert,
    OtherExpert,
    Position,
    Quantile,
    CapacityFactor,
    Variable,
    Given,
    Variant,
    Rule,
    Grouping,
    Priority,
    Cohort,
    Ranking,
}

impl Dimension {
    /// All of them, in that order.
    pub(super) const ALL: [Self; 22] = [
        Self::Checkpoint,
        Self::Reference,
        Self::Dataset,
        Self::Category,
        Self::OtherCategory,
        Self::Role,
        Self::Turn,
        Self::Document,
        Self::Token,
        Self::Expert,
        Self::OtherExpert,
        Self::Position,
        Self::Quantile,
        Self::CapacityFactor,
        Self::Variable,
        Self::Given,
        Self::Variant,
        Self::Rule,
        Self::Grouping,
        Self::Priority,
        Self::Cohort,
        Self::Ranking,
    ];

    /// Dimensions along which a figure with too many lines is divided, in this order.
    pub(super) const CUT_FIRST: [Self; 8] = [
        Self::Variant,
        Self::Rule,
        Self::Grouping,
        Self::Priority,
        Self::Cohort,
        Self::Checkpoint,
        Self::Category,
        Self::Dataset,
    ];

    /// The name of the dimension in titles.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Reference => "reference checkpoint",
            Self::Dataset => "data set",
            Self::Category => "category",
            Self::OtherCategory => "other category",
            Self::Role => "role",
            Self::Turn => "turn",
            Self::Document => "document",
            Self::Token => "token id",
            Self::Expert => "expert",
            Self::OtherExpert => "other expert",
            Self::Position => "position",
            Self::Quantile => "quantile",
            Self::CapacityFactor => "capacity factor",
            Self::Variable => "variable",
            Self::Given => "known variable",
            Self::Variant => "variant",
            Self::Rule => "capacity rule",
            Self::Grouping => "grouping",
            Self::Priority => "priority",
            Self::Cohort => "cohort",
            Self::Ranking => "ranking",
        }
    }

    /// Whether it names the subject of the number, and not how the number was computed.
    pub(super) fn is_subject(self) -> bool {
        self <= Self::CapacityFactor
    }

    /// The number of a numeric dimension.
    pub(super) fn number(self, row: &Finding) -> Option<f64> {
        match self {
            Self::Turn => row.turn.map(f64::from),
            Self::Position => row.position.map(f64::from),
            Self::Quantile => row.quantile,
            Self::CapacityFactor => row.capacity_factor,
            Self::Expert => row.expert.map(f64::from),
            Self::OtherExpert => row.other_expert.map(f64::from),
            _ => None,
        }
    }

    /// The key as a reader sees it; `None` where the finding does not have it.
    pub(super) fn text(self, row: &Finding) -> Option<String> {
        let words = |name: &str| name.replace('_', " ");
        match self {
            Self::Checkpoint => row.checkpoint.as_deref().map(readable),
            Self::Reference => row.reference.as_deref().map(readable),
            Self::Dataset => row.dataset.as_deref().map(readable),
            Self::Category => row.category.as_deref().map(readable),
            Self::OtherCategory => row.other_category.as_deref().map(readable),
            Self::Role => row.role.map(|role| words(role.name())),
            Self::Document => document_words(row),
            Self::Token => row.token_id.map(|id| token_text(row, id)),
            Self::Variable => variable_words(row).0,
            Self::Given => row.given.map(|given| format!("given {}", words(given.name()))),
            Self::Variant => variable_words(row).1,
            Self::Rule => row.rule.map(|rule| format!("rule {rule}")),
            Self::Grouping => row.grouping.as_deref().map(|grouping| format!("group {grouping}")),
            Self::Priority => row.priority.map(|priority| format!("by {}", words(priority.name()))),
            Self::Cohort => row.cohort.map(|cohort| format!("{cohort} cohort")),
            Self::Ranking => row.ranking.map(|ranking| words(ranking.name())),
            Self::Turn | Self::Position | Self::Quantile | Self::CapacityFactor | Self::Expert | Self::OtherExpert => {
                self.number(row).map(|number| number.to_string())
            }
        }
    }

    /// The key as words that say what it is.
    fn phrase(self, row: &Finding) -> Option<String> {
        let text = self.text(row)?;
        Some(match self {
            Self::Reference => format!("against {text}"),
            Self::OtherExpert => format!("and expert {text}"),
            Self::Turn | Self::Expert | Self::Position | Self::Quantile => format!("{} {text}", self.title()),
            Self::CapacityFactor => format!("factor {text}"),
            _ => text,
        })
    }
}

/// A document by a name that says what it is: without the folders, with its category and its data set.
pub(super) fn document_words(row: &Finding) -> Option<String> {
    let name = row.document.as_deref()?;
    let other = |told: &Option<String>| told.as_deref().filter(|told| !name.contains(told)).map(readable);
    let of: Vec<String> = [other(&row.category), other(&row.dataset)].into_iter().flatten().collect();
    let name = file_and_line(&readable(name));
    Some(if of.is_empty() { name } else { format!("{name} ({})", of.join(", ")) })
}

/// The keys in the order in which words describe a number; the place in a list comes between them.
const SAID: [&[Dimension]; 2] = [
    &[
        Dimension::Checkpoint,
        Dimension::Reference,
        Dimension::Variable,
        Dimension::Given,
        Dimension::Dataset,
        Dimension::Category,
        Dimension::OtherCategory,
        Dimension::Role,
        Dimension::Turn,
        Dimension::Document,
        Dimension::Token,
        Dimension::Expert,
        Dimension::OtherExpert,
        Dimension::Position,
        Dimension::Ranking,
    ],
    &[
        Dimension::Variant,
        Dimension::Quantile,
        Dimension::CapacityFactor,
        Dimension::Rule,
        Dimension::Grouping,
        Dimension::Priority,
        Dimension::Cohort,
    ],
];

/// What a number is about, in words.
pub(in crate::report) fn subject_words(row: &Finding) -> String {
    let [before, behind] = SAID.map(|keys| keys.iter().filter_map(|key| key.phrase(row)));
    let rank = row.rank.map(|rank| format!("rank {rank}"));
    let words: Vec<String> = before.chain(rank).chain(behind).collect();
    if words.is_empty() { "over all".to_owned() } else { words.join(", ") }
}
