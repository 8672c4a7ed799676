//! Standard output for results, standard error for progress and warnings.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, IsTerminal, Write},
    sync::Mutex,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{Error, Result};
pub(super) use crate::stats::thousands as grouped;

/// Prints a line of the result to standard output. A reader that has gone away (a closed pipe) is not an error.
///
/// # Errors
/// [`Error::Io`] if standard output cannot be written.
pub(super) fn print(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "standard output")(error)),
        _ => Ok(()),
    }
}

/// Tells what is being done, on standard error; nothing can be done if that fails. Control characters, which may come
/// from somebody's data, are shown instead of obeyed.
pub(super) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", shown(line));
}

fn shown(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for character in line.chars() {
        match character {
            '\n' | '\t' => text.push(character),
            control if control.is_control() => text.extend(control.escape_default()),
            other => text.push(other),
        }
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

/// A bar over a known amount of work; hidden where nobody watches.
pub(super) fn bar(length: u64, what: &'static str, quiet: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), target(quiet));
    let template = "{prefix:>14} [{bar:40}] {percent:>3} %  {elapsed} elapsed, {eta} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(what);
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

fn target(quiet: bool) -> ProgressDrawTarget {
    if quiet || !std::io::stderr().is_terminal() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
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
    fn control_characters_are_shown() {
        assert_eq!(shown("role \u{1b}[31mX\n\thint"), "role \\u{1b}[31mX\n\thint");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 1200].map(|n| count(n, "token")), ["1 token", "1,200 tokens"]);
        assert_eq!([512.0, 1536.0, 3.0 * 1_073_741_824.0].map(bytes), ["512 B", "1.5 KiB", "3.0 GiB"]);
        assert_eq!([1.25, 120.0, 7200.0].map(duration), ["1.2 s", "2 min", "2.0 h"]);
    }
}
