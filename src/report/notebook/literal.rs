//! Writes any text of a run as a Python literal or as Markdown.

use std::fmt::Write;

/// Widest line of a list or of a verdict.
const WIDTH: usize = 100;

/// A Python string literal.
pub(super) fn python(text: &str) -> String {
    let mut literal = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => literal.extend(['\\', character]),
            '\n' => literal.push_str("\\n"),
            // Line and paragraph separators end a line for some readers of notebooks.
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}') => {
                // Writing to a String does not fail.
                let _ = write!(literal, "\\u{:04x}", control as u32);
            }
            other => literal.push(other),
        }
    }
    literal.push('"');
    literal
}

/// A Python list of literals, on one line where it fits.
pub(super) fn list(literals: &[String]) -> String {
    let line = format!("[{}]", literals.join(", "));
    if line.chars().count() <= WIDTH {
        return line;
    }
    format!("[\n    {},\n]", literals.join(",\n    "))
}

/// Text inside a line of Markdown, without meaning to Markdown, HTML or formulae.
pub(super) fn markdown(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '$' => escaped.push_str("&#36;"),
            control if control.is_whitespace() || control.is_control() => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => escaped.extend(['\\', character]),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A block of Markdown that shows lines unchanged but wrapped; no text can end it, because no line equals its fence.
pub(super) fn verbatim(lines: &[String]) -> String {
    let body = lines.iter().map(|line| wrapped(line)).collect::<Vec<_>>().join("\n");
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{body}\n{fence}")
}

fn wrapped(line: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in line.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            text.push_str("\n  ");
            width = 2;
        } else if width > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += length;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "a \"b\" 'c' \\d\n</script>$x$ `e` \u{2028}\u{1f600}";

    #[test]
    fn a_literal_says_the_same_text_to_python() {
        assert_eq!(python(NASTY), "\"a \\\"b\\\" 'c' \\\\d\\n</script>$x$ `e` \\u2028\u{1f600}\"");
        assert_eq!(list(&[python("a"), python("b")]), "[\"a\", \"b\"]");
        let long = list(&vec![python(&"x".repeat(60)); 2]);
        assert_eq!(long.lines().count(), 4);
    }

    #[test]
    fn text_has_no_meaning_to_markdown() {
        let shown = markdown(NASTY);
        assert!(!shown.contains('<') && !shown.contains('\n') && !shown.contains('$'), "{shown}");
        assert_eq!(markdown("a_b *c*"), "a\\_b \\*c\\*");
    }

    #[test]
    fn a_block_is_wrapped_and_cannot_be_ended_from_inside() {
        let block = verbatim(&["one ```` two".into(), "word ".repeat(40)]);
        assert!(block.starts_with("`````text\n") && block.ends_with("\n`````"), "{block}");
        assert!(block.lines().all(|line| line.chars().count() <= WIDTH + 2));
    }
}
