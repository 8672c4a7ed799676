//! Where a token stands: a few tokens of the text around it.

use serde::Serialize;

use crate::{
    stats::{few_of_many::evenly_spread, study::Study},
    trace::{Block, running_text},
};

/// Tokens that are looked at before the token, and as many behind it.
const AROUND: usize = 24;
/// Characters that are shown before the token, and as many behind it, at most.
const CHARACTERS: usize = 30;

/// One occurrence of a token in its text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// The name of the document.
    pub document: String,
    /// The position in its sequence.
    pub position: u32,
    /// The text before the token, from the beginning of a word; `…` where more of it was left out.
    pub before: String,
    /// The token itself.
    pub token: String,
    /// The text behind it, up to the end of a word; `…` where more of it was left out.
    pub after: String,
}

/// Some of the occurrences of a token, evenly spread over the documents; none if the trace does not say what stands beside them.
pub(super) fn examples(study: &Study, rows: &[u32], most: usize) -> Vec<Example> {
    if !study.trace.provides.has(Block::Positions) || !study.trace.provides.has(Block::TokenIds) {
        return Vec::new();
    }
    evenly_spread(rows, most).into_iter().map(|row| example(study, row as usize)).collect()
}

fn example(study: &Study, row: usize) -> Example {
    let (trace, at) = (study.trace, study.data.source[row] as usize);
    let sequence = trace.sequence[at];
    // Tokens that have no row leave gaps: what stands beyond one is not beside the token.
    let is_near = |other: usize| {
        let apart = trace.position[other].abs_diff(trace.position[at]) as usize;
        trace.sequence[other] == sequence && apart == other.abs_diff(at)
    };
    let piece = |at: usize| {
        let id = trace.token_id[at];
        study.sequences.token_text.get(&id).cloned().unwrap_or_else(|| format!("[{id}]"))
    };
    let text = |places: std::ops::Range<usize>| {
        running_text(&places.filter(|place| is_near(*place)).map(piece).collect::<Vec<_>>())
    };
    let (first, end) = (at.saturating_sub(AROUND), (at + 1 + AROUND).min(trace.len()));
    let goes_on = [first.checked_sub(1), Some(end).filter(|end| *end < trace.len())].map(|at| at.is_some_and(is_near));
    Example {
        document: study.sequences.document_names[study.sequences.document[sequence as usize] as usize].clone(),
        position: trace.position[at],
        before: last_words(&text(first..at), goes_on[0]),
        token: running_text(&[piece(at)]),
        after: first_words(&text(at + 1..end), goes_on[1]),
    }
}

/// The beginning of a text, up to the last blank that fits; where there is none, as in a script without blanks, up to any character.
fn first_words(text: &str, goes_on: bool) -> String {
    let cut = text.char_indices().nth(CHARACTERS).map(|(at, _)| at);
    let Some(cut) = cut.or((goes_on && !text.is_empty()).then_some(text.len())) else { return text.to_owned() };
    // A blank at the very cut ends a word too.
    let blanks = text.char_indices().take_while(|(at, _)| *at <= cut).filter(|(_, character)| is_blank(*character));
    let end = blanks.map(|(at, _)| at).last().filter(|at| *at > 0).unwrap_or(cut);
    format!("{}\u{2026}", text[..end].trim_end_matches(is_blank))
}

/// The end of a text in the same way.
fn last_words(text: &str, goes_on: bool) -> String {
    let turned = |text: &str| text.chars().rev().collect::<String>();
    turned(&first_words(&turned(text), goes_on))
}

/// What stands between words of a text that is shown.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\u{23ce}' | '\u{21e5}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_ends_with_whole_words() {
        let text = "the sound of the words that stand here";
        assert_eq!(first_words(text, false), "the sound of the words that\u{2026}");
        assert_eq!(last_words(text, false), "\u{2026}of the words that stand here");
        assert_eq!([first_words("a few", false), last_words("a few", false)], ["a few"; 2]);
        assert_eq!(first_words("words are cut her", true), "words are cut\u{2026}", "the piece may be half a word");
        let chinese = "\u{4e2d}".repeat(40);
        assert_eq!(first_words(&chinese, false), format!("{}\u{2026}", "\u{4e2d}".repeat(CHARACTERS)));
        assert_eq!([first_words("", true), last_words("", true)], ["", ""]);
    }
}
