//! The tokenizers against ids that Google's SentencePiece gave.

use std::{
    fs,
    time::{Duration, Instant},
};

use expect_test::expect;
use openmoe_analyze::corpus::Tokenizer;
use serde_json::json;

use crate::support::{
    files::fixture,
    snapshot::{settled, told},
};

fn open(name: &str) -> Tokenizer {
    Tokenizer::open(&fixture("tokenizers").join(name)).unwrap().unwrap()
}

/// A folder with only the tokenizer.json of the small tokenizer, changed.
fn json_only(edit: impl Fn(&mut serde_json::Value)) -> (tempfile::TempDir, Tokenizer) {
    let dir = tempfile::tempdir().unwrap();
    let text = fs::read(fixture("tokenizers/small4096/tokenizer.json")).unwrap();
    let mut value = serde_json::from_slice(&text).unwrap();
    edit(&mut value);
    fs::write(dir.path().join("tokenizer.json"), value.to_string()).unwrap();
    let tokenizer = Tokenizer::open(dir.path()).unwrap().unwrap();
    (dir, tokenizer)
}

fn golden(name: &str, key: &str) -> Vec<(String, Vec<u32>)> {
    let text = fs::read_to_string(fixture("corpora/tokenizer_golden").join(format!("{name}.jsonl"))).unwrap();
    let row = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let ids = value[key].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        (value["text"].as_str().unwrap().to_owned(), ids)
    };
    text.lines().map(row).collect()
}

#[test]
fn all_golden_texts_give_exactly_the_ids_of_sentencepiece() {
    for name in ["umt5", "small4096"] {
        let tokenizer = open(name);
        assert!(tokenizer.file().ends_with("spiece.model") && tokenizer.warnings().is_empty());
        let golden = golden(name, "sp_ids");
        assert_eq!(golden.len(), 40);
        for (text, ids) in golden {
            assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{name}: {text:?}");
        }
    }
}

#[test]
fn tokenizer_json_gives_the_ids_of_the_tokenizers_library() {
    let (_dir, tokenizer) = json_only(|_| ());
    assert!(tokenizer.file().ends_with("tokenizer.json"));
    for (text, ids) in golden("small4096", "hf_fast_ids") {
        assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{text:?}");
    }
    assert_eq!(tokenizer.vocab_size(), 4096);
}

