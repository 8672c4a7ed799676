//! Rows of text: keys, categories, what stands beside the text.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{
    files::read_json,
    program::{Outcome, integers, openmoe_with, read_table, tiny},
};

/// A folder of inputs and runs.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A route run of these arguments, without resamples, into `run`.
    fn route(&self, corpus: &[&str], more: &[&str]) -> Outcome {
        let (checkpoint, out) = (tiny("12.3M"), self.path("run").display().to_string());
        let options = ["--out", &out, "--force", "--resamples", "0", "--permutations", "0"];
        openmoe_with(&[&["route", &checkpoint, "--corpus"], corpus, &options, more].concat())
    }

    /// The same, which must end well: what it said.
    fn routed(&self, corpus: &[&str], more: &[&str]) -> String {
        let outcome = self.route(corpus, more);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        outcome.stderr
    }

    /// What a run would read: how many tokens, and what it says.
    fn planned(&self, corpus: &[&str], more: &[&str]) -> (u64, String) {
        let said = self.routed(corpus, &[more, &["--dry-run"]].concat());
        let line = said
            .lines()
            .find(|line| line.contains(" in 1 sequence of 1 document;"))
            .unwrap_or_else(|| panic!("{said}"));
        let tokens = line.split(' ').nth(1).unwrap().replace(',', "");
        (tokens.parse().unwrap(), said)
    }

    /// The same, which must be refused.
    fn refused(&self, corpus: &[&str], more: &[&str], parts: &[&str]) {
        let outcome = self.route(corpus, more);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        for part in parts {
            assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
        }
        assert!(!self.path("run").exists(), "something was written");
    }

    fn manifest(&self) -> Value {
        read_json(&self.path("run/manifest.json"))
    }

    /// Tokens and categories of the sequences of the run.
    fn sequences(&self) -> Vec<(u64, Option<String>)> {
        let table = read_table(&self.path("run/sequences.parquet"));
        let categories = table.column("category").unwrap();
        let categories = categories.cast(&polars::prelude::DataType::String).unwrap();
        let categories: Vec<_> = categories.str().unwrap().iter().map(|name| name.map(str::to_owned)).collect();
        integers(&table, "tokens").into_iter().zip(categories).collect()
    }
}

fn charts(run: &Path) -> usize {
    fs::read_dir(run.join("charts")).unwrap().count()
}

#[test]
fn the_decision_about_categories_is_told_and_kept() {
    let desk = Desk::new();
    let two = desk.write(
        "two.jsonl",
        "{\"text\": \"one two three four\", \"language\": \"en\"}\n{\"text\": \"five six\", \"category\": \"sport\", \"language\": \"en\"}\n",
    );
    let said = desk.routed(&[&two], &[]);
    assert!(said.contains("categories: 1 by `language`\n"), "{said}");
    assert!(desk.sequences().iter().all(|(_, category)| category.as_deref() == Some("en")));
    let categories = &desk.manifest()["categories"];
    assert_eq!((categories["by"].as_str(), categories["count"].as_u64()), (Some("`language`"), Some(1)));
}

#[test]
fn a_thousand_categories_are_none_and_if_asked_for_no_thousand_charts() {
    let desk = Desk::new();
    let row = |number: usize| format!("{{\"input_ids\": [1, {}, 3], \"category\": \"c{number}\"}}\n", number + 4);
    let many = desk.write("many.jsonl", (0..200).map(row).collect::<String>());
    let said = desk.routed(&[&many], &[]);
    assert!(said.contains("categories: none (`category`: 200 categories for 200 documents)"), "{said}");
    let plain = charts(&desk.path("run"));
    let said = desk.routed(&[&many], &["--category", "category", "--quiet"]);
    assert!(said.contains("warning: categories: 200 by `category`") && said.contains("up to 64"), "{said}");
    assert!(charts(&desk.path("run")) <= plain + 6, "{} charts, {plain} without categories", charts(&desk.path("run")));
    // Every category is in the tables, none in the summary.
    let shares = fs::read_to_string(desk.path("run/stats/domain_specialization.csv")).unwrap();
    assert!(shares.contains(",c0,") && shares.contains(",c199,"));
    assert!(!fs::read_to_string(desk.path("run/summary.json")).unwrap().contains("c199"));
}

#[test]
fn a_category_that_no_row_has_is_an_error_that_names_the_keys() {
    let desk = Desk::new();
    let rows = desk.write("a.jsonl", "{\"id\": 1, \"text\": \"a b\", \"style\": \"x\", \"meta\": {\"set\": \"C4\"}}\n");
    desk.refused(
        &[&rows],
        &["--category", "styl"],
        &["key `styl` of --category; the rows have id, meta.set, style, text", "hint: did you mean --category style?"],
    );
    desk.refused(&[&rows], &["--category", "year"], &["the rows have id,", "hint: name one of the keys"]);
    desk.refused(
        &[&rows],
        &["--category", "meta"],
        &["category `meta` is an object with set", "hint: try --category meta.set"],
    );
    let text = desk.write("a.txt", "a b");
    desk.refused(&[&text], &["--category", "style"], &["there are no rows with keys"]);
    desk.routed(&[&rows], &["--category", "meta.set"]);
    // <pad>, and `a b` as three pieces.
    assert_eq!(desk.sequences(), [(4, Some("C4".to_owned()))]);
}

