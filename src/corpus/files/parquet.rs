//! Corpora in Parquet, row group by row group.

use std::{fs::File, path::Path};

use polars::prelude::{AnyValue, DataFrame, ParquetReader, SerReader};
use serde_json::{Map, Value};

use super::{Column, ColumnKind, RowSink};
use crate::error::{Error, Result};

/// Gives every row of a Parquet file to `sink` as a JSON object of the columns that it asks for; one row group is in
/// memory.
///
/// # Errors
/// The file is not Parquet, or holds no rows for the sink; and what `sink` returns.
pub(super) fn read_parquet(path: &Path, sink: &mut dyn RowSink) -> Result<()> {
    let broken = |error: polars::prelude::PolarsError| {
        Error::corpus(format!("corpus `{}` is not a readable Parquet file: {error}", path.display()), "write it again")
    };
    let open = || File::open(path).map(ParquetReader::new).map_err(Error::io("open", path));
    let columns: Vec<Column> = open()?
        .schema()
        .map_err(broken)?
        .iter_names()
        .map(|name| Column { name: name.to_string(), kind: ColumnKind::Text, type_name: String::new() })
        .collect();
    let wanted = sink.columns(&columns).map_err(|refusal| {
        Error::corpus(format!("{} `{}` {}", sink.noun(), path.display(), refusal.message), refusal.hint)
    })?;
    let columns: Vec<String> =
        columns.into_iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(column, _)| column.name).collect();
    let metadata = open()?.get_metadata().map_err(broken)?.clone();
    let mut first = 0;
    for group in &metadata.row_groups {
        let rows = group.num_rows();
        let reader = open()?.with_columns(Some(columns.clone())).with_slice(Some((first, rows)));
        let mut number = first;
        let mut send = |value| {
            number += 1;
            sink.row(format!("{}:{number}", path.display()), Ok(value)).map(drop)
        };
        send_rows(&reader.finish().map_err(broken)?, &mut send).map_err(|failure| match failure {
            RowFailure::Polars(error) => broken(error),
            RowFailure::Sink(error) => error,
        })?;
        first += rows;
    }
    Ok(())
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
