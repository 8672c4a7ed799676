//! The line above a chart: what it shows, in one sentence, and how far its numbers carry it.

/// What a chart says.
///
/// Each is derived from the rows that the chart draws, by the rule in the documentation of the function that makes it
/// (`chart/plan/says/`); docs/outputs.md lists the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One sentence without a full stop.
    pub text: String,
    /// What it rests on.
    pub ground: Ground,
}

/// What a message rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Intervals that leave the baseline, wherever the sentence claims a difference.
    Shown,
    /// The intervals contain the baseline, or are withheld: the sentence says so and claims nothing.
    Open,
    /// Numbers without a baseline: the sentence describes them.
    Described,
}

impl Message {
    /// A claim whose intervals leave the baseline.
    pub(super) fn shown(text: impl Into<String>) -> Self {
        Self { text: text.into(), ground: Ground::Shown }
    }

    /// What cannot be told.
    pub(super) fn open(text: impl Into<String>) -> Self {
        Self { text: text.into(), ground: Ground::Open }
    }

    /// A description.
    pub(super) fn described(text: impl Into<String>) -> Self {
        Self { text: text.into(), ground: Ground::Described }
    }
}
