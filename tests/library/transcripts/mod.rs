//! Conversations of every format, good and bad: which sequences they give, and which message each token belongs to.

mod formats;
mod templates;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use expect_test::expect;
use openmoe_analyze::{
    corpus::{
        ChatTemplate, Corpus, CorpusOptions, OasstPaths, Role, Sequence, Template, Tokenizer, TranscriptFormat,
        TranscriptOptions,
    },
    error::{Error, Result},
};
use serde_json::{Value, json};

use crate::support::{
    conversations::{file, lines, options, tokenizer},
    files::fixture,
    snapshot::{settled, told},
};

fn transcript(name: &str) -> PathBuf {
    fixture("corpora/transcripts").join(name)
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

/// The rows that could not be used, one a line, each with its place and the reason.
fn left_out(corpus: &Corpus) -> String {
    let lines = corpus.skipped.iter().map(|skipped| format!("{}: {}\n", skipped.place, skipped.reason));
    settled(&lines.collect::<String>())
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
