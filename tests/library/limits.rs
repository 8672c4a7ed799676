//! docs/limits.md is what the source says: every limit of input with its value, and none missing.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Folders and files whose limits are about input.
const ABOUT_INPUT: [&str; 8] = [
    "checkpoint/",
    "corpus/",
    "pickle/",
    "hub/",
    "import/",
    "routing/",
    "pipeline/import_run.rs",
    "pipeline/input_text.rs",
];
/// How the names of limits begin.
const PREFIXES: [&str; 7] = ["MAX", "MOST", "LONGEST", "LARGEST", "DEEPEST", "FUEL", "PATIENCE"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The limits of the source: file and name, and the value as it is written.
fn of_source() -> BTreeMap<(String, String), String> {
    let source = root().join("src");
    let mut limits = BTreeMap::new();
    for path in files(&source) {
        let file = path.strip_prefix(&source).unwrap().to_string_lossy().replace('\\', "/");
        if !ABOUT_INPUT.iter().any(|place| file.starts_with(place)) {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some((before, after)) = line.split_once("const ") else { continue };
            let Some((name, rest)) = after.split_once(": ") else { continue };
            let is_item = before.trim().is_empty() || before.trim().starts_with("pub");
            let is_limit = PREFIXES
                .iter()
                .any(|prefix| name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')));
            if let (true, true, Some((_, value))) = (is_item, is_limit, rest.split_once(" = ")) {
                limits.insert((file.clone(), name.to_owned()), value.trim_end_matches(';').to_owned());
            }
        }
    }
    limits
}

/// The limits of the page: pairs of `` `file` `NAME = value` ``.
fn of_page() -> BTreeMap<(String, String), String> {
    let page = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let mut limits = BTreeMap::new();
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let quoted: Vec<&str> = row.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2).collect();
        for pair in quoted.chunks_exact(2) {
            let (name, value) = pair[1].split_once(" = ").unwrap_or_else(|| panic!("no value in {row}"));
            limits.insert((pair[0].to_owned(), name.to_owned()), value.to_owned());
        }
    }
    limits
}

#[test]
fn the_page_on_limits_states_every_limit_with_its_value() {
    let (source, page) = (of_source(), of_page());
    assert!(source.len() > 50, "the limits of the source are not found");
    for (limit, value) in &source {
        assert_eq!(page.get(limit), Some(value), "docs/limits.md, {limit:?}");
    }
    for limit in page.keys() {
        assert!(source.contains_key(limit), "docs/limits.md names {limit:?}, which the source has not");
    }
}