#[test]
fn a_text_key_of_ones_own_is_proposed_and_read() {
    let desk = Desk::new();
    let control = desk.write("control.jsonl", "{\"text\": \"one two three four\"}\n");
    let expected = desk.planned(&[&control], &[]).0;
    for (row, key) in [
        (r#"{"id": 1, "content": "one two three four"}"#, "content"),
        (r#"{"url": "u", "raw_content": "one two three four"}"#, "raw_content"),
        (r#"{"Text": "one two three four"}"#, "Text"),
        (r#"{"data": {"body": "one two three four"}}"#, "data.body"),
        (r#"{"data": "{\"body\": \"one two three four\"}"}"#, "data.body"),
    ] {
        let rows = desk.write("a.jsonl", row);
        let hint = format!("hint: try --text-key {key}");
        desk.refused(&[&rows], &[], &["neither `text` nor `input_ids`; the row has", &hint]);
        assert_eq!(desk.planned(&[&rows], &["--text-key", key]).0, expected, "{row}");
    }
}

#[test]
fn lines_and_prompts_with_what_follows_them_are_one_text_and_told() {
    let desk = Desk::new();
    for (row, text, told) in [
        (r#"{"text": ["one two", "three"]}"#, "one two\\nthree", "`text` is a list"),
        (r#"{"prompt": "one two", "completion": " three"}"#, "one two three", "`prompt` and `completion` joined"),
        (
            r#"{"instruction": "one", "input": "", "output": "three"}"#,
            "one\\nthree",
            "`instruction` and `output` joined",
        ),
        (r#"{"instruction": "a", "input": "b", "output": "c"}"#, "a\\nb\\nc", "`instruction` and `input` and `output`"),
    ] {
        let control = desk.write("control.jsonl", format!("{{\"text\": \"{text}\"}}\n"));
        let rows = desk.write("a.jsonl", row);
        let (tokens, said) = desk.planned(&[&rows], &[]);
        assert_eq!(tokens, desk.planned(&[&control], &[]).0, "{row}");
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn padding_is_masked_or_warned_of() {
    let desk = Desk::new();
    let ids = format!("[0, 17, 300, 41, 1{}]", ", 0".repeat(507));
    let mask = format!("[1, 1, 1, 1, 1{}]", ", 0".repeat(507));
    let rows = desk.write("a.jsonl", format!("{{\"input_ids\": {ids}, \"attention_mask\": {mask}}}\n"));
    let (tokens, said) = desk.planned(&[&rows], &[]);
    assert!(tokens == 5 && said.contains("507 of 512 ids left out: `attention_mask` masks them"), "{said}");
    let rows = desk.write("a.jsonl", format!("{{\"input_ids\": {ids}}}\n"));
    let said = desk.planned(&[&rows], &[]).1;
    assert!(said.contains("warning:") && said.contains("99 % of `input_ids` are id 0"), "{said}");
}

#[test]
fn a_hundred_thousand_bad_rows_are_counted_not_listed() {
    let desk = Desk::new();
    let rows = desk.write("a.jsonl", "{\"text\": \"good\"}\n".to_owned() + &"{\"no\": 1}\n".repeat(20_000));
    let said = desk.routed(&[&rows], &["--quiet"]);
    assert_eq!(said.lines().filter(|line| line.contains("left out:")).count(), 20, "{said}");
    assert!(said.contains("warning: ... and 19,980 more: neither `text` nor `input_ids`"), "{said}");
    let manifest = desk.manifest();
    assert_eq!((manifest["skipped"].as_array().unwrap().len(), &manifest["skipped_total"]), (1000, &20_000.into()));
    let page = fs::read_to_string(desk.path("run/report.html")).unwrap();
    assert!(page.contains("a.jsonl:21") && !page.contains("a.jsonl:22"));
    assert!(page.contains("and 19,980 more; manifest.json lists the first 1,000"));
    fs::remove_dir_all(desk.path("run")).unwrap();
    desk.refused(&[&rows], &["--strict"], &["20000 places cannot be used", "a.jsonl:21:", "and 19980 more: neither"]);
}

#[test]
fn documents_that_repeat_others_are_warned_of_once() {
    let desk = Desk::new();
    let rows = desk.write("a.jsonl", "{\"text\": \"one two\"}\n".repeat(3) + "{\"text\": \"three\"}\n");
    let said = desk.routed(&[&rows], &["--quiet"]);
    assert!(said.contains("warning: 2 of 4 documents repeat another one token by token"), "{said}");
    assert_eq!(desk.manifest()["repeated_documents"], 2);
}

#[test]
fn an_empty_folder_is_no_corpus_and_is_called_one() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    let empty = desk.path("empty").display().to_string();
    desk.refused(&[&empty], &[], &["empty` is an empty folder", "hint: name a folder that holds files"]);
}

#[test]
fn a_stream_is_read_no_further_than_is_needed() {
    let desk = Desk::new();
    let (checkpoint, out) = (tiny("12.3M"), desk.path("run").display().to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"));
    command.args(["route", &checkpoint, "--corpus", "-", "--max-sequences", "3", "--out", &out, "--dry-run"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The pipe stays open: who waits for its end waits for ever. What cannot be written any more was not needed.
    let mut stdin = child.stdin.take().unwrap();
    for number in 0..10 {
        let _ = writeln!(stdin, "{{\"text\": \"row {number}\"}}");
    }
    let _ = stdin.flush();
    let outcome = child.wait_with_output().unwrap();
    drop(stdin);
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert!(outcome.status.success(), "{said}");
    assert!(said.contains("-: read up to --max-sequences"), "{said}");
}
