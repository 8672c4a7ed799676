//! Long lines on the lines of a terminal.

use unicode_width::UnicodeWidthChar;

/// What the lines after the first are indented by.
const INDENT: &str = "  ";
/// The narrowest terminal that lines are wrapped for.
const NARROWEST: usize = 20;

/// Breaks every line of a text that is wider than `width` columns at its spaces, but never inside a bracketed interval, nor between
/// a number and its per cent sign. The lines after the first are indented. What has no such space stays longer than the width.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    if width < NARROWEST {
        return text.to_owned();
    }
    text.split('\n').map(|line| wrapped_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let mut text = String::new();
    let mut used = 0;
    for piece in pieces(line) {
        let (word, spaces) = (piece.trim_end_matches(' '), piece.len() - piece.trim_end_matches(' ').len());
        let columns = columns(word);
        if used > INDENT.len() && used + columns > width {
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
            text.push_str(INDENT);
            used = INDENT.len();
        }
        text.push_str(piece);
        used += columns + spaces;
    }
    text
}

/// The parts of a line that stay whole, each with the spaces after it.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut inside) = (0, false);
    let mut letters = line.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '[' => inside = closes(&line[at..]),
            ']' => inside = false,
            ' ' if !inside && letters.peek().is_some_and(|(_, next)| !matches!(next, ' ' | '%')) => {
                pieces.push(&line[start..=at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&line[start..]);
    pieces
}

/// Whether a bracket is that of an interval: it closes, and holds two numbers.
fn closes(bracket: &str) -> bool {
    bracket[1..].split_once(']').is_some_and(|(inside, _)| !inside.contains('[') && inside.split(", ").count() == 2)
}

/// The columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|letter| letter.width().unwrap_or(0)).sum()
}

/// As much of a text as fits into so many columns, with `…` at its end where something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 1);
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(letter);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_per_cent_signs_stay_whole() {
        let line =
            "the document explains 40 % [38, 43] of what is left, the previous token at most 27 % [25, 29] of it";
        for width in NARROWEST..110 {
            let text = wrapped(line, width);
            assert!(text.lines().all(|line| columns(line) <= width), "{width}\n{text}");
            assert!(text.lines().all(|line| line.matches('[').count() == line.matches(']').count()), "{width}\n{text}");
            assert!(text.lines().all(|line| !line.trim_start().starts_with('%')), "{width}\n{text}");
            assert_eq!(text.replace("\n  ", " "), line);
        }
        assert_eq!(wrapped(line, 40).lines().nth(1), Some("  what is left, the previous token at"));
    }

    #[test]
    fn short_lines_lists_and_long_words_stay_as_they_are() {
        assert_eq!(wrapped("a b c", 80), "a b c");
        assert_eq!(wrapped("\nfirst\n  - item", 80), "\nfirst\n  - item");
        let path = "/a/very/long/path/without/any/space/in/it";
        assert_eq!(wrapped(path, 30), path);
        assert_eq!(wrapped(&format!("see {path}"), 30), format!("see\n  {path}"));
        assert_eq!(wrapped("a b c", 3), "a b c", "no terminal is that narrow");
    }

    #[test]
    fn the_layers_of_a_model_are_no_interval() {
        let line = "MoE layers [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23], 16 experts";
        assert!(wrapped(line, 30).lines().all(|line| columns(line) <= 30), "{}", wrapped(line, 30));
        assert!(wrapped("an open [ bracket that never ends anywhere here", 20).contains('\n'));
    }

    #[test]
    fn wide_letters_take_two_columns() {
        assert_eq!([columns("ab"), columns("中文"), columns("e\u{301}")], [2, 4, 1]);
        assert_eq!([cut("中文字", 4), cut("abc", 3), cut("abcd", 3), cut("abc", 0)], ["中…", "abc", "ab…", ""]);
    }
}
