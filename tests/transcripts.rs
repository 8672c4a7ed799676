//! Conversations of every format, good and bad: which sequences they give, and which message each token belongs to.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test stops with the reason, and prints what it measured

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use openmoe_analyze::{
    corpus::{
        ChatTemplate, Corpus, CorpusOptions, OasstPaths, Role, Sequence, Template, Tokenizer, TranscriptFormat,
        TranscriptOptions,
    },
    error::{Error, Result},
};
use serde_json::{Value, json};

const QUESTIONS: &str = "mt_bench_question.jsonl";
const ANSWERS: &str = "mt_bench_answer_mistral-7b-instruct-v0.2.jsonl";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn transcript(name: &str) -> PathBuf {
    fixture("corpora/transcripts").join(name)
}

fn tokenizer() -> Tokenizer {
    Tokenizer::open(&fixture("tokenizers/small4096")).unwrap().unwrap()
}

fn options(paths: &[PathBuf]) -> TranscriptOptions {
    TranscriptOptions {
        paths: paths.to_vec(),
        format: None,
        oasst_paths: OasstPaths::All,
        category_key: None,
        context: 2048,
        bos: Some(0),
        eos: 1,
        vocab_size: 4096,
        max_sequences: None,
        strict: false,
    }
}

fn template(choice: ChatTemplate) -> Template {
    Template::open(choice, &fixture("tokenizers/small4096")).unwrap()
}

fn read_with(options: &TranscriptOptions, choice: ChatTemplate) -> Result<Corpus> {
    let corpus = Corpus::read_transcripts(options, &template(choice), Some(&tokenizer()))?;
    corpus.sequences.iter().for_each(assert_covered);
    Ok(corpus)
}

fn read(paths: &[PathBuf]) -> Corpus {
    read_with(&options(paths), ChatTemplate::Auto).unwrap()
}

/// The spans of a sequence follow each other from its first token to its last, turn by turn.
fn assert_covered(sequence: &Sequence) {
    let mut position = 0;
    for (turn, span) in sequence.spans.iter().enumerate() {
        assert_eq!((usize::from(span.turn), span.start), (turn, position), "{}", sequence.document);
        assert!(span.end >= span.start);
        position = span.end;
    }
    assert_eq!(position as usize, sequence.token_ids.len(), "{}", sequence.document);
}

