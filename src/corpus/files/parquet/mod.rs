//! Reads tables in Parquet. Columns are chosen by their types before a row is read. Row groups are read in slices of bounded size,
//! with plain reads instead of a memory map, so that a file that is truncated meanwhile causes an error and no crash.

mod cell;
mod columns;
mod kind;
mod slice;
#[cfg(test)]
mod tests;
mod time;

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

pub use self::columns::{ColumnParts, ParquetColumns, Slices};
use polars_arrow::{array::Array, datatypes::Field};
use polars_buffer::Buffer;
use polars_parquet::read::{ColumnChunkMetadata, FileMetadata, RowGroupMetadata, infer_schema, read_metadata};
use serde_json::{Map, Value};

use self::{
    cell::{Bytes, cell},
    kind::{judge, plain},
    slice::{Chunk, arrays, rows_at_a_time},
};
use super::{
    Column, Refusal,
    feed::{Feed, ReadFailure},
    raw::READ_ON,
};
use crate::error::{Error, guarded};

/// Passes every row of a table to the feed, as a JSON object with the columns that the sink wants.
///
/// # Errors
/// The file is not Parquet or is damaged, or it holds no rows for the sink; errors of the sink.
pub(super) fn read(path: &Path, feed: &mut Feed) -> Result<(), ReadFailure> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let metadata = caught(|| read_metadata(&mut file).map_err(|error| error.to_string()))?;
    let fields = fields(&metadata)?;
    let columns: Vec<Column> = fields.iter().map(judge).collect();
    let wanted = feed.sink.columns(&columns).map_err(ReadFailure::File)?;
    let fields: Vec<Field> =
        fields.into_iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(field, _)| field).collect();
    if let Some(column) = fields.iter().map(judge).find(|column| column.kind == super::ColumnKind::Other) {
        return Err(ReadFailure::File(Refusal::new(
            format!("has the column `{}` of type {}, which is not read", column.name, column.type_name),
            "write it as text, numbers or lists of these",
        )));
    }
    let mut table = Table { file, length, fields, first: 0 };
    for group in &metadata.row_groups {
        table.group(group, feed)?;
        if table.is_done(feed) {
            break;
        }
    }
    Ok(feed.end()?)
}

/// The columns in order, without types that only say how they are stored.
fn fields(metadata: &FileMetadata) -> Result<Vec<Field>, ReadFailure> {
    let schema = caught(|| infer_schema(metadata).map_err(|error| error.to_string()))?;
    Ok(schema.iter_values().map(plain).collect())
}

/// Turns a panic of the library over a damaged file into an error.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, ReadFailure> {
    let outcome = guarded(Error::internal, || Ok(work()));
    let damaged = |reason: String| {
        let reason = reason.lines().next().unwrap_or_default();
        ReadFailure::File(Refusal::new(
            format!("is not a readable Parquet file: {reason}"),
            "it may be cut or damaged: fetch or write it again",
        ))
    };
    match outcome {
        Ok(found) => found.map_err(damaged),
        Err(Error::Internal { message }) => Err(damaged(message)),
        Err(error) => Err(ReadFailure::Sink(error)),
    }
}

/// An open table.
struct Table {
    file: File,
    length: u64,
    fields: Vec<Field>,
    /// The number of rows before the group.
    first: usize,
}

impl Table {
    fn group(&mut self, group: &RowGroupMetadata, feed: &mut Feed) -> Result<(), ReadFailure> {
        let rows = group.num_rows();
        let columns = self.fields.clone().into_iter().map(|field| Ok((self.chunks(group, &field)?, field)));
        let columns = columns.collect::<Result<Vec<_>, ReadFailure>>()?;
        let step = caught(|| rows_at_a_time(&columns, rows))?;
        for start in (0..rows).step_by(step) {
            let end = rows.min(start + step);
            let read = |(chunks, field): &(Vec<Chunk>, Field)| caught(|| arrays(chunks, field, start..end, rows));
            let arrays = columns.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            self.send(&arrays, start, end, feed)?;
            if self.is_done(feed) {
                break;
            }
        }
        self.first += rows;
        Ok(())
    }

    /// Whether the sink needs no more rows and there are too many left to count.
    fn is_done(&self, feed: &Feed) -> bool {
        feed.full && self.length > READ_ON
    }

    /// The bytes of the leaves of one column, as stored in the file.
    fn chunks<'g>(&self, group: &'g RowGroupMetadata, field: &Field) -> Result<Vec<Chunk<'g>>, ReadFailure> {
        let leaves: Vec<&ColumnChunkMetadata> =
            caught(|| Ok(group.columns_under_root_iter(&field.name).map(Iterator::collect).unwrap_or_default()))?;
        leaves.into_iter().map(|metadata| Ok(Chunk { bytes: self.bytes(metadata)?, metadata })).collect()
    }

    fn bytes(&self, metadata: &ColumnChunkMetadata) -> Result<Buffer<u8>, ReadFailure> {
        let range = caught(|| {
            let range = metadata.byte_range();
            let inside = range.start <= range.end && range.end <= self.length;
            if inside { Ok(range) } else { Err("a column lies beyond its end".to_owned()) }
        })?;
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(range.start))?;
        file.read_exact(&mut bytes)?;
        Ok(Buffer::from_vec(bytes))
    }

    /// Passes the rows of a slice on.
    fn send(
        &self,
        arrays: &[Vec<Box<dyn Array>>],
        start: usize,
        end: usize,
        feed: &mut Feed,
    ) -> Result<(), ReadFailure> {
        let mut cursors = vec![(0, 0); arrays.len()];
        for row in start..end {
            let mut object = Map::new();
            let mut problem = None;
            for ((field, parts), (part, index)) in self.fields.iter().zip(arrays).zip(&mut cursors) {
                while *index == parts[*part].len() {
                    (*part, *index) = (*part + 1, 0);
                }
                let array = parts[*part].as_ref();
                match caught(|| Ok(cell(array, *index, Bytes::of(&field.name))))? {
                    Ok(value) => drop(object.insert(field.name.to_string(), value)),
                    Err(reason) => problem = problem.or(Some(format!("column `{}` {reason}", field.name))),
                }
                *index += 1;
            }
            let place = format!("{}:{}", feed.file, self.first + row + 1);
            feed.send(place, problem.map_or(Ok(Value::Object(object)), Err))?;
        }
        Ok(())
    }
}
