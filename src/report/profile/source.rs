//! What the numbers of a profile are of.

use serde::Serialize;

use crate::{
    error::OptionName,
    stats::{Settings, counted},
};

/// The run that the numbers are of.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProfileSource {
    /// The folder of the run, as given.
    pub run: String,
    /// The label of the checkpoint.
    pub checkpoint: String,
    /// All checkpoints of the run that have a trace.
    pub checkpoints: Vec<String>,
    /// Conditions that the tokens meet, as given; none: all tokens of the run.
    pub only: Vec<String>,
    /// Tokens that count.
    pub tokens: u64,
    /// Their documents.
    pub documents: u64,
    /// How the intervals were made.
    pub settings: ProfileSettings,
}

/// How the intervals were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProfileSettings {
    /// Seed of the resamples.
    pub seed: u64,
    /// Resamples of whole documents.
    pub resamples: usize,
    /// Whether the first token of every sequence is left out.
    pub exclude_bos: bool,
    /// Fewest documents for an interval.
    pub minimum_documents: usize,
}

impl From<&Settings> for ProfileSettings {
    fn from(settings: &Settings) -> Self {
        Self {
            seed: settings.seed,
            resamples: settings.resamples,
            exclude_bos: !settings.include_bos,
            minimum_documents: settings.minimum_documents,
        }
    }
}

impl ProfileSource {
    /// What is counted: the checkpoint, the tokens, the intervals.
    pub(super) fn line(&self) -> String {
        let others = match self.checkpoints.len() {
            0 | 1 => String::new(),
            all => format!(" (one of {all}; {} names another)", OptionName::Checkpoint),
        };
        let only = if self.only.is_empty() { String::new() } else { format!(" with {}", self.only.join(" and ")) };
        format!(
            "{}{others}: {}{only} of {}; brackets are 95 % intervals over documents",
            self.checkpoint,
            counted(self.tokens, "token"),
            counted(self.documents, "document")
        )
    }
}
