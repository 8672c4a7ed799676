//! What the command line says about itself to shells and to `man`.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test stops with the reason, and prints what it measured

mod common;

use std::{collections::BTreeMap, fs};

use clap::CommandFactory;
use common::openmoe_with;
use openmoe_analyze::cli::Cli;

/// Subcommands with the names of their options.
fn subcommands() -> BTreeMap<String, Vec<String>> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let options = |command: &clap::Command| -> Vec<String> {
        command.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned)).collect()
    };
    command.get_subcommands().map(|sub| (sub.get_name().to_owned(), options(sub))).collect()
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_shell_completes_every_subcommand_and_option() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let outcome = openmoe_with(&["completions", shell]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        for (subcommand, options) in subcommands() {
            assert!(outcome.stdout.contains(&subcommand), "{shell}: {subcommand}");
            for option in options {
                assert!(outcome.stdout.contains(&option), "{shell}: {subcommand} --{option}");
            }
        }
    }
    let unknown = openmoe_with(&["completions", "cmd"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("possible values: bash"), "{}", unknown.stderr);
}

#[test]
fn the_manual_names_every_subcommand_and_its_pages_every_option() {
    let main = openmoe_with(&["man"]);
    assert_eq!(main.code, 0, "{}", main.stderr);
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let outcome = openmoe_with(&["man", "--out", pages.to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    println!("{}", outcome.stdout);
    assert_eq!(fs::read_to_string(pages.join("openmoe-analyze.1")).unwrap().trim_end(), main.stdout.trim_end());
    let commands = subcommands();
    assert!(commands.len() >= 10, "{commands:?}");
    assert_eq!(fs::read_dir(&pages).unwrap().count(), commands.len() + 1);
    for (subcommand, options) in commands {
        assert!(main.stdout.contains(&format!("openmoe\\-analyze\\-{subcommand}(1)")), "{subcommand}");
        let page = fs::read_to_string(pages.join(format!("openmoe-analyze-{subcommand}.1"))).unwrap();
        for option in options {
            let written = format!("\\-\\-{}", option.replace('-', "\\-"));
            assert!(page.contains(&written), "{subcommand} --{option} is not in\n{page}");
        }
    }
}