/// NFC, a Split by the expression of Qwen2 and byte-level BPE; ids by Python's tokenizers.
#[test]
fn byte_level_bpe_gives_the_ids_of_python() {
    let tokenizer = open("bytes2000");
    assert!(tokenizer.file().ends_with("tokenizer.json") && tokenizer.warnings().is_empty());
    let text = fs::read_to_string(fixture("tokenizers/bytes2000/ids.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 40);
    for row in rows {
        let text = row["text"].as_str().unwrap();
        let ids: Vec<u64> = tokenizer.encode(text).unwrap().into_iter().map(u64::from).collect();
        assert_eq!(json!(ids), row["ids"], "{text:?}");
        let tokens = tokenizer.encode_with_offsets(text).unwrap();
        assert_eq!(tokens.iter().map(|token| u64::from(token.id)).collect::<Vec<_>>(), ids, "{text:?}");
        assert!(tokens.is_sorted_by_key(|token| token.offset) && tokens.iter().all(|token| token.offset <= text.len()));
    }
    assert_eq!((tokenizer.vocab_size(), tokenizer.bos().unwrap()), (2000, None));
    let pieces = |text: &str| {
        tokenizer.encode(text).unwrap().into_iter().map(|id| tokenizer.piece(id).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(pieces("the <|im_end|>"), ["the", "\u{2581}", "<|im_end|>"]);
    // An e with an accent of its own is the single letter.
    assert_eq!(tokenizer.encode("caf\u{65}\u{301}").unwrap(), tokenizer.encode("caf\u{e9}").unwrap());
}

#[test]
fn a_tokenizer_json_that_loses_newlines_warns() {
    let (_dir, kept) = json_only(|_| ());
    assert!(kept.warnings().is_empty(), "{:?}", kept.warnings());
    let (_dir, unknown) = json_only(|value| value["model"]["byte_fallback"] = false.into());
    expect!["tokenizer `TEMP/tokenizer.json` turns newlines into <unk>; if the model was trained with a `spiece.model` that keeps them, routing of code and of texts with several lines will not be the model's own: put that file beside it"].assert_eq(&settled(&unknown.warnings().join("\n")));
    let (_dir, spaces) = json_only(|value| {
        value["normalizer"] = serde_json::json!({"type": "Replace", "pattern": {"String": "\n"}, "content": " "});
    });
    expect!["tokenizer `TEMP/tokenizer.json` turns newlines into spaces; if the model was trained with a `spiece.model` that keeps them, routing of code and of texts with several lines will not be the model's own: put that file beside it"].assert_eq(&settled(&spaces.warnings().join("\n")));
}

#[test]
fn decoding_gives_the_text_back() {
    for name in ["umt5", "small4096"] {
        let tokenizer = open(name);
        for (text, ids) in golden(name, "sp_ids") {
            assert_eq!(tokenizer.decode(&ids), text, "{name}");
        }
    }
}

#[test]
fn pieces_are_shown_as_stored() {
    let tokenizer = open("umt5");
    for (id, piece) in [(0, "<pad>"), (1, "</s>"), (4, "[eod]"), (27, "<0x0A>"), (273, "\u{2581}"), (279, "\u{2581}de")]
    {
        assert_eq!(tokenizer.piece(id).as_deref(), Some(piece));
    }
    assert_eq!(tokenizer.piece(256_000), None);
    // Control pieces are no text; "\n" is a byte piece; an unknown id is nothing.
    assert_eq!(tokenizer.decode(&[0, 279, 27, 279, 1, 999_999]), "de\n de");
}

#[test]
fn a_vocabulary_larger_than_the_model_is_an_error() {
    let tokenizer = open("umt5");
    assert_eq!(tokenizer.vocab_size(), 256_000);
    tokenizer.check_vocabulary(256_384).unwrap();
    tokenizer.check_vocabulary(256_000).unwrap();
    expect![[r#"
        tokenizer `fixtures/tokenizers/umt5/spiece.model` has ids up to 255999; the model's vocab_size is 4096, so ids must be below it

        hint: the tokenizer belongs to another model; take the one that was released with the checkpoint
    "#]].assert_eq(&told(&tokenizer.check_vocabulary(4096).unwrap_err()));
}

#[test]
fn absent_and_broken_files_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Tokenizer::open(dir.path()).unwrap().is_none());
    fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
    expect![[r#"
        tokenizer `TEMP/tokenizer.json` cannot be used: Model missing. at line 1 column 2

        hint: fetch the file again, or put the `spiece.model` of the model beside it
    "#]]
    .assert_eq(&told(&Tokenizer::open(dir.path()).unwrap_err()));
    fs::write(dir.path().join("spiece.model"), "not a model").unwrap();
    expect![[r#"
        tokenizer `TEMP/spiece.model` is not a SentencePiece model: failed to decode Protobuf message: invalid wire type value: 6

        hint: compare with the `spiece.model` of google/umt5-small
    "#]].assert_eq(&told(&Tokenizer::open(dir.path()).unwrap_err()));
}

#[test]
fn encoding_is_linear_in_every_text() {
    let tokenizer = open("umt5");
    let long = 1 << 18;
    for (text, least) in [
        ("x".repeat(long), 1000),
        ("-".repeat(long), 1000),
        (" ".repeat(long), 1000),
        ("\n".repeat(long), long),
        ("\u{1F9A9}".repeat(long / 4), long),
        ("\0".repeat(long), long),
        ("word ".repeat(long / 5), long / 5),
    ] {
        let start = Instant::now();
        let ids = tokenizer.encode(&text).unwrap();
        assert!(ids.len() >= least, "{} ids of {:?}", ids.len(), text.chars().next());
        assert!(start.elapsed() < Duration::from_secs(20), "{:?} for {:?}", start.elapsed(), text.chars().next());
    }
}

#[test]
fn the_bundled_corpora_have_the_token_counts_of_sentencepiece() {
    let tokenizers = [(open("umt5"), "umt5_tokens"), (open("small4096"), "small_tokens")];
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("corpora/manifest.json")).unwrap()).unwrap();
    let mut compared = 0;
    for entry in manifest.as_array().unwrap() {
        let path = entry["path"].as_str().unwrap();
        for (tokenizer, key) in &tokenizers {
            let Some(expected) = entry[key].as_u64() else { continue };
            let text = fs::read_to_string(fixture("corpora").join(path)).unwrap();
            let tokens = text.lines().map(|line| {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                tokenizer.encode(row["text"].as_str().unwrap()).unwrap().len() as u64
            });
            assert_eq!(tokens.sum::<u64>(), expected, "{path}: {key}");
            compared += 1;
        }
    }
    assert_eq!(compared, 2 * 24);
}

/// config.json may name a BOS that no tokenizer of the model writes; only the tokenizer's own files count.
#[test]
fn the_bos_is_what_the_tokenizers_own_files_put_before_a_text() {
    let processed = |single: serde_json::Value| {
        let special = |name: &str, id: u32| json!({ "id": name, "ids": [id], "tokens": [name] });
        json_only(move |tokenizer| {
            tokenizer["post_processor"] = json!({
                "type": "TemplateProcessing",
                "single": single,
                "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } }],
                "special_tokens": { "</s>": special("</s>", 1), "<s>": special("<s>", 2) },
            });
        })
    };
    let token = |name: &str| json!({ "SpecialToken": { "id": name, "type_id": 0 } });
    let text = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let (_dir, before) = processed(json!([token("<s>"), text]));
    assert_eq!(before.bos().unwrap(), Some(2));
    let (_dir, behind) = processed(json!([text, token("</s>")]));
    assert_eq!(behind.bos().unwrap(), None);
    let (dir, plain) = json_only(|tokenizer| tokenizer["post_processor"] = json!(null));
    assert_eq!(plain.bos().unwrap(), None);
    for (config, expected) in [
        (json!({ "add_bos_token": true, "bos_token": "<pad>" }), Some(0)),
        (json!({ "add_bos_token": true, "bos_token": { "content": "<s>" } }), Some(2)),
        (json!({ "add_bos_token": false, "bos_token": "<s>" }), None),
        (json!({ "bos_token": "<s>" }), None),
    ] {
        fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
        assert_eq!(plain.bos().unwrap(), expected, "{config}");
    }
    fs::write(dir.path().join("tokenizer_config.json"), r#"{"add_bos_token": true, "bos_token": "<other>"}"#).unwrap();
    let refused = plain.bos().unwrap_err().to_string();
    assert!(refused.contains("puts `<other>` before every text"), "{refused}");
}
