//! Corpora in Parquet, row group by row group.

use std::{fs::File, path::Path};

use polars::prelude::{AnyValue, DataFrame, ParquetReader, PlSmallStr, SerReader};
use serde_json::{Map, Value};

use super::row::CATEGORY_KEYS;
use crate::error::{Error, Result};

/// Gives every row of a Parquet file to `sink` as a JSON object of the columns that a corpus uses; one row group is in
/// memory.
///
/// # Errors
/// The file is not Parquet, or has neither a `text` nor an `input_ids` column; and what `sink` returns.
pub(super) fn read_parquet(
    path: &Path,
    category_key: Option<&str>,
    mut sink: impl FnMut(Value) -> Result<()>,
) -> Result<()> {
    let broken = |error: polars::prelude::PolarsError| {
        Error::corpus(format!("corpus `{}` is not a readable Parquet file: {error}", path.display()), "write it again")
    };
    let open = || File::open(path).map(ParquetReader::new).map_err(Error::io("open", path));
    let columns = columns(path, open()?.schema().map_err(broken)?.iter_names().map(PlSmallStr::as_str), category_key)?;
    let metadata = open()?.get_metadata().map_err(broken)?.clone();
    let mut first = 0;
    for group in &metadata.row_groups {
        let rows = group.num_rows();
        let reader = open()?.with_columns(Some(columns.clone())).with_slice(Some((first, rows)));
        send_rows(&reader.finish().map_err(broken)?, &mut sink).map_err(|failure| match failure {
            RowFailure::Polars(error) => broken(error),
            RowFailure::Sink(error) => error,
        })?;
        first += rows;
    }
    Ok(())
}

/// The columns that a corpus uses, among those that are there.
fn columns<'a>(path: &Path, names: impl Iterator<Item = &'a str>, category_key: Option<&str>) -> Result<Vec<String>> {
    let names: Vec<&str> = names.collect();
    let categories = category_key.as_ref().map_or(&CATEGORY_KEYS[..], std::slice::from_ref);
    let wanted = ["text", "input_ids", "id"].iter().chain(categories);
    let found: Vec<String> = wanted.filter(|name| names.contains(name)).map(|&name| name.to_owned()).collect();
    if found.iter().any(|name| name == "text" || name == "input_ids") {
        return Ok(found);
    }
    Err(Error::corpus(
        format!(
            "corpus `{}` has the columns {}; expected `text` or `input_ids`",
            path.display(),
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ),
        "rename the column that holds the documents",
    ))
}

enum RowFailure {
    Polars(polars::prelude::PolarsError),
    Sink(Error),
}

fn send_rows(frame: &DataFrame, sink: &mut impl FnMut(Value) -> Result<()>) -> Result<(), RowFailure> {
    for index in 0..frame.height() {
        let mut object = Map::new();
        for column in frame.columns() {
            let value = column.get(index).map_err(RowFailure::Polars)?;
            object.insert(column.name().to_string(), to_json(&value));
        }
        sink(Value::Object(object)).map_err(RowFailure::Sink)?;
    }
    Ok(())
}

/// A cell as JSON; what is neither number, text nor list becomes its text.
fn to_json(value: &AnyValue) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(truth) => Value::Bool(*truth),
        AnyValue::String(text) => Value::String((*text).to_owned()),
        AnyValue::StringOwned(text) => Value::String(text.to_string()),
        AnyValue::List(series) => Value::Array(series.iter().map(|value| to_json(&value)).collect()),
        other => match (other.is_integer(), other.extract::<i64>(), other.extract::<f64>()) {
            (true, Some(number), _) => number.into(),
            (false, _, Some(number)) => number.into(),
            _ => Value::String(other.to_string()),
        },
    }
}