/// A folder with one file of JSON lines, and the file.
fn lines(rows: &[Value]) -> (tempfile::TempDir, PathBuf) {
    file("chat.jsonl", rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn file(name: &str, bytes: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn messages(messages: &[(&str, &str)]) -> Value {
    json!({ "messages": messages.iter().map(|(role, content)| json!({"role": role, "content": content})).collect::<Vec<_>>() })
}

/// The one sequence of one conversation.
fn sequence(conversation: &[(&str, &str)], choice: ChatTemplate, context: usize) -> Sequence {
    let (_dir, path) = lines(&[messages(conversation)]);
    let mut corpus = read_with(&TranscriptOptions { context, ..options(&[path]) }, choice).unwrap();
    assert_eq!((corpus.sequences.len(), corpus.skipped.len()), (1, 0), "{:?}", corpus.skipped);
    corpus.sequences.remove(0)
}

/// What the original gives: special tokens cut the text, the rest is encoded piece by piece.
fn expected_ids(text: &str) -> Vec<u32> {
    let tokenizer = tokenizer();
    let mut ids = Vec::new();
    for (turn, before) in text.split("<pad>").enumerate() {
        ids.extend((turn > 0).then_some(0));
        for (part, between) in before.split("</s>").enumerate() {
            ids.extend((part > 0).then_some(1));
            ids.extend(tokenizer.encode(between).unwrap());
        }
    }
    ids
}

/// The text of every span.
fn spoken(sequence: &Sequence) -> Vec<(Role, String)> {
    let tokenizer = tokenizer();
    let text = |ids: &[u32]| ids.iter().map(|&id| tokenizer.piece(id).unwrap()).collect::<String>();
    sequence
        .spans
        .iter()
        .map(|span| (span.role, text(&sequence.token_ids[span.start as usize..span.end as usize])))
        .collect()
}

/// The pieces of a text as `spoken` shows them.
fn pieces(text: &str) -> String {
    text.replace(' ', "\u{2581}").replace('\n', "<0x0A>")
}

fn counts(corpus: &Corpus) -> Vec<(String, Option<String>, usize)> {
    let mut datasets: Vec<&str> = corpus.sequences.iter().map(|sequence| sequence.dataset.as_str()).collect();
    datasets.dedup();
    let of = |dataset: &str| corpus.sequences.iter().filter(|sequence| sequence.dataset == dataset).count();
    let formats = corpus.files.iter().filter(|file| file.documents > 0).map(|file| file.format.clone());
    datasets.iter().zip(formats).map(|(dataset, format)| ((*dataset).to_owned(), format, of(dataset))).collect()
}

#[test]
fn every_format_of_the_fixtures_is_detected_and_read() {
    for (name, format, sequences, documents) in [
        (QUESTIONS, "mt-bench-questions", 80, 80),
        ("sharegpt.json", "sharegpt", 20, 20),
        ("openai_messages.jsonl", "openai", 30, 30),
        ("oasst_tree.jsonl", "oasst", 43, 8),
    ] {
        let corpus = read(&[transcript(name)]);
        let stem = name.split('.').next().unwrap();
        assert_eq!(counts(&corpus), [(stem.to_owned(), Some(format.to_owned()), sequences)]);
        assert_eq!((corpus.documents(), corpus.skipped.len(), corpus.notes.len()), (documents, 0, 0), "{name}");
        assert!(corpus.sequences.iter().all(|sequence| !sequence.spans.is_empty()));
        let manifest: Value = serde_json::from_slice(&fs::read(fixture("corpora/manifest.json")).unwrap()).unwrap();
        let path = format!("transcripts/{name}");
        let entry = manifest.as_array().unwrap().iter().find(|entry| entry["path"] == path.as_str()).unwrap();
        assert_eq!(corpus.files[0].sha256, entry["sha256"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn answers_are_joined_with_the_questions_of_the_same_run() {
    for paths in [[QUESTIONS, ANSWERS], [ANSWERS, QUESTIONS]] {
        let corpus = read(&paths.map(transcript));
        let mut found = counts(&corpus);
        found.sort();
        let stem = ANSWERS.strip_suffix(".jsonl").unwrap();
        assert_eq!(
            found,
            [
                (stem.to_owned(), Some("mt-bench-answers".to_owned()), 24),
                ("mt_bench_question".to_owned(), Some("mt-bench-questions".to_owned()), 56)
            ]
        );
        let joined = corpus.sequences.iter().find(|sequence| sequence.document == "81").unwrap();
        assert_eq!((joined.dataset.as_str(), joined.category.as_deref()), (stem, Some("writing")));
        let roles: Vec<_> = joined.spans.iter().map(|span| span.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::Assistant]);
        let alone = corpus.sequences.iter().find(|sequence| sequence.dataset == "mt_bench_question").unwrap();
        assert!(alone.spans.iter().all(|span| span.role == Role::User) && alone.spans.len() == 2);
    }
    // Alone, every line of the answers is an error that says what to do.
    let Err(error @ Error::Corpus { .. }) = read_with(&options(&[transcript(ANSWERS)]), ChatTemplate::Auto) else {
        panic!("answers without questions are no conversations")
    };
    let message = error.to_string();
    assert!(
        message.contains(&format!("{ANSWERS}:24: no question has the question_id")) || message.contains("and 4 more")
    );
    assert!(message.contains("give the questions file in the same run"), "{message}");
}

#[test]
fn a_tree_is_one_document_with_all_its_paths_or_the_best() {
    let all = read(&[transcript("oasst_tree.jsonl")]);
    let mut documents: Vec<_> = all.sequences.iter().map(|sequence| sequence.document.as_str()).collect();
    documents.dedup();
    assert_eq!(documents.len(), 8);
    assert_eq!(documents[0], "054e1df3-35e0-4bb8-a585-607dbdcd24e0");
    let best = TranscriptOptions { oasst_paths: OasstPaths::Best, ..options(&[transcript("oasst_tree.jsonl")]) };
    let best = read_with(&best, ChatTemplate::Auto).unwrap();
    assert_eq!((best.sequences.len(), best.documents()), (8, 8));
    // The limit falls into the second tree: it is taken and left out in part, the other six are left out.
    let limited = TranscriptOptions { max_sequences: Some(5), ..options(&[transcript("oasst_tree.jsonl")]) };
    let limited = read_with(&limited, ChatTemplate::Auto).unwrap();
    assert_eq!((limited.sequences.len(), limited.documents(), limited.documents_left_out), (5, 2, 7));
    assert_eq!(limited.sequences[..], all.sequences[..5]);
}

#[test]
fn containers_and_folders_give_the_same_conversations() {
    let row =
        json!({"conversation_hash": "h", "language": "English", "conversation": [{"role": "user", "content": "hi"}]});
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.json"), format!("[{row}]")).unwrap();
    fs::write(dir.path().join("b.jsonl"), format!("\u{feff}{row}\n\n")).unwrap();
    fs::write(dir.path().join("c.jsonl.zst"), zstd::encode_all(row.to_string().as_bytes(), 3).unwrap()).unwrap();
    fs::write(dir.path().join("notes.txt"), "hi").unwrap();
    let corpus = read(&[dir.path().to_owned()]);
    let found: Vec<_> =
        corpus.sequences.iter().map(|s| (s.dataset.as_str(), s.document.as_str(), s.category.as_deref())).collect();
    let english = Some("English");
    assert_eq!(found, [("a", "h", english), ("b", "h#2", english), ("c", "h#3", english)]);
    assert!(corpus.sequences.iter().all(|sequence| sequence.token_ids == corpus.sequences[0].token_ids));
    assert!(corpus.files.iter().all(|file| file.format.as_deref() == Some("wildchat")));
    assert_eq!(corpus.skipped.len(), 1);
    assert!(corpus.skipped[0].reason.contains(".jsonl.zst"));
    let bare = tempfile::tempdir().unwrap();
    let nothing = TranscriptOptions { max_sequences: Some(1), ..options(&[bare.path().to_owned()]) };
    let nothing = read_with(&nothing, ChatTemplate::Auto).unwrap_err().to_string();
    assert!(nothing.contains("no usable document: read no file"), "{nothing}");
    let text = read_with(&options(&[dir.path().join("notes.txt")]), ChatTemplate::Auto).unwrap_err();
    assert!(matches!(text, Error::Corpus { .. }) && text.hint().unwrap().contains("--corpus"), "{text}");
}

#[test]
fn a_templated_conversation_has_the_ids_of_the_whole_text_between_special_tokens() {
    let conversation =
        [("system", "Be brief."), ("user", "Who are you?"), ("assistant", "A model.\nReally."), ("user", "Bye")];
    let text = "<<SYS>>\nBe brief.\n<</SYS>>\n\n<pad>[INST] Who are you? [/INST] A model.\nReally. </s><pad>[INST] Bye [/INST]";
    let sequence = sequence(&conversation, ChatTemplate::Auto, 2048);
    assert_eq!(sequence.token_ids, expected_ids(text));
    // The space that the model adds before "[INST]" and before "<<SYS>>" is no character of the text.
    let expected = [
        (Role::System, pieces(" <<SYS>>\nBe brief.\n<</SYS>>\n\n")),
        (Role::User, format!("<pad>{}", pieces(" [INST] Who are you? [/INST]"))),
        (Role::Assistant, format!("{}</s>", pieces(" A model.\nReally. "))),
        (Role::User, format!("<pad>{}", pieces(" [INST] Bye [/INST]"))),
    ];
    assert_eq!(spoken(&sequence), expected);
    assert_eq!((sequence.truncated, sequence.dataset.as_str()), (false, "chat"));
    assert!(sequence.document.ends_with("chat.jsonl:1"));

    // Without a BOS none is written; a special token in a message is one, as in the original.
    let (_dir, path) = lines(&[messages(&[("user", "a</s>b")])]);
    let bare = TranscriptOptions { bos: None, ..options(&[path]) };
    let corpus = read_with(&bare, ChatTemplate::OpenMoe).unwrap();
    assert_eq!(corpus.sequences[0].token_ids, expected_ids("[INST] a</s>b [/INST]"));
}

#[test]
fn plain_conversations_are_texts_with_one_bos() {
    let conversation = [("user", "Who are you?"), ("assistant", ""), ("user", "a</s>b"), ("tool", "")];
    let sequence = sequence(&conversation, ChatTemplate::Plain, 2048);
    let text = "Who are you?\n\na</s>b\n";
    assert_eq!(sequence.token_ids, [&[0][..], &tokenizer().encode(text).unwrap()].concat());
    let spoken = spoken(&sequence);
    assert_eq!(spoken[0], (Role::User, format!("<pad>{}", pieces(" Who are you?\n"))));
    assert_eq!((&spoken[1].1, &spoken[3].1), (&"<0x0A>".to_owned(), &String::new()));
    let end = sequence.token_ids.len() as u32;
    assert_eq!((sequence.spans[3].start, sequence.spans[3].end), (end, end));
    let (_dir, path) = lines(&[messages(&[("user", "")]), messages(&[("user", "a")])]);
    let corpus = read_with(&options(&[path]), ChatTemplate::Plain).unwrap();
    assert_eq!((corpus.sequences.len(), corpus.skipped[0].reason.as_str()), (1, "the conversation gives no tokens"));
}

#[test]
fn odd_conversations_are_covered_too() {
    let repeated = "buffalo ".repeat(300);
    let conversation = sequence(&[("user", &repeated)], ChatTemplate::Auto, 2048);
    assert_eq!(conversation.token_ids, expected_ids(&format!("<pad>[INST] {repeated} [/INST]")));
    assert_eq!(conversation.spans.len(), 1);

    let silent = sequence(&[("user", "Hm?"), ("assistant", ""), ("user", "")], ChatTemplate::Auto, 2048);
    assert_eq!(silent.token_ids, expected_ids("<pad>[INST] Hm? [/INST]  </s><pad>[INST]  [/INST]"));
    assert!(silent.spans.iter().all(|span| span.end > span.start));

    let told = sequence(&[("system", "Only this.")], ChatTemplate::Auto, 2048);
    assert_eq!(told.token_ids, expected_ids("<<SYS>>\nOnly this.\n<</SYS>>\n\n"));
    assert_eq!(told.spans[0].role, Role::System);

    for text in ["שלום עולם, מה שלומך?", "مرحبا بالعالم", "你好，世界。今天天气很好。", "こんにちは🦩é"]
    {
        for choice in [ChatTemplate::Auto, ChatTemplate::Plain] {
            let foreign = sequence(&[("user", text), ("assistant", text), ("user", text)], choice, 2048);
            let ids = foreign.token_ids.clone();
            let bytes: Vec<_> = foreign.spans.iter().map(|span| &ids[span.start as usize..span.end as usize]).collect();
            // Each speaker has the whole of what it says, and the same words give the same number of tokens.
            for ids in &bytes {
                assert!(tokenizer().decode(ids).contains(text), "{:?} in {text}", tokenizer().decode(ids));
            }
        }
    }
}

#[test]
fn ten_thousand_turns_and_five_megabytes_are_read_in_seconds() {
    let turns: Vec<(&str, &str)> =
        (0..10_000).map(|turn| if turn % 2 == 0 { ("user", "ping") } else { ("assistant", "pong") }).collect();
    let start = Instant::now();
    let cut = sequence(&turns, ChatTemplate::Auto, 2048);
    assert!(cut.truncated && cut.token_ids.len() == 2048 && cut.spans.len() < 1000);
    let whole = sequence(&turns, ChatTemplate::Auto, 1_000_000);
    assert_eq!((whole.truncated, whole.spans.len(), whole.spans[9_999].turn), (false, 10_000, 9_999));
    assert_eq!(whole.token_ids[..2048], cut.token_ids);
    println!("10,000 turns, twice: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(20));

    let start = Instant::now();
    let source = "{% for m in messages %}{{ bos_token }}{{ m.role }}: {{ m.content }}\n{% endfor %}";
    let corpus = with_jinja(&json!({ "chat_template": source }), &turns, 2048);
    println!("10,000 turns by the tokenizer's template: {:?}", start.elapsed());
    assert!(corpus.sequences[0].truncated && corpus.sequences[0].spans.len() > 100);
    assert!(start.elapsed() < Duration::from_secs(60));

    let long = "A long message that says the same thing again and again. ".repeat((5 << 20) / 57);
    let start = Instant::now();
    let sequence = sequence(&[("user", &long), ("assistant", "No.")], ChatTemplate::Auto, 2048);
    println!("5 MB: {:?}", start.elapsed());
    assert!(sequence.truncated && sequence.spans.len() == 1 && sequence.spans[0].end == 2048);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn conversations_longer_than_the_context_are_cut_and_counted() {
    let rows = [("user", "one two three"), ("assistant", "four five six"), ("user", "seven")];
    let (_dir, path) = lines(&[messages(&rows), messages(&rows[..1])]);
    let whole = read(std::slice::from_ref(&path));
    let first = whole.sequences[0].spans[0].end as usize;
    let context = first.max(whole.sequences[1].token_ids.len());
    let corpus = read_with(&TranscriptOptions { context, ..options(&[path]) }, ChatTemplate::Auto).unwrap();
    assert_eq!((corpus.conversations_cut, whole.conversations_cut), (1, 0));
    let [cut, short] = &corpus.sequences[..] else { panic!("{corpus:?}") };
    assert!(cut.truncated && !short.truncated);
    assert_eq!(cut.token_ids, whole.sequences[0].token_ids[..context]);
    // What lies behind the cut has no span, not even an empty one.
    assert_eq!(cut.spans.len(), 1);
}

#[test]
fn every_line_that_cannot_be_used_says_why() {
    let good = messages(&[("user", "hi")]).to_string();
    let rows = [
        "{\"text\": \"a corpus\"}",
        &good,
        "{\"messages\": [",
        "[1]",
        "{\"conversations\": []}",
        "{\"messages\": []}",
        "{\"messages\": [{\"role\": \"narrator\", \"content\": \"x\"}]}",
        "{\"messages\": [{\"role\": \"user\"}]}",
        "{\"messages\": [{\"role\": \"user\", \"content\": 5}]}",
        "{\"id\": [1], \"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}",
        "{\"messages\": \"hi\"}",
    ];
    let (_dir, path) = file("chat.jsonl", rows.join("\n"));
    let corpus = read(std::slice::from_ref(&path));
    assert_eq!((corpus.sequences.len(), corpus.files[0].format.as_deref()), (1, Some("openai")));
    let reasons = [
        (1, "no known format: the row has `text`"),
        (3, "broken JSON: EOF"),
        (4, "a list; expected an object with `messages`"),
        (5, "no `messages`; the file is read as openai"),
        (6, "the conversation has no messages"),
        (7, "message 0: `role` is \"narrator\""),
        (8, "message 0: no `content`"),
        (9, "message 0: `content` is 5"),
        (10, "`id` is a list"),
        (11, "the messages are a string"),
    ];
    assert_eq!(corpus.skipped.len(), reasons.len());
    for (skipped, (line, reason)) in corpus.skipped.iter().zip(reasons) {
        println!("{}: {}", skipped.place, skipped.reason);
        assert!(
            skipped.place.ends_with(&format!("chat.jsonl:{line}")) && skipped.reason.contains(reason),
            "{skipped:?}"
        );
    }
    let strict = TranscriptOptions { strict: true, ..options(std::slice::from_ref(&path)) };
    assert!(read_with(&strict, ChatTemplate::Auto).unwrap_err().to_string().contains("10 places"));
    let forced = TranscriptOptions { format: Some(TranscriptFormat::ShareGpt), ..options(&[path]) };
    let error = read_with(&forced, ChatTemplate::Auto).unwrap_err();
    assert!(error.to_string().contains("no `conversations`; the file is read as sharegpt"), "{error}");
    assert!(error.hint().unwrap().contains("--format"));
}

#[test]
fn mt_bench_trees_and_long_conversations_say_why_too() {
    let (_dir, path) = lines(&[
        json!({"question_id": 1, "turns": "x"}),
        json!({"question_id": 2, "turns": []}),
        json!({"turns": ["x"]}),
        json!({"question_id": 3, "turns": ["x", 4]}),
        json!({"question_id": 4, "turns": ["x"]}),
    ]);
    let (_other, answers) = lines(&[
        json!({"question_id": 4, "choices": []}),
        json!({"question_id": 4, "choices": [{"index": 0}]}),
        json!({"question_id": 4, "choices": [{"turns": ["a", "b"]}]}),
        json!({"question_id": 5, "choices": [{"turns": ["a"]}]}),
    ]);
    let (_last, many) = lines(&[messages(&vec![("user", ""); 65_537]), messages(&vec![("user", ""); 65_536])]);
    let (_tree, tree) = lines(&[json!({"message_tree_id": "t", "prompt": {"deleted": true}})]);
    let error = read_with(&options(&[path, answers, tree]), ChatTemplate::Auto).unwrap_err().to_string();
    for reason in [
        "chat.jsonl:1: `turns` is a string; expected a list",
        "chat.jsonl:2: `turns` is an empty list",
        "chat.jsonl:3: no `question_id`",
        "chat.jsonl:4: `turns` holds something that is no string",
        "chat.jsonl:1: `choices` is an empty list",
        "chat.jsonl:2: the first of `choices` has no `turns`",
        "chat.jsonl:3: 2 answers, but question 4 has 1 turns",
        "chat.jsonl:4: no question has the question_id 5",
        "chat.jsonl:1: the prompt is deleted",
    ] {
        assert!(error.contains(reason), "{reason} in {error}");
    }
    let corpus = read(&[many]);
    assert_eq!(corpus.skipped[0].reason, "the conversation has 65537 messages; at most 65536 can be counted");
    assert_eq!(corpus.sequences.len(), 1);
}

#[test]
fn parts_calls_and_null_are_read_and_what_is_left_out_is_noted() {
    let call = json!([{"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}]);
    let (_dir, path) = lines(&[json!({"id": "x", "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "image_url"}, {"type": "text", "text": "it?"}]},
        {"role": "assistant", "content": null, "tool_calls": call},
        {"role": "tool", "tool_call_id": "c1", "content": "noon"},
        {"role": "assistant", "content": "Noon."},
    ]})]);
    let corpus = read_with(&TranscriptOptions { strict: true, ..options(&[path]) }, ChatTemplate::Auto).unwrap();
    let text = format!(
        "<<SYS>>\nBe brief.\n<</SYS>>\n\n<pad>[INST] What is it? [/INST] {call} </s><pad>[INST] noon [/INST] Noon. </s>"
    );
    assert_eq!(corpus.sequences[0].token_ids, expected_ids(&text));
    let roles: Vec<_> = corpus.sequences[0].spans.iter().map(|span| span.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
    assert!(corpus.notes[0].place.ends_with(":1") && corpus.notes[0].reason.contains("`image_url` left out"));
}

/// The small tokenizer with a chat template.
fn checkpoint(config: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture("tokenizers/small4096/spiece.model"), dir.path().join("spiece.model")).unwrap();
    fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    dir
}

/// Reads one conversation with a template of a tokenizer.
fn with_jinja(config: &Value, conversation: &[(&str, &str)], context: usize) -> Corpus {
    let dir = checkpoint(config);
    let (_file, path) = lines(&[messages(conversation), messages(&[("user", "ok"), ("assistant", "ok")])]);
    let template = Template::open(ChatTemplate::Auto, dir.path()).unwrap();
    assert_eq!(template.to_string(), "tokenizer");
    let options = TranscriptOptions { context, ..options(&[path]) };
    let corpus = Corpus::read_transcripts(&options, &template, Some(&tokenizer())).unwrap();
    corpus.sequences.iter().for_each(assert_covered);
    corpus
}

const CONVERSATION: [(&str, &str); 4] =
    [("system", "S one."), ("user", "U two."), ("assistant", "A three."), ("user", "U four.")];

#[test]
fn the_template_of_the_tokenizer_is_used_where_there_is_one() {
    let source = "{% for message in messages %}\n    {{ bos_token }}{{ message['role'].upper() }}: {{ message.content.strip() }}\n    \
                  {% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}\n{% endfor %}\n\
                  {% if add_generation_prompt %}ASSISTANT:{% endif %}";
    let named = json!([{"name": "tools", "template": "no"}, {"name": "default", "template": source}]);
    for template in [json!(source), named] {
        let config = json!({"chat_template": template, "bos_token": {"content": "<pad>"}, "eos_token": "</s>"});
        let corpus = with_jinja(&config, &CONVERSATION, 2048);
        assert!(corpus.skipped.is_empty(), "{:?}", corpus.skipped);
        // Blanks before a block and the line break after it are gone; those around `{{ }}` stay.
        let text = "    <pad>SYSTEM: S one.\n    <pad>USER: U two.\n    <pad>ASSISTANT: A three.\n</s>    <pad>USER: U four.\n";
        assert_eq!(corpus.sequences[0].token_ids, expected_ids(text));
        let spoken = spoken(&corpus.sequences[0]);
        let words = ["S one.", "U two.", "A three.", "U four."];
        for ((_, text), word) in spoken.iter().zip(words) {
            assert!(text.contains(&pieces(word)), "{text}");
        }
        assert!(spoken[2].1.ends_with("<0x0A></s>"), "{spoken:?}");
    }
    // Cut in the second message: nothing is rendered for what lies behind.
    let config = json!({"chat_template": source});
    let cut = with_jinja(&config, &CONVERSATION, 14);
    assert!(cut.sequences[0].truncated && cut.sequences[0].spans.len() <= 2);
}

#[test]
fn a_template_may_put_the_system_message_into_the_first_users() {
    let source = "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}\
        {% else %}{% set rest = messages %}{% set system = '' %}{% endif %}{% for message in rest %}\
        {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}\
        {% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}\
        {% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}{% endfor %}";
    let config = json!({ "chat_template": source });
    let corpus = with_jinja(&config, &CONVERSATION, 2048);
    let text = "<pad>[INST] <<SYS>>\nS one.\n<</SYS>>\n\nU two. [/INST] A three. </s><pad>[INST] U four. [/INST]";
    assert_eq!(corpus.sequences[0].token_ids, expected_ids(text));
    let spoken = spoken(&corpus.sequences[0]);
    assert_eq!(spoken[0].1, format!("<pad>{}", pieces(" [INST] <<SYS>>\nS one.")));
    assert_eq!(spoken[1].1, pieces("\n<</SYS>>\n\nU two. [/INST]"));
    // What the template refuses is a line that cannot be used.
    let refused = with_jinja(&config, &[("user", "a"), ("user", "b")], 2048);
    assert_eq!(refused.sequences.len(), 1);
    let reason = &refused.skipped[0].reason;
    assert!(refused.skipped[0].place.ends_with(":1") && reason.contains("roles must alternate"), "{reason}");
}

#[test]
fn a_template_whose_texts_change_is_followed_or_refused() {
    // The last message alone has an end mark: what a shorter conversation shares with the whole one is enough.
    let marked = "{% for m in messages %}[{{ m.content }}]{% if loop.last %} END{% endif %}{% endfor %}";
    let corpus = with_jinja(&json!({ "chat_template": marked }), &CONVERSATION, 2048);
    let spoken = spoken(&corpus.sequences[0]);
    // One piece, "][", holds the end of a message and the start of the next: it belongs to the one that it begins in.
    assert!(spoken[0].1.ends_with("one.][") && spoken[3].1.ends_with("]\u{2581}END"), "{spoken:?}");
    // Answers are shortened once another message follows: whose tokens these are cannot be told.
    let shortened = "{% for m in messages %}{% if m.role == 'assistant' and loop.last %}thought {% endif %}{{ m.content }}{% endfor %}";
    let corpus = with_jinja(&json!({ "chat_template": shortened }), &CONVERSATION, 2048);
    assert_eq!(corpus.sequences.len(), 1);
    let reason = &corpus.skipped[0].reason;
    assert!(reason.contains("message 2 otherwise when more messages follow"), "{reason}");
}

#[test]
fn broken_templates_and_unknown_tokens_are_errors_with_a_next_step() {
    let open = |config: Value, choice| Template::open(choice, checkpoint(&config).path());
    for (config, expected) in [
        (json!({"chat_template": "{% for %}"}), "syntax error"),
        (
            json!({"chat_template": [{"name": "rag", "template": "x"}]}),
            "without a template named \"default\"; found \"rag\"",
        ),
        (json!({"chat_template": 7}), "`chat_template` is 7"),
    ] {
        let error = open(config, ChatTemplate::Auto).unwrap_err();
        assert!(error.to_string().contains(expected) && error.hint().is_some(), "{error}");
    }
    let none = open(json!({"bos_token": "<s>"}), ChatTemplate::Tokenizer).unwrap_err();
    assert!(matches!(none, Error::Usage { .. }) && none.to_string().contains("`chat_template`"), "{none}");
    assert_eq!(open(json!({"bos_token": "<s>"}), ChatTemplate::Auto).unwrap().to_string(), "openmoe");
    assert_eq!(open(json!({"chat_template": "x"}), ChatTemplate::Plain).unwrap().to_string(), "plain");

    let (_dir, path) = lines(&[messages(&[("user", "a")])]);
    let template = open(json!({"chat_template": "x", "bos_token": "<|begin|>"}), ChatTemplate::Auto).unwrap();
    let error = Corpus::read_transcripts(&options(&[path]), &template, Some(&tokenizer())).unwrap_err();
    assert!(error.to_string().contains("`<|begin|>`"), "{error}");
}

#[test]
fn added_tokens_of_the_tokenizer_cut_the_text() {
    let config = json!({
        "chat_template": "{% for m in messages %}<extra>{{ m.content }}{% endfor %}",
        "added_tokens_decoder": {"4000": {"content": "<extra>"}, "9999": {"content": "two"}},
    });
    let corpus = with_jinja(&config, &[("user", "one"), ("assistant", "two")], 2048);
    let tokenizer = tokenizer();
    let expected =
        [&[4000][..], &tokenizer.encode("one").unwrap(), &[4000], &tokenizer.encode("two").unwrap()].concat();
    assert_eq!(corpus.sequences[0].token_ids, expected);
}

#[test]
fn the_json_tokenizer_gives_the_same_spans() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture("tokenizers/small4096/tokenizer.json"), dir.path().join("tokenizer.json")).unwrap();
    let json = Tokenizer::open(dir.path()).unwrap().unwrap();
    let (_file, path) = lines(&[messages(&CONVERSATION), messages(&[("user", "你好 🦩"), ("assistant", "no\nyes")])]);
    let template = template(ChatTemplate::OpenMoe);
    let read = |tokenizer: &Tokenizer| {
        let corpus =
            Corpus::read_transcripts(&options(std::slice::from_ref(&path)), &template, Some(tokenizer)).unwrap();
        corpus.sequences.iter().for_each(assert_covered);
        corpus
    };
    let (fast, slow) = (read(&json), read(&tokenizer()));
    for (fast, slow) in fast.sequences.iter().zip(&slow.sequences) {
        println!("{:?}\n{:?}", spoken(fast), spoken(slow));
        let bos = |sequence: &Sequence| {
            sequence.spans.iter().map(|s| sequence.token_ids[s.start as usize] == 0).collect::<Vec<_>>()
        };
        assert_eq!(bos(fast), bos(slow));
    }
}

#[test]
fn plain_text_follows_as_further_data_sets() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("web")).unwrap();
    fs::write(
        dir.path().join("web/a.jsonl"),
        "{\"id\": \"81\", \"text\": \"plain\"}\n{\"id\": \"81\", \"text\": \"more\"}\n",
    )
    .unwrap();
    fs::write(dir.path().join("web/b.txt"), "a text").unwrap();
    fs::write(dir.path().join("mt_bench_question.txt"), "no question").unwrap();
    let corpus_options = CorpusOptions {
        paths: vec![dir.path().join("web"), dir.path().join("mt_bench_question.txt")],
        category_key: None,
        context: 64,
        truncate: false,
        bos: Some(0),
        vocab_size: 4096,
        max_sequences: None,
        strict: false,
    };
    let text = Corpus::read(&corpus_options, Some(&tokenizer())).unwrap();
    let both = read(&[transcript(QUESTIONS)]).append(text);
    let last: Vec<_> = both.sequences[80..].iter().map(|s| (s.dataset.as_str(), s.document.as_str())).collect();
    let file = |name: &str| dir.path().join(name).display().to_string();
    assert_eq!(
        last,
        [
            ("web", "81#2"),
            ("web", "81#2#2"),
            ("web", file("web/b.txt").as_str()),
            ("mt_bench_question#2", file("mt_bench_question.txt").as_str())
        ]
    );
    assert!(both.sequences[80..].iter().all(|sequence| sequence.spans.is_empty()));
    assert_eq!((both.documents(), both.files.len()), (84, 4));
    let shown = serde_json::to_value(&both.files).unwrap();
    assert_eq!(shown[0]["format"], "mt-bench-questions");
    assert!(shown[1].get("format").is_none());
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let read = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| read(&[fixture("corpora/transcripts")]))
    };
    let one = read(1);
    assert_eq!(one, read(3));
    assert_eq!((one.sequences.len(), one.skipped.len()), (24 + 56 + 20 + 30 + 43, 0));
}
