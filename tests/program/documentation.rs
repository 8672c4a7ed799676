//! The documentation runs: every `console` block of README.md and docs/*.md, with the output that it shows.
//!
//! ````text
//! ```console            a block; `console,exit=2` where a command is meant to fail
//! $ openmoe-analyze ... is run; so is `$ cargo run --release -- ...`, with the binary that is there already
//! $ ls DIR              is run
//! $ cargo test ...      is not run, but the tests that it names must exist
//! the output            `...` stands for any text in a line; a line `...` for any lines
//! ```
//! ````
//!
//! A command without output below it may print anything. The blocks of a document share a folder, in which `fixtures`
//! is that of the repository; a block `jsonl,file=NAME` (or any other language) puts a file there. A comment
//! `<!-- not run: reason -->` above a block exempts it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// Fewer commands than these mean that the blocks are not found any more.
const LEAST_COMMANDS: usize = 8;

/// A fenced block of a document.
struct Block {
    /// Line of the opening fence.
    line: usize,
    /// What follows the fence: language, then options.
    info: Vec<String>,
    /// Why it is not run.
    exempt: Option<String>,
    lines: Vec<String>,
}

impl Block {
    fn option(&self, key: &str) -> Option<&str> {
        self.info.iter().find_map(|option| option.strip_prefix(key)?.strip_prefix('='))
    }

    fn is_console(&self) -> bool {
        self.info[0] == "console"
    }

