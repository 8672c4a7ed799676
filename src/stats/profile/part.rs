//! Parts of a layer's tokens that are counted by document, and what an expert takes of them.

use serde::Serialize;

use super::rate::{ByDocument, Counted, Lift, Rate, lift};
use crate::stats::study::Study;

/// What an expert takes of a part of the tokens: of a category, a class of tokens, or a stretch of the texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Part {
    /// The name of the part.
    pub name: String,
    /// The share of the part's tokens that chose the expert.
    pub takes: Rate,
    /// That share over the even one, which every expert would have of all tokens if all had the same.
    pub over_even: Lift,
    /// That share over the expert's share of all tokens.
    pub over_own: Lift,
    /// The share of the part in the tokens that chose the expert.
    pub of_expert: Rate,
}

/// How often tokens of a part, and those of them that chose the expert, occur in each document.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// `(document, tokens)`.
    tokens: ByDocument,
    /// `(document, tokens that chose the expert)`.
    chosen: ByDocument,
}

impl Tally {
    /// Counts a token of a document. Documents come one after the other.
    pub(super) fn add(&mut self, document: usize, chose: bool) {
        for (counts, more) in [(&mut self.tokens, 1), (&mut self.chosen, u32::from(chose))] {
            match counts.last_mut() {
                Some((last, count)) if *last == document => *count += more,
                _ => counts.push((document, more)),
            }
        }
    }

    /// Takes whole documents at once.
    pub(super) fn of_documents(tokens: ByDocument, chosen: ByDocument) -> Self {
        Self { tokens, chosen }
    }

    fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

/// An expert in its layer: what all parts are compared with.
pub(super) struct Standing<'a> {
    /// The layer.
    pub(super) study: &'a Study<'a>,
    /// All tokens of the layer.
    pub(super) tokens: Counted,
    /// Those that chose the expert.
    pub(super) chosen: Counted,
    /// The share of the tokens that an expert gets if all get the same.
    pub(super) even: f64,
}

impl Standing<'_> {
    /// What the expert takes of a part of the tokens; `None` if there are none of them.
    pub(super) fn part(&self, name: &str, tally: &Tally) -> Option<Part> {
        if tally.is_empty() {
            return None;
        }
        let (tokens, chosen) = (Counted::new(self.study, &tally.tokens), Counted::new(self.study, &tally.chosen));
        let takes = chosen.of(self.study, &tokens);
        Some(Part {
            name: name.to_owned(),
            over_even: Lift::over(self.even, &takes),
            over_own: lift(self.study, [&chosen, &tokens], [&self.chosen, &self.tokens]),
            of_expert: chosen.of(self.study, &self.chosen),
            takes,
        })
    }
}
