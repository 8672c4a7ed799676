//! The page of one run and of several: what it holds, what it must never hold, and what a real browser does with it.

mod browser;
mod page;
mod paths;

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use expect_test::{Expect, expect};
use openmoe_analyze::{routing::View, stats::StatisticTable};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::{
    files::{fixture, read_json},
    program::{copy_tree, openmoe_with, tiny, twelve_documents},
};

const SCRIPT: &str = "</script><script>document.title = 'taken over'</script><img src=x onerror=alert(1)>";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs that the tests only read: two of route, one of drift, one of drops.
struct Runs {
    folder: TempDir,
}

impl Runs {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// Documents and categories full of markup, quotes, control characters and other scripts.
fn nasty_corpus(folder: &Path) -> PathBuf {
    let texts = [
        SCRIPT,
        "\"quotes\" & 'more' {{ braces }} {% raw %} `code`",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{202e}turned",
        "\u{1f600} tabs\tand\nlines",
    ];
    let rows = (0..16).map(|row| {
        let category = if row % 2 == 0 { SCRIPT } else { "a \"category\"\\ of two\nlines" };
        json!({ "id": format!("{SCRIPT} {row}"), "domain": category, "text": format!("{} {}", texts[row % 4].repeat(3), row) }).to_string()
    });
    let path = folder.join("nasty.jsonl");
    fs::write(&path, rows.collect::<Vec<_>>().join("\n")).unwrap();
    path
}

fn runs() -> &'static Runs {
    static RUNS: OnceLock<Runs> = OnceLock::new();
    RUNS.get_or_init(|| {
        let runs = Runs { folder: tempfile::tempdir().unwrap() };
        let corpus = nasty_corpus(runs.folder.path());
        let few = ["--resamples", "40", "--permutations", "10", "-q"];
        let (last, earlier) = (tiny("12.3M"), tiny("2.5M"));
        let route = |checkpoint: &str, name: &str| {
            let out = runs.path(name);
            let outcome =
                openmoe_with(&[&["route", checkpoint, "--corpus", text(&corpus), "--out", &out], &few[..]].concat());
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        };
        route(&last, "nasty");
        route(&earlier, "earlier");
        let outcome = twelve_documents(&["drift", &earlier, &last], &["--out", &runs.path("drift"), "-q"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let transcripts = fixture("corpora/transcripts/openai_messages.jsonl").display().to_string();
        let out = runs.path("drops");
        let drops = ["drops", &last, "--transcripts", &transcripts, "--max-sequences", "12", "--out", &out];
        let outcome = openmoe_with(&[&drops[..], &few].concat());
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        runs
    })
}

/// A report of several runs.
fn report(names: &[&str], file: &str) -> PathBuf {
    let out = runs().folder.path().join(file);
    let folders: Vec<String> = names.iter().map(|name| runs().path(name)).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let outcome = openmoe_with(&[&["report"], &folders[..], &["--out", text(&out), "-q", "--force"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    out
}

/// What the scripts of a page read.
fn numbers(page: &str) -> Value {
    let (_, from) = page.split_once("id=\"report-data\">").unwrap();
    let bytes = STANDARD.decode(from.split_once("</script>").unwrap().0.trim()).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Everything that a page says, its packed numbers included.
fn said(path: &Path) -> String {
    let page = fs::read_to_string(path).unwrap();
    let packed = numbers(&page).to_string();
    page + &packed
}
