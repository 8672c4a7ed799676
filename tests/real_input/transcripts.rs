//! Conversations as people have them: under which key they stand, what stands beside them.

use openmoe_analyze::corpus::{ChatTemplate, Corpus, Template, TranscriptOptions};
use serde_json::{Value, json};

use crate::conversations::{fixture, lines, options, tokenizer};

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
