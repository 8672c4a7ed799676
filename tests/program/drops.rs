//! `drops` through the binary: conversations, two models, other capacities.
use std::{fmt::Write, fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    files::{fixture, read_json},
    program::{Outcome, contents, floats, integers, openmoe_with, read_parts, read_table},
};

const QUICK: [&str; 5] = ["--quiet", "--resamples", "40", "--permutations", "10"];

fn path(name: &str) -> String {
    fixture(name).display().to_string()
}

fn base() -> String {
    path("checkpoints/openmoe-tiny-12.3M")
}

/// `drops` on the base checkpoint.
fn drops(out: &Path, more: &[&str]) -> Outcome {
    let base = base();
    let mut all = vec!["drops", &base, "--out", out.to_str().unwrap()];
    all.extend(QUICK);
    all.extend(more);
    openmoe_with(&all)
}

fn done(outcome: &Outcome) {
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

/// What is the same whenever a run is repeated.
fn results(run: &Path) -> Vec<(String, Vec<u8>)> {
    let timed = |name: &str| name.ends_with("manifest.json") || name.ends_with("report.html");
    contents(run).into_iter().filter(|(name, _)| !timed(name)).collect()
}

/// The findings of a statistic at a layer whose keys are exactly these.
fn findings<'a>(summary: &'a Value, statistic: &str, layer: u64, keys: &[&str]) -> Vec<&'a Value> {
    let all = [
        "variable",
        "checkpoint",
        "reference",
        "category",
        "dataset",
        "turn",
        "role",
        "expert",
        "token_id",
        "position",
        "variant",
        "rank",
        "cohort",
        "capacity_factor",
    ];
    let of = |row: &&Value| {
        row["statistic"] == statistic
            && row["layer"] == layer
            && all.iter().all(|key| row.get(key).is_some() == keys.contains(key))
    };
    summary["findings"].as_array().unwrap().iter().filter(of).collect()
}

#[test]
fn two_models_conversations_and_text() {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("run");
    let (chat, bench) =
        (path("checkpoints/openmoe-tiny-12.3M-chat"), path("corpora/transcripts/mt_bench_question.jsonl"));
    let text = path("corpora/domains/stackexchange.jsonl");
    let arguments = [
        "--transcripts",
        &bench,
        "--corpus",
        &text,
        "--compare",
        &chat,
        "--exact-replay",
        "1",
        "--max-sequences",
        "10",
    ];
    let outcome = drops(&out, &arguments);
    done(&outcome);
    println!("{}", outcome.stdout);
    let summary = read_json(&out.join("summary.json"));
    assert_eq!((&summary["command"], &summary["template"]), (&json!("drops"), &json!("openmoe")));
    for layer in [1, 3, 5] {
        let ratios =
            ["assignment_drop_ratio", "first_choice_drop_ratio", "second_choice_drop_ratio", "token_drop_ratio"];
        for statistic in ratios.into_iter().chain(["gate_mass_lost"]) {
            assert_eq!(findings(&summary, statistic, layer, &[]).len(), 1, "{statistic}");
            assert_eq!(findings(&summary, statistic, layer, &["checkpoint"]).len(), 1, "{statistic} of the chat model");
            assert_eq!(findings(&summary, statistic, layer, &["dataset"]).len(), 2, "{statistic}");
        }
        // Questions only: every message is the user's.
        assert_eq!(findings(&summary, "assignment_drop_ratio", layer, &["role"]).len(), 1);
        assert_eq!(findings(&summary, "assignment_drop_ratio", layer, &["turn"]).len(), 2);
        assert_eq!(findings(&summary, "drop_difference", layer, &["checkpoint", "reference", "variant"]).len(), 3);
        assert_eq!(findings(&summary, "exact_replay", layer, &["variant", "capacity_factor"]).len(), 5);
    }
    // The total is that of the trace.
    let trace = read_parts(&out.join("checkpoints/openmoe-tiny-12.3M"), "trace");
    let layers = integers(&trace, "layer");
    let dropped =
        trace.column("dropped").unwrap().bool().unwrap().iter().map(|value| f64::from(u8::from(value.unwrap())));
    let of_layer: Vec<f64> =
        layers.iter().zip(dropped).filter(|(layer, _)| **layer == 5).map(|(_, lost)| lost).collect();
    let expected = of_layer.iter().sum::<f64>() / of_layer.len() as f64;
    let found = findings(&summary, "assignment_drop_ratio", 5, &[])[0]["estimate"].as_f64().unwrap();
    assert!((found - expected).abs() < 1e-12 && found > 0.0, "{found} {expected}");
    // Statistics and charts follow from the traces.
    let before = results(&out);
    fs::remove_dir_all(out.join("stats")).unwrap();
    done(&openmoe_with(&["stats", out.to_str().unwrap(), "--quiet"]));
    assert!(before == results(&out), "stats gives the same bytes");
}

#[test]
fn an_exact_replay_is_a_run_at_that_factor_and_threads_make_no_difference() {
    let temporary = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = temporary.path().join(name);
        let share = path("corpora/transcripts/sharegpt.json");
        let mut all = vec!["--transcripts", share.as_str()];
        all.extend(more);
        done(&drops(&out, &all));
        out
    };
    let replayed = run("replayed", &["--exact-replay", "1.25", "--threads", "1"]);
    let direct = run("direct", &["--capacity-factor", "1.25"]);
    let parts = |folder: &Path| -> Vec<(String, Vec<u8>)> {
        ["trace", "router"].iter().flat_map(|name| contents(&folder.join(name))).collect()
    };
    let exact = parts(&replayed.join("exact_replay/1.25"));
    assert!(!exact.is_empty() && exact == parts(&direct), "byte for byte");
    assert!(exact != parts(&replayed), "another factor drops others");
    assert!(results(&replayed) == results(&run("two", &["--exact-replay", "1.25", "--threads", "2"])), "two threads");
    // As a kill would leave it.
    fs::remove_file(replayed.join("exact_replay/1.25/trace/part-00001.parquet")).unwrap();
    fs::remove_dir_all(replayed.join("stats")).unwrap();
    let share = path("corpora/transcripts/sharegpt.json");
    done(&drops(&replayed, &["--transcripts", &share, "--exact-replay", "1.25", "--resume"]));
    assert!(results(&replayed) == results(&temporary.path().join("two")), "resumed");
}

