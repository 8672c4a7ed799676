use std::fs;

use crate::{
    error::Result,
    import::{Gate, ImportOptions, RouteSequence, Routes, Source, open},
};

const HEADER: &str = r#"{"format": "moe-routing", "version": 1, "num_experts": 4, "top_k": 2, "moe_layers": [1]}"#;
const LINE: &str = r#"{"layers": {"1": {"experts": [[3, 0], [2, 1]]}}}"#;

/// Opens files of these names and texts, and reads all sequences.
fn read(files: &[(&str, &str)]) -> Result<Vec<RouteSequence>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let source = Source::new(&[folder.path().to_path_buf()])?;
    match open(&source, &ImportOptions::default())?.1 {
        Routes::Tokens(reader) => reader.sequences()?.collect(),
        Routes::Counts(_) => panic!("these are counts"),
    }
}

fn refused(files: &[(&str, &str)]) -> String {
    read(files).unwrap_err().to_string()
}

#[test]
fn the_first_line_with_a_row_says_what_the_others_hold() {
    let empty = r#"{"layers": {"1": {"experts": []}}}"#;
    let sequences = read(&[("routing.json", HEADER), ("a.jsonl", &format!("{empty}\n{LINE}\n"))]).unwrap();
    assert_eq!(sequences.iter().map(|sequence| sequence.experts.len()).collect::<Vec<_>>(), [0, 4]);
    assert!(refused(&[("routing.json", HEADER), ("a.jsonl", empty)]).contains("hold no row"));
}

#[test]
fn names_count_from_0() {
    let lines = format!("{LINE}\n{LINE}\n");
    let named = |first: u32| {
        let names = (first..first + 2).map(|at| format!("{{\"sequence\": {at}, \"document\": \"d{at}\"}}\n"));
        let names: String = names.collect();
        read(&[("routing.json", HEADER), ("a.jsonl", &lines), ("sequences.jsonl", &names)])
    };
    assert_eq!(named(0).unwrap()[1].document.as_deref(), Some("d1"));
    let error = named(1).unwrap_err().to_string();
    assert!(error.contains("names sequence 2; the record has 2, counted from 0"), "{error}");
}

#[test]
fn positions_ascend() {
    for positions in ["[1, 0]", "[1, 1]"] {
        let line = LINE.replace("{\"layers\"", &format!("{{\"positions\": {positions}, \"layers\""));
        let error = refused(&[("routing.json", HEADER), ("a.jsonl", &line)]);
        assert!(error.contains("before position") && error.contains("expected them to ascend"), "{error}");
    }
}

#[test]
fn a_header_that_cannot_be_is_refused() {
    for (key, number) in
        [("num_experts\": 4", 0), ("num_experts\": 4", 1), ("num_experts\": 4", 65_535), ("top_k\": 2", 0)]
    {
        let (name, _) = key.split_once(':').unwrap();
        let header = HEADER.replace(key, &format!("{name}: {number}"));
        let error = refused(&[("routing.json", &header), ("a.jsonl", LINE)]);
        assert!(error.contains("in layer 1; expected 1 to 65534 experts"), "{error}");
    }
}

#[test]
fn routes_in_two_carriers_are_refused() {
    let counts = r#"{"layer": 1, "expert": 0, "count": 3}"#;
    let error = refused(&[("routing.json", HEADER), ("a.jsonl", LINE), ("counts.jsonl", counts)]);
    assert!(error.contains("counts.jsonl` and in") && error.contains("a.jsonl`"), "{error}");
}

#[test]
fn files_of_two_formats_are_refused() {
    let error = refused(&[("a.jsonl", LINE), ("imatrix.gguf", "GGUF\u{3}\0\0\0")]);
    assert!(error.contains("is of the format imatrix, other files are of moe-routing"), "{error}");
}

#[test]
fn padding_passes_the_gate() {
    let padded = r#"{"layers": {"1": {"experts": [[3, 0], [2, 1], [-1, -1], [-1, -1]]}}}"#;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("routing.json"), HEADER).unwrap();
    fs::write(folder.path().join("a.jsonl"), padded).unwrap();
    let source = Source::new(&[folder.path().to_path_buf()]).unwrap();
    let Routes::Tokens(reader) = open(&source, &ImportOptions::default()).unwrap().1 else {
        panic!("these are counts")
    };
    assert_eq!(Gate::pass(reader.as_ref(), |_| Ok(())).unwrap().failed().count(), 0);
}
