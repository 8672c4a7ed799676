//! Which categories a corpus has.

use std::{fs, slice};

use super::{options, tokenizer};
use crate::corpus::{Corpus, CorpusOptions};

/// The categories of the sequences, and where they come from.
fn categories(options: &CorpusOptions) -> (Vec<Option<String>>, String) {
    let corpus = Corpus::read(options, Some(&tokenizer())).unwrap();
    let line = corpus.categories.unwrap().line();
    (corpus.sequences.into_iter().map(|sequence| sequence.category).collect(), line)
}

fn some(names: &[&str]) -> Vec<Option<String>> {
    names.iter().map(|name| Some((*name).to_owned())).collect()
}

/// A folder with files of rows of two tokens each, with these further keys.
fn folder(files: &[(&str, &[&str])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, rows) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let rows: Vec<_> = rows.iter().map(|more| format!("{{\"input_ids\": [1, 2]{more}}}\n")).collect();
        fs::write(path, rows.concat()).unwrap();
    }
    dir
}

#[test]
fn folder_names_are_categories_where_no_key_is() {
    let two: &[&str] = &["", ""];
    let dir = folder(&[("poems.jsonl/a.jsonl", two), ("prose.jsonl", two), ("notes.csv", &[])]);
    let whole = options(&[dir.path().to_owned()]);
    assert_eq!(
        categories(&whole),
        (some(&["poems.jsonl", "poems.jsonl", "prose", "prose"]), "categories: 2 by file names".into())
    );
    assert!(Corpus::read(&whole, None).unwrap().skipped[0].place.ends_with("notes.csv"));
    // If the user names a key, the names of folders are not used: they would be another kind of category.
    let keyed = CorpusOptions { category_key: Some("mood".into()), ..whole };
    assert_eq!(categories(&keyed), (vec![None; 4], "categories: none (no row has `mood`)".into()));
    // The name of a file that was given by itself is no category.
    let given = options(&[dir.path().join("prose.jsonl"), dir.path().join("poems.jsonl/a.jsonl")]);
    let (none, line) = categories(&given);
    assert_eq!(none, [None, None, None, None]);
    assert!(line.starts_with("categories: none (no row has `domain`, `category` or `language`"), "{line}");
}

#[test]
fn names_that_say_nothing_are_no_categories() {
    let two: &[&str] = &["", ""];
    let one: &[&str] = &[""];
    for (files, line) in [
        (vec![("0.jsonl", one), ("1.jsonl", one), ("2.jsonl", one)], "0, 1, 2 ... are numbered parts"),
        (vec![("part-007.jsonl", two), ("part-008.jsonl", two)], "part-007, part-008 ... are numbered parts"),
        (vec![("train.jsonl", two), ("Test.jsonl", two)], "Test, train are parts of a data set"),
        (vec![("a.jsonl", one), ("b.jsonl", one), ("c.jsonl", one)], "3 categories for 3 documents"),
        (vec![("a.jsonl", two)], "no row has `domain`, `category` or `language`"),
    ] {
        let dir = folder(&files);
        let (found, told) = categories(&options(&[dir.path().to_owned()]));
        assert!(found.iter().all(Option::is_none) && told.contains(line), "{told}");
    }
    let years = folder(&[("2019.jsonl", two), ("2020.jsonl", two)]);
    assert_eq!(categories(&options(&[years.path().to_owned()])).1, "categories: 2 by file names");
}

#[test]
fn files_of_one_name_are_told_apart_by_the_folder_that_differs() {
    let two: &[&str] = &["", ""];
    let dir = folder(&[
        ("en/train.jsonl", two),
        ("de/train.jsonl", two),
        ("x/data/fr/a.jsonl", two),
        ("x/data/it/a.jsonl", two),
    ]);
    let path = |name: &str| dir.path().join(name);
    let expected = (some(&["en", "en", "de", "de"]), "categories: 2 by folders".to_owned());
    assert_eq!(categories(&options(&[path("en"), path("de")])), expected);
    assert_eq!(categories(&options(&[path("en/train.jsonl"), path("de/train.jsonl")])), expected);
    assert_eq!(categories(&options(&[path("x")])).0, some(&["fr", "fr", "it", "it"]));
}

