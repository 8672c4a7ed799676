//! Conversations as people have them: under various keys, and with other keys beside them.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use expect_test::expect;
use openmoe_analyze::corpus::{ChatTemplate, Corpus, Template, TranscriptOptions};
use serde_json::{Value, json};

use crate::support::{
    conversations::{lines, options, tokenizer},
    files::{copy_folder, fixture},
    program::{Outcome, openmoe_with, tiny},
    snapshot::settled,
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
    expect![[r#"
        `system_prompt` is taken as a first message of the role system (2 times in this file, here first)
        `tools` beside the messages left out: the template does not write them (2 times in this file, here first)"#]]
    .assert_eq(&notes.join("\n"));
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
    expect![[r#"
        -: openai, 3 documents
        template openmoe; 0 of 3 conversations cut at 2048 tokens
        warning: 2 of 3 documents repeat another one token by token: copies are no new evidence, and narrow the intervals
        -: read up to --max-sequences, 252 bytes; its hash is theirs
        openmoe-tiny-12.3M: 60 tokens in 3 sequences of 3 documents; MoE layers [1, 3, 5], 16 experts, top-2
    "#]].assert_eq(&settled(&said));
}

#[test]
fn questions_without_an_end_are_cut() {
    let question = json!({"question_id": 1, "turns": ["a"]}).to_string();
    let said = plan_of_pipe(std::iter::repeat(question));
    expect![[r#"
        -: mt-bench-questions, 3 documents
        template openmoe; 0 of 3 conversations cut at 2048 tokens
        warning: 2 of 3 documents repeat another one token by token: copies are no new evidence, and narrow the intervals
        --max-sequences left out 32,765 documents, in whole or in part
        -: read up to --max-sequences, 1,048,576 bytes; its hash is theirs
        -: 32768 questions and answers were read and no more: --max-sequences wants fewer
        openmoe-tiny-12.3M: 39 tokens in 3 sequences of 3 documents; MoE layers [1, 3, 5], 16 experts, top-2
    "#]].assert_eq(&settled(&said));
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
    plan_with(template.to_string().as_bytes()).refused(&expect![[r#"
        error: the chat template of `TEMP/checkpoint/tokenizer_config.json` fails on every conversation (2); the first, TEMP/chat.jsonl:1: the chat template refuses the conversation: undefined value: `m.nothing` is undefined (in chat_template:1)

        hint: --template openmoe is the template of the authors, --template plain is none
    "#]]);
}

#[test]
fn settings_of_a_tokenizer_are_read_like_all_small_files() {
    let python =
        br#"{"model_max_length": Infinity, "chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"}"#;
    plan_with(python).done_saying(&expect![[r#"
        TEMP/chat.jsonl: openai, 2 documents
        template tokenizer (tokenizer_config.json); 0 of 2 conversations cut at 2048 tokens
        warning: 1 of 2 documents repeat another one token by token: copies are no new evidence, and narrow the intervals
        checkpoint: 10 tokens in 2 sequences of 2 documents; MoE layers [1, 3, 5], 16 experts, top-2
    "#]]);
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    let settings: [&[u8]; 4] = [pointer, b"<!DOCTYPE html>", b"\x1f\x8b\x08", b""];
    expect![[r#"
        error: chat template of `TEMP/checkpoint/tokenizer_config.json` cannot be used: the file is a git-lfs pointer to 9 bytes that were not fetched

        hint: fetch them: git lfs pull; --template openmoe is the template of the authors, --template plain is none
        error: chat template of `TEMP/checkpoint/tokenizer_config.json` cannot be used: the file is a web page

        hint: the download gave a page of words instead of the file; fetch it again; --template openmoe is the template of the authors, --template plain is none
        error: chat template of `TEMP/checkpoint/tokenizer_config.json` cannot be used: the file is compressed with gzip

        hint: decompress it; --template openmoe is the template of the authors, --template plain is none
        error: chat template of `TEMP/checkpoint/tokenizer_config.json` cannot be used: the file is empty

        hint: fetch the file again; --template openmoe is the template of the authors, --template plain is none
    "#]].assert_eq(&settings.map(|settings| plan_with(settings).refusal()).concat());
}
