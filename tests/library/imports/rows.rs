//! Rows in Parquet that do not fit together, and categories under a key of every carrier that has any.

use std::{
    fs::{self, File},
    path::Path,
};

use openmoe_analyze::{
    import::{CategoryFrom, Gate, ImportOptions, RouteReader, RouteSequence, Routes, Source, open},
    routing::LayerId,
};
use polars::prelude::*;

use crate::support::{
    carriers::{Array, Numbers, write_npz},
    files::fixture,
};

const HEADER: &str = r#"{"format": "moe-routing", "version": 1, "num_experts": 4, "top_k": 3, "moe_layers": [1, 2]}"#;

/// A file of rows: sequence, layer, position, and the lists of choices and, if there are any, of logits and drops.
struct Rows<'a> {
    sequence: u32,
    experts: &'a [u16],
    logits: Option<&'a [f32]>,
    /// What is said of every choice, null if it is none.
    dropped: &'a [Option<bool>],
    ids: bool,
}

/// Rows with these choices alone.
fn rows(sequence: u32, experts: &[u16]) -> Rows<'_> {
    Rows { sequence, experts, logits: None, dropped: &[], ids: false }
}

impl Rows<'_> {
    /// Two layers of two positions, all alike.
    fn write(&self, path: &Path) {
        let layers: [LayerId; 4] = [1, 2, 1, 2];
        let mut columns = vec![
            Column::new("sequence".into(), [self.sequence; 4]),
            Column::new("layer".into(), layers.map(u32::from)),
            Column::new("position".into(), [0_u32, 0, 1, 1]),
            Column::new("expert".into(), vec![Series::new("".into(), self.experts); 4]),
        ];
        columns.extend(self.logits.map(|logits| Column::new("logits".into(), vec![Series::new("".into(), logits); 4])));
        if !self.dropped.is_empty() {
            columns.push(Column::new("dropped".into(), vec![Series::new("".into(), self.dropped); 4]));
        }
        if self.ids {
            columns.push(Column::new("token_id".into(), [5_u32, 5, 6, 6]));
        }
        let mut frame = DataFrame::new(4, columns).unwrap();
        ParquetWriter::new(File::create(path).unwrap()).finish(&mut frame).unwrap();
    }
}

fn opened(folder: &Path, options: &ImportOptions) -> openmoe_analyze::error::Result<Box<dyn RouteReader>> {
    match open(&Source::new(&[folder.to_path_buf()])?, options)?.1 {
        Routes::Tokens(reader) => Ok(reader),
        Routes::Counts(_) => panic!("these are counts"),
    }
}

