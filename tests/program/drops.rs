//! `drops` through the binary: conversations, two models, other capacities.
use std::{fmt::Write, fs, path::Path};

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{
    files::{fixture, read_json},
    program::{Outcome, contents, floats, integers, openmoe_with, read_parts, read_table},
    snapshot::settled,
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

/// The share of the assignments of a layer that the trace says were dropped.
fn dropped_share(run: &Path, layer: u64) -> f64 {
    let trace = read_parts(run, "trace");
    let dropped = trace.column("dropped").unwrap().bool().unwrap().clone();
    let of_layer = integers(&trace, "layer").into_iter().zip(dropped.iter()).filter(|(of, _)| *of == layer);
    let of_layer: Vec<bool> = of_layer.map(|(_, lost)| lost.unwrap()).collect();
    of_layer.iter().filter(|lost| **lost).count() as f64 / of_layer.len() as f64
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
    // An answer for all layers together and for each, over all texts and for both data sets.
    let asked = |claim: &str, is_of_dataset: bool| {
        let of = |row: &&Value| row["claim"] == claim && row["dataset"].is_string() == is_of_dataset;
        summary["verdicts"].as_array().unwrap().iter().filter(of).count()
    };
    let trend = "later_tokens_dropped_more";
    assert_eq!([asked(trend, false), asked(trend, true)], [4, 8]);
    assert_eq!([asked("drop_ratio_differs", false), asked("drop_trend_differs", false)], [3, 3]);
    let expected = dropped_share(&out.join("checkpoints/openmoe-tiny-12.3M"), 5);
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

/// Eight conversations that can be used, then three lines that cannot.
fn odd_conversations() -> Vec<String> {
    let conversation = |messages: Vec<(&str, String)>| {
        let messages: Vec<Value> =
            messages.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect();
        json!({ "messages": messages }).to_string()
    };
    let user = |text: &str| conversation(vec![("user", text.to_owned())]);
    let turns = (0..10_000).map(|turn| (["user", "assistant"][turn % 2], format!("turn {turn}"))).collect();
    vec![
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
    ]
}

#[test]
fn odd_conversations_have_a_result_or_a_message() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("odd.jsonl");
    fs::write(&file, odd_conversations().join("\n")).unwrap();
    let out = temporary.path().join("run");
    let outcome = drops(&out, &["--transcripts", file.to_str().unwrap()]);
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

/// What `drops` says to arguments that it cannot run with, each below its arguments; nothing may be written.
fn refusals<'a>(arguments: &[impl AsRef<[&'a str]>]) -> String {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("out");
    let mut messages = String::new();
    for arguments in arguments.iter().map(AsRef::as_ref) {
        let refusal = drops(&out, arguments).refusal();
        writeln!(messages, "{}\n{refusal}", arguments.join(" ")).unwrap();
        assert!(!out.exists(), "{arguments:?}");
    }
    settled(&messages)
}