    /// Commands, each with the output below it.
    fn steps(&self) -> Vec<(String, Vec<String>)> {
        let mut steps: Vec<(String, Vec<String>)> = Vec::new();
        for line in &self.lines {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push((command.to_owned(), Vec::new())),
                (None, Some((command, output))) if output.is_empty() && command.ends_with('\\') => {
                    command.pop();
                    command.push_str(line.trim_start().trim_start_matches("> "));
                }
                (None, Some((_, output))) => output.push(line.trim_end().to_owned()),
                (None, None) => panic!("line {}: a console block starts with `$ `", self.line),
            }
        }
        steps
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and docs/*.md.
fn documents() -> Vec<PathBuf> {
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = pages.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    pages.sort();
    pages.insert(0, root().join("README.md"));
    pages.retain(|path| path.exists());
    pages
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut open, mut exempt): (Option<Block>, Option<String>) = (None, None);
    for (index, line) in text.lines().enumerate() {
        if let Some(mut block) = open.take() {
            if line == "```" {
                blocks.push(block);
            } else {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
        } else if let Some(info) = line.strip_prefix("```") {
            let info = info.split(',').map(|part| part.trim().to_owned()).collect();
            open = Some(Block { line: index + 1, info, exempt: exempt.take(), lines: Vec::new() });
        } else if let Some(reason) = line.strip_prefix("<!-- not run: ").and_then(|line| line.strip_suffix(" -->")) {
            exempt = Some(reason.to_owned());
        } else if !line.trim().is_empty() {
            exempt = None;
        }
    }
    assert!(open.is_none(), "a block is never closed");
    blocks
}

/// The words of a command; quotes hold a word together.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote): (Vec<String>, Option<String>, Option<char>) = (Vec::new(), None, None);
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|' | '>' | '<' | '&' | ';') => panic!("`{command}`: pipes and redirections are not run"),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    assert!(quote.is_none(), "`{command}`: a quote is never closed");
    words.extend(word);
    words
}

/// Runs a program in a folder; exit code, and both streams in the order in which they were written.
fn run(program: &str, arguments: &[String], folder: &Path) -> (i32, Vec<String>) {
    let path = folder.join(".output");
    let file = File::create(&path).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("LC_ALL", "C");
    command.stdout(file.try_clone().unwrap()).stderr(file);
    let code = command.status().unwrap().code().unwrap_or(-1);
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(path).unwrap();
    (code, text.lines().map(|line| line.trim_end().to_owned()).collect())
}

/// Whether a line is what the documentation shows; `...` stands for any text.
fn line_matches(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split("...").collect();
    let (Some(mut rest), [_, middle @ ..]) = (line.strip_prefix(parts[0]), parts.as_slice()) else { return false };
    let Some((last, middle)) = middle.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether the whole output is what the documentation shows; a line `...` stands for any lines.
fn output_matches(pattern: &[String], output: &[String]) -> bool {
    match pattern.split_first() {
        None => output.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=output.len()).any(|skipped| output_matches(rest, &output[skipped..]))
        }
        Some((first, rest)) => {
            output.first().is_some_and(|line| line_matches(first, line)) && output_matches(rest, &output[1..])
        }
    }
}

/// The tests that a `cargo test` command names exist: a binary behind `--test`, a module of it as `module::`.
fn check_cargo_test(words: &[String]) {
    let binary = words.iter().skip_while(|word| *word != "--test").nth(1);
    let Some(binary) = binary.map(|name| root().join("tests").join(name)) else { return };
    assert!(binary.join("main.rs").exists(), "there is no test `{}`", binary.display());
    for module in words.iter().filter_map(|word| word.strip_suffix("::")) {
        let exists = binary.join(format!("{module}.rs")).exists() || binary.join(module).join("mod.rs").exists();
        assert!(exists, "`{}` has no module `{module}`", binary.display());
    }
}

/// Runs one command of a block; whether it was run, or only checked.
fn run_step(command: &str, expected: &[String], exit: i32, folder: &Path) -> bool {
    let words = words(command);
    let is = |prefix: &[&str]| words.len() >= prefix.len() && prefix.iter().zip(&words).all(|(a, b)| a == b);
    let (code, output) = if is(&["openmoe-analyze"]) {
        run(env!("CARGO_BIN_EXE_openmoe-analyze"), &words[1..], folder)
    } else if is(&["cargo", "run", "--release", "--"]) {
        run(env!("CARGO_BIN_EXE_openmoe-analyze"), &words[4..], folder)
    } else if is(&["ls"]) {
        run("ls", &words[1..], folder)
    } else if is(&["cargo", "test"]) {
        check_cargo_test(&words);
        return false;
    } else {
        panic!(
            "only openmoe-analyze, cargo run, cargo test and ls are run; mark the block as not run, with the reason"
        );
    };
    assert_eq!(code, exit, "exit code of\n$ {command}\n{}", output.join("\n"));
    let matches = expected.is_empty() || output_matches(expected, &output);
    assert!(matches, "$ {command}\nshows\n{}\nbut prints\n{}", expected.join("\n"), output.join("\n"));
    true
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).unwrap();
}

#[cfg(windows)]
fn link(from: &Path, to: &Path) {
    std::os::windows::fs::symlink_dir(from, to).unwrap();
}

/// Runs a document; how many commands were run.
fn run_document(document: &Path) -> usize {
    let folder = tempfile::tempdir().unwrap();
    link(&root().join("fixtures"), &folder.path().join("fixtures"));
    let name = document.strip_prefix(root()).unwrap().display();
    let mut commands = 0;
    for block in blocks(&fs::read_to_string(document).unwrap()) {
        if let Some(file) = block.option("file") {
            fs::write(folder.path().join(file), block.lines.join("\n") + "\n").unwrap();
        }
        if !block.is_console() {
            continue;
        }
        if let Some(reason) = &block.exempt {
            println!("{name}:{}: not run: {reason}", block.line);
            continue;
        }
        let exit = block.option("exit").map_or(0, |code| code.parse().unwrap());
        for (command, output) in block.steps() {
            println!("{name}:{}: $ {command}", block.line);
            commands += usize::from(run_step(&command, &output, exit, folder.path()));
        }
    }
    commands
}

#[test]
fn every_command_of_the_documentation_runs_and_prints_what_is_shown() {
    let commands: usize = documents().iter().map(|document| run_document(document)).sum();
    println!("{commands} commands were run");
    assert!(commands >= LEAST_COMMANDS, "only {commands} commands were found");
}

#[test]
fn links_between_documents_lead_to_files() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let elsewhere = target.contains("://") || file.is_empty();
            assert!(elsewhere || document.parent().unwrap().join(file).exists(), "{}: {target}", document.display());
        }
    }
}

#[test]
fn the_citation_names_this_version() {
    let citation = fs::read_to_string(root().join("docs/CITATION.cff")).unwrap();
    assert!(citation.contains(concat!("\nversion: ", env!("CARGO_PKG_VERSION"), "\n")), "{citation}");
}

#[test]
fn the_comparison_can_fail() {
    assert!(line_matches("perplexity ... over 8 tokens", "perplexity 79.9 over 8 tokens"));
    assert!(!line_matches("perplexity ... over 9 tokens", "perplexity 79.9 over 8 tokens"));
    assert!(!line_matches("a", "ab") && !line_matches("...a", "ab") && line_matches("...", ""));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(output_matches(&lines("a\n...\nd"), &lines("a\nb\nc\nd")));
    assert!(!output_matches(&lines("a\n...\nd"), &lines("a\nb\nc")));
    assert!(!output_matches(&lines("a"), &lines("a\nb")));
    assert_eq!(words("inspect x --text \"two words\" ''"), ["inspect", "x", "--text", "two words", ""]);
}
