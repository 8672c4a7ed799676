//! The tokens of one side of a contrast.

use std::ops::Range;

use super::condition::{Condition, ConditionKey, meant, possible_conditions};
use crate::{
    error::{Error, OptionName, Result},
    stats::{settings::Settings, thousands::thousands},
    trace::{Block, LayerTrace, Provides, SequenceTable, SpanTable},
};

/// A part of the tokens of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// What sentences call it.
    name: String,
    /// The positions that belong to it, by sequence: ranges in ascending order.
    parts: Vec<Vec<Range<u32>>>,
    /// Tokens of every sequence.
    lengths: Vec<u32>,
}

impl Side {
    /// All tokens of a run.
    pub fn all(name: &str, sequences: &SequenceTable) -> Self {
        let lengths = sequences.tokens.clone();
        Self { name: name.to_owned(), parts: lengths.iter().map(|&tokens| whole(tokens)).collect(), lengths }
    }

    /// The conditions that tokens of a run can meet, in words: "categories en, zh; turns 0, 1".
    pub fn possible(sequences: &SequenceTable, spans: &SpanTable) -> String {
        possible_conditions(sequences, spans)
    }

    /// The tokens that meet all the conditions.
    ///
    /// # Errors
    /// [`Error::Usage`] if the run has no such value, records no positions although a condition is about messages, or no token
    /// meets the conditions.
    pub fn of(
        conditions: &[Condition],
        sequences: &SequenceTable,
        spans: &SpanTable,
        provides: Provides,
    ) -> Result<Self> {
        let conditions: Vec<Condition> =
            conditions.iter().map(|condition| meant(condition, sequences, spans)).collect::<Result<_>>()?;
        let of_message = conditions.iter().find(|condition| condition.key.is_of_message());
        if let Some(condition) = of_message.filter(|_| !provides.has(Block::Positions)) {
            let what = format!("{condition}: {}", Block::Positions.absence());
            return Err(Error::usage(what, "leave conditions on roles and turns away"));
        }
        let mut parts: Vec<Vec<Range<u32>>> = if of_message.is_some() {
            messages(&conditions, spans, sequences.tokens.len())
        } else {
            sequences.tokens.iter().map(|&tokens| whole(tokens)).collect()
        };
        for (sequence, parts) in parts.iter_mut().enumerate() {
            if !conditions.iter().all(|condition| is_of_sequence(condition, sequence, sequences)) {
                parts.clear();
            }
        }
        let name = conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        let side = Self { name, parts, lengths: sequences.tokens.clone() };
        if side.tokens() > 0 {
            return Ok(side);
        }
        Err(Error::usage(
            format!("no token meets {}", side.name),
            format!(
                "all conditions of a side must hold at once; the run has {}",
                possible_conditions(sequences, spans)
            ),
        ))
    }

    /// Everything else.
    ///
    /// # Errors
    /// [`Error::Usage`] if nothing else is left.
    pub fn rest(&self) -> Result<Self> {
        let parts = self.parts.iter().zip(&self.lengths).map(|(parts, &length)| gaps(parts, length)).collect();
        let rest = Self { name: "everything else".to_owned(), parts, lengths: self.lengths.clone() };
        if rest.tokens() > 0 {
            return Ok(rest);
        }
        Err(Error::usage(
            format!("every token of the run meets {}: nothing is left to compare it with", self.name),
            format!("narrow {}, or give a second run", OptionName::ConditionA),
        ))
    }

    /// What sentences call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same tokens under another name.
    #[must_use]
    pub fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// Number of tokens, whether or not they count.
    pub fn tokens(&self) -> u64 {
        self.parts.iter().flatten().map(|part| u64::from(part.end - part.start)).sum()
    }

