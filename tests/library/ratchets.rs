//! What may only become less: import circles between files, names of statistics written as text, keys of a manifest read as
//! text, flags of the command line named below it.
//! A change that lowers a count lowers the number here; none may raise it.

pub(crate) mod imports;

use std::collections::BTreeSet;

use imports::{circles, code, source_files};
use openmoe_analyze::stats::STATISTICS;

/// Groups of files that import each other, directly or through others.
const CIRCLES: usize = 0;
/// Names of statistics as text outside the catalogue.
const LITERALS: usize = 4;
/// Keys of a manifest as text outside its record.
const MANIFEST_KEYS: usize = 0;
/// Flags as text outside the command line: messages below it name an option by `OptionName`.
const FLAGS: usize = 0;

fn assert_ratchet(what: &str, allowed: usize, found: &[String]) {
    println!("{what}: {} of at most {allowed}", found.len());
    assert!(found.len() <= allowed, "{what}: {} of at most {allowed}\n{}", found.len(), found.join("\n"));
    assert!(
        found.len() == allowed,
        "{what}: only {} are left, lower the number in tests/library/ratchets.rs",
        found.len()
    );
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let found: Vec<String> = circles().iter().map(|files| files.join(", ")).collect();
    assert_ratchet("import circles between files", CIRCLES, &found);
}

#[test]
fn statistics_are_named_by_the_catalogue() {
    let names: BTreeSet<&str> = STATISTICS.iter().map(|info| info.name).collect();
    let mut found = Vec::new();
    for file in source_files().into_iter().filter(|file| !file.name.starts_with("stats/catalog/")) {
        for (at, line) in file.code.lines().enumerate() {
            let texts = line.split('"').skip(1).step_by(2).filter(|text| names.contains(text));
            found.extend(texts.map(|text| format!("{}:{}: {text}", file.name, at + 1)));
        }
    }
    assert_ratchet("names of statistics as text", LITERALS, &found);
}

#[test]
fn keys_of_a_manifest_are_named_by_its_record() {
    let mut found = Vec::new();
    let is_manifest =
        |before: &str| ["manifest", "recorded", "identity", "expected"].iter().any(|name| before.ends_with(name));
    for file in
        source_files().into_iter().filter(|file| !file.name.ends_with("/record.rs") && !file.name.contains("/record/"))
    {
        for (at, line) in file.code.lines().enumerate() {
            for access in ["[\"", ".get(\"", ".insert(\""] {
                let places = line.match_indices(access).filter(|(start, _)| is_manifest(&line[..*start]));
                found.extend(places.map(|_| format!("{}:{}: {}", file.name, at + 1, line.trim())));
            }
        }
    }
    assert_ratchet("keys of a manifest as text", MANIFEST_KEYS, &found);
}

#[test]
fn flags_are_named_by_the_command_line() {
    let mut found = Vec::new();
    let is_command_line = |name: &str| ["cli/", "commands/"].iter().any(|folder| name.starts_with(folder));
    for file in source_files().into_iter().filter(|file| !is_command_line(&file.name)) {
        let flags = file.code.lines().enumerate().filter(|(_, line)| names_a_flag(line));
        found.extend(flags.map(|(at, line)| format!("{}:{}: {}", file.name, at + 1, line.trim())));
    }
    assert_ratchet("flags as text outside the command line", FLAGS, &found);
}

/// Whether a line of code holds `--` before a lower-case letter; no operator of Rust does.
fn names_a_flag(line: &str) -> bool {
    line.match_indices("--").any(|(start, _)| line[start + 2..].starts_with(|next: char| next.is_ascii_lowercase()))
}

#[test]
fn a_flag_is_seen_wherever_it_stands() {
    assert!(names_a_flag("format!(\"raise --context\")") && names_a_flag("         --tokens how far"));
    assert!(!names_a_flag("\"a -- b\"") && !names_a_flag("count -= 1;") && !names_a_flag("\"|---|\""));
}

/// The reader, tried on what it must and must not find: without this a count of 0 could mean that it is blind.
#[test]
fn the_reader_sees_circles() {
    let files = |texts: &[(&str, &str)]| texts.iter().map(|(name, text)| imports::file(name, text)).collect::<Vec<_>>();
    let circle = |texts: &[(&str, &str)]| imports::circles_of(&files(texts));
    let two = [
        ("a/mod.rs", "mod b;\nmod c;\npub use b::B;"),
        ("a/b.rs", "use super::c::{self, C};"),
        ("a/c.rs", "use crate::a::B;"),
    ];
    assert_eq!(circle(&two), [["a/b.rs", "a/c.rs"]], "a name that a parent hands on is its child's");
    let parent =
        [("a/mod.rs", "mod b;\nuse b::make;\npub struct A;"), ("a/b.rs", "fn make() -> super::A { super::A }")];
    assert_eq!(circle(&parent), [["a/mod.rs", "a/b.rs"]]);
    let none = [
        ("a/mod.rs", "mod b;\npub use b::B;\npub struct A;"),
        ("a/b.rs", "use super::A; // use crate::c::C"),
        ("c.rs", "use crate::{a::{A, B}};"),
    ];
    assert!(circle(&none).is_empty(), "{:?}", circle(&none));
    assert_eq!(code("let a = 1; // x\n#[cfg(test)]\nmod tests {\n use crate::b;"), "let a = 1; \n");
}
