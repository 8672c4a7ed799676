//! Builds the tables of a run layer by layer. They are kept as columns, which take a fifth of the memory of [`Finding`]s; the
//! columns of large layers are kept as Parquet bytes, which take a tenth of that.
//!
//! [`Finding`]: super::Finding

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{Cursor, Read, Seek, Write},
};

use polars::prelude::*;

use super::{
    StatisticTable,
    shown_rows::shown_rows,
    table::{columns, csv, findings, parquet, read_frame, table_error},
};
use crate::error::Result;

/// The most rows of a table that charts and pages show, over all layers: 0.2 GB of [`super::Finding`]s.
const SHOWN: usize = 1 << 18;

/// Rows of a layer that stay in memory as columns: 1 MB. Of 128 layers and 20 tables they take no more than of one larger layer.
const AS_COLUMNS: usize = 1 << 12;

/// Rows of a file that is written as one row group. A larger one has a row group for each layer.
const ONE_ROW_GROUP: usize = 1 << 18;

/// A table to which layers are appended one after the other.
#[derive(Clone, Debug)]
pub struct TableBuilder {
    name: String,
    /// Every column that a layer has.
    kinds: BTreeMap<String, DataType>,
    layers: Vec<Layer>,
}

/// The rows of one layer.
#[derive(Clone, Debug)]
enum Layer {
    Columns(DataFrame),
    Parquet { rows: usize, bytes: Vec<u8> },
}

/// The tables of a run by name.
pub type TableBuilders = BTreeMap<String, TableBuilder>;

/// Appends the tables of a layer to those of the layers before.
///
/// # Errors
/// [`crate::error::Error::Internal`] if polars refuses the columns.
pub fn append(into: &mut TableBuilders, layer_tables: Vec<StatisticTable>) -> Result<()> {
    for table in layer_tables {
        into.entry(table.name.clone()).or_insert_with(|| TableBuilder::new(table.name.clone())).append(&table)?;
    }
    Ok(())
}

impl Layer {
    fn new(name: &str, mut columns: DataFrame) -> Result<Self> {
        if columns.height() <= AS_COLUMNS {
            return Ok(Self::Columns(columns));
        }
        let mut bytes = Vec::new();
        parquet(name, &mut columns, &mut bytes)?;
        Ok(Self::Parquet { rows: columns.height(), bytes })
    }

    fn rows(&self) -> usize {
        match self {
            Self::Columns(columns) => columns.height(),
            Self::Parquet { rows, .. } => *rows,
        }
    }

    fn columns(&self, name: &str) -> Result<Cow<'_, DataFrame>> {
        match self {
            Self::Columns(columns) => Ok(Cow::Borrowed(columns)),
            Self::Parquet { bytes, .. } => read_frame(name, Cursor::new(bytes.as_slice())).map(Cow::Owned),
        }
    }
}

