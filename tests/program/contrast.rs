//! `contrast`: its answer is counted a second time from the trace, and what it refuses.

use std::{collections::HashMap, fs, path::Path};

use expect_test::expect;
use polars::prelude::*;

use crate::support::{
    files::{fixture, read_json},
    program::{contents, integers, openmoe_with, read_parts, read_table, refusals, tiny},
};

/// Two languages of the bundled corpus through a small checkpoint, once for each test.
fn run(folder: &Path) -> String {
    let corpus = |name: &str| fixture("corpora/languages").join(name).display().to_string();
    let (checkpoint, out) = (tiny("12.3M"), folder.join("run").display().to_string());
    let (german, chinese) = (corpus("de.jsonl"), corpus("zh-cn.jsonl"));
    let options = ["--truncate", "--context", "24", "--resamples", "0", "--permutations", "0", "--out", &out];
    let outcome = openmoe_with(&[&["route", &checkpoint, "--corpus", &german, &chinese][..], &options].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    out
}

/// Share of a category's tokens in layer 5 that chose an expert, straight from the files.
fn rate(run: &Path, category: &str, expert: u64) -> f64 {
    let sequences = read_table(&run.join("sequences.parquet"));
    let categories: Vec<Option<String>> =
        sequences.column("category").unwrap().str().unwrap().iter().map(|name| name.map(str::to_owned)).collect();
    let of: HashMap<u64, Option<String>> = integers(&sequences, "sequence").into_iter().zip(categories).collect();
    let trace: DataFrame = read_parts(run, "trace");
    let [layer, sequence, choice, chosen] =
        ["layer", "sequence", "choice", "expert"].map(|name| integers(&trace, name));
    let own = |row: &usize| layer[*row] == 5 && of[&sequence[*row]].as_deref() == Some(category);
    let rows: Vec<usize> = (0..layer.len()).filter(own).collect();
    let tokens = rows.iter().filter(|row| choice[**row] == 0).count();
    rows.iter().filter(|row| chosen[**row] == expert).count() as f64 / tokens as f64
}

#[test]
fn the_largest_difference_is_what_the_trace_says() {
    let folder = tempfile::tempdir().unwrap();
    let (run, out) = (run(folder.path()), folder.path().join("out"));
    let contrast = |out: &Path, threads: &str| {
        let out = out.display().to_string();
        let sides = ["--a", "category=zh-cn", "--b", "category=de", "--top", "3", "--out", &out];
        openmoe_with(&[&["contrast", &run, "--threads", threads][..], &sides].concat())
    };
    contrast(&out, "1").done_printing(&expect![[r#"
        A: category `zh-cn`, 1,437 tokens of 60 documents
        B: category `de`, 1,440 tokens of 60 documents
          layer  expert      in A      in B      difference [95 %] false discovery  token ids that carry it
              5       4    0.63 %      43 %         -42 [-47, -37]       q < 0.001  ␣ el f cht s
              5      11      48 %     6.5 %           +41 [37, 46]       q < 0.001  <0xE5> <0xE6> <0xE4> <0xE8> <0xAF>
              3       3      33 %     7.2 %           +26 [23, 29]       q < 0.001  人 <0xE5> 的 <0xE6> <0xE4>

        Category `zh-cn` uses expert 4 of layer 5 in 0.63 % of its tokens, category `de` in 43 % (-42 points [-47, -37], q < 0.001); 39 of 48 experts differ (false discovery rate 5 %).
        Of these points -32 come from token ids that are more or less frequent, -10 from the same token ids going to other experts, most of all by "␣", "el", "f".
        2 charts in TEMP/out/charts, every expert in TEMP/out/contrast.csv
    "#]]);
    let found = read_json(&out.join("contrast.json"));
    let top = &found["top"][0];
    assert_eq!(top["layer"], 5);
    for (side, category) in [("rate_a", "zh-cn"), ("rate_b", "de")] {
        let counted = rate(Path::new(&run), category, top["expert"].as_u64().unwrap());
        assert!((top[side].as_f64().unwrap() - counted).abs() < 1e-12, "{side}: {counted}, {top}");
    }
    let parts = top["from_frequency"].as_f64().unwrap() + top["from_routing"].as_f64().unwrap();
    assert!((parts - top["difference"].as_f64().unwrap()).abs() < 1e-12);
    assert_eq!(read_table(&out.join("contrast.parquet")).height(), 48);
    assert_eq!(fs::read_to_string(out.join("contrast.csv")).unwrap().lines().count(), 49);
    let names: Vec<String> = contents(&out).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "charts/largest_differences.png",
        "charts/largest_differences.svg",
        "charts/z_by_layer_and_expert.png",
        "charts/z_by_layer_and_expert.svg",
        "contrast.csv",
        "contrast.json",
        "contrast.md",
        "contrast.parquet",
    ];
    assert_eq!(names, expected);
    let twice = folder.path().join("twice");
    assert_eq!(contrast(&twice, "2").code, 0);
    assert!(contents(&out) == contents(&twice), "two threads leave other bytes than one");
}

#[test]
fn what_cannot_be_contrasted_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (run, out) = (run(folder.path()), folder.path().join("out").display().to_string());
    let within = folder.path().join("run/stats/x").display().to_string();
    let refused = [
        vec![],
        vec!["--a", "category=chinese"],
        vec!["--a", "language=de"],
        vec!["--a", "role=user"],
        vec!["--a", "category=de", "--a", "dataset=zh-cn"],
        vec!["--a", "category=de", "--b", "dataset=de"],
        vec!["--a", "category=de", "--out", &within],
    ];
    let outcomes = refused.iter().map(|more| {
        let out: &[&str] = if more.contains(&"--out") { &[] } else { &["--out", &out] };
        openmoe_with(&[&["contrast", &run][..], more, out].concat())
    });
    expect![[r#"
        error: one run is contrasted with itself: expected --a with a condition

        hint: name a part of its tokens, or give a second run; the run has categories de, zh-cn; data sets de, zh-cn; 120 documents, such as udhr/preamble

        error: the run has no category `chinese`

        hint: the run has categories de, zh-cn; data sets de, zh-cn; 120 documents, such as udhr/preamble

        error: condition `language=de`: key `language` is none of category, dataset, document, role, turn

        hint: the keys are category, dataset, document, role, turn; for example category=en

        error: role `user`: the run holds no conversations

        hint: the run has categories de, zh-cn; data sets de, zh-cn; 120 documents, such as udhr/preamble

        error: no token meets category `de` and data set `zh-cn`

        hint: all conditions of a side must hold at once; the run has categories de, zh-cn; data sets de, zh-cn; 120 documents, such as udhr/preamble

        error: 1,440 tokens belong to both sides: category `de` and data set `de`

        hint: give conditions that exclude each other, or leave --b away for everything else

        error: --out `TEMP/run/stats/x` lies in `stats` of the run `TEMP/run`

        hint: choose a folder of its own
    "#]].assert_eq(&refusals(outcomes));
    assert!(!Path::new(&out).exists());
}

#[test]
fn an_earlier_contrast_is_replaced_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let (run, out) = (run(folder.path()), folder.path().join("out").display().to_string());
    let again = |more: &[&str]| {
        openmoe_with(&[&["contrast", &run, "--a", "category=de", "--out", &out, "--json"][..], more].concat())
    };
    let first = again(&["--resamples", "0", "--permutations", "0"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let printed: serde_json::Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!((&printed["withheld"], &printed["differing"]), (&"no permutations".into(), &serde_json::Value::Null));
    again(&[]).refused(&expect![[r#"
        error: --out `TEMP/out` holds an earlier contrast; expected a new or empty folder

        hint: add --force to replace it, or choose another --out
    "#]]);
    assert_eq!(again(&["--force"]).code, 0);
    assert!(read_json(&folder.path().join("out/contrast.json"))["differing"].as_u64().unwrap() > 10);
}