/// Writes the files and a header, and opens them.
fn read(files: &[Rows<'_>], names: &str) -> openmoe_analyze::error::Result<Box<dyn RouteReader>> {
    let folder = tempfile::tempdir().unwrap().keep();
    fs::write(folder.join("routing.json"), HEADER).unwrap();
    if !names.is_empty() {
        fs::write(folder.join("sequences.jsonl"), names).unwrap();
    }
    for (at, file) in files.iter().enumerate() {
        file.write(&folder.join(format!("routing-{at:05}.parquet")));
    }
    opened(&folder, &ImportOptions::default())
}

fn refused(files: &[Rows<'_>]) -> String {
    let reader = read(files, "").unwrap();
    let sequences: Result<Vec<RouteSequence>, _> = reader.sequences().unwrap().collect();
    let error = sequences.unwrap_err();
    assert_eq!(error.hint().unwrap(), "docs/import.md lists the columns and their types");
    error.to_string()
}

#[test]
fn lists_of_other_widths_are_refused() {
    let error = refused(&[rows(0, &[3, 0]), rows(1, &[3, 0, 1])]);
    assert!(error.ends_with("routing-00001.parquet`, column `expert` has lists of 3 values; expected 2"), "{error}");
}

#[test]
fn logits_of_some_experts_are_refused() {
    let error = refused(&[Rows { logits: Some(&[0.5, 1.0, 0.0]), ..rows(0, &[1, 0]) }]);
    let expected = "column `logits` has lists of 3 values; expected one for each of 4 experts";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn a_drop_that_is_null_is_refused() {
    let error = refused(&[Rows { dropped: &[None, Some(true)], ..rows(0, &[1, 0]) }]);
    assert!(error.ends_with("column `dropped` has a null where true or false is needed"), "{error}");
    let reader = read(&[Rows { dropped: &[Some(true); 2], ..rows(0, &[1, 0]) }], "").unwrap();
    assert!(reader.sequences().unwrap().next().unwrap().unwrap().dropped.unwrap().contains(&true));
}

#[test]
fn what_some_files_lack_and_names_without_rows_are_told() {
    let names = "{\"sequence\": 0, \"document\": \"a\"}\n{\"sequence\": 7, \"document\": \"b\"}\n";
    let files = [Rows { ids: true, ..rows(0, &[3, 0]) }, rows(1, &[3, 0])];
    let reader = read(&files, names).unwrap();
    let expected =
        ["not every file has `token_id`: left out", "1 of 2 sequences that sequences.jsonl names have no row"];
    assert_eq!(reader.header().remarks, expected);
    let sequences: Vec<RouteSequence> = reader.sequences().unwrap().map(Result::unwrap).collect();
    assert_eq!(sequences.len(), 2);
    assert!(sequences.iter().all(|sequence| sequence.token_ids.is_none()));
    assert_eq!(Gate::pass(reader.as_ref(), |_| Ok(())).unwrap().sequences, 2);
}

/// The categories of a folder under a key.
fn categories(folder: &Path, key: &str, options: ImportOptions) -> Vec<Option<String>> {
    let options = ImportOptions { category_from: CategoryFrom::Key(key.to_owned()), ..options };
    let reader = opened(folder, &options).unwrap();
    reader.sequences().unwrap().map(|sequence| sequence.unwrap().category).collect()
}

#[test]
fn categories_stand_under_a_key_of_every_carrier() {
    let temporary = tempfile::tempdir().unwrap();
    let named = |name: &str| {
        let folder = temporary.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("routing.json"), HEADER).unwrap();
        fs::write(folder.join("sequences.jsonl"), "{\"sequence\": 0, \"subject\": \"law\"}\n").unwrap();
        folder
    };
    let expected = [Some("law".to_owned())];
    let folder = named("rows");
    rows(0, &[3, 0, 1]).write(&folder.join("routing-00000.parquet"));
    assert_eq!(categories(&folder, "subject", ImportOptions::default()), expected);
    assert_eq!(categories(&folder, "other", ImportOptions::default()), [None]);
    let folder = named("arrays");
    let experts = Array::new("experts", &[1, 2, 3], Numbers::U16(vec![3, 0, 1, 2, 1, 0]));
    write_npz(&folder.join("a"), &[experts]);
    assert_eq!(categories(&folder, "subject", ImportOptions::default()), expected);
    let responses = temporary.path().join("responses");
    fs::create_dir(&responses).unwrap();
    let text = fs::read_to_string(fixture("imports/vllm/responses.jsonl")).unwrap();
    let text = text.replace("\"category\": \"", "\"subject\": \"");
    fs::write(responses.join("responses.jsonl"), text).unwrap();
    let model_config = Some(fixture("imports/config.json"));
    let of = |key| {
        categories(&responses, key, ImportOptions { model_config: model_config.clone(), ..ImportOptions::default() })
    };
    assert_eq!(of("subject")[0].as_deref(), Some("law"));
    assert_eq!(of("other")[0], None);
}

#[test]
fn a_sequence_of_flame_ends_with_the_record() {
    let folder = fixture("imports/flame");
    let rows = |length: Option<usize>| -> Vec<usize> {
        let options = ImportOptions { sequence_length: length, ..ImportOptions::default() };
        let reader = opened(&folder, &options).unwrap();
        reader.sequences().unwrap().map(|sequence| sequence.unwrap().tokens.unwrap()).collect()
    };
    let all: usize = rows(None).iter().sum();
    assert_eq!(rows(Some(usize::MAX)), [all]);
}
