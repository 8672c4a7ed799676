//! Formats, files, lines that cannot be used.

use super::*;

const QUESTIONS: &str = "mt_bench_question.jsonl";
const ANSWERS: &str = "mt_bench_answer_mistral-7b-instruct-v0.2.jsonl";

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
        assert_eq!((corpus.documents(), corpus.skipped.len()), (documents, 0), "{name}");
        // Nothing is left out; words that stand for a role are noted.
        let words = match format {
            "sharegpt" => vec!["roles: gpt -> assistant, human -> user"],
            "oasst" => vec!["roles: prompter -> user"],
            _ => Vec::new(),
        };
        assert_eq!(corpus.notes.iter().map(|note| note.reason.as_str()).collect::<Vec<_>>(), words, "{name}");
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
    expect![[r#"
        the corpus has no usable document: read `fixtures/corpora/transcripts/mt_bench_answer_mistral-7b-instruct-v0.2.jsonl`; places that cannot be used: 24
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

        hint: a row is a conversation: a list of messages ({"role", "content"} or {"from", "value"}) under any key, a prompt with its response, MT-Bench (questions, and answers together with their questions file) or an OASST tree; `ConversationOptions::format` says which
    "#]].assert_eq(&told(&error));
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
    expect![[r#"
        TEMP/notes.txt: transcripts are read from .jsonl, .ndjson and .json (each also compressed, as .jsonl.gz or .jsonl.zst) and from .parquet
    "#]].assert_eq(&left_out(&corpus));
    let bare = tempfile::tempdir().unwrap();
    let nothing = TranscriptOptions { max_sequences: Some(1), ..options(&[bare.path().to_owned()]) };
    expect![[r#"
        the corpus has no document: `TEMP` is an empty folder

        hint: name a folder that holds files, or a file; `-` reads JSON lines from the standard input
    "#]]
    .assert_eq(&told(&read_with(&nothing, ChatTemplate::Auto).unwrap_err()));
    let text = read_with(&options(&[dir.path().join("notes.txt")]), ChatTemplate::Auto).unwrap_err();
    assert!(matches!(text, Error::Corpus { .. }), "{text}");
    expect![[r#"
        transcript `TEMP/notes.txt` is text; transcripts are read from .jsonl, .ndjson and .json (each also compressed, as .jsonl.gz or .jsonl.zst) and from .parquet

        hint: plain text is a corpus: `RunOptions::corpus`
    "#]].assert_eq(&told(&text));
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
    expect![[r#"
        TEMP/chat.jsonl:1: no known format: the row has `text`; expected a list of messages ({"role", "content"} or {"from", "value"}), a prompt with its response, `turns` or `choices` of MT-Bench, or an OASST tree in `prompt`
        TEMP/chat.jsonl:3: broken JSON: EOF while parsing a list at column 14
        TEMP/chat.jsonl:4: a list; expected an object with `messages`
        TEMP/chat.jsonl:5: no `messages`; the file is read as openai
        TEMP/chat.jsonl:6: the conversation has no messages
        TEMP/chat.jsonl:7: message 0: `role` is "narrator"; expected one of system, developer, user, human, prompter, customer, instruction, assistant, gpt, chatgpt, bing, bard, function_call, bot, chatbot, ai, model, claude, gemini, agent, tool_call, tool, function, observation, ipython, tool_response, tool_result, tool_results, function_response, environment
        TEMP/chat.jsonl:8: message 0: no `content`
        TEMP/chat.jsonl:9: message 0: `content` is 5; expected a string, null or a list of parts
        TEMP/chat.jsonl:10: `id` is a list; expected a string
        TEMP/chat.jsonl:11: the messages are a string; expected a list
    "#]].assert_eq(&left_out(&corpus));
    let strict = TranscriptOptions { strict: true, ..options(std::slice::from_ref(&path)) };
    expect![[r#"
        10 places cannot be used:
          - TEMP/chat.jsonl:1: no known format: the row has `text`; expected a list of messages ({"role", "content"} or {"from", "value"}), a prompt with its response, `turns` or `choices` of MT-Bench, or an OASST tree in `prompt`
          - TEMP/chat.jsonl:3: broken JSON: EOF while parsing a list at column 14
          - TEMP/chat.jsonl:4: a list; expected an object with `messages`
          - TEMP/chat.jsonl:5: no `messages`; the file is read as openai
          - TEMP/chat.jsonl:6: the conversation has no messages
          - TEMP/chat.jsonl:7: message 0: `role` is "narrator"; expected one of system, developer, user, human, prompter, customer, instruction, assistant, gpt, chatgpt, bing, bard, function_call, bot, chatbot, ai, model, claude, gemini, agent, tool_call, tool, function, observation, ipython, tool_response, tool_result, tool_results, function_response, environment
          - TEMP/chat.jsonl:8: message 0: no `content`
          - TEMP/chat.jsonl:9: message 0: `content` is 5; expected a string, null or a list of parts
          - TEMP/chat.jsonl:10: `id` is a list; expected a string
          - TEMP/chat.jsonl:11: the messages are a string; expected a list

        hint: correct them, or leave out `InputOptions::strict` to go on without them
    "#]].assert_eq(&told(&read_with(&strict, ChatTemplate::Auto).unwrap_err()));
    let forced = TranscriptOptions { format: Some(TranscriptFormat::ShareGpt), ..options(&[path]) };
    expect![[r#"
        the corpus has no usable document: read `TEMP/chat.jsonl`; places that cannot be used: 11
          - TEMP/chat.jsonl:1: no `conversations`; the file is read as sharegpt
          - TEMP/chat.jsonl:2: no `conversations`; the file is read as sharegpt
          - TEMP/chat.jsonl:3: broken JSON: EOF while parsing a list at column 14
          - TEMP/chat.jsonl:4: a list; expected an object with `conversations`
          - TEMP/chat.jsonl:5: the conversation has no messages
          - TEMP/chat.jsonl:6: no `conversations`; the file is read as sharegpt
          - TEMP/chat.jsonl:7: no `conversations`; the file is read as sharegpt
          - TEMP/chat.jsonl:8: no `conversations`; the file is read as sharegpt
          - TEMP/chat.jsonl:9: no `conversations`; the file is read as sharegpt
          - TEMP/chat.jsonl:10: no `conversations`; the file is read as sharegpt
          - TEMP/chat.jsonl:11: no `conversations`; the file is read as sharegpt

        hint: a row is a conversation: a list of messages ({"role", "content"} or {"from", "value"}) under any key, a prompt with its response, MT-Bench (questions, and answers together with their questions file) or an OASST tree; `ConversationOptions::format` says which
    "#]].assert_eq(&told(&read_with(&forced, ChatTemplate::Auto).unwrap_err()));
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
    let error = read_with(&options(&[path, answers, tree]), ChatTemplate::Auto).unwrap_err();
    expect![[r#"
        the corpus has no usable document: read `TEMP/chat.jsonl`, `TEMP/chat.jsonl`, `TEMP/chat.jsonl`; places that cannot be used: 9
          - TEMP/chat.jsonl:1: `turns` is a string; expected a list of strings
          - TEMP/chat.jsonl:2: `turns` is an empty list
          - TEMP/chat.jsonl:3: no `question_id`
          - TEMP/chat.jsonl:4: `turns` holds something that is no string
          - TEMP/chat.jsonl:1: `choices` is an empty list
          - TEMP/chat.jsonl:2: the first of `choices` has no `turns`
          - TEMP/chat.jsonl:1: the prompt is deleted, and with it the whole tree
          - TEMP/chat.jsonl:3: 2 answers, but question 4 has 1 turns
          - TEMP/chat.jsonl:4: no question has the question_id 5; give the questions file in the same run, beside this one

        hint: a row is a conversation: a list of messages ({"role", "content"} or {"from", "value"}) under any key, a prompt with its response, MT-Bench (questions, and answers together with their questions file) or an OASST tree; `ConversationOptions::format` says which
    "#]].assert_eq(&told(&error));
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
    let notes = corpus.notes.iter().map(|note| format!("{}: {}\n", note.place, note.reason));
    expect![[r#"
        TEMP/chat.jsonl:1: a part of type `image_url` left out; only text is routed
        TEMP/chat.jsonl: roles: developer -> system
    "#]]
    .assert_eq(&settled(&notes.collect::<String>()));
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
        text_key: None,
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
