//! One file for each subcommand. No other module knows every stage, and no other prints.

mod chart;
mod checkpoint_places;
mod completions;
mod contrast;
mod convert;
mod demo;
mod drift;
mod drops;
mod dry_run;
mod fetch;
mod flags;
mod hub_access;
mod import;
mod inspect;
mod interrupts;
mod last_line;
mod man;
mod mitigate;
mod notebook;
mod options;
mod out;
mod print_analysis;
mod profile;
mod progress;
mod recorder;
mod report;
mod reproduce;
mod route;
mod signals;
mod stats;
mod terminal;
mod threads;
mod usage;
mod wrap;

use std::process::ExitCode;

pub use usage::parse;

use self::progress::TerminalProgress;
use crate::{
    cli::{Cli, Command},
    error::Error,
};

/// Runs a command line.
///
/// # Errors
/// Those of the command; [`explain`] prints them and chooses the exit code.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    signals::tame_signals();
    let progress = &TerminalProgress::new(is_quiet(&cli.command));
    // These commands have no --threads, but they read tables with several threads too.
    if matches!(cli.command, Command::Chart(_) | Command::Report(_) | Command::Reproduce(_) | Command::Notebook(_)) {
        threads::set_threads(None)?;
    }
    match cli.command {
        Command::Route(arguments) => route::run(&arguments, progress),
        Command::Stats(arguments) => stats::run(&arguments, progress),
        Command::Chart(arguments) => chart::run(&arguments, progress),
        Command::Report(arguments) => report::run(&arguments, progress),
        Command::Fetch(arguments) => fetch::run(&arguments, progress),
        Command::Inspect(arguments) => inspect::run(&arguments, progress),
        Command::Convert(arguments) => convert::run(&arguments, progress),
        Command::Drift(arguments) => drift::run(&arguments, progress),
        Command::Drops(arguments) => drops::run(&arguments, progress),
        Command::Mitigate(arguments) => mitigate::run(&arguments, progress),
        Command::Import(arguments) => import::run(&arguments, progress),
        Command::Recorder(arguments) => recorder::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments, progress),
        Command::Contrast(arguments) => contrast::run(&arguments, progress),
        Command::Expert(arguments) => profile::run_expert(&arguments, progress),
        Command::Token(arguments) => profile::run_token(&arguments, progress),
        Command::Category(arguments) => profile::run_category(&arguments, progress),
        Command::Reproduce(arguments) => reproduce::run(&arguments, progress),
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
        Command::Mitigate(arguments) => arguments.common.execution.quiet,
        Command::Import(arguments) => arguments.quiet,
        Command::Convert(arguments) => arguments.quiet,
        Command::Stats(arguments) => arguments.quiet,
        Command::Chart(arguments) => arguments.quiet,
        Command::Report(arguments) => arguments.quiet,
        Command::Fetch(arguments) => arguments.quiet,
        Command::Demo(arguments) => arguments.quiet,
        Command::Contrast(arguments) => arguments.quiet,
        Command::Expert(arguments) => arguments.question.quiet,
        Command::Token(arguments) => arguments.question.quiet,
        Command::Category(arguments) => arguments.question.quiet,
        Command::Reproduce(arguments) => arguments.quiet,
        Command::Inspect(_)
        | Command::Recorder(_)
        | Command::Notebook(_)
        | Command::Completions(_)
        | Command::Man(_) => false,
    }
}

/// Prints an error and its hint to standard error, and returns the exit code.
pub fn explain(error: &anyhow::Error) -> ExitCode {
    let known = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    let code = known.map_or(3, Error::exit_code);
    let report = if code == 3 { "; please report it with the command line" } else { "" };
    terminal::error(&format!("{error}{report}"), known.and_then(Error::hint).as_deref());
    ExitCode::from(code)
}
