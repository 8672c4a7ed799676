//! One file per subcommand: the only place that knows every stage, and that prints.

mod analyse;
mod analyse_drift;
mod analyse_drops;
mod analyse_route;
mod chart;
mod checkpoints;
mod compatible;
mod completions;
mod demo;
mod drift;
mod drops;
mod execute;
mod fingerprint;
mod finished;
mod inspect;
mod interest;
mod machine;
mod mailable;
mod man;
mod notebook;
mod page;
mod passes;
mod plan;
mod prepare;
mod protect;
mod read;
mod report;
mod reproduce;
mod request;
mod reuse;
mod route;
mod stats;
mod terminal;
mod traces;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};

use crate::{
    cli::{Cli, Command},
    error::Error,
};

/// Parses the command line of the process.
///
/// # Errors
/// The exit code, when there is nothing to run: help or version was asked for, or the usage is wrong. What is missing
/// is then named and an example shown.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        // Nothing can be done if the message cannot be printed.
        let _ = error.print();
        if error.kind() == ErrorKind::MissingRequiredArgument {
            let name = std::env::args().nth(1).unwrap_or_default();
            let example = Cli::command().find_subcommand(&name).and_then(|command| command.get_after_help().cloned());
            terminal::note(&example.map_or_else(String::new, |example| format!("\n{example}")));
        }
        ExitCode::from(error.exit_code() as u8)
    })
}

/// Runs a command line.
///
/// # Errors
/// Whatever the command meets; [`explain`] tells the user and chooses the exit code.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    mailable::show_command(cli.command.shows_command());
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

/// Prints an error and its hint to standard error; the exit code it ends in.
pub fn explain(error: &anyhow::Error) -> ExitCode {
    let known = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    let code = known.map_or(3, Error::exit_code);
    let report = if code == 3 { "; please report it with the command line" } else { "" };
    terminal::error(&format!("{error}{report}"), known.and_then(Error::hint).as_deref());
    ExitCode::from(code)
}
