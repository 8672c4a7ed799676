//! A Parquet file column by column, for readers that want numbers and lists of numbers rather than rows of text.

use std::{fs::File, path::Path};

use polars_arrow::{array::Array, datatypes::Field};
use polars_parquet::read::{FileMetadata, RowGroupMetadata, read_metadata};

use super::{
    Table, caught, fields,
    slice::{Chunk, arrays, rows_at_a_time},
};
use crate::{
    corpus::files::feed::ReadFailure,
    error::{Error, Result},
};

/// An open file.
pub struct ParquetColumns {
    path: std::path::PathBuf,
    table: Table,
    metadata: FileMetadata,
}

/// The parts of each column that was asked for, in that order: together they have the rows of a slice.
pub type ColumnParts = Vec<Vec<Box<dyn Array>>>;

impl ParquetColumns {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Corpus`] if it is no Parquet file, or damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let named = |failure| refused(path, failure);
        let metadata = caught(|| read_metadata(&mut file).map_err(|error| error.to_string())).map_err(named)?;
        let fields = fields(&metadata).map_err(named)?;
        Ok(Self { path: path.to_path_buf(), table: Table { file, length, fields, first: 0 }, metadata })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has a column.
    pub fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.metadata.row_groups.iter().map(RowGroupMetadata::num_rows).sum()
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.table.fields.iter().find(|field| field.name.as_str() == name)
    }

    /// The rows, some at a time, of the columns `names`; of each what lies in memory stays below about 64 MB.
    ///
    /// # Errors
    /// [`Error::Corpus`] if a column is not there. Every slice may be one: damaged, or of a type that is not read.
    pub fn slices(&self, names: &[&str]) -> Result<Slices<'_>> {
        let field = |name: &&str| {
            self.field(name).cloned().ok_or_else(|| {
                let known: Vec<&str> = self.table.fields.iter().map(|field| field.name.as_str()).collect();
                Error::corpus(
                    format!("`{}` has no column `{name}`; it has {}", self.path.display(), known.join(", ")),
                    "compare the names of its columns with those of the format",
                )
            })
        };
        let fields = names.iter().map(field).collect::<Result<_>>()?;
        Ok(Slices { of: self, fields, group: 0, columns: Vec::new(), start: 0, step: 0 })
    }
}

/// The slices of a file, one after the other.
pub struct Slices<'a> {
    of: &'a ParquetColumns,
    fields: Vec<Field>,
    /// The next group; its columns are read when `columns` is empty.
    group: usize,
    columns: Vec<(Vec<Chunk<'a>>, Field)>,
    start: usize,
    step: usize,
}

impl Slices<'_> {
    fn read(&mut self) -> Result<Option<ColumnParts>, ReadFailure> {
        let Some(group) = self.of.metadata.row_groups.get(self.group) else { return Ok(None) };
        let rows = group.num_rows();
        if self.columns.is_empty() {
            let column = |field: &Field| Ok((self.of.table.chunks(group, field)?, field.clone()));
            self.columns = self.fields.iter().map(column).collect::<Result<_, ReadFailure>>()?;
            (self.start, self.step) = (0, caught(|| rows_at_a_time(&self.columns, rows))?);
        }
        let (start, end) = (self.start, rows.min(self.start + self.step));
        let read = |(chunks, field): &(Vec<Chunk>, Field)| caught(|| arrays(chunks, field, start..end, rows));
        let parts = self.columns.iter().map(read).collect::<Result<_, _>>()?;
        self.start = end;
        if end == rows {
            self.columns.clear();
            self.group += 1;
        }
        Ok(Some(parts))
    }
}

impl Iterator for Slices<'_> {
    type Item = Result<ColumnParts>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(parts) => parts.map(Ok),
            Err(failure) => {
                self.group = usize::MAX;
                Some(Err(refused(&self.of.path, failure)))
            }
        }
    }
}

fn refused(path: &Path, failure: ReadFailure) -> Error {
    match failure {
        ReadFailure::File(refusal) => Error::corpus(format!("`{}` {}", path.display(), refusal.message), refusal.hint),
        ReadFailure::Bytes(error) => Error::io("read", path)(error),
        ReadFailure::Sink(error) => error,
    }
}
