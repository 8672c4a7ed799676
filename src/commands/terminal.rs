//! Standard output for results, standard error for progress and warnings.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, IsTerminal, Write},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{Error, Result, is_obeyed, one_line};

/// Prints a line of the result to standard output. A reader that has gone away (a closed pipe) is not an error.
///
/// # Errors
/// [`Error::Io`] if standard output cannot be written.
pub(crate) fn print(line: &str) -> Result<()> {
    print_text(&shown(line))
}

/// Prints JSON. What a terminal would obey in its strings becomes an escape of JSON, so that the value stays.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_json(json: &str) -> Result<()> {
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
pub(crate) fn print_text(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "standard output")(error)),
        _ => Ok(()),
    }
}

/// Tells what is being done, on standard error; nothing can be done if that fails. What comes from somebody's data is
/// shown instead of obeyed.
pub(crate) fn note(line: &str) {
    note_text(&shown(line));
}

/// Tells something in words of the program itself, as they are.
pub(crate) fn note_text(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A message with our own lines: empty ones before it, and the items of lists. Any other line break came with the data.
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
pub(crate) fn warn(line: &str) {
    note(&format!("warning: {line}"));
}

/// Warns of what several openings of one file would tell again and again, once in the life of the process.
pub(crate) fn warn_once(line: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let is_new = TOLD.lock().map_or(true, |mut told| told.insert(line.to_owned()));
    if is_new {
        warn(line);
    }
}

/// The message of a failed run, then, after a blank line, its hint.
pub(crate) fn error(message: &str, hint: Option<&str>) {
    note(&format!("error: {message}"));
    if let Some(hint) = hint {
        note(&format!("\nhint: {hint}"));
    }
}

/// A bar over a known amount of work; hidden where nobody watches. It takes what the line leaves.
pub(crate) fn bar(length: u64, what: impl Into<String>, quiet: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), target(quiet));
    let template = "{prefix:>14} [{wide_bar}] {percent:>3} %  {elapsed}, {eta} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(what.into());
    bar
}

/// A spinner for work whose amount is not known.
pub(crate) fn spinner(what: &'static str, quiet: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target(quiet));
    if let Ok(style) = ProgressStyle::with_template("{prefix:>14} {spinner} {elapsed}  {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on no bar is drawn (`--quiet`), also by what does not know of the option.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

fn target(quiet: bool) -> ProgressDrawTarget {
    if quiet || QUIET.load(Ordering::Relaxed) || !std::io::stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
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
