//! `expert`, `token` and `category`: their numbers are those of the tables and of the trace, and what they refuse.

use std::{collections::HashMap, fs, path::Path};

use expect_test::expect;
use serde_json::Value;

use crate::support::{
    files::{fixture, read_json},
    json_schema::problems,
    program::{floats, integers, openmoe_with, read_parts, read_table, refusals, tiny},
};

/// Two languages of the bundled corpus through a small checkpoint.
fn run(folder: &Path) -> String {
    let corpus = |name: &str| fixture("corpora/languages").join(name).display().to_string();
    let (checkpoint, out) = (tiny("12.3M"), folder.join("run").display().to_string());
    let (german, chinese) = (corpus("de.jsonl"), corpus("zh-cn.jsonl"));
    let options = ["--truncate", "--context", "24", "--resamples", "40", "--permutations", "0", "--out", &out];
    let outcome = openmoe_with(&[&["route", &checkpoint, "--corpus", &german, &chinese][..], &options].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    out
}

fn json(arguments: &[&str]) -> Value {
    let outcome = openmoe_with(&[arguments, &["--json"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// Layer 5 of a run, straight from its files: sequence, position, token id and chosen experts of every token.
struct Counted {
    rows: Vec<(u64, u64, u64, Vec<u64>)>,
    category: HashMap<u64, String>,
}

impl Counted {
    fn new(run: &Path) -> Self {
        let trace = read_parts(run, "trace");
        let columns = ["layer", "sequence", "position", "token_id", "expert"].map(|name| integers(&trace, name));
        let [layer, sequence, position, token, expert] = columns;
        let mut rows: Vec<(u64, u64, u64, Vec<u64>)> = Vec::new();
        for row in (0..layer.len()).filter(|row| layer[*row] == 5) {
            match rows.last_mut().filter(|last| (last.0, last.1) == (sequence[row], position[row])) {
                Some(last) => last.3.push(expert[row]),
                None => rows.push((sequence[row], position[row], token[row], vec![expert[row]])),
            }
        }
        let sequences = read_table(&run.join("sequences.parquet"));
        let names: Vec<String> =
            sequences.column("category").unwrap().str().unwrap().iter().map(|name| name.unwrap().to_owned()).collect();
        Self { rows, category: integers(&sequences, "sequence").into_iter().zip(names).collect() }
    }

    /// Share of the tokens that meet a condition which chose an expert.
    fn share(&self, expert: u64, of: impl Fn(&(u64, u64, u64, Vec<u64>)) -> bool) -> f64 {
        let own: Vec<_> = self.rows.iter().filter(|row| of(row)).collect();
        own.iter().filter(|row| row.3.contains(&expert)).count() as f64 / own.len() as f64
    }
}

#[track_caller]
fn described(schema: &str, value: &Value) {
    let schema = read_json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(schema));
    let found = problems(&schema, value);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[track_caller]
fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn the_answers_are_what_trace_and_tables_say() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path());
    let counted = Counted::new(Path::new(&run));
    let in_category =
        |name: &'static str| move |own: &Counted, row: &(u64, u64, u64, Vec<u64>)| own.category[&row.0] == name;
    let [german, chinese] = [in_category("de"), in_category("zh-cn")];

    let expert = json(&["expert", &run, "5", "11"]);
    described("expert.schema.json", &expert);
    close(&expert["takes"]["estimate"], counted.share(11, |_| true));
    let categories = expert["categories"].as_array().unwrap();
    assert_eq!(categories[0]["name"], "zh-cn");
    close(&categories[0]["takes"]["estimate"], counted.share(11, |row| chinese(&counted, row)));
    close(&categories[1]["takes"]["estimate"], counted.share(11, |row| german(&counted, row)));
    let position = expert["positions"].as_array().unwrap().iter().find(|part| part["name"] == "position 0").unwrap();
    close(&position["takes"]["estimate"], counted.share(11, |row| row.1 == 0));

    let category = json(&["category", &run, "zh-cn", "--layer", "5"]);
    described("category.schema.json", &category);
    let largest = &category["layers"][0]["experts"][0];
    assert_eq!(largest["expert"], 11);
    assert_eq!(largest["takes"], categories[0]["takes"], "the same number by both questions");
    let (low, high) = in_table(Path::new(&run), "domain_specialization", "zh-cn", 11);
    assert_eq!((largest["takes"]["low"].as_f64(), largest["takes"]["high"].as_f64()), (Some(low), Some(high)));
    // What the ids of the Chinese tokens would give by where they go in the German ones.
    let by_id = |id: u64, own: &'static str| {
        let is_own = in_category(own);
        let rows: Vec<_> = counted.rows.iter().filter(|row| row.2 == id && is_own(&counted, row)).collect();
        (rows.len() as f64, rows.iter().filter(|row| row.3.contains(&11)).count() as f64)
    };
    let (mut expected, mut covered) = (0.0, 0.0);
    for row in counted.rows.iter().filter(|row| chinese(&counted, row)) {
        let (n, chose) = by_id(row.2, "de");
        if n > 0.0 {
            (expected, covered) = (expected + chose / n, covered + 1.0);
        }
    }
    close(&largest["once_known"]["expected"], expected / covered);

    let token = json(&["token", &run, "\u{23ce}", "--layer", "5"]);
    described("token.schema.json", &token);
    let first = &token["matches"][0];
    let id = first["token_id"].as_u64().unwrap();
    assert_eq!(first["shown"], "\u{23ce}");
    for own in first["layers"][0]["experts"].as_array().unwrap() {
        close(&own["takes"]["estimate"], counted.share(own["expert"].as_u64().unwrap(), |row| row.2 == id));
    }
    for spelling in ["\\n", "\n", "<0x0A>", "<0x0a>"] {
        assert_eq!(json(&["token", &run, spelling, "--layer", "5"])["matches"][0]["token_id"], id, "{spelling}");
    }
    // Digits are a text first.
    let by_id = json(&["token", &run, &id.to_string(), "--layer", "5"]);
    let ids: Vec<&Value> = by_id["matches"].as_array().unwrap().iter().map(|own| &own["token_id"]).collect();
    assert!(ids.len() > 1 && *ids[ids.len() - 1] == id, "{ids:?}");
}

/// The interval of an expert of layer 5 in the rows of a table about a category.
fn in_table(run: &Path, table: &str, category: &str, expert: u64) -> (f64, f64) {
    let table = read_table(&run.join("stats").join(format!("{table}.parquet")));
    let text = |name: &str| -> Vec<Option<String>> {
        table.column(name).unwrap().str().unwrap().iter().map(|text| text.map(str::to_owned)).collect()
    };
    let (layer, expert_of) = (integers(&table, "layer"), integers(&table, "expert"));
    let (statistic, view, name) = (text("statistic"), text("view"), text("category"));
    let row = (0..layer.len()).find(|row| {
        let texts = [&statistic, &view, &name].map(|column| column[*row].as_deref());
        layer[*row] == 5
            && expert_of[*row] == expert
            && texts == [Some("domain_specialization"), Some("chosen"), Some(category)]
    });
    let number = |name: &str| floats(&table, name)[row.unwrap()];
    (number("low"), number("high"))
}

#[test]
fn a_stranger_reads_one_sentence_first() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path());
    let lines = |arguments: &[&str]| {
        let outcome = openmoe_with(arguments);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        outcome.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let first = |arguments: &[&str]| lines(arguments)[0].clone();
    let told = [
        first(&["expert", &run, "5", "11"]),
        first(&["expert", &run, "5", "11", "--view", "kept"]),
        first(&["expert", &run, "5", "11", "--only", "category=de"]),
        first(&["expert", &run, "5", "11", "--only", "document=preamble"]),
        first(&["category", &run, "Chinese"]),
        first(&["token", &run, "der"]),
        first(&["token", &run, "der", "--only", "category=zh-cn"]),
    ];
    expect![[r#"
        Expert 11 of layer 5 is chosen by 27 % [23, 32] of all tokens (with an even load, 12.5 %); it takes 48 % [45, 52] of the "zh-cn" tokens (3.8 times an even load) and 100 % [95, 100] of the bytes (8.0 times an even load). It takes 0 % [0, 9.5] of the digits.
        After capacity, expert 11 of layer 5 processes 15 % [13, 17] of all tokens: 44 % [40, 47] of those that chose it were dropped. Its queue limits what it takes of any text; it takes 24 % [23, 25] of the "zh-cn" tokens and 65 % [60, 69] of the bytes.
        Expert 11 of layer 5 is chosen by 6.5 % [6.1, 6.9] of the tokens with category `de` (with an even load, 12.5 %). It takes 0 % [0, 5.0] of the tokens with upper case.
        Expert 11 of layer 5 is chosen by 4.2 % of the tokens with document `preamble` (with an even load, 12.5 %).
        Expert 11 of layer 5 takes 48 % [45, 52] of the "zh-cn" (Chinese) tokens, 3.8 times an even load. Routed as the same token ids are elsewhere, 27 % [22, 34] would go there: what being "zh-cn" changes is not measurable (-2.3 points [-6.5, 1.4]) (over the 24 % of its tokens whose id occurs elsewhere).
        "␣der" (id 729) goes to expert 0 of layer 1 in 100 % [78, 100] of its 12 occurrences in 12 documents, to expert 14 of layer 3 in 100 % [78, 100], to expert 4 of layer 5 in 92 % [80, 100].
        No "␣der" (id 729) is among the tokens with category `zh-cn`.
    "#]].assert_eq(&(told.join("\n") + "\n"));
    let shown: Vec<String> = lines(&["expert", &run, "5", "11", "--top", "3"]);
    for head in ["load:", "router:", "drops:", "category", "class of tokens", "script", "place", "token", "chosen with"]
    {
        assert!(shown.iter().any(|line| line.starts_with(head)), "no {head} in\n{}", shown.join("\n"));
    }
}

#[test]
fn what_a_run_does_not_have_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path());
    let refused: [&[&str]; 11] = [
        &["expert", &run, "2", "0"],
        &["expert", &run, "5", "16"],
        &["expert", &run, "5", "-1"],
        &["expert", &run, "5", "1", "--checkpoint", "other"],
        &["expert", &run, "5", "1", "--only", "category=zh"],
        &["category", &run, "zh-ch"],
        &["category", &run, "japanese", "--layer", "1"],
        &["token", &run, "Donaudampfschiff"],
        &["token", &run, "\u{1f600}"],
        &["token", &run, "the", "--layer", "1", "4"],
        &["token", &run],
    ];
    expect![[r#"
        error: layer 2 has no experts in this run; expected one of 1, 3, 5

        hint: layers are counted from 0 through all decoder layers, also those without experts

        error: expert 16 of layer 5; expected 0 to 15

        hint: experts are counted from 0 in every layer

        error: invalid value '-1' for '<EXPERT>': -1 is not in 0..=65535

        For more information, try '--help'.

        error: --checkpoint other: the run has no trace of it

        hint: its traces are those of openmoe-tiny-12.3M

        error: the run has no category `zh`; is `zh-cn` meant?

        hint: the run has categories de, zh-cn; data sets de, zh-cn; 120 documents, such as udhr/preamble

        error: the run has no category `zh-ch`; is `zh-cn` meant?

        hint: its categories are de, zh-cn

        error: the run has no category `japanese`

        hint: its categories are de, zh-cn

        error: no token of the run is `Donaudampfschiff`

        hint: tokens.parquet lists all tokens of the run; ␣ is a space, ⏎ a line end

        error: no token of the run is `😀`

        hint: the tokenizer writes it in bytes, each a token of its own: <0x9F>, <0x80>

        error: layer 4 has no experts in this run; expected one of 1, 3, 5

        hint: layers are counted from 0 through all decoder layers, also those without experts

        error: which tokens moved is known of runs of drift; this is a run of route

        hint: name a token, such as the, or its id
    "#]]
    .assert_eq(&refusals(refused.iter().map(|arguments| openmoe_with(arguments))));
}

#[test]
fn an_unfinished_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path());
    let manifest = Path::new(&run).join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap().replace("\"complete\": true", "\"complete\": false");
    fs::write(&manifest, text).unwrap();
    let commands: [&[&str]; 3] = [&["expert", &run, "5", "11"], &["token", &run, "der"], &["category", &run, "de"]];
    let refusal = refusals(commands.iter().map(|arguments| openmoe_with(arguments)));
    assert!(refusal.contains("is not complete"), "{refusal}");
}
