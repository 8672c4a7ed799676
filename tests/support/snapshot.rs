//! Whole messages and tables in place of words from them. `UPDATE_EXPECT=1 cargo test --test program bad_input::` writes the
//! snapshots of a module again; the difference is then read, and committed with the change that made it.

use std::path::Path;

use openmoe_analyze::error::Error;

/// What a measurement stands before: it differs from machine to machine and from run to run.
const MEASURED: [&str; 9] =
    [" tokens/s", " GFLOP/s", " s,", " s at ", " MiB of memory", " MiB, of ", " MiB (", " GiB (", " (a quarter of "];

/// A text without what differs between machines, folders and runs: paths below the repository become relative, a temporary
/// folder becomes `TEMP`, the version `VERSION`, a measurement `#`.
pub(crate) fn settled(text: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).display().to_string();
    let text = text.replace(&format!("{root}/"), "");
    let text = without_temporary_names(&text);
    let text = text.replace(&format!("version {}", env!("CARGO_PKG_VERSION")), "version VERSION");
    let text = text.replace(concat!("\"", env!("CARGO_PKG_VERSION"), "\" now"), "\"VERSION\" now");
    let text = without_needed_memory(&text);
    MEASURED.iter().fold(text, |text, unit| without_numbers_before(unit, &text))
}

/// `/tmp/.tmpAb12Cd/run` becomes `TEMP/run`, and so does the name alone; a file that is being written has such a name too.
fn without_temporary_names(text: &str) -> String {
    let above = std::env::temp_dir().join("").display().to_string();
    let text = text.replace(&format!("{above}.tmp"), ".tmp");
    let text = without_name_behind(".tmp", "TEMP", &text);
    without_name_behind(".writing-", ".writing-TEMP", &text)
}

fn without_name_behind(start: &str, settled: &str, text: &str) -> String {
    let mut parts = text.split(start);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + settled + part.trim_start_matches(|c: char| c.is_ascii_alphanumeric()))
}

/// What the number of threads has a part in.
fn without_needed_memory(text: &str) -> String {
    let mut parts = text.split("needs about ");
    let first = parts.next().unwrap_or_default().to_owned();
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    parts.fold(first, |text, part| text + "needs about #" + part.trim_start_matches(is_number))
}

fn without_numbers_before(unit: &str, text: &str) -> String {
    let parts: Vec<&str> = text.split(unit).collect();
    let (last, measured) = parts.split_last().unwrap();
    let mut settled = String::new();
    for part in measured {
        let before = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == ',');
        let number = if before.len() < part.len() { "#" } else { "" };
        settled.extend([before, number, unit]);
    }
    settled + last
}

/// What a caller of the library is told: the message and, below it, the hint.
pub(crate) fn told(error: &Error) -> String {
    let hint = error.hint().map(|hint| format!("\n\nhint: {hint}")).unwrap_or_default();
    settled(&format!("{error}{hint}\n"))
}
