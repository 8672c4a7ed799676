//! How conversations are written down, and by what a file's format is known.

use std::{fmt, str::FromStr};

use serde_json::Value;

use crate::error::{Error, Result};

/// A way to write conversations.
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
}

impl TranscriptFormat {
    /// All formats.
    pub const ALL: [Self; 6] =
        [Self::MtBenchQuestions, Self::MtBenchAnswers, Self::ShareGpt, Self::OpenAi, Self::WildChat, Self::Oasst];

    /// The name on the command line and in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::MtBenchQuestions => "mt-bench-questions",
            Self::MtBenchAnswers => "mt-bench-answers",
            Self::ShareGpt => "sharegpt",
            Self::OpenAi => "openai",
            Self::WildChat => "wildchat",
            Self::Oasst => "oasst",
        }
    }

    /// The key that holds the messages.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::MtBenchQuestions => "turns",
            Self::MtBenchAnswers => "choices",
            Self::ShareGpt => "conversations",
            Self::OpenAi => "messages",
            Self::WildChat => "conversation",
            Self::Oasst => "prompt",
        }
    }

    /// The format of a row: the first whose key holds what it should, else the first whose key is there at all.
    ///
    /// # Errors
    /// The row is none of a transcript; says what it has.
    pub(super) fn detect(row: &Value) -> Result<Self, String> {
        let Value::Object(object) = row else {
            return Err("no JSON object; expected a conversation".into());
        };
        let right = |format: &Self| match object.get(format.key()) {
            Some(Value::Array(_)) => *format != Self::Oasst,
            Some(Value::Object(_)) => *format == Self::Oasst,
            _ => false,
        };
        let present = |format: &Self| object.contains_key(format.key());
        let found = Self::ALL.into_iter().find(right).or_else(|| Self::ALL.into_iter().find(present));
        found.ok_or_else(|| {
            let found: Vec<_> = object.keys().take(8).map(|key| format!("`{key}`")).collect();
            let expected = Self::ALL.map(|format| format!("`{}`", format.key())).join(", ");
            format!("no known format: the row has {}; expected one of {expected}", join_or(&found, "no key"))
        })
    }
}

fn join_or(found: &[String], nothing: &str) -> String {
    if found.is_empty() { nothing.to_owned() } else { found.join(", ") }
}

impl FromStr for TranscriptFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::usage(
                format!("transcript format `{text}` is unknown; expected one of {names}"),
                "without --format the format of each file is detected",
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
    /// All choices.
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
                "for example --oasst-paths best",
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
    use serde_json::json;

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

    #[test]
    fn a_row_tells_its_format() {
        let of = |row: Value| TranscriptFormat::detect(&row);
        assert_eq!(of(json!({"question_id": 1, "turns": []})), Ok(TranscriptFormat::MtBenchQuestions));
        assert_eq!(of(json!({"question_id": 1, "choices": []})), Ok(TranscriptFormat::MtBenchAnswers));
        assert_eq!(of(json!({"conversations": []})), Ok(TranscriptFormat::ShareGpt));
        assert_eq!(of(json!({"conversation": []})), Ok(TranscriptFormat::WildChat));
        assert_eq!(of(json!({"messages": []})), Ok(TranscriptFormat::OpenAi));
        assert_eq!(of(json!({"turns": 3, "prompt": "a", "messages": []})), Ok(TranscriptFormat::OpenAi));
        assert_eq!(of(json!({"messages": "a"})), Ok(TranscriptFormat::OpenAi));
        assert_eq!(of(json!({"prompt": {}})), Ok(TranscriptFormat::Oasst));
        assert!(of(json!({"text": "a"})).unwrap_err().contains("the row has `text`; expected one of `turns`"));
        assert!(of(json!([1])).is_err() && of(json!({})).unwrap_err().contains("no key"));
    }
}
