//! Tidy tables, one per statistic: `stats/NAME.parquet` and `stats/NAME.csv`.

use std::{
    collections::BTreeMap,
    io::{Read, Seek, Write},
};

use polars::prelude::*;

use super::{
    catalog::Statistic,
    cell::{Cell, Fault},
    finding::Finding,
};
use crate::{
    error::{CommandName, Error, Result, guarded},
    routing::View,
    trace::shown,
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

/// Calls a macro with every column, in file order: the field of a finding, or of its subject.
macro_rules! with_columns {
    ($apply:ident) => {
        $apply! {
            statistic, layer, view,
            subject.variable, subject.given, subject.checkpoint, subject.reference, subject.category,
            subject.other_category, subject.expert, subject.other_expert, subject.position, subject.token_id,
            subject.text, subject.document, subject.ranking, subject.rank, subject.variant, subject.quantile,
            subject.bin_low, subject.bin_high, subject.dataset, subject.turn, subject.role,
            subject.capacity_factor, subject.rule, subject.grouping, subject.priority, subject.cohort,
            subject.training_tokens, subject.expert_parallel,
            estimate, low, high, n, documents, baseline, baseline_kind, uniform_baseline, p_value,
            corrected, corrected_low, corrected_high, ceiling, explained, explained_low, explained_high,
            noise_floor, unit, note,
        }
    };
}

/// The name of a column.
macro_rules! column_name {
    ($field:ident) => {
        stringify!($field)
    };
    (subject.$field:ident) => {
        stringify!($field)
    };
}

macro_rules! column_names {
    ($($field:ident $(.$key:ident)?),* $(,)?) => { &[$(column_name!($field $(.$key)?)),*] };
}

/// The columns that hold a field, in file order.
const FIELDS: &[&str] = with_columns!(column_names);

/// The column of a token's piece, and the one behind it with the piece as people are shown it. The latter follows from the former
/// and is not read back.
const PIECE: &str = "text";
const SHOWN: &str = "shown";

/// All columns, in file order.
pub(super) fn columns() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().flat_map(|name| std::iter::once(*name).chain((*name == PIECE).then_some(SHOWN)))
}

/// Columns that every table has; the others are left out if no row has a value.
const ALWAYS: [&str; 9] = ["statistic", "layer", "view", "estimate", "low", "high", "n", "baseline", "unit"];

impl StatisticTable {
    /// An empty table.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), rows: Vec::new() }
    }

    /// The table of a statistic with these rows.
    pub fn of(statistic: Statistic, rows: Vec<Finding>) -> Self {
        Self { name: statistic.table().to_owned(), rows }
    }

    /// The table as a data frame: one column per key or number that occurs.
    ///
    /// # Errors
    /// [`Error::Internal`] if polars refuses the columns.
    pub fn to_frame(&self) -> Result<DataFrame> {
        let rows = &self.rows;
        let mut columns = Vec::new();
        macro_rules! write {
            ($($field:ident $(.$key:ident)?),* $(,)?) => {
                $(columns.extend(written(rows, column_name!($field $(.$key)?), |row| &row.$field $(.$key)?));)*
            };
        }
        with_columns!(write);
        if let Some(at) = columns.iter().position(|column: &Column| column.name() == PIECE) {
            let spelled: Vec<Option<String>> = rows.iter().map(|row| row.text.as_deref().map(shown)).collect();
            columns.insert(at + 1, Column::new(SHOWN.into(), spelled));
        }
        DataFrame::new(rows.len(), columns).map_err(|error| table_error(&self.name, &error))
    }

    /// The table as CSV text.
    ///
    /// # Errors
    /// [`Error::Internal`] if polars cannot write it.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        csv(&self.name, &mut self.to_frame()?, true, &mut bytes)?;
        Ok(bytes)
    }

    /// The table as a Parquet file.
    ///
    /// # Errors
    /// [`Error::Internal`] if polars cannot write it.
    pub fn to_parquet(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        parquet(&self.name, &mut self.to_frame()?, &mut bytes)?;
        Ok(bytes)
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
    let statistics: Vec<Statistic> = values(name, frame, "statistic")?;
    let mut rows: Vec<Finding> = statistics.into_iter().map(|it| Finding::new(it, 0, View::Chosen)).collect();
    macro_rules! read {
        ($($field:ident $(.$key:ident)?),* $(,)?) => { $(
            for (row, value) in rows.iter_mut().zip(values(name, frame, column_name!($field $(.$key)?))?) {
                row.$field $(.$key)? = value;
            }
        )* };
    }
    with_columns!(read);
    Ok(rows)
}

