//! Standard output for results, standard error for progress and warnings.

use std::{
    borrow::Cow,
    io::{ErrorKind, IsTerminal, Write, stderr, stdout},
};

use terminal_size::{Width, terminal_size_of};

use super::{last_line, wrap::wrapped};
use crate::error::{Error, Result, is_obeyed, one_line};

/// Draws the status line at the bottom of standard error, in place of the last one. It should be narrower than the terminal.
pub(super) fn status(line: &str) {
    last_line::draw(&one_line(line));
}

/// Removes the status line.
pub(super) fn clear_status() {
    last_line::without(|| ());
}

/// The columns of the terminal that standard output is, if it is one.
pub(super) fn columns() -> Option<usize> {
    let width = terminal_size_of(stdout()).filter(|_| stdout().is_terminal());
    width.map(|(Width(own), _)| usize::from(own))
}

/// Whether rows of so many columns fit on standard output: on a terminal that is wide enough, and anywhere else.
pub(super) fn fits(columns: usize) -> bool {
    self::columns().is_none_or(|own| columns <= own)
}

/// A text with its lines broken at the width of the terminal that it goes to; unchanged where that is none.
fn fitted(text: &str, width: Option<(Width, terminal_size::Height)>, is_terminal: bool) -> Cow<'_, str> {
    match width.filter(|_| is_terminal) {
        Some((Width(columns), _)) => Cow::Owned(wrapped(text, usize::from(columns))),
        None => Cow::Borrowed(text),
    }
}

/// Prints a line of the result to standard output, broken at the width of a terminal. A closed pipe is not an error: its reader has
/// seen enough.
///
/// # Errors
/// [`Error::Io`] if standard output cannot be written.
pub(super) fn print(line: &str) -> Result<()> {
    print_text(&fitted(&shown(line), terminal_size_of(stdout()), stdout().is_terminal()))
}

/// Prints a row of a table, which is not broken.
///
/// # Errors
/// As [`print()`].
pub(super) fn print_row(row: &str) -> Result<()> {
    print_text(&shown(row))
}

/// Prints JSON. Control characters inside its strings become JSON escapes, so that a terminal shows them and the values stay.
///
/// # Errors
/// As [`print()`].
pub(super) fn print_json(json: &str) -> Result<()> {
    use std::fmt::Write;
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_obeyed(character) && character != '\n' {
            // Writing into a string does not fail.
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    print_text(&text)
}

/// Prints text of the program itself, such as a manual page, as it is.
///
/// # Errors
/// As [`print()`].
pub(super) fn print_text(text: &str) -> Result<()> {
    clear_status();
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "standard output")(error)),
        _ => Ok(()),
    }
}

/// Prints a line to standard error; nothing can be done if that fails. Control characters, which may come from somebody's
/// data, are shown as escapes.
pub(super) fn note(line: &str) {
    note_text(&fitted(&shown(line), terminal_size_of(stderr()), stderr().is_terminal()));
}

/// Prints text that holds nothing but the program's own words to standard error, unchanged.
pub(super) fn note_text(text: &str) {
    last_line::without(|| {
        let _ = writeln!(stderr(), "{text}");
    });
}

/// A message with control characters shown as escapes. Line breaks stay where the program writes them: empty lines before
/// the message, and items of lists. Any other line break came with the data.
fn shown(message: &str) -> String {
    let body = message.trim_start_matches('\n');
    let mut text = message[..message.len() - body.len()].to_owned();
    for (index, line) in body.split('\n').enumerate() {
        if index > 0 {
            let indent = line.len() - line.trim_start_matches(' ').len();
            text.push_str(if indent >= 2 && line[indent..].starts_with("- ") { "\n" } else { "\\n" });
        }
        text.push_str(&one_line(line));
    }
    text
}

/// Warns on standard error.
pub(super) fn warn(line: &str) {
    note(&format!("warning: {line}"));
}

/// The message of a failed run, then, after a blank line, its hint.
pub(super) fn error(message: &str, hint: Option<&str>) {
    note(&format!("error: {message}"));
    if let Some(hint) = hint {
        note(&format!("\nhint: {hint}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_the_data_is_shown_and_never_makes_a_line() {
        assert_eq!(shown("role \u{1b}[31mX\u{202e}"), "role \\u{1b}[31mX\\u{202e}");
        assert_eq!(shown("`x`\n\nhint: run it\n- y"), "`x`\\n\\nhint: run it\\n- y");
        assert_eq!(shown("\n2 problems:\n  - a\n    - b"), "\n2 problems:\n  - a\n    - b");
    }
}
