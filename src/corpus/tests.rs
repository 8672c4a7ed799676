//! Corpora of every format, good and bad. Most rows are `input_ids`, so that the expected ids are visible in the test.

use std::{
    fs,
    path::{Path, PathBuf},
    slice,
};

mod categories;

use super::{Corpus, CorpusOptions, Sequence, Tokenizer};
use crate::error::{Error, Result};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn tokenizer() -> Tokenizer {
    Tokenizer::open(&fixture("tokenizers/small4096")).unwrap().unwrap()
}

/// Context 8 with BOS 0, the vocabulary of the small checkpoints.
fn options(paths: &[PathBuf]) -> CorpusOptions {
    CorpusOptions {
        paths: paths.to_vec(),
        category_key: None,
        text_key: None,
        context: 8,
        truncate: false,
        bos: Some(0),
        vocab_size: 4096,
        max_sequences: None,
        strict: false,
    }
}

/// A folder with one file, and the file.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn read_ids(path: &Path) -> Result<Corpus> {
    Corpus::read(&options(&[path.to_owned()]), None)
}

fn message(result: Result<Corpus>) -> String {
    match result {
        Err(error @ Error::Corpus { .. }) => {
            assert!(error.hint().is_some(), "{error}");
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn lines_are_used_or_listed_with_their_place() {
    let good = r#"{"input_ids": [1, 2], "id": "x", "domain": "book"}"#;
    let lines: [&[u8]; 6] = [
        good.as_bytes(),
        b"",
        b"{\"input_ids\": [3",
        b"\xff",
        br#"{"input_ids": [7], "domain": "book"}"#,
        br#"{"text": ""}"#,
    ];
    let (_dir, path) = file("a.jsonl", lines.join(&b'\n'));
    let corpus = read_ids(&path).unwrap();
    let name = path.display().to_string();
    let sequence = |document: String, category: Option<&str>, ids: &[u32]| Sequence {
        source: name.clone(),
        document,
        category: category.map(str::to_owned),
        token_ids: ids.to_vec(),
        dataset: "a".into(),
        spans: Vec::new(),
        truncated: false,
    };
    // Ids get no BOS; the second row has no id, so it is named after its line.
    assert_eq!(
        corpus.sequences,
        [sequence("x".into(), Some("book"), &[1, 2]), sequence(format!("{name}:5"), Some("book"), &[7])]
    );
    let skipped: Vec<_> = corpus.skipped.iter().map(|s| (s.place.as_str(), s.reason.as_str())).collect();
    let place = |line: usize| format!("{name}:{line}");
    assert_eq!(skipped.iter().map(|s| s.0).collect::<Vec<_>>(), [place(3), place(4), place(6)]);
    assert!(skipped[0].1.starts_with("broken JSON: EOF") && skipped[0].1.ends_with("at column 16"), "{skipped:?}");
    assert_eq!((skipped[1].1, skipped[2].1), ("invalid UTF-8 at byte 0 of the line", "`text` is empty"));
    assert_eq!((corpus.documents(), corpus.tokens(), corpus.files.len()), (2, 3, 1));

    let strict = CorpusOptions { strict: true, ..options(&[path]) };
    let message = message(Corpus::read(&strict, None));
    assert!(message.contains("3 places") && message.contains(&place(3)) && message.contains(&place(6)), "{message}");
}

#[test]
fn long_documents_are_cut_and_every_piece_gets_its_bos() {
    let tokenizer = tokenizer();
    let text = "one two three four five six seven eight nine ten";
    let ids = tokenizer.encode(text).unwrap();
    let (_dir, path) = file("a.txt", text);
    let corpus = Corpus::read(&options(slice::from_ref(&path)), Some(&tokenizer)).unwrap();
    // Seven ids and the BOS fit into a context of eight.
    let pieces: Vec<Vec<u32>> = ids.chunks(7).map(|chunk| [&[0], chunk].concat()).collect();
    assert!(pieces.len() > 1);
    assert_eq!(corpus.sequences.iter().map(|s| s.token_ids.clone()).collect::<Vec<_>>(), pieces);
    assert!(corpus.sequences.iter().all(|s| !s.truncated && s.document == path.display().to_string()));
    assert_eq!((corpus.documents(), corpus.tokens()), (1, (ids.len() + pieces.len()) as u64));

    let truncate = CorpusOptions { truncate: true, ..options(slice::from_ref(&path)) };
    let corpus = Corpus::read(&truncate, Some(&tokenizer)).unwrap();
    assert_eq!(corpus.sequences.len(), 1);
    assert!(corpus.sequences[0].truncated && corpus.sequences[0].token_ids == pieces[0]);

    let bare = CorpusOptions { bos: None, context: ids.len(), ..options(&[path]) };
    let corpus = Corpus::read(&bare, Some(&tokenizer)).unwrap();
    assert_eq!(corpus.sequences[0].token_ids, ids);
    assert!(!corpus.sequences[0].truncated);
}

#[test]
fn the_first_sequences_are_taken_and_the_rest_counted() {
    let rows: String = [1, 2, 3, 4, 5].map(|id| format!("{{\"input_ids\": [{id}]}}\n")).concat();
    let (_dir, path) = file("a.jsonl", rows);
    let limited = CorpusOptions { max_sequences: Some(3), ..options(&[path]) };
    let corpus = Corpus::read(&limited, None).unwrap();
    assert_eq!(corpus.sequences.iter().map(|s| s.token_ids[0]).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((corpus.documents(), corpus.documents_left_out), (3, 2));

    // A document that is cut by the limit: its rest is in no other sequence.
    let (_dir, path) = file("a.txt", "one two three four five six seven eight nine ten");
    let limited = CorpusOptions { max_sequences: Some(1), ..options(&[path]) };
    let corpus = Corpus::read(&limited, Some(&tokenizer())).unwrap();
    assert!(corpus.sequences.len() == 1 && corpus.sequences[0].truncated);
    assert_eq!((corpus.documents(), corpus.documents_left_out), (1, 1));
}

#[test]
fn names_are_unique() {
    let names = ["a", "a", "a#2", "b", "a"];
    let rows: String = names.map(|id| format!("{{\"id\": \"{id}\", \"input_ids\": [1]}}\n")).concat();
    let (_dir, path) = file("a.jsonl", rows);
    let corpus = read_ids(&path).unwrap();
    let found: Vec<_> = corpus.sequences.iter().map(|s| s.document.as_str()).collect();
    assert_eq!(found, ["a", "a#2", "a#2#2", "b", "a#3"]);
}

#[test]
fn every_format_gives_the_same_rows() {
    use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, ParquetWriter, Series};

    let lines =
        "{\"id\": 1, \"domain\": \"x\", \"input_ids\": [1, 2]}\n{\"id\": 2, \"domain\": \"x\", \"input_ids\": [3]}\n";
    let list = format!("[{}]", lines.trim().replace('\n', ","));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.jsonl"), format!("\u{feff}{lines}")).unwrap();
    fs::write(dir.path().join("a.json"), list).unwrap();
    fs::write(dir.path().join("a.jsonl.zst"), zstd::encode_all(lines.as_bytes(), 3).unwrap()).unwrap();
    let lists = [Series::new("".into(), [1_i64, 2]), Series::new("".into(), [3_i64])];
    let columns: Vec<Column> = vec![
        Series::new("id".into(), [1_i64, 2]).into_column(),
        Series::new("domain".into(), ["x", "x"]).into_column(),
        Series::new("unused".into(), [0.5, 1.5]).into_column(),
        Series::new("input_ids".into(), lists).into_column(),
    ];
    let mut frame = DataFrame::new(2, columns).unwrap();
    let table = fs::File::create(dir.path().join("a.parquet")).unwrap();
    ParquetWriter::new(table).with_row_group_size(Some(1)).finish(&mut frame).unwrap();
    for name in ["a.jsonl", "a.json", "a.jsonl.zst", "a.parquet"] {
        let path = dir.path().join(name);
        let corpus = read_ids(&path).unwrap();
        let rows: Vec<_> =
            corpus.sequences.iter().map(|s| (s.document.as_str(), s.category.as_deref(), &s.token_ids[..])).collect();
        assert_eq!(rows, [("1", Some("x"), &[1, 2][..]), ("2", Some("x"), &[3])], "{name}");
        assert!(corpus.skipped.is_empty(), "{name}: {:?}", corpus.skipped);
        assert_eq!(corpus.files[0].bytes, fs::metadata(&path).unwrap().len(), "{name}");
        assert_eq!(corpus.files[0].sha256.len(), 64);
    }
}

#[test]
fn the_bundled_corpora_have_their_categories_and_hashes() {
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("corpora/manifest.json")).unwrap()).unwrap();
    let paths = ["corpora/domains", "corpora/languages", "corpora/code_languages"].map(fixture);
    let wide = CorpusOptions { context: 2048, strict: true, ..options(&paths) };
    let corpus = Corpus::read(&wide, Some(&tokenizer())).unwrap();
    let mut categories: Vec<_> = corpus.sequences.iter().map(|s| s.category.as_deref().unwrap()).collect();
    categories.dedup();
    let expected = "arxiv book c4 cc github stackexchange wikipedia ar de es fr he it ja ko nl ru zh-cn zh-tw \
                    assembly blitzmax java python";
    assert_eq!(categories, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(corpus.files.len(), 23);
    for file in &corpus.files {
        let path = file.path.strip_prefix(fixture("corpora")).unwrap().to_string_lossy().replace('\\', "/");
        let entry = manifest.as_array().unwrap().iter().find(|entry| entry["path"] == path.as_str()).unwrap();
        assert_eq!(file.sha256, entry["sha256"].as_str().unwrap(), "{path}");
        assert_eq!(file.bytes, entry["bytes"].as_u64().unwrap(), "{path}");
        assert_eq!(file.documents as u64, entry["records"].as_u64().unwrap(), "{path}");
        let tokens: usize = corpus
            .sequences
            .iter()
            .filter(|s| s.source == file.path.display().to_string())
            .map(|s| s.token_ids.len() - 1)
            .sum();
        assert_eq!(tokens as u64, entry["small_tokens"].as_u64().unwrap(), "{path}");
    }
    // The declaration's articles have the same ids in all languages.
    let preambles = corpus.sequences.iter().filter(|s| s.document.starts_with("udhr/preamble"));
    assert!(preambles.clone().any(|s| s.document == "udhr/preamble#12"));
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let read = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let wide = CorpusOptions { context: 256, ..options(&[fixture("corpora/domains")]) };
        pool.install(|| Corpus::read(&wide, Some(&tokenizer()))).unwrap()
    };
    assert_eq!(read(1), read(3));
}

#[test]
fn equal_documents_are_counted() {
    let (_dir, path) = file("a.jsonl", "{\"input_ids\": [1, 2]}\n".repeat(3) + "{\"input_ids\": [1, 3]}\n");
    assert_eq!(read_ids(&path).unwrap().repeated_documents(), 2);
    // Equal chunks of one document do not count as repeated documents.
    let (_dir, path) = file("a.txt", "a a a a a a a a a a a a a a a a a a a a a");
    let corpus = Corpus::read(&options(&[path]), Some(&tokenizer())).unwrap();
    assert_eq!((corpus.sequences.len(), corpus.repeated_documents()), (3, 0));
}

#[test]
fn what_was_done_with_rows_is_told_once() {
    let joined = "{\"prompt\": \"a\", \"completion\": \"b\"}\n".repeat(3);
    let masked = format!("{{\"input_ids\": [1, 2{0}], \"attention_mask\": [1, 1{0}]}}\n", ", 0".repeat(5));
    let padded = format!("{{\"input_ids\": [7, 8{}]}}\n", ", 0".repeat(98)).repeat(2);
    let (_dir, path) = file("a.jsonl", [joined, masked, padded].concat());
    let wide = CorpusOptions { context: 100, ..options(&[path]) };
    let corpus = Corpus::read(&wide, Some(&tokenizer())).unwrap();
    assert_eq!(corpus.sequences[3].token_ids, [1, 2]);
    let notes: Vec<&str> = corpus.notes.iter().map(|note| note.reason.as_str()).collect();
    assert_eq!(
        notes,
        [
            "`prompt` and `completion` joined into one text, a line each where no space is between them (so in 3 rows)",
            "5 of 7 ids left out: `attention_mask` masks them",
        ]
    );
    assert!(corpus.notes[0].place.ends_with("a.jsonl:1") && corpus.notes[1].place.ends_with("a.jsonl:4"));
    assert_eq!(corpus.warnings.len(), 1);
    assert!(corpus.warnings[0].contains("a.jsonl:5: 98 % of `input_ids` are id 0 at an end (so in 2 rows)"));
}

#[test]
fn an_empty_folder_is_said_to_be_one() {
    let dir = tempfile::tempdir().unwrap();
    let text = message(read_ids(dir.path()));
    assert!(text.ends_with("is an empty folder"), "{text}");
}

#[test]
fn ids_that_the_model_cannot_take_are_errors() {
    let (_dir, long) = file("a.jsonl", r#"{"input_ids": [1, 2, 3, 4, 5, 6, 7, 8, 9]}"#);
    let text = message(read_ids(&long));
    assert!(text.contains("a.jsonl:1") && text.contains("9 ids; the context is 8"), "{text}");
    let (_dir, large) = file("a.jsonl", r#"{"input_ids": [4095, 4096]}"#);
    let text = message(read_ids(&large));
    assert!(text.contains("holds 4096; the model's vocab_size is 4096"), "{text}");
    let (_dir, worded) = file("a.jsonl", r#"{"text": "a"}"#);
    assert!(message(read_ids(&worded)).contains("only `input_ids` rows work"));
}

#[test]
fn a_corpus_without_documents_says_why() {
    let (dir, empty) = file("a.jsonl", "\n\n");
    assert!(message(read_ids(&empty)).contains("no usable document"));
    let (_dir, broken) = file("a.jsonl", "{\n{\n");
    let text = message(read_ids(&broken));
    assert!(text.contains("a.jsonl:1: broken JSON") && text.contains("a.jsonl:2"), "{text}");
    let (_dir, other) = file("a.json", "input_ids: [1]");
    assert!(message(read_ids(&other)).contains("is not a readable list of rows: it begins with `input_ids: [1]`"));
    let (_dir, object) = file("a.json", r#"{"input_ids": [1]}"#);
    assert_eq!(read_ids(&object).unwrap().sequences.len(), 1);
    let (_dir, latin) = file("a.txt", b"caf\xe9");
    assert!(message(read_ids(&latin)).contains("invalid UTF-8 at byte 3"));
    assert!(message(read_ids(&dir.path().join("absent.jsonl"))).contains("does not exist"));
}

#[test]
fn damaged_containers_are_errors() {
    let bytes = zstd::encode_all(&b"{\"input_ids\": [1]}\n"[..], 3).unwrap();
    let (_dir, cut) = file("a.jsonl.zst", &bytes[..bytes.len() - 3]);
    assert!(read_ids(&cut).unwrap_err().to_string().contains("a.jsonl.zst"));
    let (_dir, other) = file("a.jsonl.zst", "{\"input_ids\": [1]}\n");
    let corpus = read_ids(&other).unwrap();
    assert_eq!((corpus.sequences.len(), corpus.notes.len()), (1, 1), "a file is what it holds: {:?}", corpus.notes);
    let (_dir, table) = file("a.parquet", "PAR1");
    assert!(message(read_ids(&table)).contains("not a readable Parquet file"));
    // The rows before the damage are used.
    let (_dir, list) = file("a.json", r#"[{"input_ids": [1]}, {"input"#);
    let corpus = read_ids(&list).unwrap();
    assert_eq!((corpus.sequences.len(), corpus.skipped.len()), (1, 1));
}

/// Wrong rows after the last wanted one cause no error, just as the unread rest of a stream causes none.
#[test]
fn rows_after_the_last_that_is_wanted_end_nothing() {
    for bad in ["[1, 99999999]".to_owned(), format!("{:?}", [1; 4000])] {
        let (_dir, path) = file("a.jsonl", format!("{{\"input_ids\": [1]}}\n{{\"input_ids\": {bad}}}\n"));
        let one = CorpusOptions { max_sequences: Some(1), ..options(slice::from_ref(&path)) };
        let corpus = Corpus::read(&one, None).unwrap();
        assert_eq!((corpus.sequences.len(), corpus.documents_left_out), (1, 1));
        assert!(Corpus::read(&options(&[path]), None).is_err());
    }
}

#[test]
fn options_without_room_are_refused() {
    let (_dir, path) = file("a.jsonl", r#"{"input_ids": [1]}"#);
    for bad in [
        CorpusOptions { context: 1, ..options(slice::from_ref(&path)) },
        CorpusOptions { context: 0, bos: None, ..options(slice::from_ref(&path)) },
        CorpusOptions { max_sequences: Some(0), ..options(slice::from_ref(&path)) },
        CorpusOptions { bos: Some(4096), ..options(slice::from_ref(&path)) },
    ] {
        assert!(matches!(Corpus::read(&bad, None), Err(Error::Usage { .. })), "{bad:?}");
    }
    let small = CorpusOptions { vocab_size: 100, ..options(&[path]) };
    assert!(matches!(Corpus::read(&small, Some(&tokenizer())), Err(Error::Tokenizer { .. })));
}
