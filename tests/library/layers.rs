//! The import rules of the house: a module may use only what stands before it in the data's way. `model` and `trace`
//! meet in `routing`; `chart` never computes, `stats` never draws.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::ratchets::imports::{SourceFile, source_files};

/// Module, modules of this crate that it may use, heavy crates that are at home in it.
const RULES: &[(&str, &[&str], &[&str])] = &[
    ("error", &[], &["thiserror"]),
    ("read_at", &[], &[]),
    ("hub", &["error", "read_at"], &["ureq"]),
    ("first_bytes", &["read_at"], &[]),
    ("pickle", &["error", "read_at"], &[]),
    ("random", &[], &["rand", "rand_xoshiro"]),
    ("routing", &["error", "random"], &[]),
    (
        "corpus",
        &["error", "first_bytes"],
        &["tokenizers", "polars_parquet", "polars_arrow", "polars_buffer", "prost", "minijinja", "minijinja_contrib"],
    ),
    ("checkpoint", &["error", "read_at", "hub", "first_bytes", "pickle", "routing"], &["safetensors"]),
    ("import", &["error", "read_at", "pickle", "routing", "corpus"], &["polars_arrow"]),
    ("run", &["error", "routing", "corpus", "checkpoint", "import"], &["tempfile"]),
    ("model", &["error", "routing", "corpus", "checkpoint"], &["candle_core", "gemm", "pulp"]),
    ("trace", &["error", "routing", "corpus", "run"], &["polars"]),
    ("stats", &["error", "random", "routing", "trace"], &["polars"]),
    ("paper", &["error", "routing", "run", "stats"], &[]),
    ("chart", &["error", "routing", "stats", "paper"], &["plotters", "resvg", "pdf_writer"]),
    ("report", &["error", "routing", "run", "trace", "stats", "paper", "chart"], &["minijinja"]),
    (
        "pipeline",
        &[
            "error",
            "read_at",
            "hub",
            "first_bytes",
            "routing",
            "corpus",
            "checkpoint",
            "import",
            "model",
            "run",
            "trace",
            "stats",
            "paper",
            "chart",
            "report",
        ],
        &["candle_core", "candle_transformers", "tempfile"],
    ),
    ("cli", &["routing", "corpus", "import", "pipeline"], &["clap", "clap_complete"]),
];

/// Crates that may be used in one or a few modules only (commands may use everything).
const HEAVY: &[&str] = &[
    "candle_core",
    "candle_nn",
    "candle_transformers",
    "gemm",
    "pulp",
    "polars",
    "polars_arrow",
    "polars_buffer",
    "polars_parquet",
    "plotters",
    "resvg",
    "pdf_writer",
    "tokenizers",
    "safetensors",
    "prost",
    "minijinja",
    "minijinja_contrib",
    "clap",
    "clap_complete",
    "clap_mangen",
    "terminal_size",
    "anyhow",
    "rand",
    "rand_xoshiro",
    "tempfile",
    "thiserror",
    "ureq",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of a module; unit tests may name other modules.
fn files_of<'f>(files: &'f [SourceFile], module: &str) -> impl Iterator<Item = &'f SourceFile> {
    let (folder, file) = (format!("{module}/"), format!("{module}.rs"));
    files.iter().filter(move |own| own.name.starts_with(&folder) || own.name == file)
}

/// The words that follow `prefix`, also inside `prefix{a, b::c}`.
fn used(code: &str, prefix: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (start, _) in code.match_indices(prefix) {
        let rest = &code[start + prefix.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let mut depth = 1;
        let mut item = String::new();
        for character in list.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && character == ',') {
                found.insert(word(item.trim()));
                item.clear();
            } else {
                item.push(character);
            }
            if depth == 0 {
                break;
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn modules_use_only_what_stands_before_them() {
    let (files, mut violations) = (source_files(), Vec::new());
    for (module, allowed, heavy) in RULES {
        for SourceFile { name: file, code, .. } in files_of(&files, module) {
            for name in used(code, "crate::") {
                if name != *module && !allowed.contains(&name.as_str()) && !name.starts_with(char::is_uppercase) {
                    violations.push(format!("{file} uses crate::{name}; `{module}` may use {allowed:?}"));
                }
            }
            for name in HEAVY.iter().filter(|name| !heavy.contains(name) && code.contains(&format!("{name}::"))) {
                violations.push(format!("{file} uses {name}, which is not at home in `{module}`"));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// A newcomer reads the page, not this file.
#[test]
fn the_page_on_architecture_states_these_rules() {
    let page = fs::read_to_string(source().join("../docs/architecture.md")).unwrap();
    let listed = |names: &[&str]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    for (module, allowed, heavy) in RULES {
        let row = format!("| `{module}` | {} | {} |", listed(allowed), listed(heavy));
        assert!(page.lines().any(|line| line == row), "docs/architecture.md lacks\n{row}");
        assert!(page.matches(&format!("| `{module}` | ")).count() == 2, "`{module}`: what it is, what it may use");
    }
    assert!(page.contains("| `commands` | "));
}

#[test]
fn every_module_has_a_rule() {
    let mut modules: Vec<String> = fs::read_dir(source())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| !["lib", "main", "commands"].contains(&name.as_str()))
        .collect();
    modules.sort();
    let mut ruled: Vec<String> = RULES.iter().map(|(module, ..)| (*module).to_owned()).collect();
    ruled.sort();
    assert_eq!(modules, ruled);
}

#[test]
fn only_one_file_holds_unsafe_code() {
    let files = source_files();
    let modules = RULES.iter().map(|(module, ..)| *module).chain(["commands"]);
    let all = modules.flat_map(|module| files_of(&files, module));
    let with: Vec<_> = all
        .filter(|file| file.code.contains("unsafe {"))
        .map(|file| Path::new(&file.name).file_name().unwrap())
        .collect();
    assert_eq!(with, ["matmul.rs"]);
}

/// The reader of `use` lines, tried on what it must and must not find: without this the rules above could pass blindly.
#[test]
fn the_reader_sees_nested_lists() {
    let code = "use crate::{\n    error::{Error, Result},\n    routing::route,\n};\nlet x = crate::stats::mean();";
    assert_eq!(used(code, "crate::").into_iter().collect::<Vec<_>>(), ["error", "routing", "stats"]);
}
