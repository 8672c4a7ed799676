//! The tables of a run while they grow: layer by layer, as columns, which take a fifth of the memory of [`Finding`]s.
//!
//! [`Finding`]: super::Finding

use std::{
    collections::BTreeMap,
    io::{Read, Seek},
};

use polars::prelude::*;

use super::{
    StatisticTable,
    shown_rows::shown_rows,
    table::{COLUMNS, csv, findings, parquet, read_frame, table_error},
};
use crate::error::Result;

/// Rows of a table that charts and pages are made of, over all layers: 0.2 GB of [`super::Finding`]s.
const SHOWN: usize = 1 << 18;

/// A table whose layers come one after the other.
#[derive(Clone, Debug)]
pub struct TableBuilder {
    name: String,
    layers: Vec<DataFrame>,
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

impl TableBuilder {
    /// A table without rows.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), layers: Vec::new() }
    }

    /// Reads a table back from its Parquet file.
    ///
    /// # Errors
    /// [`crate::error::Error::RunFolder`] if the file is not such a table.
    pub fn from_parquet<R: Read + Seek + polars::io::mmap::MmapBytesReader>(name: &str, reader: R) -> Result<Self> {
        let frame = read_frame(name, reader)?;
        let layers = by_layer(&frame).map_err(|error| table_error(name, &error))?;
        Ok(Self { name: name.to_owned(), layers })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.layers.iter().map(DataFrame::height).sum()
    }

    /// Adds rows of another layer.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] if polars refuses the columns.
    pub fn append(&mut self, table: &StatisticTable) -> Result<()> {
        self.layers.push(table.to_frame()?);
        Ok(())
    }

    /// The rows that charts and pages are made of: all of a table of usual size. Of a larger one those about the most
    /// frequent token ids, some positions and the first ranks (see `shown_rows`); the files have the others.
    ///
    /// # Errors
    /// [`crate::error::Error::RunFolder`] if a column has another type.
    pub fn shown(&self) -> Result<StatisticTable> {
        let limit = SHOWN / self.layers.len().max(1);
        let mut table = StatisticTable::new(self.name.as_str());
        for layer in &self.layers {
            let shown = shown_rows(layer, limit).map_err(|error| table_error(&self.name, &error))?;
            table.rows.extend(findings(&self.name, shown.as_ref().unwrap_or(layer))?);
        }
        Ok(table)
    }

    /// CSV text and Parquet file, as of a [`StatisticTable`] with all the rows.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] if polars cannot write them.
    pub fn into_bytes(self) -> Result<(Vec<u8>, Vec<u8>)> {
        let name = self.name.clone();
        let mut frame = self.into_frame().map_err(|error| table_error(&name, &error))?;
        Ok((csv(&name, &mut frame)?, parquet(&name, &mut frame)?))
    }

    /// All rows, with every column that any layer has.
    fn into_frame(self) -> PolarsResult<DataFrame> {
        let layers = self.layers;
        let kind = |name: &str| layers.iter().find_map(|layer| Some(layer.column(name).ok()?.dtype().clone()));
        let columns: Vec<(&str, DataType)> = COLUMNS.iter().filter_map(|name| Some((*name, kind(name)?))).collect();
        let mut all = DataFrame::empty();
        for layer in layers {
            let column = |(name, kind): &(&str, DataType)| {
                let absent = || Column::full_null((*name).into(), layer.height(), kind);
                layer.column(name).cloned().unwrap_or_else(|_| absent())
            };
            let part = DataFrame::new(layer.height(), columns.iter().map(column).collect())?;
            if all.width() == 0 {
                all = part;
            } else {
                all.vstack_mut_owned(part)?;
            }
        }
        Ok(all)
    }
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
        let (csv, parquet) = builder.into_bytes().unwrap();
        assert_eq!(csv, whole.to_csv().unwrap());
        assert_eq!(parquet, whole.to_parquet().unwrap());
        let read = TableBuilder::from_parquet("routing_std", Cursor::new(parquet)).unwrap();
        assert_eq!((read.layers.len(), read.shown().unwrap()), (2, whole));
    }
}
