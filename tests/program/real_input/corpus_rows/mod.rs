//! Rows of text: keys, categories, what stands beside the text.

mod keys;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use expect_test::{Expect, expect};
use serde_json::Value;

use crate::support::{
    files::read_json,
    program::{Outcome, integers, openmoe_with, read_table, tiny},
    snapshot::settled,
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

    /// The same, which must end well and say this.
    #[track_caller]
    fn routed(&self, corpus: &[&str], more: &[&str], notes: &Expect) {
        self.route(corpus, more).done_saying(notes);
    }

    /// How many tokens a run would read, and what it says.
    #[track_caller]
    fn planned(&self, corpus: &[&str], more: &[&str]) -> (u64, String) {
        let outcome = self.route(corpus, &[more, &["--dry-run"]].concat());
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let line = outcome.stderr.lines().find(|line| line.contains(" in 1 sequence of 1 document;"));
        let tokens = line.unwrap_or_else(|| panic!("{}", outcome.stderr)).split(' ').nth(1).unwrap().replace(',', "");
        (tokens.parse().unwrap(), settled(&outcome.stderr))
    }

    /// The same, which must be refused.
    #[track_caller]
    fn refused(&self, corpus: &[&str], more: &[&str], message: &Expect) {
        self.route(corpus, more).refused(message);
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
    desk.routed(
        &[&two],
        &[],
        &expect![[r#"
        categories: 1 by `language`
        openmoe-tiny-12.3M: 10 tokens in 2 sequences of 2 documents; MoE layers [1, 3, 5], 16 experts, top-2
        forward pass: 10 tokens in # s, # tokens/s
    "#]],
    );
    assert!(desk.sequences().iter().all(|(_, category)| category.as_deref() == Some("en")));
    let categories = &desk.manifest()["categories"];
    assert_eq!((categories["by"].as_str(), categories["count"].as_u64()), (Some("`language`"), Some(1)));
}

#[test]
fn a_thousand_categories_are_none_and_if_asked_for_no_thousand_charts() {
    let desk = Desk::new();
    let row = |number: usize| format!("{{\"input_ids\": [1, {}, 3], \"category\": \"c{number}\"}}\n", number + 4);
    let many = desk.write("many.jsonl", (0..200).map(row).collect::<String>());
    desk.routed(
        &[&many],
        &[],
        &expect![[r#"
        categories: none (`category`: 200 categories for 200 documents)
        openmoe-tiny-12.3M: 600 tokens in 200 sequences of 200 documents; MoE layers [1, 3, 5], 16 experts, top-2
        forward pass: 600 tokens in # s, # tokens/s
    "#]],
    );
    let plain = charts(&desk.path("run"));
    desk.routed(&[&many], &["--category", "category", "--quiet"], &expect![[r#"
        warning: categories: 200 by `category`; 200 categories for 200 documents; single ones are in the tables of stats/ only: charts, report and summary show up to 64
    "#]]);
    assert!(charts(&desk.path("run")) <= plain + 6, "{} charts, {plain} without categories", charts(&desk.path("run")));
    // Every category is in the tables, none in the summary.
    let shares = fs::read_to_string(desk.path("run/stats/domain_specialization.csv")).unwrap();
    assert!(shares.contains(",c0,") && shares.contains(",c199,"));
    assert!(!fs::read_to_string(desk.path("run/summary.json")).unwrap().contains("c199"));
}

#[test]
fn a_hundred_thousand_bad_rows_are_counted_not_listed() {
    let desk = Desk::new();
    let rows = desk.write("a.jsonl", "{\"text\": \"good\"}\n".to_owned() + &"{\"no\": 1}\n".repeat(20_000));
    desk.routed(
        &[&rows],
        &["--quiet"],
        &expect![[r#"
        warning: TEMP/a.jsonl:2 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:3 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:4 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:5 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:6 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:7 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:8 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:9 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:10 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:11 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:12 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:13 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:14 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:15 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:16 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:17 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:18 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:19 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:20 left out: neither `text` nor `input_ids`; the row has no
        warning: TEMP/a.jsonl:21 left out: neither `text` nor `input_ids`; the row has no
        warning: ... and 19,980 more: neither `text` nor `input_ids`; the row has no
    "#]],
    );
    let manifest = desk.manifest();
    assert_eq!((manifest["skipped"].as_array().unwrap().len(), &manifest["skipped_total"]), (1000, &20_000.into()));
    let page = fs::read_to_string(desk.path("run/report.html")).unwrap();
    assert!(page.contains("a.jsonl:21") && !page.contains("a.jsonl:22"));
    assert!(page.contains("and 19,980 more; manifest.json lists the first 1,000"));
    fs::remove_dir_all(desk.path("run")).unwrap();
    desk.refused(
        &[&rows],
        &["--strict"],
        &expect![[r#"
        error: 20000 places cannot be used:
          - TEMP/a.jsonl:2: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:3: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:4: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:5: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:6: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:7: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:8: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:9: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:10: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:11: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:12: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:13: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:14: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:15: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:16: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:17: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:18: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:19: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:20: neither `text` nor `input_ids`; the row has no
          - TEMP/a.jsonl:21: neither `text` nor `input_ids`; the row has no
          - and 19980 more: neither `text` nor `input_ids`; the row has no

        hint: correct them, or leave out --strict to go on without them
    "#]],
    );
}

#[test]
fn documents_that_repeat_others_are_warned_of_once() {
    let desk = Desk::new();
    let rows = desk.write("a.jsonl", "{\"text\": \"one two\"}\n".repeat(3) + "{\"text\": \"three\"}\n");
    desk.routed(&[&rows], &["--quiet"], &expect![[r#"
        warning: 2 of 4 documents repeat another one token by token: copies are no new evidence, and narrow the intervals
    "#]]);
    assert_eq!(desk.manifest()["repeated_documents"], 2);
}

#[test]
fn an_empty_folder_is_no_corpus_and_is_called_one() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    let empty = desk.path("empty").display().to_string();
    desk.refused(
        &[&empty],
        &[],
        &expect![[r#"
        error: the corpus has no document: `TEMP/empty` is an empty folder

        hint: name a folder that holds files, or a file; `-` reads JSON lines from the standard input
    "#]],
    );
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
    let outcome = Outcome::of(&child.wait_with_output().unwrap());
    drop(stdin);
    outcome.done_saying(&expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        -: read up to --max-sequences, 54 bytes; its hash is theirs
        openmoe-tiny-12.3M: 13 tokens in 3 sequences of 3 documents; MoE layers [1, 3, 5], 16 experts, top-2
    "#]]);
}