    /// Refuses two sides of one run that have tokens in common: a difference between a set and a part of it is no difference
    /// between two conditions.
    ///
    /// # Errors
    /// [`Error::Usage`] with the number of tokens.
    pub fn check_apart(&self, other: &Self) -> Result<()> {
        let common: u64 = self.parts.iter().zip(&other.parts).map(|(a, b)| common(a, b)).sum();
        if common == 0 {
            return Ok(());
        }
        Err(Error::usage(
            format!("{} tokens belong to both sides: {} and {}", thousands(common), self.name, other.name),
            format!(
                "give conditions that exclude each other, or leave {} away for everything else",
                OptionName::ConditionB
            ),
        ))
    }

    /// The layer with the tokens of the side only.
    pub fn of_layer(&self, trace: &LayerTrace) -> LayerTrace {
        // Which positions count is decided later: here all do.
        let settings = Settings { include_bos: true, ..Settings::default() };
        trace.only(&self.rows(trace, &settings).collect::<Vec<_>>())
    }

    /// The rows of a layer that belong to the side and count, in order.
    pub(super) fn rows<'a>(
        &'a self,
        trace: &'a LayerTrace,
        settings: &'a Settings,
    ) -> impl Iterator<Item = usize> + 'a {
        let (mut sequence, mut at) = (u32::MAX, 0);
        (0..trace.len()).filter(move |&row| {
            if trace.sequence[row] != sequence {
                (sequence, at) = (trace.sequence[row], 0);
            }
            let parts = self.parts.get(sequence as usize).map_or(&[][..], Vec::as_slice);
            let position = trace.position[row];
            // Positions of a sequence ascend, so that a part that has been passed is never needed again.
            while parts.get(at).is_some_and(|part| part.end <= position) {
                at += 1;
            }
            settings.counts(position) && parts.get(at).is_some_and(|part| part.start <= position)
        })
    }
}

fn whole(tokens: u32) -> Vec<Range<u32>> {
    std::iter::once(0..tokens).filter(|_| tokens > 0).collect()
}

/// The messages that meet the conditions on messages, by sequence.
fn messages(conditions: &[Condition], spans: &SpanTable, sequences: usize) -> Vec<Vec<Range<u32>>> {
    let mut parts = vec![Vec::new(); sequences];
    for span in 0..spans.sequence.len() {
        let meets = |condition: &Condition| match condition.key {
            ConditionKey::Role => spans.role[span].name() == condition.value,
            ConditionKey::Turn => spans.turn[span].to_string() == condition.value,
            _ => true,
        };
        let (start, end) = (spans.start[span], spans.end[span]);
        let meets = start < end && conditions.iter().all(meets);
        if let Some(parts) = parts.get_mut(spans.sequence[span] as usize).filter(|_| meets) {
            parts.push(start..end);
        }
    }
    parts
}

/// Whether a sequence meets a condition, as far as it is about whole sequences.
fn is_of_sequence(condition: &Condition, sequence: usize, sequences: &SequenceTable) -> bool {
    let name = match condition.key {
        ConditionKey::Category => {
            sequences.category[sequence].and_then(|index| sequences.category_names.get(usize::from(index)))
        }
        ConditionKey::Dataset => sequences.dataset_names.get(usize::from(sequences.dataset[sequence])),
        ConditionKey::Document => sequences.document_names.get(sequences.document[sequence] as usize),
        ConditionKey::Role | ConditionKey::Turn => return true,
    };
    name.is_some_and(|name| *name == condition.value)
}

/// Positions that two lists of ascending ranges have in common.
fn common(a: &[Range<u32>], b: &[Range<u32>]) -> u64 {
    let (mut sum, mut first) = (0, 0);
    for part in a {
        while b.get(first).is_some_and(|other| other.end <= part.start) {
            first += 1;
        }
        let others = b[first..].iter().take_while(|other| other.start < part.end);
        sum += others.map(|other| u64::from(other.end.min(part.end) - other.start.max(part.start))).sum::<u64>();
    }
    sum
}

/// The positions below `length` that none of the ranges holds.
fn gaps(parts: &[Range<u32>], length: u32) -> Vec<Range<u32>> {
    let ends = parts.iter().map(|part| part.start).chain([length]);
    let starts = [0].into_iter().chain(parts.iter().map(|part| part.end));
    starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| start..end).collect()
}
