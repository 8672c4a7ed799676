//! The values for the template.

use serde::Serialize;

use super::{
    files::File,
    gallery::Gallery,
    pictures::Picture,
    table::{Differences, Table},
};
use crate::stats::Statistic;

/// All of them.
#[derive(Serialize)]
pub(super) struct Filling<'a> {
    pub(super) title: String,
    pub(super) version: &'static str,
    pub(super) runs: Vec<RunPart<'a>>,
    pub(super) pictures: Vec<Picture>,
    pub(super) questions: Vec<QuestionPart<'a>>,
    pub(super) galleries: Vec<Gallery<'a>>,
    pub(super) has_tokens: bool,
    pub(super) has_experts: bool,
    pub(super) data: String,
    pub(super) style: &'static str,
    pub(super) script: String,
}

/// A run on the first screen.
#[derive(Serialize)]
pub(super) struct RunPart<'a> {
    pub(super) index: usize,
    pub(super) label: &'a str,
    pub(super) command: &'static str,
    pub(super) question: &'static str,
    /// What was run, in one line.
    pub(super) amount: String,
    pub(super) facts: Vec<KeyAndValue>,
    /// The answer.
    pub(super) headline: &'a [String],
    /// What it rests on, layer by layer.
    pub(super) verdict: &'a [String],
    pub(super) hero: Option<Hero>,
    pub(super) provenance: Vec<KeyAndValue>,
}

/// The picture beside an answer.
#[derive(Serialize)]
pub(super) struct Hero {
    pub(super) statistic: Statistic,
    pub(super) figure: usize,
    pub(super) caption: &'static str,
}

/// A line of two columns.
#[derive(Serialize)]
pub(in crate::report) struct KeyAndValue {
    /// What it is.
    pub(in crate::report) name: String,
    /// Its value.
    pub(in crate::report) value: String,
}

/// A question with its statistics.
#[derive(Serialize)]
pub(super) struct QuestionPart<'a> {
    pub(super) anchor: &'static str,
    pub(super) question: &'static str,
    pub(super) asked: &'static str,
    pub(super) cards: Vec<Card<'a>>,
}

/// One statistic, or several that measure nearly the same and share a figure.
#[derive(Serialize)]
pub(super) struct Card<'a> {
    pub(super) title: &'static str,
    /// Its number, in one line.
    pub(super) glance: Option<String>,
    pub(super) statistics: Vec<StatisticPart<'a>>,
    /// All figures among which the reader chooses.
    pub(super) figures: Vec<Choice>,
}

/// A statistic with everything about it but its figures.
#[derive(Serialize)]
pub(super) struct StatisticPart<'a> {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) glance: Option<String>,
    pub(super) unit: String,
    pub(super) definition: &'static str,
    pub(super) baseline: &'static str,
    pub(super) source: &'static str,
    pub(super) reading: &'static str,
    pub(super) table: Option<&'a Table>,
    pub(super) differences: Option<&'a Differences>,
    pub(super) files: Vec<File>,
}

/// A figure that the reader can choose.
#[derive(Serialize)]
pub(super) struct Choice {
    pub(super) statistic: &'static str,
    /// Title of the statistic.
    pub(super) title: &'static str,
    pub(super) index: usize,
    pub(super) label: String,
}
