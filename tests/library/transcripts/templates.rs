//! Chat templates: token ids, spans, odd and long conversations.

use super::*;

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
    expect![[r#"
        TEMP/chat.jsonl:1: the chat template refuses the conversation: invalid operation: roles must alternate (in chat_template:1)
    "#]].assert_eq(&left_out(&refused));
}

#[test]
fn a_template_whose_texts_change_is_followed_or_refused() {
    // The last message alone has an end mark: what a shorter conversation shares with the whole one is enough.
    let marked = "{% for m in messages %}[{{ m.content }}]{% if loop.last %} END{% endif %}{% endfor %}";
    let corpus = with_jinja(&json!({ "chat_template": marked }), &CONVERSATION, 2048);
    let spoken = spoken(&corpus.sequences[0]);
    // One piece, "][", holds the end of a message and the start of the next: it belongs to the one that it begins in.
    assert!(spoken[0].1.ends_with("one.][") && spoken[3].1.ends_with("]\u{2581}END"), "{spoken:?}");
    // The template shortens answers once another message follows, so it cannot be decided which message the tokens belong to.
    let shortened = "{% for m in messages %}{% if m.role == 'assistant' and loop.last %}thought {% endif %}{{ m.content }}{% endfor %}";
    let corpus = with_jinja(&json!({ "chat_template": shortened }), &CONVERSATION, 2048);
    assert_eq!(corpus.sequences.len(), 1);
    expect![[r#"
        TEMP/chat.jsonl:1: the chat template writes message 2 otherwise when more messages follow, so its tokens cannot be told from those of the next; `ConversationOptions::template = openmoe` or plain can
    "#]].assert_eq(&left_out(&corpus));
}

#[test]
fn broken_templates_and_unknown_tokens_are_errors_with_a_next_step() {
    let open = |config: Value, choice| Template::open(choice, checkpoint(&config).path());
    for (config, message) in [
        (
            json!({"chat_template": "{% for %}"}),
            expect![[r#"
                chat template of `TEMP/tokenizer_config.json` cannot be used: syntax error: unexpected end of block, expected in (in chat_template:1)

                hint: `ConversationOptions::template = openmoe` is the template of the authors, `ConversationOptions::template = plain` is none
            "#]],
        ),
        (
            json!({"chat_template": [{"name": "rag", "template": "x"}]}),
            expect![[r#"
                chat template of `TEMP/tokenizer_config.json` cannot be used: `chat_template` is a list without a template named "default"; found "rag"

                hint: `ConversationOptions::template = openmoe` is the template of the authors, `ConversationOptions::template = plain` is none
            "#]],
        ),
        (
            json!({"chat_template": 7}),
            expect![[r#"
                chat template of `TEMP/tokenizer_config.json` cannot be used: `chat_template` is 7; expected a text or a list of named texts

                hint: `ConversationOptions::template = openmoe` is the template of the authors, `ConversationOptions::template = plain` is none
            "#]],
        ),
    ] {
        message.assert_eq(&told(&open(config, ChatTemplate::Auto).unwrap_err()));
    }
    let none = open(json!({"bos_token": "<s>"}), ChatTemplate::Tokenizer).unwrap_err();
    assert!(matches!(none, Error::Usage { .. }), "{none}");
    expect![[r#"
        `TEMP` has neither a chat_template.jinja nor a tokenizer_config.json with a `chat_template`

        hint: `ConversationOptions::template = openmoe` is the template of the authors, `ConversationOptions::template = plain` is none
    "#]]
    .assert_eq(&told(&none));
    assert_eq!(open(json!({"bos_token": "<s>"}), ChatTemplate::Auto).unwrap().to_string(), "openmoe");
    assert_eq!(open(json!({"chat_template": "x"}), ChatTemplate::Plain).unwrap().to_string(), "plain");

    let (_dir, path) = lines(&[messages(&[("user", "a")])]);
    let template = open(json!({"chat_template": "x", "bos_token": "<|begin|>"}), ChatTemplate::Auto).unwrap();
    let error = Corpus::read_transcripts(&options(&[path]), &template, Some(&tokenizer())).unwrap_err();
    expect![[r#"
        tokenizer_config.json names the special token `<|begin|>`; `fixtures/tokenizers/small4096/spiece.model` has none

        hint: the two files belong to different models; or use `ConversationOptions::template = openmoe`
    "#]]
    .assert_eq(&told(&error));
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
