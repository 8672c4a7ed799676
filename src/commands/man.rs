//! `man`: manual pages.

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::terminal;
use crate::{
    cli::{Cli, ManArgs},
    error::Error,
    run_dir::write_file,
};

/// Prints the main page, or writes all pages into a folder.
pub(super) fn run(arguments: &ManArgs) -> anyhow::Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = &arguments.out else {
        terminal::print(String::from_utf8(page(command)?)?.trim_end())?;
        return Ok(());
    };
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    let count = subcommands.len() + 1;
    for command in subcommands.into_iter().chain([command]) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = folder.join(format!("{name}.1"));
        write_file(&path, &page(command)?)?;
    }
    terminal::print(&format!("{count} pages in {}", folder.display()))?;
    Ok(())
}

fn page(command: Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(|error| Error::internal(format!("a manual page: {error}")))?;
    Ok(page)
}
