//! Makes invisible characters of token texts visible.

use super::font::has_glyph;
use crate::stats::{is_hidden, shown};

/// A token's text as all outputs show it, without characters that the font lacks.
pub fn visible(piece: &str) -> String {
    printable(&shown(piece))
}

/// The text with every character that is invisible, or that the font lacks, replaced by `U+XXXX`.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) || !has_glyph(character) {
            shown.extend(format!("U+{:04X}", u32::from(character)).chars());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_and_unknown_characters_become_visible() {
        assert_eq!(visible("\u{2581}the"), "␣the");
        assert_eq!(visible("<0x0A>"), "⏎");
        assert_eq!(visible("\n\t "), "⏎⇥␣");
        assert_eq!(visible(""), "(empty)");
        assert_eq!(visible("a\u{200B}\u{0E01}"), "aU+200BU+0E01");
    }
}
