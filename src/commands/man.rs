//! `man`: manual pages.

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::terminal;
use crate::{
    cli::{Cli, ManArgs},
    error::Error,
    run::write_file,
};

/// Prints the main page, or writes all pages into a folder.
pub(super) fn run(arguments: &ManArgs) -> anyhow::Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = &arguments.out else {
        terminal::print_text(page(command)?.trim_end())?;
        return Ok(());
    };
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    let count = subcommands.len() + 1;
    for command in subcommands.into_iter().chain([command]) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = folder.join(format!("{name}.1"));
        write_file(&path, page(command)?.as_bytes())?;
    }
    terminal::print(&format!("{count} pages in {}", folder.display()))?;
    Ok(())
}

/// The longest line of an example: a terminal of 80 columns less the margin of a page.
const EXAMPLE_COLUMNS: usize = 72;

/// A page. Its synopsis is the usage that `--help` shows, in which options have their values.
fn page(mut command: Command) -> anyhow::Result<String> {
    let usage = command.render_usage().to_string();
    let command = command.override_usage(usage.trim_start_matches("Usage: ").to_owned());
    let mut page = Vec::new();
    Man::new(command)
        .source(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(|error| Error::internal(format!("a manual page: {error}")))?;
    Ok(with_examples(&String::from_utf8(page)?))
}

/// The help's last paragraphs, which `clap_mangen` calls EXTRA, as EXAMPLES and NOTES.
fn with_examples(page: &str) -> String {
    let Some((before, rest)) = page.split_once(".SH EXTRA\n") else { return page.to_owned() };
    let (extra, after) = rest.find(".SH ").map_or((rest, ""), |end| rest.split_at(end));
    let (examples, notes) = extra.split_once("\n\n").unwrap_or((extra, ""));
    let examples: Vec<String> =
        examples.lines().filter(|line| !matches!(*line, "Example:" | "Examples:")).map(example).collect();
    let notes = if notes.is_empty() { String::new() } else { format!(".SH NOTES\n{}\n", notes.trim_end()) };
    format!("{before}.SH EXAMPLES\n{}\n{notes}{after}", examples.join("\n"))
}

/// A line of the examples. A command keeps its line, and a long one goes on before its options: filled lines would break
/// in the middle of a path.
fn example(line: &str) -> String {
    let Some(command) = line.strip_prefix("  ") else { return line.to_owned() };
    // Hyphens are escaped in the page.
    let shown = command.replace('\\', "").chars().count();
    let lines =
        if shown > EXAMPLE_COLUMNS { command.replace(r" \-\-", " \\e\n    \\-\\-") } else { command.to_owned() };
    format!(".nf\n{lines}\n.fi")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_example_goes_on_before_its_options_and_a_short_one_keeps_its_line() {
        assert_eq!(example(r"  a \-\-b c"), ".nf\na \\-\\-b c\n.fi");
        let long = format!(r"  {} \-\-b c/d\-e", "a".repeat(70));
        assert_eq!(example(&long), format!(".nf\n{} \\e\n    \\-\\-b c/d\\-e\n.fi", "a".repeat(70)));
        assert_eq!(example("Words"), "Words");
    }

    #[test]
    fn what_follows_the_examples_are_notes() {
        let page = ".SH NAME\na\n.SH EXTRA\nExample:\n  a b\n\nMore words.\n.SH VERSION\nv1\n";
        let expected = ".SH NAME\na\n.SH EXAMPLES\n.nf\na b\n.fi\n.SH NOTES\nMore words.\n.SH VERSION\nv1\n";
        assert_eq!(with_examples(page), expected);
        assert_eq!(with_examples(".SH NAME\na\n"), ".SH NAME\na\n");
    }
}
