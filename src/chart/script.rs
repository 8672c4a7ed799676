//! Makes invisible characters of token texts visible.

use super::font::has_glyph;

/// A token's text as charts and tables show it: spaces and line ends visible, no character that the font lacks.
pub fn visible(piece: &str) -> String {
    if piece.is_empty() {
        return "(empty)".to_owned();
    }
    match piece {
        "<0x0A>" => return "\\n".to_owned(),
        "<0x0D>" => return "\\r".to_owned(),
        "<0x09>" => return "\\t".to_owned(),
        _ => {}
    }
    printable(&piece.replace(['\u{2581}', ' '], "␣").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t"))
}

/// The text with every character that is invisible, or that the font lacks, replaced by `U+XXXX`.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_invisible(character) || !has_glyph(character) {
            shown.extend(format!("U+{:04X}", u32::from(character)).chars());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character), 0xAD | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_and_unknown_characters_become_visible() {
        assert_eq!(visible("\u{2581}the"), "␣the");
        assert_eq!(visible("<0x0A>"), "\\n");
        assert_eq!(visible("\n\t "), "\\n\\t␣");
        assert_eq!(visible(""), "(empty)");
        assert_eq!(visible("a\u{200B}\u{0E01}"), "aU+200BU+0E01");
    }
}
