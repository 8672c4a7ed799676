//! Special tokens that occur in a text as words.

use std::ops::Range;

use super::trie::PieceTrie;

/// Finds special tokens in a text.
#[derive(Clone, Debug)]
pub(super) struct SpecialTokens(PieceTrie);

impl SpecialTokens {
    /// From the words of the tokens and their ids; of equal words the first counts, empty words are ignored.
    pub(super) fn new(words: &[(String, u32)]) -> Self {
        Self(PieceTrie::new(words.iter().map(|(word, id)| (word.as_bytes(), *id))))
    }

    /// Cuts a text into special tokens, with their ids, and the text between them, without id. The leftmost word counts, and of words
    /// that begin there the longest; empty pieces are left out.
    pub(super) fn split(&self, text: &str) -> Vec<(Range<usize>, Option<u32>)> {
        let bytes = text.as_bytes();
        let mut parts = Vec::new();
        let (mut start, mut here) = (0, 0);
        while here < bytes.len() {
            let Some((length, id)) = self.0.prefixes(&bytes[here..]).last() else {
                here += 1;
                continue;
            };
            if start < here {
                parts.push((start..here, None));
            }
            parts.push((here..here + length, Some(id)));
            here += length;
            start = here;
        }
        if start < here {
            parts.push((start..here, None));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leftmost_longest_word_cuts_the_text() {
        let words = [("<a>", 7), ("<a><b>", 8), ("</s>", 1), ("", 5)].map(|(word, id)| (word.to_owned(), id));
        let special = SpecialTokens::new(&words);
        let split = |text: &'static str| {
            special.split(text).into_iter().map(|(range, id)| (&text[range], id)).collect::<Vec<_>>()
        };
        assert_eq!(
            split("x<a><b>\u{e9}<a></s>"),
            [("x", None), ("<a><b>", Some(8)), ("\u{e9}", None), ("<a>", Some(7)), ("</s>", Some(1))]
        );
        assert_eq!(split("<a"), [("<a", None)]);
        assert!(split("").is_empty());
        assert_eq!(SpecialTokens::new(&[]).split("ab"), [(0..2, None)]);
    }
}
