//! Token texts made visible, and right-to-left text brought into drawing order.

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

/// The text with `U+XXXX` in the place of every character that is invisible or that the font lacks.
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

/// Text in the order in which its glyphs are drawn from left to right: Arabic letters joined, right-to-left runs
/// reversed. Covers labels of one line, not the whole bidirectional algorithm.
pub(super) fn visual(text: &str) -> String {
    let letters: Vec<char> = if text.chars().any(is_arabic) { join(text) } else { text.chars().collect() };
    let mut out: Vec<char> = Vec::with_capacity(letters.len());
    let mut at = 0;
    while at < letters.len() {
        if !is_rtl(letters[at]) {
            out.push(letters[at]);
            at += 1;
            continue;
        }
        let last = (at..letters.len()).take_while(|&i| is_rtl(letters[i]) || !letters[i].is_alphanumeric());
        let end = last.filter(|&i| is_rtl(letters[i])).last().unwrap_or(at);
        out.extend(letters[at..=end].iter().rev());
        at = end + 1;
    }
    out.into_iter().collect()
}

fn is_rtl(character: char) -> bool {
    matches!(u32::from(character), 0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFC)
}

fn is_arabic(character: char) -> bool {
    matches!(u32::from(character), 0x0621..=0x064A)
}

/// First presentation form and number of forms (1 isolated, 2 and final, 4 and initial, medial) from U+0621 to U+064A.
const FORMS: [(u32, u8); 42] = [
    (0xFE80, 1),
    (0xFE81, 2),
    (0xFE83, 2),
    (0xFE85, 2),
    (0xFE87, 2),
    (0xFE89, 4),
    (0xFE8D, 2),
    (0xFE8F, 4),
    (0xFE93, 2),
    (0xFE95, 4),
    (0xFE99, 4),
    (0xFE9D, 4),
    (0xFEA1, 4),
    (0xFEA5, 4),
    (0xFEA9, 2),
    (0xFEAB, 2),
    (0xFEAD, 2),
    (0xFEAF, 2),
    (0xFEB1, 4),
    (0xFEB5, 4),
    (0xFEB9, 4),
    (0xFEBD, 4),
    (0xFEC1, 4),
    (0xFEC5, 4),
    (0xFEC9, 4),
    (0xFECD, 4),
    (0, 0),
    (0, 0),
    (0, 0),
    (0, 0),
    (0, 0),
    (0, 4),
    (0xFED1, 4),
    (0xFED5, 4),
    (0xFED9, 4),
    (0xFEDD, 4),
    (0xFEE1, 4),
    (0xFEE5, 4),
    (0xFEE9, 4),
    (0xFEED, 2),
    (0xFEEF, 2),
    (0xFEF1, 4),
];

/// Number of forms of a letter: 4 joins on both sides, 2 only to the letter before it.
fn forms(character: char) -> (u32, u8) {
    let code = u32::from(character);
    if is_arabic(character) { FORMS[(code - 0x0621) as usize] } else { (0, 0) }
}

/// Arabic letters replaced by their joined presentation forms, lam-alef by its ligature.
fn join(text: &str) -> Vec<char> {
    let letters: Vec<char> = text.chars().filter(|c| !matches!(u32::from(*c), 0x064B..=0x065F | 0x0670)).collect();
    let mut out = Vec::with_capacity(letters.len());
    let mut joined_before = false;
    let mut at = 0;
    while at < letters.len() {
        let (first, count) = forms(letters[at]);
        let next = letters.get(at + 1).copied().unwrap_or(' ');
        if let Some(ligature) = lam_alef(letters[at], next) {
            out.push(shifted(ligature, joined_before));
            joined_before = false;
            at += 2;
            continue;
        }
        let before = joined_before && count >= 2;
        let after = count == 4 && forms(next).1 >= 2;
        let form = u32::from(before) + 2 * u32::from(after);
        out.push(if first == 0 { letters[at] } else { char::from_u32(first + form).unwrap_or(letters[at]) });
        joined_before = after;
        at += 1;
    }
    out
}

fn lam_alef(letter: char, next: char) -> Option<u32> {
    match (letter, next) {
        ('\u{0644}', '\u{0622}') => Some(0xFEF5),
        ('\u{0644}', '\u{0623}') => Some(0xFEF7),
        ('\u{0644}', '\u{0625}') => Some(0xFEF9),
        ('\u{0644}', '\u{0627}') => Some(0xFEFB),
        _ => None,
    }
}

fn shifted(code: u32, by_one: bool) -> char {
    char::from_u32(code + u32::from(by_one)).unwrap_or('\u{FFFD}')
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

    #[test]
    fn right_to_left_runs_are_reversed_and_arabic_is_joined() {
        assert_eq!(visual("␣שלום x"), "␣םולש x");
        // beh-alef-beh: initial, final, isolated; drawn from right to left.
        assert_eq!(visual("باب"), "\u{FE8F}\u{FE8E}\u{FE91}");
        assert_eq!(visual("لا"), "\u{FEFB}");
        assert_eq!(visual("abc 中"), "abc 中");
    }
}