/// A column of the rows; left out if none of them has a value.
fn written<'a, T: Cell + 'a>(rows: &'a [Finding], name: &str, of: impl Fn(&'a Finding) -> &'a T) -> Option<Column> {
    let has_value = ALWAYS.contains(&name) || rows.iter().any(|row| of(row).is_there());
    has_value.then(|| T::column(name, rows.iter().map(of)))
}

/// The values of a column, row by row.
fn values<T: Cell>(table: &str, frame: &DataFrame, name: &str) -> Result<Vec<T>> {
    let Ok(column) = frame.column(name) else {
        let absent = || unreadable(table, &format!("it has no column `{name}`"));
        return (0..frame.height()).map(|_| T::ABSENT.ok_or_else(absent)).collect();
    };
    T::read(column).map_err(|fault| match fault {
        Fault::Type(error) => unreadable(table, &error),
        Fault::Unknown(row, what) => Error::run_folder(
            format!("statistics table `stats/{table}.parquet`, row {row}: {what}"),
            format!("it was made by another version: run {} to write it anew", CommandName::Stats.on_the_run()),
        ),
    })
}

/// Writes the columns as CSV text, `with_names` below a line of their names.
pub(super) fn csv(name: &str, frame: &mut DataFrame, with_names: bool, into: impl Write) -> Result<()> {
    CsvWriter::new(into).include_header(with_names).finish(frame).map_err(|error| table_error(name, &error))
}

/// Writes the columns as a Parquet file of one row group, if they are not many.
pub(super) fn parquet(name: &str, frame: &mut DataFrame, into: impl Write + Send) -> Result<()> {
    ParquetWriter::new(into).finish(frame).map(drop).map_err(|error| table_error(name, &error))
}

/// The error of polars about a table.
pub(super) fn table_error(name: &str, error: &PolarsError) -> Error {
    Error::internal(format!("table `{name}`: {error}"))
}

fn unreadable(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::run_folder(
        format!("statistics table `stats/{name}.parquet` cannot be read: {error}"),
        format!("run {} to write it anew", CommandName::Stats.on_the_run()),
    )
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::stats::{Subject, Variable};

    #[test]
    fn parquet_round_trips_and_empty_columns_are_left_out() {
        let row = Finding {
            estimate: Some(0.25),
            n: 12,
            ..Finding::new(Statistic::RoutingStd, 3, View::Kept).about(|subject| Subject {
                variable: Some(Variable::Token),
                token_id: Some(7),
                text: Some("\u{2581}the".into()),
                ..subject
            })
        };
        let rows = vec![row.clone(), row.withheld("too few")];
        let table = StatisticTable { name: "routing_std".into(), rows };
        let bytes = table.to_parquet().unwrap();
        assert_eq!(StatisticTable::from_parquet("routing_std", Cursor::new(bytes)).unwrap(), table);
        let csv = String::from_utf8(table.to_csv().unwrap()).unwrap();
        assert_eq!(
            csv,
            "statistic,layer,view,variable,token_id,text,shown,estimate,low,high,n,baseline,unit,note\n\
             routing_std,3,kept,token,7,▁the,␣the,0.25,,,12,,share,\n\
             routing_std,3,kept,token,7,▁the,␣the,,,,12,,share,too few\n"
        );
    }
}
