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
    /// The tokens that the numbers are of: "all tokens", "the tokens with category `en`".
    pub(super) fn tokens_words(&self) -> String {
        if self.only.is_empty() { "all tokens".to_owned() } else { format!("the tokens with {}", self.with()) }
    }

    /// The conditions on the tokens.
    fn with(&self) -> String {
        self.only.join(" and ")
    }

    /// What brackets are, or why there are none.
    fn intervals(&self) -> String {
        let ProfileSettings { resamples, minimum_documents, .. } = self.settings;
        if resamples == 0 {
            "no intervals: the run has no resamples".to_owned()
        } else if self.documents < minimum_documents as u64 {
            format!("no intervals: fewer than {}", counted(minimum_documents as u64, "document"))
        } else {
            "brackets are 95 % intervals over documents".to_owned()
        }
    }

    /// What is counted: the checkpoint, the tokens, the intervals.
    pub(super) fn line(&self) -> String {
        let others = match self.checkpoints.len() {
            0 | 1 => String::new(),
            all => format!(" (one of {all}; {} names another)", OptionName::Checkpoint),
        };
        let only = if self.only.is_empty() { String::new() } else { format!(" with {}", self.with()) };
        format!(
            "{}{others}: {}{only} of {}; {}",
            self.checkpoint,
            counted(self.tokens, "token"),
            counted(self.documents, "document"),
            self.intervals()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_promised_where_there_are_any() {
        let line = |documents, resamples| {
            let settings = Settings { resamples, ..Settings::default() };
            let source = ProfileSource {
                run: "run".into(),
                checkpoint: "model".into(),
                checkpoints: vec!["model".into()],
                only: vec!["category `en`".into()],
                tokens: 1_200,
                documents,
                settings: (&settings).into(),
            };
            source.line()
        };
        let start = "model: 1,200 tokens with category `en` of";
        assert_eq!(line(8, 100), format!("{start} 8 documents; brackets are 95 % intervals over documents"));
        assert_eq!(line(3, 100), format!("{start} 3 documents; no intervals: fewer than 8 documents"));
        assert_eq!(line(8, 0), format!("{start} 8 documents; no intervals: the run has no resamples"));
    }
}
