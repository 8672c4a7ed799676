//! The embedded fonts: measures text, and knows which characters they have.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};

/// Name of the embedded family.
pub(super) const FAMILY: &str = "Routing Sans";
/// The font file of the regular weight. See `assets/README.md`.
pub(super) const REGULAR_FONT: &[u8] = include_bytes!("assets/routing-sans.ttf");
/// The font file of the bold weight. See `assets/README.md`.
pub(super) const BOLD_FONT: &[u8] = include_bytes!("assets/routing-sans-bold.ttf");

/// Regular weight: `DejaVu` Sans with the ideographs, kana and hangul of Droid Sans Fallback. See `assets/README.md`.
static REGULAR: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::try_from_slice(REGULAR_FONT).ok());
/// Bold weight, Latin only, for titles.
static BOLD: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::try_from_slice(BOLD_FONT).ok());

/// The font for a weight.
pub(super) fn face(bold: bool) -> Option<&'static FontRef<'static>> {
    if bold { BOLD.as_ref() } else { REGULAR.as_ref() }
}

/// The rasteriser's scale for a font size in pixels per em.
pub(super) fn scale(font: &FontRef<'static>, size: f64) -> PxScale {
    let em = font.units_per_em().unwrap_or(2048.0);
    PxScale::from(size as f32 * font.height_unscaled() / em)
}

/// Whether the text font has a glyph for a character.
pub(super) fn has_glyph(character: char) -> bool {
    face(false).is_some_and(|font| font.glyph_id(character).0 != 0)
}

/// The font of a line of text: bold only if the bold font has every character.
pub(super) fn face_for(text: &str, bold: bool) -> Option<&'static FontRef<'static>> {
    let covered = |font: &&FontRef<'static>| text.chars().all(|character| font.glyph_id(character).0 != 0);
    face(bold).filter(covered).or_else(|| face(false))
}

/// Width of a line of text in pixels at a font size.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let Some(font) = face_for(text, bold) else { return 0.6 * size * text.chars().count() as f64 };
    let scaled = font.as_scaled(scale(font, size));
    text.chars().map(|character| f64::from(scaled.h_advance(scaled.glyph_id(character)))).sum()
}

/// Height of a line of text in pixels at a font size, from the top of the highest letters to the bottom of the lowest.
pub(super) fn line_height(size: f64) -> f64 {
    face(false).map_or(1.2 * size, |font| f64::from(font.as_scaled(scale(font, size)).height()))
}

/// The text, cut off with an ellipsis if it is wider than `available` pixels.
pub(super) fn fit(text: &str, available: f64, size: f64, bold: bool) -> String {
    if width(text, size, bold) <= available {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let candidate = format!("{}…", kept.iter().collect::<String>().trim_end());
        if width(&candidate, size, bold) <= available {
            return candidate;
        }
    }
    "…".to_owned()
}

/// The text in lines of at most `available` pixels, broken at spaces.
pub(super) fn wrap(text: &str, available: f64, size: f64, bold: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    // A sample size stays on one line.
    let text = text.replace("n = ", "n\u{a0}=\u{a0}");
    for word in text.split_ascii_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size, bold) <= available => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fit(word, available, size, bold)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_load_and_cover_the_scripts_of_the_corpora() {
        assert!(face(true).is_some());
        for character in "aÄж中語한하カعש␣⏎⇥→×≥…".chars() {
            assert!(has_glyph(character), "{character}");
        }
        assert!(!has_glyph('\u{10FFFD}'));
    }

    #[test]
    fn long_text_is_cut_or_wrapped_to_the_width() {
        let cut = fit("a category with a very long name", 90.0, 12.0, false);
        assert!(cut.ends_with('…') && width(&cut, 12.0, false) <= 90.0, "{cut}");
        assert_eq!(fit("short", 90.0, 12.0, false), "short");
        let lines = wrap("one two three four five six", 70.0, 12.0, false);
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line, 12.0, false) <= 70.0), "{lines:?}");
        assert_eq!(lines.join(" "), "one two three four five six");
    }
}
