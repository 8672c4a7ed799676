//! Tidy tables, one per statistic: `stats/NAME.parquet` and `stats/NAME.csv`.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{Cursor, Read, Seek},
};

use polars::prelude::*;

use super::{
    catalog::{Statistic, unknown},
    finding::{Finding, Name},
};
use crate::{
    error::{Error, Result, guarded},
    routing::View,
};

/// All rows of one statistic (or one family, such as `expert_load`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatisticTable {
    /// File stem below `stats/`.
    pub name: String,
    /// Rows in the order layer, view, keys.
    pub rows: Vec<Finding>,
}

/// The tables of a run by name.
pub type Tables = BTreeMap<String, StatisticTable>;

/// Calls a macro with every column: `(field, kind)`, in file order.
macro_rules! with_columns {
    ($apply:ident) => {
        $apply! {
            (statistic, statistic), (layer, u16), (view, name),
            (variable, opt_name), (given, opt_name), (checkpoint, opt_text), (reference, opt_text), (category, opt_text), (other_category, opt_text),
            (expert, opt_u16), (other_expert, opt_u16), (position, opt_u32), (token_id, opt_u32), (text, opt_text),
            (document, opt_text), (ranking, opt_name), (rank, opt_u32), (variant, opt_name), (quantile, opt_f64),
            (bin_low, opt_f64), (bin_high, opt_f64), (dataset, opt_text), (turn, opt_u16), (role, opt_name),
            (capacity_factor, opt_f64), (rule, opt_name), (grouping, opt_name), (priority, opt_name),
            (cohort, opt_name), (training_tokens, opt_f64),
            (estimate, opt_f64), (low, opt_f64), (high, opt_f64), (n, u64), (documents, opt_u64),
            (baseline, opt_f64), (baseline_kind, opt_name), (uniform_baseline, opt_f64), (p_value, opt_f64),
            (corrected, opt_f64), (corrected_low, opt_f64), (corrected_high, opt_f64),
            (ceiling, opt_f64), (explained, opt_f64), (explained_low, opt_f64), (explained_high, opt_f64),
            (noise_floor, opt_f64), (unit, name), (note, opt_name)
        }
    };
}

macro_rules! column_names {
    ($(($field:ident, $kind:ident)),* $(,)?) => { &[$(stringify!($field)),*] };
}

/// All columns, in file order.
pub(super) const COLUMNS: &[&str] = with_columns!(column_names);

/// Columns that every table has; the others are left out where no row has a value.
const ALWAYS: [&str; 9] = ["statistic", "layer", "view", "estimate", "low", "high", "n", "baseline", "unit"];

impl StatisticTable {
    /// An empty table.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), rows: Vec::new() }
    }

    /// The table as a data frame: one column per key or number that occurs.
    ///
    /// # Errors
    /// [`Error::Internal`] if polars refuses the columns.
    pub fn to_frame(&self) -> Result<DataFrame> {
        let rows = &self.rows;
        let mut columns = Vec::new();
        macro_rules! series {
            ($(($field:ident, $kind:ident)),* $(,)?) => { $(
                if ALWAYS.contains(&stringify!($field)) || has_value!($field, $kind) {
                    columns.push(column!($field, $kind));
                }
            )* };
        }
        macro_rules! has_value {
            ($field:ident, statistic) => {
                true
            };
            ($field:ident, name) => {
                true
            };
            ($field:ident, u16) => {
                true
            };
            ($field:ident, u64) => {
                true
            };
            ($field:ident, $kind:ident) => {
                rows.iter().any(|row| row.$field.is_some())
            };
        }
        macro_rules! column {
            ($field:ident, statistic) => {
                Column::new(stringify!($field).into(), rows.iter().map(|r| r.$field.name()).collect::<Vec<&str>>())
            };
            ($field:ident, name) => {
                Column::new(stringify!($field).into(), rows.iter().map(|r| &*r.$field).collect::<Vec<&str>>())
            };
            ($field:ident, opt_name) => {
                Column::new(
                    stringify!($field).into(),
                    rows.iter().map(|r| r.$field.as_deref()).collect::<Vec<Option<&str>>>(),
                )
            };
            ($field:ident, opt_text) => {
                column!($field, opt_name)
            };
            ($field:ident, $kind:ident) => {
                Column::new(stringify!($field).into(), rows.iter().map(|r| r.$field).collect::<Vec<_>>())
            };
        }
        with_columns!(series);
        DataFrame::new(rows.len(), columns).map_err(|error| table_error(&self.name, &error))
    }

    /// The table as CSV text.
    ///
    /// # Errors
    /// [`Error::Internal`] if polars cannot write it.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        csv(&self.name, &mut self.to_frame()?)
    }

    /// The table as a Parquet file.
    ///
    /// # Errors
    /// [`Error::Internal`] if polars cannot write it.
    pub fn to_parquet(&self) -> Result<Vec<u8>> {
        parquet(&self.name, &mut self.to_frame()?)
    }

    /// Reads a table back from its Parquet file.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the file is not such a table.
    pub fn from_parquet<R: Read + Seek + polars::io::mmap::MmapBytesReader>(name: &str, reader: R) -> Result<Self> {
        let rows = findings(name, &read_frame(name, reader)?)?;
        Ok(Self { name: name.to_owned(), rows })
    }
}

