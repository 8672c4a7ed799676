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
pub(super) use crate::stats::thousands as grouped;

/// Prints a line of the result to standard output. A reader that has gone away (a closed pipe) is not an error.
///
/// # Errors
/// [`Error::Io`] if standard output cannot be written.
pub(super) fn print(line: &str) -> Result<()> {
    print_text(&shown(line))
}

/// Prints JSON. What a terminal would obey in its strings becomes an escape of JSON, so that the value stays.
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
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "standard output")(error)),
        _ => Ok(()),
    }
}

/// Tells what is being done, on standard error; nothing can be done if that fails. What comes from somebody's data is
/// shown instead of obeyed.
pub(super) fn note(line: &str) {
    note_text(&shown(line));
}

/// Tells something in words of the program itself, as they are.
pub(super) fn note_text(text: &str) {
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
pub(super) fn warn(line: &str) {
    note(&format!("warning: {line}"));
}

/// Warns of what several openings of one file would tell again and again, once in the life of the process.
pub(super) fn warn_once(line: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let is_new = TOLD.lock().map_or(true, |mut told| told.insert(line.to_owned()));
    if is_new {
        warn(line);
    }
}

/// The message of a failed run, then, after a blank line, its hint.
pub(super) fn error(message: &str, hint: Option<&str>) {
    note(&format!("error: {message}"));
    if let Some(hint) = hint {
        note(&format!("\nhint: {hint}"));
    }
}

/// A bar over a known amount of work; hidden where nobody watches. It takes what the line leaves.
pub(super) fn bar(length: u64, what: impl Into<String>, quiet: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), target(quiet));
    let template = "{prefix:>14} [{wide_bar}] {percent:>3} %  {elapsed}, {eta} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(what.into());
    bar
}

/// A spinner for work whose amount is not known.
pub(super) fn spinner(what: &'static str, quiet: bool) -> ProgressBar {
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
pub(super) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

fn target(quiet: bool) -> ProgressDrawTarget {
    if quiet || QUIET.load(Ordering::Relaxed) || !std::io::stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    }
}

/// "1 document", "1,200 documents".
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// Bytes in the unit that reads best.
pub(super) fn bytes(count: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = units.len().min(1 + (count.max(1.0).log2() / 10.0) as usize) - 1;
    let value = count / 1024_f64.powi(power as i32);
    if power == 0 { format!("{value:.0} B") } else { format!("{value:.1} {}", units[power]) }
}

/// Seconds in the unit that reads best.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
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

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 1200].map(|n| count(n, "token")), ["1 token", "1,200 tokens"]);
        assert_eq!([512.0, 1536.0, 3.0 * 1_073_741_824.0].map(bytes), ["512 B", "1.5 KiB", "3.0 GiB"]);
        assert_eq!([1.25, 120.0, 7200.0].map(duration), ["1.2 s", "2 min", "2.0 h"]);
    }
}
