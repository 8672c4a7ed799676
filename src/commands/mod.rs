//! One file per subcommand: the only place that knows every stage, and that prints.

mod chart;
mod completions;
mod demo;
mod drift;
mod drops;
mod dry_run;
mod inspect;
mod man;
mod notebook;
mod out;
mod print_analysis;
mod report;
mod reproduce;
mod route;
pub(crate) mod signals;
mod stats;
pub(crate) mod terminal;
mod threads;
mod usage;

use std::process::ExitCode;

pub use usage::parse;

use crate::{
    cli::{Cli, Command},
    error::Error,
    pipeline::mailable_paths,
};

/// Runs a command line.
///
/// # Errors
/// Whatever the command meets; [`explain`] tells the user and chooses the exit code.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    signals::tame_signals();
    mailable_paths::show_command(cli.command.shows_command());
    if is_quiet(&cli.command) {
        terminal::be_quiet();
    }
    // These take no --threads, and read tables with threads all the same.
    if matches!(cli.command, Command::Chart(_) | Command::Report(_) | Command::Reproduce(_) | Command::Notebook(_)) {
        threads::set_threads(None)?;
    }
    match cli.command {
        Command::Route(arguments) => route::run(&arguments),
        Command::Stats(arguments) => stats::run(&arguments),
        Command::Chart(arguments) => chart::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Drift(arguments) => drift::run(&arguments),
        Command::Drops(arguments) => drops::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Notebook(arguments) => notebook::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// Whether a command was asked to draw no bars.
fn is_quiet(command: &Command) -> bool {
    match command {
        Command::Route(arguments) => arguments.common.execution.quiet,
        Command::Drift(arguments) => arguments.common.execution.quiet,
        Command::Drops(arguments) => arguments.common.execution.quiet,
        Command::Stats(arguments) => arguments.quiet,
        Command::Chart(arguments) => arguments.quiet,
        Command::Report(arguments) => arguments.quiet,
        Command::Demo(arguments) => arguments.quiet,
        Command::Reproduce(arguments) => arguments.quiet,
        Command::Inspect(_) | Command::Notebook(_) | Command::Completions(_) | Command::Man(_) => false,
    }
}

/// Prints an error and its hint to standard error; the exit code it ends in.
pub fn explain(error: &anyhow::Error) -> ExitCode {
    let known = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    let code = known.map_or(3, Error::exit_code);
    let report = if code == 3 { "; please report it with the command line" } else { "" };
    terminal::error(&format!("{error}{report}"), known.and_then(Error::hint).as_deref());
    ExitCode::from(code)
}
