//! `reproduce`: the paper's own numbers against values known independently, made-up runs whose distance from the paper is
//! known, and what it refuses.

mod files;
mod numbers;

use std::{fs, path::Path, process::Command};

use expect_test::{Expect, expect};
use openmoe_analyze::{
    paper::{Paper, TOP_K, checks},
    routing::View,
    stats::{Finding, Statistic, StatisticTable, Subject, Variable, Variant},
};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::{
    files::{fixture, read_json},
    program::{Outcome, openmoe_with},
    snapshot::settled,
};

fn reproduce(arguments: &[&str]) -> Outcome {
    openmoe_with(&[&["reproduce"], arguments].concat())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A finished run that holds these rows.
fn made_up(command: &str, experts: usize, tables: &[(&str, Vec<Finding>)]) -> TempDir {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("stats")).unwrap();
    for (name, rows) in tables {
        let table = StatisticTable { name: (*name).to_owned(), rows: rows.clone() };
        fs::write(folder.path().join(format!("stats/{name}.parquet")), table.to_parquet().unwrap()).unwrap();
    }
    let manifest = json!({
        "command": command, "version": env!("CARGO_PKG_VERSION"), "complete": true, "label": "made-up",
        "seed": 0, "resamples": 1000, "permutations": 100, "exclude_bos": false,
        "corpus": ["texts/sample.jsonl"], "sequences": 10, "documents": 10, "tokens": 1000,
        "layout": {"moe_layers": [3], "num_experts": experts, "top_k": 2, "segments": 1},
    });
    fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    folder
}

/// Kept shares of a category, every one with an interval of this half width.
fn shares(category: &str, share: &[f64], half: f64) -> Vec<Finding> {
    let row = |(expert, share): (usize, &f64)| {
        Finding::new(Statistic::ExpertShare, 3, View::Kept)
            .by(Variable::Category)
            .measured(*share, Some((share - half, share + half)), 500, 10)
            .about(|subject| Subject { category: Some(category.to_owned()), expert: Some(expert as u16), ..subject })
    };
    share.iter().enumerate().map(row).collect()
}

/// The paper's shares of a category, straight from the file.
fn paper_shares(figure: &str, category: &str) -> Vec<f64> {
    let all = read_json(&fixture("paper/openmoe_fig5_11_E.json"));
    serde_json::from_value(all[figure][category]["E"].clone()).unwrap()
}

/// The comparison of a run, written beside it.
fn compared(run: &TempDir) -> Value {
    let outcome = reproduce(&[&text(run.path()), "--quiet"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    read_json(&run.path().join("reproduce/comparison.json"))
}

fn row<'a>(comparison: &'a Value, figure: &str, measure: &str, item: &str) -> &'a Value {
    let figures = comparison["figures"].as_array().unwrap();
    let section =
        figures.iter().find(|section| section["figure"] == figure).unwrap_or_else(|| panic!("no figure {figure}"));
    let mut rows = section["rows"].as_array().unwrap().iter();
    rows.find(|row| row["measure"] == measure && row["item"] == item)
        .unwrap_or_else(|| panic!("no {measure} of `{item}`"))
}

fn near(value: &Value, expected: f64, tolerance: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
}