#[test]
fn one_key_decides_for_the_whole_corpus() {
    let read = |rows: &[&str], key: Option<&str>| {
        let dir = folder(&[("a.jsonl", rows)]);
        categories(&CorpusOptions { category_key: key.map(str::to_owned), ..options(&[dir.path().join("a.jsonl")]) })
    };
    let en = r#", "language": "en""#;
    let sport = r#", "category": "sport", "language": "en""#;
    let none = vec![None, None];
    // The first key that all rows have counts, not the first of each row.
    assert_eq!(read(&[en, sport], None), (some(&["en", "en"]), "categories: 1 by `language`".into()));
    assert_eq!(read(&[en, sport], Some("category")).1, "categories: 1 by `category`; 1 document has none");
    // A key with several values is preferred to a key with one value.
    let book = r#", "domain": "web", "language": "de""#;
    let news = r#", "domain": "web", "language": "en""#;
    assert_eq!(read(&[book, book, news, news], None).1, "categories: 2 by `language`");
    // File names that agree with a key, and cover all documents, are preferred to the key.
    let dir = folder(&[("web.jsonl", &[r#", "domain": "web""#; 19]), ("de.jsonl", &[r#", "language": "de""#; 2])]);
    let (found, line) = categories(&options(&[dir.path().to_owned()]));
    assert_eq!(
        (found[0].as_deref(), found[20].as_deref(), line.as_str()),
        (Some("de"), Some("web"), "categories: 2 by file names")
    );
    // A key that half of the documents have does not name the categories of the corpus.
    let (found, line) = read(&[en, ""], None);
    assert_eq!((found, line.as_str()), (none, "categories: none (`language`: in 1 of 2 documents only)"));
    let mostly: Vec<&str> = std::iter::repeat_n(en, 18).chain([r#", "language": "de""#, ""]).collect();
    assert_eq!(read(&mostly, None).1, "categories: 2 by `language`; 1 document has none");
}

#[test]
fn as_many_categories_as_documents_are_none_unless_they_were_asked_for() {
    let rows: Vec<String> = (0..100).map(|number| format!(", \"category\": \"c{number}\"")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let dir = folder(&[("a.jsonl", &rows)]);
    let path = dir.path().join("a.jsonl");
    let (found, line) = categories(&options(slice::from_ref(&path)));
    assert_eq!(
        (found[7].clone(), line.as_str()),
        (None, "categories: none (`category`: 100 categories for 100 documents)")
    );
    let (found, line) = categories(&CorpusOptions { category_key: Some("category".into()), ..options(&[path]) });
    assert_eq!(found[7].as_deref(), Some("c7"));
    assert_eq!(line, "categories: 100 by `category`; 100 categories for 100 documents");
}

#[test]
fn files_of_several_collections_keep_the_key_that_each_has() {
    let dir = folder(&[
        ("book.jsonl", &[r#", "domain": "book""#, r#", "domain": "book""#]),
        (
            "all.jsonl",
            &[r#", "language": "ar""#, r#", "language": "de""#, r#", "language": "ar""#, r#", "language": "de""#],
        ),
    ]);
    let given = options(&[dir.path().join("book.jsonl"), dir.path().join("all.jsonl")]);
    let line = "categories: 3 by `domain` or `language`, whichever the file has";
    assert_eq!(categories(&given), (some(&["book", "book", "ar", "de", "ar", "de"]), line.into()));
    // A file whose rows disagree has no category.
    fs::write(dir.path().join("odd.jsonl"), "{\"input_ids\": [1, 2], \"language\": \"ar\"}\n{\"input_ids\": [1, 2]}\n")
        .unwrap();
    let odd = options(&[dir.path().join("book.jsonl"), dir.path().join("odd.jsonl")]);
    assert_eq!(categories(&odd).0, [Some("book"), Some("book"), None, None].map(|_| None));
}
