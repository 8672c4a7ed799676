//! Parses the command line, and explains what is wrong with it.

use std::{ffi::OsString, io::ErrorKind as Io, process::ExitCode};

use clap::{
    Arg, Command, CommandFactory, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{flags, terminal};
use crate::{
    cli::Cli,
    error::{name_commands, name_options},
};

/// Parses the command line of the process. From then on messages call options by their flags.
///
/// # Errors
/// The exit code, when there is nothing to run: help or version was asked for, or the usage is wrong. If an argument is
/// missing, the message names it and the option that may have taken its value, and shows an example.
pub fn parse() -> Result<Cli, ExitCode> {
    name_options(flags::flag);
    name_commands(flags::command);
    let words: Vec<OsString> = std::env::args_os().collect();
    Cli::try_parse_from(&words).map_err(|error| explain(error, &words))
}

fn explain(mut error: clap::Error, words: &[OsString]) -> ExitCode {
    without_trailing_tip(&mut error);
    let printed = error.print();
    let code = error.exit_code() as u8;
    let unprinted = printed.is_err_and(|error| error.kind() != Io::BrokenPipe);
    if unprinted && code == 0 {
        terminal::error("cannot write `standard output`", None);
        return ExitCode::from(2);
    }
    let commands = Cli::command();
    let name = words.get(1).and_then(|name| name.to_str()).unwrap_or_default();
    if let Some(command) = commands.find_subcommand(name) {
        if let Some(hint) = taken_by_an_option(&error, command, words) {
            terminal::note(&format!("\nhint: {hint}"));
        }
        if error.kind() == ErrorKind::MissingRequiredArgument {
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            terminal::note_text(&format!("\n{example}"));
        }
    }
    ExitCode::from(code)
}

/// Removes clap's tip on how to give a value that begins with a hyphen: no command takes such a value.
fn without_trailing_tip(error: &mut clap::Error) {
    if error.kind() != ErrorKind::UnknownArgument {
        return;
    }
    if let Some(ContextValue::StyledStrs(tips)) = error.remove(ContextKind::Suggested) {
        let useful: Vec<_> = tips.into_iter().filter(|tip| !tip.to_string().contains("as a value, use")).collect();
        if !useful.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(useful));
        }
    }
}

/// A hint on an option that takes several values and took what was meant for a positional argument, if there is one.
fn taken_by_an_option(error: &clap::Error, command: &Command, words: &[OsString]) -> Option<String> {
    let positional = command.get_positionals().find(|argument| argument.is_required_set())?;
    if !matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ValueValidation) {
        return None;
    }
    let complaint = match error.get(ContextKind::InvalidArg)? {
        ContextValue::Strings(names) => names.join(" "),
        ContextValue::String(name) => name.clone(),
        _ => return None,
    };
    let option = words.windows(3).find_map(|words| {
        let option = of_several_values(command, words[0].to_str()?)?;
        let values = words[1..].iter().all(|word| !word.as_encoded_bytes().starts_with(b"-"));
        let meant = complaint.contains(&format!("<{}>", value_name(positional)))
            || complaint.contains(&format!("--{}", option.get_long()?));
        (values && meant).then_some(option)
    })?;
    let what = if value_name(option) == "PATH" { "path" } else { "value" };
    let first = value_name(positional).to_lowercase();
    Some(format!("--{} takes every {what} up to the next option: put the {first} first", option.get_long()?))
}

/// The option that `word` names, if it takes several values at once.
fn of_several_values<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let name = word.strip_prefix("--")?;
    let several = |argument: &&Arg| argument.get_num_args().is_some_and(|range| range.max_values() > 1);
    command.get_arguments().filter(|argument| argument.get_long() == Some(name)).find(several)
}

fn value_name(argument: &Arg) -> String {
    let named = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    named.unwrap_or_else(|| argument.get_id().as_str().to_uppercase())
}
