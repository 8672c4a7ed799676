//! `completions`: what makes a shell complete the command line.

use clap::CommandFactory;

use super::terminal;
use crate::cli::{Cli, CompletionsArgs};

/// Prints the script of a shell.
pub(super) fn run(arguments: &CompletionsArgs) -> anyhow::Result<()> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    terminal::print(String::from_utf8(script)?.trim_end())?;
    Ok(())
}
