//! The formats of conversations.

use std::{fmt, str::FromStr};

use crate::error::{Error, OptionName, Result};

/// A format of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TranscriptFormat {
    /// `{"question_id", "category", "turns": [...]}`: the user's messages of MT-Bench.
    MtBenchQuestions,
    /// `{"question_id", "choices": [{"turns": [...]}]}`: a model's answers to them.
    MtBenchAnswers,
    /// `{"conversations": [{"from", "value"}]}`.
    ShareGpt,
    /// `{"messages": [{"role", "content"}]}`.
    OpenAi,
    /// `{"conversation": [{"role", "content"}]}`.
    WildChat,
    /// `{"message_tree_id", "prompt": {"text", "role", "replies": [...]}}`.
    Oasst,
    /// A prompt and its response beside each other: `{"prompt", "response"}`, `{"instruction", "input", "output"}`,
    /// `{"prompt", "chosen", "rejected"}`, `[{"human", "assistant"}]`.
    Instruction,
}

impl TranscriptFormat {
    /// All formats.
    pub const ALL: [Self; 7] = [
        Self::MtBenchQuestions,
        Self::MtBenchAnswers,
        Self::ShareGpt,
        Self::OpenAi,
        Self::WildChat,
        Self::Oasst,
        Self::Instruction,
    ];

    /// The name on the command line and in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::MtBenchQuestions => "mt-bench-questions",
            Self::MtBenchAnswers => "mt-bench-answers",
            Self::ShareGpt => "sharegpt",
            Self::OpenAi => "openai",
            Self::WildChat => "wildchat",
            Self::Oasst => "oasst",
            Self::Instruction => "instruction",
        }
    }

    /// The usual key of the messages in this format.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::MtBenchQuestions => "turns",
            Self::MtBenchAnswers => "choices",
            Self::ShareGpt => "conversations",
            Self::OpenAi => "messages",
            Self::WildChat => "conversation",
            Self::Oasst | Self::Instruction => "prompt",
        }
    }
}

impl FromStr for TranscriptFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::usage(
                format!("transcript format `{text}` is unknown; expected one of {names}"),
                format!("without {} the format of each file is detected", OptionName::Format),
            )
        })
    }
}

impl fmt::Display for TranscriptFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which conversations a tree of replies gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OasstPaths {
    /// Every path from the prompt to a message without replies.
    #[default]
    All,
    /// One path: at each message the reply of the best rank; those without a rank come last.
    Best,
}

impl OasstPaths {
    /// All variants.
    pub const ALL: [Self; 2] = [Self::All, Self::Best];

    /// The name on the command line and in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Best => "best",
        }
    }
}

impl FromStr for OasstPaths {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "all" => Ok(Self::All),
            "best" => Ok(Self::Best),
            _ => Err(Error::usage(
                format!("paths `{text}` of reply trees are unknown; expected all or best"),
                format!("for example {}", OptionName::OasstPaths.with("best")),
            )),
        }
    }
}

impl fmt::Display for OasstPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for format in TranscriptFormat::ALL {
            assert_eq!(format.to_string().parse::<TranscriptFormat>().unwrap(), format);
        }
        assert!("alpaca".parse::<TranscriptFormat>().unwrap_err().to_string().contains("sharegpt, openai"));
        assert_eq!("best".parse::<OasstPaths>().unwrap(), OasstPaths::Best);
        assert_eq!(OasstPaths::default().to_string(), "all");
        assert!("worst".parse::<OasstPaths>().is_err());
    }
}