#[test]
fn odd_conversations_have_a_result_or_a_message() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("odd.jsonl");
    let conversation = |messages: Vec<(&str, String)>| {
        let messages: Vec<Value> =
            messages.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect();
        json!({ "messages": messages }).to_string()
    };
    let user = |text: &str| conversation(vec![("user", text.to_owned())]);
    let turns = (0..10_000).map(|turn| (["user", "assistant"][turn % 2], format!("turn {turn}"))).collect();
    let lines = [
        user(&"again ".repeat(600)),
        user("a"),
        conversation(vec![("user", "why?".into()), ("assistant", String::new()), ("user", "so".into())]),
        conversation(vec![("system", "be kind".into())]),
        conversation(turns),
        user("مرحبا بالعالم, שלום עולם"),
        user("你好世界。今日は良い天気ですね。안녕하세요"),
        user(&"long words ".repeat(500_000)),
        "{\"messages\": [{\"role\": \"user\", \"content\": \"cut off".to_owned(),
        "[1, 2]".to_owned(),
        "{\"messages\": \"none\"}".to_owned(),
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    let out = temporary.path().join("run");
    let outcome = drops(&out, &["--transcripts", file.to_str().unwrap()]);
    println!("{}{}", outcome.stderr, outcome.stdout);
    done(&outcome);
    for line in [9, 10, 11] {
        assert!(outcome.stderr.contains(&format!("odd.jsonl:{line} left out: ")), "{}", outcome.stderr);
    }
    let manifest = read_json(&out.join("manifest.json"));
    assert_eq!((manifest["sequences"].as_u64(), manifest["conversations_cut"].as_u64()), (Some(8), Some(2)));
    let spans = read_table(&out.join("spans.parquet"));
    let sequences = integers(&spans, "sequence");
    let roles: Vec<String> =
        spans.column("role").unwrap().str().unwrap().iter().map(|role| role.unwrap().to_owned()).collect();
    let of = |wanted: u64| -> Vec<&str> {
        sequences
            .iter()
            .zip(&roles)
            .filter(|(sequence, _)| **sequence == wanted)
            .map(|(_, role)| role.as_str())
            .collect()
    };
    assert_eq!(of(2), ["user", "assistant", "user"]);
    assert_eq!(of(3), ["system"]);
    // One repeated token fills its expert and is dropped from then on.
    let trace = read_parts(&out, "trace");
    let (sequence, lost) = (integers(&trace, "sequence"), trace.column("dropped").unwrap().bool().unwrap().clone());
    let first: Vec<bool> =
        sequence.iter().zip(lost.iter()).filter(|(s, _)| **s == 0).map(|(_, l)| l.unwrap()).collect();
    let share = first.iter().filter(|lost| **lost).count() as f64 / first.len() as f64;
    println!("one repeated word: {:.1} % of its assignments are dropped", 100.0 * share);
    assert!(share > 0.3, "{share}");
    assert!(floats(&trace, "probability").iter().all(|p| (0.0..=1.0).contains(p)));
    let strict = drops(&temporary.path().join("strict"), &["--transcripts", file.to_str().unwrap(), "--strict"]);
    assert_eq!(strict.code, 2, "{}", strict.stderr);
}

#[test]
fn what_cannot_be_run_is_refused_and_nothing_is_written() {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("out");
    let share = path("corpora/transcripts/sharegpt.json");
    let answers = path("corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl");
    let wide = path("goldens/A_wide_32e");
    let empty = temporary.path().join("empty.jsonl");
    fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    let base = base();
    let mut messages = String::new();
    for (arguments, part) in [
        (vec![], "--transcripts"),
        (vec!["--transcripts", "nowhere.jsonl"], "nowhere.jsonl"),
        (vec!["--transcripts", empty], "no usable"),
        (vec!["--transcripts", &answers], "question"),
        (vec!["--transcripts", &share, "--format", "openai"], "messages"),
        (vec!["--transcripts", &share, "--format", "mail"], "mail"),
        (vec!["--transcripts", &share, "--template", "tokenizer"], "chat_template"),
        (vec!["--transcripts", &share, "--compare", &wide], "num_experts: 16"),
        (vec!["--transcripts", &share, "--compare", &base], "two checkpoints are called"),
        (vec!["--transcripts", &share, "--exact-replay", "0"], "--exact-replay 0"),
        (vec!["--transcripts", &share, "--exact-replay", "1", "1"], "each once"),
        (vec!["--transcripts", &share, "--exact-replay", "1", "--capacity-rule", "unlimited"], "expected a rule"),
        (vec!["--transcripts", &share, "--bin", "0"], "--bin"),
        (vec!["--transcripts", &share, "--capacity-factor", "-1"], "--capacity-factor"),
    ] {
        let outcome = drops(&out, &arguments);
        writeln!(messages, "{}\n", outcome.stderr.trim()).unwrap();
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(part), "`{part}` is not in:\n{}", outcome.stderr);
        assert!(!out.exists(), "{arguments:?}");
    }
    println!("{messages}");
}
