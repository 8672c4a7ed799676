//! `completions`: the script that makes a shell complete the command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::terminal;
use crate::cli::{Cli, CompletionsArgs};

/// Prints the script of a shell.
pub(super) fn run(arguments: &CompletionsArgs) -> anyhow::Result<()> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, &name, &mut script);
    let script = String::from_utf8(script)?;
    let script = if arguments.shell == Shell::Bash { with_one_spelling(&script, &name) } else { script };
    terminal::print_text(script.trim_end())?;
    Ok(())
}

/// The script for bash spells the hyphens of the program's name as `__` where it remembers a subcommand and as
/// `__subcmd__` where it looks one up, and so offers nothing after the first word: <https://github.com/clap-rs/clap/issues/6421>.
/// A `clap_complete` without that fault never writes what is replaced here.
fn with_one_spelling(script: &str, name: &str) -> String {
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}
