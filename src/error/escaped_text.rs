//! A user's text inside our messages: control characters in it are shown, so that no terminal obeys them.

use std::{fmt::Write, path::Path};

/// Whether a terminal obeys the character instead of showing it: a control character, a line separator, or a mark that
/// changes the direction of writing.
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text in one line: characters that a terminal would obey are escaped, except tabs.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if is_obeyed(character) && character != '\t' {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// A path as text, for JSON and messages. Bytes that are not UTF-8 become U+FFFD, so that an odd path makes no file and no run
/// fail.
pub fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Writes a path as [`path_text`] gives it: `#[serde(serialize_with = "serialize_path")]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize_path<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// A list below a message: one line for each item, whatever it holds. A message has no other line breaks; printing it keeps
/// these and shows any other as `\n`.
pub fn bullets<T: AsRef<str>>(items: &[T]) -> String {
    items.iter().fold(String::new(), |mut list, item| {
        // Writing into a string does not fail.
        let _ = write!(list, "\n  - {}", one_line(item.as_ref()));
        list
    })
}

/// The most characters of a name that are shown.
const SHOWN: usize = 120;

/// A name in backticks; the middle of a very long one is left out.
pub fn quoted_name(name: &str) -> String {
    let length = name.chars().count();
    if length <= SHOWN {
        return format!("`{name}`");
    }
    let start: String = name.chars().take(SHOWN / 2).collect();
    let end: String = name.chars().skip(length - SHOWN / 2).collect();
    format!("`{start}…{end}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(one_line("a\u{1b}[31m\nb\tc\u{202e}d\u{2066}é"), "a\\u{1b}[31m\\nb\tc\\u{202e}d\\u{2066}é");
    }

    #[test]
    fn an_item_cannot_be_two() {
        assert_eq!(bullets(&["a\n  - b", "c"]), "\n  - a\\n  - b\n  - c");
    }
}
