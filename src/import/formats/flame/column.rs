//! A column of several Parquet files, read on from one to the next.

use polars_arrow::array::Array;

use crate::{
    corpus::{ColumnParts, ParquetColumns},
    error::Result,
    import::numbers::{gather, lists},
};

type Slices<'a> = Box<dyn Iterator<Item = Result<(&'a ParquetColumns, ColumnParts)>> + 'a>;

/// The values of a column that have been read, and those that have not been asked for yet.
pub(super) struct Column<'a, T> {
    name: &'static str,
    slices: Slices<'a>,
    /// Appends the values of an array.
    read: fn(&dyn Array, &mut Vec<T>) -> std::result::Result<(), String>,
    /// Values of a row, which lie in a list; `None`: a row is a value.
    width: Option<usize>,
    values: Vec<T>,
    /// Values that have been given.
    given: usize,
}

impl<'a, T: Copy> Column<'a, T> {
    /// The column `name` of the files, one after the other.
    pub(super) fn new(
        files: impl Iterator<Item = &'a ParquetColumns> + 'a,
        name: &'static str,
        width: Option<usize>,
        read: fn(&dyn Array, &mut Vec<T>) -> std::result::Result<(), String>,
    ) -> Self {
        let slices = files.flat_map(move |file| {
            let (slices, fault) = match file.slices(&[name]) {
                Ok(slices) => (Some(slices), None),
                Err(error) => (None, Some(Err(error))),
            };
            slices.into_iter().flatten().chain(fault).map(move |parts| Ok((file, parts?)))
        });
        Self { name, slices: Box::new(slices), read, width, values: Vec::new(), given: 0 }
    }

    /// The values of the next rows; fewer at the end.
    ///
    /// # Errors
    /// [`crate::error::Error::Corpus`] if the column is damaged, or holds something else.
    pub(super) fn take(&mut self, rows: usize) -> Result<Vec<T>> {
        let wanted = rows * self.width.unwrap_or(1);
        while self.values.len() - self.given < wanted {
            let Some(slice) = self.slices.next() else { break };
            let (file, parts) = slice?;
            self.values.drain(..self.given);
            self.given = 0;
            gather(file, self.name, &parts[0], |array| append(array, self.width, self.read, &mut self.values))?;
        }
        let end = self.values.len().min(self.given + wanted);
        let taken = self.values[self.given..end].to_vec();
        self.given = end;
        Ok(taken)
    }
}

fn append<T>(
    array: &dyn Array,
    width: Option<usize>,
    read: fn(&dyn Array, &mut Vec<T>) -> std::result::Result<(), String>,
    into: &mut Vec<T>,
) -> std::result::Result<(), String> {
    let Some(width) = width else { return read(array, into) };
    let (values, found) = lists(array)?;
    if found != width {
        return Err(format!("has lists of {found} values; expected {width}, as many as a token has choices"));
    }
    read(values.as_ref(), into)
}
