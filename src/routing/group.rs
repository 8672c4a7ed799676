//! Routing groups: which sequences compete for the same slots. A drop is a property of the group, not of a sequence.

use std::{fmt, ops::Range, str::FromStr};

use crate::error::{Error, OptionName, Result};

/// How consecutive sequences, in input order, are joined into routing groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupRule {
    /// Each sequence is its own group (default).
    #[default]
    Sequence,
    /// `N` consecutive sequences, as a batch of the original code; the last group may be smaller.
    Batch(usize),
    /// Consecutive whole sequences while their tokens together stay within `N`; a longer sequence is its own group.
    Tokens(usize),
}

impl GroupRule {
    /// Cuts sequences of the given lengths into groups: ranges of sequence indices, in order, covering all.
    pub fn partition(self, lengths: &[usize]) -> Vec<Range<usize>> {
        let mut groups = Vec::new();
        let (mut start, mut tokens) = (0, 0);
        for (index, &length) in lengths.iter().enumerate() {
            let full = match self {
                Self::Sequence => index > start,
                Self::Batch(size) => index - start == size,
                Self::Tokens(limit) => index > start && tokens + length > limit,
            };
            if full {
                groups.push(start..index);
                (start, tokens) = (index, 0);
            }
            tokens += length;
        }
        if start < lengths.len() {
            groups.push(start..lengths.len());
        }
        groups
    }
}

impl FromStr for GroupRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let size = |digits: &str| digits.parse().ok().filter(|&size: &usize| size > 0);
        let parsed = match text.split_once(':') {
            None if text == "sequence" => Some(Self::Sequence),
            Some(("batch", digits)) => size(digits).map(Self::Batch),
            Some(("tokens", digits)) => size(digits).map(Self::Tokens),
            _ => None,
        };
        parsed.ok_or_else(|| {
            Error::usage(
                format!("routing group `{text}` is unknown; expected sequence, batch:N or tokens:N with N >= 1"),
                format!("for example {}", OptionName::Group.with("batch:8")),
            )
        })
    }
}

impl fmt::Display for GroupRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence => f.write_str("sequence"),
            Self::Batch(size) => write!(f, "batch:{size}"),
            Self::Tokens(limit) => write!(f, "tokens:{limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_consecutive_and_cover_all_sequences() {
        let lengths = [3, 5, 2, 9, 1];
        assert_eq!(GroupRule::Sequence.partition(&lengths), [0..1, 1..2, 2..3, 3..4, 4..5]);
        assert_eq!(GroupRule::Batch(2).partition(&lengths), [0..2, 2..4, 4..5]);
        // 3+5 fit in 8, then 2, then 9 alone (longer than the limit), then 1.
        assert_eq!(GroupRule::Tokens(8).partition(&lengths), [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(GroupRule::Tokens(10).partition(&lengths), [0..3, 3..5]);
        assert!(GroupRule::Batch(4).partition(&[]).is_empty());
    }

    #[test]
    fn text_form_round_trips_and_zero_is_refused() {
        for text in ["sequence", "batch:3", "tokens:4096"] {
            assert_eq!(text.parse::<GroupRule>().unwrap().to_string(), text);
        }
        for text in ["batch:0", "tokens:", "row", "batch:-1"] {
            assert!(text.parse::<GroupRule>().is_err(), "{text}");
        }
    }
}
