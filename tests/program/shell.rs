//! What the command line says about itself to shells and to `man`.
use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path, process::Command};

use clap::CommandFactory;
use expect_test::{expect, expect_file};
use openmoe_analyze::cli::Cli;

use crate::support::program::openmoe_with;

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

/// What `--help` prints of the program and of every subcommand is in tests/program/help.
#[test]
fn help_is_what_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/help");
    let commands: Vec<String> = subcommands().into_keys().collect();
    for command in &commands {
        let help = openmoe_with(&[command, "--help"]);
        assert_eq!(help.code, 0, "{}", help.stderr);
        expect_file![folder.join(format!("{command}.txt"))].assert_eq(&help.stdout);
    }
    expect_file![folder.join("openmoe-analyze.txt")].assert_eq(&openmoe_with(&["--help"]).stdout);
    assert_eq!(fs::read_dir(folder).unwrap().count(), commands.len() + 1, "a file for each command, and one for all");
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
    unknown.refused(&expect![[r#"
        error: invalid value 'cmd' for '<SHELL>'
          [possible values: bash, elvish, fish, powershell, zsh]

        For more information, try '--help'.
    "#]]);
}

/// What bash offers for the last of the words; `None` where there is no bash.
fn offered(script: &Path, words: &[&str]) -> Option<Vec<String>> {
    // As bash does it: the function that `complete` registered gets the program, the word and the word before.
    let ask = r#"source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        [[ $(complete -p "$1") =~ -F\ ([^ ]+) ]] || exit 1
        "${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", ask, "bash"]).arg(script).arg("openmoe-analyze").args(words);
    let output = match bash.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_the_options_of_every_subcommand() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("openmoe-analyze.bash");
    fs::write(&script, openmoe_with(&["completions", "bash"]).stdout).unwrap();
    let Some(first) = offered(&script, &["re"]) else {
        println!("NOT RUN: there is no bash here");
        return;
    };
    assert_eq!(first, ["report", "recorder", "reproduce"]);
    assert_eq!(offered(&script, &["reproduce", "--paper"]).unwrap(), ["--paper-only"]);
    assert_eq!(offered(&script, &["completions", "po"]).unwrap(), ["powershell"]);
    for (subcommand, options) in subcommands() {
        let offered = offered(&script, &[&subcommand, "--"]).unwrap();
        for option in options {
            assert!(offered.contains(&format!("--{option}")), "{subcommand} --{option} is not in {offered:?}");
        }
    }
}

#[test]
fn values_that_have_names_are_offered() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("openmoe-analyze.bash");
    fs::write(&script, openmoe_with(&["completions", "bash"]).stdout).unwrap();
    let zsh = openmoe_with(&["completions", "zsh"]).stdout;
    let values = [
        (["route", "--capacity-rule"], &["port", "t5x", "unlimited"][..]),
        (["drift", "--group"], &["sequence", "batch:8", "tokens:4096"]),
        (["drops", "--template"], &["auto", "openmoe", "tokenizer", "plain"]),
        (["drops", "--oasst-paths"], &["all", "best"]),
        (["drops", "--format"], &["mt-bench-questions", "mt-bench-answers", "sharegpt", "openai", "wildchat", "oasst"]),
    ];
    for ([subcommand, option], values) in values {
        // A colon has a meaning of its own in the script for zsh.
        assert!(zsh.contains(&values[..2].join(" ").replace(':', "\\:")), "{option}");
        let Some(offered) = offered(&script, &[subcommand, option, ""]) else {
            println!("NOT RUN: there is no bash here");
            return;
        };
        assert!(values.iter().all(|value| offered.iter().any(|word| word == value)), "{option}: {offered:?}");
    }
}

#[test]
fn the_manual_shows_values_in_its_synopsis_and_examples_that_can_be_copied() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().to_str().unwrap();
    assert_eq!(openmoe_with(&["man", "--out", pages]).code, 0);
    let page = |name: &str| fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
    let [route, main] = ["openmoe-analyze-route", "openmoe-analyze"].map(page);
    let part = |page: &str, section: &str| {
        let start = page.find(&format!(".SH {section}\n")).unwrap_or_else(|| panic!("no {section} in\n{page}"));
        let length = page[start + 1..].find("\n.SH ").map_or(page.len() - start, |length| length + 2);
        page[start..start + length].to_owned()
    };
    expect![[r#"
        .SH SYNOPSIS
        \fBopenmoe\-analyze route\fR [OPTIONS] <CHECKPOINT> \-\-corpus <PATH>... \-\-out <DIR>
    "#]]
    .assert_eq(&part(&route, "SYNOPSIS"));
    expect![[r#"
        .SH EXAMPLES
        .nf
        openmoe\-analyze route path/to/openmoe\-8b \e
            \-\-corpus corpus/domains corpus/languages \e
            \-\-out runs/8b
        .fi
    "#]]
    .assert_eq(&part(&route, "EXAMPLES"));
    expect![[r#"
        .SH NOTES
        Corpora: .jsonl, .json, .txt and .md, also as .gz or .zst, .parquet, folders of these, \- for standard input. A row has `text` (or `input_ids`, or a prompt and its completion), and may have `id` and a category. If the text has another key, name it with \-\-text\-key.
    "#]].assert_eq(&part(&route, "NOTES"));
    expect![[r#"
        .SH EXAMPLES
        Try it on the bundled model and text:  openmoe\-analyze demo
    "#]]
    .assert_eq(&part(&main, "EXAMPLES"));
    expect![[r#"
        .SH NOTES
        Exit codes: 0 done, 1 a check that was asked for failed, 2 bad input or usage, 3 a fault of the tool, 130 interrupted (resumable).
    "#]].assert_eq(&part(&main, "NOTES"));
    assert!(!route.contains("EXTRA") && !main.contains("EXTRA"));
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
