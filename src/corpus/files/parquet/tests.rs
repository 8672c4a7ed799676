//! Tables with every type, and damaged tables.

use std::fs;

use serde_json::{Value, json};

use crate::{
    corpus::files::tests::{Recorder, case, into},
    error::Error,
};

#[test]
fn cells_of_every_type_are_what_pyarrow_reads() {
    let expected: Vec<Value> = fs::read_to_string(case("every_type.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (recorder, identity) = into(Recorder::default(), &case("every_type.parquet"));
    identity.unwrap();
    assert_eq!(recorder.rows.len(), expected.len());
    for ((place, row), expected) in recorder.rows.iter().zip(&expected) {
        let row = row.as_ref().unwrap();
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(row[name], *value, "{name} of {place}");
        }
    }
    let types: Vec<_> =
        recorder.columns.iter().map(|column| (column.name.as_str(), column.type_name.as_str())).collect();
    assert!(types.contains(&("list_of_struct", "list<struct<role: string, content: string>>")), "{types:?}");
    assert!(types.contains(&("dictionary", "string")) && types.contains(&("decimal", "decimal(20, 0)")), "{types:?}");
}

#[test]
fn bytes_that_are_no_text_leave_their_row_out() {
    let (recorder, identity) = into(Recorder::default(), &case("binary_text.parquet"));
    identity.unwrap();
    assert_eq!(recorder.rows[0].1, Ok(json!({"text": "one two three four", "id": "00ff"})));
    assert_eq!(recorder.rows[1].1, Err("column `text` holds invalid UTF-8 at byte 3".into()));
    assert!(recorder.rows[1].0.ends_with("binary_text.parquet:2") && recorder.rows[2].1.is_ok());
}

/// The footer of this table counts one row less than its only column, which has repeated values, holds.
#[test]
fn a_row_beyond_those_of_the_footer_is_not_lost_in_silence() {
    let (_, identity) = into(Recorder::default(), &case("one_row_more.parquet"));
    let message = identity.unwrap_err().to_string();
    assert!(message.contains("column `text` has 40 or more rows where 39 are due"), "{message}");
}

#[test]
fn a_type_that_is_not_read_is_refused_by_name_unless_nobody_wants_it() {
    let (_, identity) = into(Recorder::default(), &case("duration.parquet"));
    let message = identity.unwrap_err().to_string();
    assert!(message.contains("has the column `text` of type duration, which is not read"), "{message}");
    let other = Recorder { only: Some("id".into()), ..Recorder::default() };
    assert!(into(other, &case("duration.parquet")).1.is_ok());
}

/// Whatever is cut off or flipped, the outcome is rows or an error that names the file.
#[test]
fn damaged_tables_never_panic() {
    let whole = fs::read(case("conversations.parquet")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let mut refused = 0;
    let mut attempt = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        if let (_, Err(error)) = into(Recorder::default(), &path) {
            refused += 1;
            assert!(matches!(error, Error::Corpus { .. }) && error.to_string().contains("a.parquet"), "{error:?}");
        }
    };
    (4..whole.len()).step_by(41).for_each(|length| attempt(&whole[..length]));
    for byte in 4..whole.len() {
        let mut flipped = whole.clone();
        flipped[byte] ^= 1 << (byte % 8);
        attempt(&flipped);
    }
    assert!(refused > 100, "{refused}");
}