/// The columns of a table's Parquet file.
pub(super) fn read_frame<R>(name: &str, reader: R) -> Result<DataFrame>
where
    R: Read + Seek + polars::io::mmap::MmapBytesReader,
{
    let read = || ParquetReader::new(reader).finish().map_err(|error| unreadable(name, &error));
    guarded(|panic| unreadable(name, &panic), read)
}

/// The rows of a table from its columns.
pub(super) fn findings(name: &str, frame: &DataFrame) -> Result<Vec<Finding>> {
    let mut rows = empty_rows(name, frame)?;
    macro_rules! read {
            ($(($field:ident, $kind:ident)),* $(,)?) => { $(
                if let Ok(column) = frame.column(stringify!($field)) {
                    read_column!(column, $field, $kind);
                }
            )* };
        }
    macro_rules! read_column {
        ($column:ident, $field:ident, statistic) => {
            let _ = $column; // [`empty_rows`] read it
        };
        ($column:ident, $field:ident, name) => {
            for (row, value) in rows.iter_mut().zip($column.str().map_err(|e| unreadable(name, &e))?.iter()) {
                row.$field = owned(value.unwrap_or_default());
            }
        };
        ($column:ident, $field:ident, opt_name) => {
            for (row, value) in rows.iter_mut().zip($column.str().map_err(|e| unreadable(name, &e))?.iter()) {
                row.$field = value.map(owned);
            }
        };
        ($column:ident, $field:ident, opt_text) => {
            for (row, value) in rows.iter_mut().zip($column.str().map_err(|e| unreadable(name, &e))?.iter()) {
                row.$field = value.map(str::to_owned);
            }
        };
        ($column:ident, $field:ident, opt_u16) => {
            numbers!($column, $field, u16)
        };
        ($column:ident, $field:ident, opt_u32) => {
            numbers!($column, $field, u32)
        };
        ($column:ident, $field:ident, opt_u64) => {
            numbers!($column, $field, u64)
        };
        ($column:ident, $field:ident, opt_f64) => {
            numbers!($column, $field, f64)
        };
        ($column:ident, $field:ident, $kind:ident) => {
            for (row, value) in rows.iter_mut().zip($column.$kind().map_err(|e| unreadable(name, &e))?.iter()) {
                row.$field = value.unwrap_or_default();
            }
        };
    }
    macro_rules! numbers {
        ($column:ident, $field:ident, $kind:ident) => {
            for (row, value) in rows.iter_mut().zip($column.$kind().map_err(|e| unreadable(name, &e))?.iter()) {
                row.$field = value;
            }
        };
    }
    with_columns!(read);
    Ok(rows)
}

/// Rows of the statistics that the table names, everything else to be filled in.
fn empty_rows(name: &str, frame: &DataFrame) -> Result<Vec<Finding>> {
    let column = frame.column("statistic").and_then(|column| column.str()).map_err(|e| unreadable(name, &e))?;
    let row = |(index, text): (usize, Option<&str>)| {
        let text = text.unwrap_or_default();
        let statistic = Statistic::from_name(text).ok_or_else(|| {
            Error::run_folder(
                format!("statistics table `stats/{name}.parquet`, row {}: {}", index + 1, unknown(text)),
                "it was made by another version: run `openmoe-analyze stats RUN` to write it anew",
            )
        })?;
        Ok(Finding::new(statistic, 0, View::Chosen))
    };
    column.iter().enumerate().map(row).collect()
}

/// The columns as CSV text.
pub(super) fn csv(name: &str, frame: &mut DataFrame) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    CsvWriter::new(&mut bytes).finish(frame).map_err(|error| table_error(name, &error))?;
    Ok(bytes)
}

/// The columns as a Parquet file.
pub(super) fn parquet(name: &str, frame: &mut DataFrame) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    ParquetWriter::new(&mut bytes).finish(frame).map_err(|error| table_error(name, &error))?;
    Ok(bytes.into_inner())
}

fn owned(text: &str) -> Name {
    Cow::Owned(text.to_owned())
}

/// What polars could not do with a table.
pub(super) fn table_error(name: &str, error: &PolarsError) -> Error {
    Error::internal(format!("table `{name}`: {error}"))
}

fn unreadable(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::run_folder(
        format!("statistics table `stats/{name}.parquet` cannot be read: {error}"),
        "run `openmoe-analyze stats RUN` to write it anew",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn parquet_round_trips_and_empty_columns_are_left_out() {
        let row = Finding {
            variable: Some("token".into()),
            token_id: Some(7),
            text: Some("\u{2581}the".into()),
            estimate: Some(0.25),
            n: 12,
            ..Finding::new(Statistic::RoutingStd, 3, View::Kept)
        };
        let rows = vec![row.clone(), row.withheld("too few")];
        let table = StatisticTable { name: "routing_std".into(), rows };
        let bytes = table.to_parquet().unwrap();
        assert_eq!(StatisticTable::from_parquet("routing_std", Cursor::new(bytes)).unwrap(), table);
        let csv = String::from_utf8(table.to_csv().unwrap()).unwrap();
        assert_eq!(
            csv,
            "statistic,layer,view,variable,token_id,text,estimate,low,high,n,baseline,unit,note\n\
             routing_std,3,kept,token,7,▁the,0.25,,,12,,share,\n\
             routing_std,3,kept,token,7,▁the,,,,12,,share,too few\n"
        );
    }
}