impl TableBuilder {
    /// A table without rows.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), kinds: BTreeMap::new(), layers: Vec::new() }
    }

    /// Reads a table back from its Parquet file.
    ///
    /// # Errors
    /// [`crate::error::Error::RunFolder`] if the file is not such a table.
    pub fn from_parquet<R: Read + Seek + polars::io::mmap::MmapBytesReader>(name: &str, reader: R) -> Result<Self> {
        let frame = read_frame(name, reader)?;
        let layers = by_layer(&frame).map_err(|error| table_error(name, &error))?;
        // The layers share the columns of the file: to pack them would be work without a gain.
        let layers = layers.into_iter().map(Layer::Columns).collect();
        Ok(Self { name: name.to_owned(), kinds: kinds_of(&frame).collect(), layers })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.layers.iter().map(Layer::rows).sum()
    }

    /// Adds rows of another layer.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] if polars refuses the columns.
    pub fn append(&mut self, table: &StatisticTable) -> Result<()> {
        let columns = table.to_frame()?;
        self.kinds.extend(kinds_of(&columns));
        self.layers.push(Layer::new(&self.name, columns)?);
        Ok(())
    }

    /// The rows that charts and pages show: all rows of a table of usual size; of a larger one those about the most
    /// frequent token ids, some positions and the first ranks (see `shown_rows`). The files have the others.
    ///
    /// # Errors
    /// [`crate::error::Error::RunFolder`] if a column has another type.
    pub fn shown(&self) -> Result<StatisticTable> {
        let limit = SHOWN / self.layers.len().max(1);
        let mut table = StatisticTable::new(self.name.as_str());
        for layer in &self.layers {
            let columns = layer.columns(&self.name)?;
            let shown = shown_rows(&columns, limit).map_err(|error| table_error(&self.name, &error))?;
            table.rows.extend(findings(&self.name, shown.as_ref().unwrap_or(&columns))?);
        }
        Ok(table)
    }

    /// Writes the table as CSV text, as a [`StatisticTable`] with all the rows does.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] if polars cannot write it.
    pub fn write_csv(&self, into: &mut dyn Write) -> Result<()> {
        // A table without rows has a line of names all the same.
        let mut with_names = true;
        self.parts().try_for_each(|part| csv(&self.name, &mut part?, std::mem::take(&mut with_names), &mut *into))
    }

    /// Writes the table as a Parquet file: up to 262,144 rows as a [`StatisticTable`] with all of them does, more as a row group
    /// for each layer.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] if polars cannot write it.
    pub fn write_parquet(&self, into: &mut (dyn Write + Send)) -> Result<()> {
        let mut parts = self.parts();
        if self.rows() <= ONE_ROW_GROUP {
            let mut all = parts.next().unwrap_or_else(|| Ok(DataFrame::empty()))?;
            for part in parts {
                all.vstack_mut_owned(part?).map_err(|error| table_error(&self.name, &error))?;
            }
            return parquet(&self.name, &mut all, into);
        }
        self.write_row_groups(parts, into)
    }

    fn write_row_groups(
        &self,
        mut parts: impl Iterator<Item = Result<DataFrame>>,
        into: &mut (dyn Write + Send),
    ) -> Result<()> {
        let refused = |error| table_error(&self.name, &error);
        let schema: Schema = self.schema().map(|(name, kind)| Field::new(name.into(), kind.clone())).collect();
        let mut writer = ParquetWriter::new(into).batched(&schema).map_err(refused)?;
        parts.try_for_each(|part| writer.write_batch(&part?).map_err(refused))?;
        writer.finish().map(drop).map_err(refused)
    }

    /// The columns in file order.
    fn schema(&self) -> impl Iterator<Item = (&'static str, &DataType)> {
        columns().filter_map(|name| Some((name, self.kinds.get(name)?)))
    }

    /// The layers, each with every column that any of them has.
    fn parts(&self) -> impl Iterator<Item = Result<DataFrame>> {
        let columns: Vec<(&str, &DataType)> = self.schema().collect();
        self.layers.iter().map(move |layer| {
            let part = layer.columns(&self.name)?;
            let column = |(name, kind): &(&str, &DataType)| {
                let absent = || Column::full_null((*name).into(), part.height(), kind);
                part.column(name).cloned().unwrap_or_else(|_| absent())
            };
            let all = DataFrame::new(part.height(), columns.iter().map(column).collect());
            all.map_err(|error| table_error(&self.name, &error))
        })
    }
}

/// The columns of a layer, or of a file, with their types.
fn kinds_of(columns: &DataFrame) -> impl Iterator<Item = (String, DataType)> {
    columns.columns().iter().map(|column| (column.name().to_string(), column.dtype().clone()))
}

/// The rows of each layer; they stand together.
fn by_layer(frame: &DataFrame) -> PolarsResult<Vec<DataFrame>> {
    let Ok(column) = frame.column("layer") else { return Ok(vec![frame.clone()]) };
    let layer: Vec<Option<u16>> = column.u16()?.iter().collect();
    let mut start = 0;
    let slice = |rows: &[Option<u16>]| {
        let part = frame.slice(start as i64, rows.len());
        start += rows.len();
        part
    };
    Ok(layer.chunk_by(|a, b| a == b).map(slice).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{
        routing::View,
        stats::{Finding, Statistic, Subject, Variable},
    };

    fn table(rows: &[Finding]) -> StatisticTable {
        StatisticTable { name: "routing_std".into(), rows: rows.to_vec() }
    }

    #[test]
    fn layer_by_layer_gives_the_bytes_of_the_whole() {
        let row = |layer| Finding { n: 12, ..Finding::new(Statistic::RoutingStd, layer, View::Kept) };
        let of_token = Finding {
            estimate: Some(0.25),
            ..row(1).by(Variable::Token).about(|subject| Subject { token_id: Some(7), ..subject })
        };
        let layers = [vec![row(1).withheld("too few"), of_token], vec![], vec![row(3), row(3)]];
        let mut builder = TableBuilder::new("routing_std");
        layers.iter().try_for_each(|rows| builder.append(&table(rows))).unwrap();
        assert_eq!(builder.rows(), 4);
        let whole = table(&layers.concat());
        assert_eq!(builder.shown().unwrap(), whole);
        let (mut csv, mut parquet) = (Vec::new(), Vec::new());
        builder.write_csv(&mut csv).unwrap();
        builder.write_parquet(&mut parquet).unwrap();
        assert_eq!(csv, whole.to_csv().unwrap());
        assert_eq!(parquet, whole.to_parquet().unwrap());
        let read = TableBuilder::from_parquet("routing_std", Cursor::new(parquet)).unwrap();
        assert_eq!((read.layers.len(), read.shown().unwrap()), (2, whole));
    }
}
