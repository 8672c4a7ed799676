//! Conversations as people have them: under which key they stand, what stands beside them.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use openmoe_analyze::corpus::{ChatTemplate, Corpus, Template, TranscriptOptions};
use serde_json::{Value, json};

use crate::support::{
    conversations::{lines, options, tokenizer},
    files::{copy_folder, fixture},
    program::{Outcome, openmoe_with, tiny},
};

fn read(rows: &[Value]) -> Corpus {
    let (_dir, path) = lines(rows);
    let options = TranscriptOptions { strict: true, ..options(&[path]) };
    let template = Template::open(ChatTemplate::OpenMoe, &fixture("tokenizers/small4096")).unwrap();
    Corpus::read_transcripts(&options, &template, Some(&tokenizer())).unwrap()
}

fn chat() -> Value {
    json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}])
}

#[test]
fn a_conversation_is_found_however_it_is_written() {
    let expected = read(&[json!({"messages": chat()})]).sequences[0].token_ids.clone();
    let sharegpt = json!([{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes."}]);
    for row in [
        json!({"conversations": chat()}),
        json!({"anything": sharegpt}),
        json!({"messages": chat().to_string()}),
        json!({"conversation": [{"human": "Hi", "assistant": "Yes."}]}),
        json!({"chat": {"from": ["human", "gpt"], "value": ["Hi", "Yes."]}}),
        json!({"prompt": "Hi", "response": "Yes."}),
        json!({"prompt": "Hi", "chosen": chat(), "rejected": chat()}),
        json!({"data": ["Hi", "Yes."]}),
    ] {
        assert_eq!(read(std::slice::from_ref(&row)).sequences[0].token_ids, expected, "{row}");
    }
}

#[test]
fn what_stands_beside_the_messages_is_written_or_counted() {
    let with = |system: Value| {
        let mut messages = vec![json!({"role": "system", "content": system})];
        messages.extend(chat().as_array().unwrap().clone());
        read(&[json!({"messages": messages})]).sequences[0].token_ids.clone()
    };
    let row = json!({"messages": chat(), "system_prompt": "Be brief.", "tools": [{"name": "f"}]});
    let corpus = read(&[row.clone(), row]);
    assert_eq!(corpus.sequences[0].token_ids, with(json!("Be brief.")));
    let notes: Vec<_> = corpus.notes.iter().map(|note| note.reason.as_str()).collect();
    assert!(
        notes[0].contains("`system_prompt` is taken as a first message") && notes[0].contains("2 times"),
        "{notes:?}"
    );
    assert!(notes[1].contains("`tools` beside the messages left out"), "{notes:?}");
}

/// What a plan says of three sequences from a pipe that stays open: who waits for its end waits for ever.
fn plan_of_pipe(rows: impl Iterator<Item = String>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"));
    command.args(["drops", &tiny("12.3M"), "--transcripts", "-", "--max-sequences", "3", "--dry-run"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for row in rows {
        // What cannot be written any more was not needed.
        if writeln!(stdin, "{row}").is_err() {
            break;
        }
    }
    let _ = stdin.flush();
    let outcome = child.wait_with_output().unwrap();
    drop(stdin);
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert!(outcome.status.success(), "{said}");
    said
}

#[test]
fn conversations_of_a_pipe_are_read_no_further_than_is_needed() {
    let said = plan_of_pipe((0..3).map(|_| json!({"messages": chat()}).to_string()));
    assert!(said.contains("in 3 sequences") && said.contains("-: read up to --max-sequences"), "{said}");
}

#[test]
fn questions_without_an_end_are_cut() {
    let question = json!({"question_id": 1, "turns": ["a"]}).to_string();
    let said = plan_of_pipe(std::iter::repeat(question));
    assert!(said.contains("in 3 sequences") && said.contains("questions and answers were read and no more"), "{said}");
}

/// The plan of two conversations with the settings of a tokenizer.
fn plan_with(settings: &[u8]) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let (checkpoint, rows) = (dir.path().join("checkpoint"), dir.path().join("chat.jsonl"));
    copy_folder(Path::new(&tiny("12.3M")), &checkpoint);
    fs::write(checkpoint.join("tokenizer_config.json"), settings).unwrap();
    let row = json!({"messages": chat()});
    fs::write(&rows, format!("{row}\n{row}\n")).unwrap();
    let [checkpoint, rows] = [checkpoint, rows].map(|path| path.display().to_string());
    openmoe_with(&["drops", &checkpoint, "--transcripts", &rows, "--dry-run"])
}

#[test]
fn a_template_that_fails_on_every_conversation_is_one_error() {
    let template = json!({"chat_template": "{% for m in messages %}{% if m.role == 'assistant' %}{{ m.nothing.here }}{% endif %}{% endfor %}"});
    let outcome = plan_with(template.to_string().as_bytes());
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    for part in ["fails on every conversation (2)", "chat.jsonl:1: ", "hint: --template openmoe"] {
        assert_eq!(outcome.stderr.matches(part).count(), 1, "`{part}`: {}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("chat.jsonl:2"), "{}", outcome.stderr);
}

#[test]
fn settings_of_a_tokenizer_are_read_like_all_small_files() {
    let python =
        br#"{"model_max_length": Infinity, "chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"}"#;
    let outcome = plan_with(python);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("template tokenizer"), "{}", outcome.stderr);
    for (settings, what) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"[..], "git-lfs pointer"),
        (b"<!DOCTYPE html>", "is a web page"),
        (b"\x1f\x8b\x08", "is compressed with gzip"),
        (b"", "is empty"),
    ] {
        let outcome = plan_with(settings);
        assert_eq!(outcome.code, 2, "{what}: {}", outcome.stderr);
        let said = &outcome.stderr;
        assert!(said.contains(what) && said.contains("tokenizer_config.json`") && said.contains("hint: "), "{said}");
    }
}