/// None, at a path where nothing is, without a conversation.
#[test]
fn without_transcripts_nothing_is_run() {
    let temporary = tempfile::tempdir().unwrap();
    let empty = temporary.path().join("empty.jsonl");
    fs::write(&empty, "").unwrap();
    let arguments = [&[][..], &["--transcripts", "nowhere.jsonl"], &["--transcripts", empty.to_str().unwrap()]];
    expect![[r#"

        error: neither --transcripts nor --corpus; expected text to route

        hint: name files or folders with --transcripts

        --transcripts nowhere.jsonl
        error: corpus `nowhere.jsonl` does not exist; expected a file or a folder

        hint: check the spelling of the path; `-` reads JSON lines from the standard input

        --transcripts TEMP/empty.jsonl
        error: the corpus has no usable document: read `TEMP/empty.jsonl`; places that cannot be used: 0

        hint: a row is a conversation: a list of messages ({"role", "content"} or {"from", "value"}) under any key, a prompt with its response, MT-Bench (questions, and answers together with their questions file) or an OASST tree; --format says which

    "#]].assert_eq(&refusals(&arguments));
}

#[test]
fn answers_without_their_questions_are_refused() {
    let answers = path("corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl");
    let arguments = [&["--transcripts", &answers][..]];
    expect![[r#"
        --transcripts fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl
        error: the corpus has no usable document: read `fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl`; places that cannot be used: 24
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:1: no question has the question_id 81; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:2: no question has the question_id 82; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:3: no question has the question_id 83; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:4: no question has the question_id 91; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:5: no question has the question_id 92; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:6: no question has the question_id 93; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:7: no question has the question_id 101; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:8: no question has the question_id 102; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:9: no question has the question_id 103; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:10: no question has the question_id 111; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:11: no question has the question_id 112; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:12: no question has the question_id 113; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:13: no question has the question_id 121; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:14: no question has the question_id 122; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:15: no question has the question_id 123; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:16: no question has the question_id 131; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:17: no question has the question_id 132; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:18: no question has the question_id 133; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:19: no question has the question_id 141; give the questions file in the same run, beside this one
          - fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl:20: no question has the question_id 142; give the questions file in the same run, beside this one
          - and 4 more: no question has the question_id N; give the questions file in the same run, beside this one

        hint: a row is a conversation: a list of messages ({"role", "content"} or {"from", "value"}) under any key, a prompt with its response, MT-Bench (questions, and answers together with their questions file) or an OASST tree; --format says which

    "#]].assert_eq(&refusals(&arguments));
}

/// A format that the file does not have, one that is not known, a template that the checkpoint lacks.
#[test]
fn transcripts_of_another_form_are_refused() {
    let share = path("corpora/transcripts/sharegpt.json");
    let arguments = [["--format", "openai"], ["--format", "mail"], ["--template", "tokenizer"]]
        .map(|[option, value]| ["--transcripts", &share, option, value]);
    expect![[r#"
        --transcripts fixtures/corpora/transcripts/sharegpt.json --format openai
        error: the corpus has no usable document: read `fixtures/corpora/transcripts/sharegpt.json`; places that cannot be used: 20
          - fixtures/corpora/transcripts/sharegpt.json:1: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:2: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:3: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:4: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:5: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:6: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:7: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:8: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:9: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:10: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:11: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:12: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:13: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:14: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:15: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:16: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:17: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:18: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:19: no `messages`; the file is read as openai
          - fixtures/corpora/transcripts/sharegpt.json:20: no `messages`; the file is read as openai

        hint: a row is a conversation: a list of messages ({"role", "content"} or {"from", "value"}) under any key, a prompt with its response, MT-Bench (questions, and answers together with their questions file) or an OASST tree; --format says which

        --transcripts fixtures/corpora/transcripts/sharegpt.json --format mail
        error: invalid value 'mail' for '--format <FORMAT>'
          [possible values: mt-bench-questions, mt-bench-answers, sharegpt, openai, wildchat, oasst, instruction]

        For more information, try '--help'.

        --transcripts fixtures/corpora/transcripts/sharegpt.json --template tokenizer
        error: `fixtures/checkpoints/openmoe-tiny-12.3M` has neither a chat_template.jinja nor a tokenizer_config.json with a `chat_template`

        hint: --template openmoe is the template of the authors, --template plain is none

    "#]].assert_eq(&refusals(&arguments));
}

#[test]
fn models_that_cannot_be_compared_are_refused() {
    let (share, wide, base) = (path("corpora/transcripts/sharegpt.json"), path("goldens/A_wide_32e"), base());
    let arguments = [&wide, &base].map(|other| ["--transcripts", &share, "--compare", other]);
    expect![[r#"
        --transcripts fixtures/corpora/transcripts/sharegpt.json --compare fixtures/goldens/A_wide_32e
        error: the checkpoints are not of one run:
          - tokenizer (SHA-256): 28372b0cbdcd8d752162d445f3b2fc21c3fb482a7187474035149549086adae7 in `openmoe-tiny-12.3M`, none in `A_wide_32e`
          - vocab_size: 4096 in `openmoe-tiny-12.3M`, 160 in `A_wide_32e`
          - num_experts: 16 in `openmoe-tiny-12.3M`, 32 in `A_wide_32e`
          - MoE layers: [1, 3, 5] in `openmoe-tiny-12.3M`, [5, 11] in `A_wide_32e`
          - num_hidden_layers: 6 in `openmoe-tiny-12.3M`, 12 in `A_wide_32e`
          - hidden_size: 64 in `openmoe-tiny-12.3M`, 32 in `A_wide_32e`
          - intermediate_size: 96 in `openmoe-tiny-12.3M`, 40 in `A_wide_32e`
          - head_dim: 32 in `openmoe-tiny-12.3M`, 12 in `A_wide_32e`
          - max_position_embeddings: 2048 in `openmoe-tiny-12.3M`, 512 in `A_wide_32e`

        hint: the same tokens go through all of them: tokenizer, vocabulary, experts and MoE layers must agree

        --transcripts fixtures/corpora/transcripts/sharegpt.json --compare fixtures/checkpoints/openmoe-tiny-12.3M
        error: `fixtures/checkpoints/openmoe-tiny-12.3M` is given twice; a checkpoint agrees with itself in everything

        hint: leave one of them out, or name another checkpoint

    "#]].assert_eq(&refusals(&arguments));
}

#[test]
fn numbers_without_a_meaning_are_refused() {
    let share = path("corpora/transcripts/sharegpt.json");
    let options: [&[&str]; 5] = [
        &["--exact-replay", "0"],
        &["--exact-replay", "1", "1"],
        &["--exact-replay", "1", "--capacity-rule", "unlimited"],
        &["--bin", "0"],
        &["--capacity-factor", "-1"],
    ];
    let arguments = options.map(|options| [&["--transcripts", &share][..], options].concat());
    expect![[r#"
        --transcripts fixtures/corpora/transcripts/sharegpt.json --exact-replay 0
        error: --exact-replay 0; expected positive numbers, each once

        hint: for example --exact-replay 1.25 1.5

        --transcripts fixtures/corpora/transcripts/sharegpt.json --exact-replay 1 1
        error: --exact-replay 1; expected positive numbers, each once

        hint: for example --exact-replay 1.25 1.5

        --transcripts fixtures/corpora/transcripts/sharegpt.json --exact-replay 1 --capacity-rule unlimited
        error: --exact-replay with --capacity-rule unlimited; expected a rule that has a factor

        hint: leave one of the two out, or take --capacity-rule port

        --transcripts fixtures/corpora/transcripts/sharegpt.json --bin 0
        error: invalid value '0' for '--bin <N>': 0 is not in 1..=4294967295

        For more information, try '--help'.

        --transcripts fixtures/corpora/transcripts/sharegpt.json --capacity-factor -1
        error: --capacity-factor -1; expected a positive number

        hint: for no drops at all use --capacity-rule unlimited

    "#]]
    .assert_eq(&refusals(&arguments));
}
