//! Parquet bytes from and to data frames.

use std::{fs::File, io::Cursor, path::Path};

use polars::prelude::*;

use crate::error::{Error, Result};

/// A data frame as a Parquet file (zstd).
pub(super) fn to_parquet(columns: Vec<Column>) -> Result<Vec<u8>> {
    let height = columns.first().map_or(0, Column::len);
    let mut frame = DataFrame::new(height, columns).map_err(|error| failed(&error))?;
    let mut bytes = Cursor::new(Vec::new());
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .finish(&mut frame)
        .map_err(|error| failed(&error))?;
    Ok(bytes.into_inner())
}

fn failed(error: &PolarsError) -> Error {
    Error::internal(format!("Parquet: {error}"))
}

/// Reads some columns of a Parquet file.
pub(super) fn read_parquet(path: &Path, columns: &[&str]) -> Result<DataFrame> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    ParquetReader::new(file)
        .with_columns(Some(columns.iter().map(ToString::to_string).collect()))
        .finish()
        .map_err(|error| unreadable(path, &error))
}

/// A file of the run is not what it should be.
pub(super) fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::run_folder(
        format!("`{}` cannot be read: {error}", path.display()),
        "the run is damaged or was made by another version: run it again with --force",
    )
}

/// Reads a column without nulls into a vector.
macro_rules! column {
    ($frame:expr, $path:expr, $name:literal, $kind:ident) => {
        $frame
            .column($name)
            .and_then(|column| column.$kind())
            .map_err(|error| crate::trace::frame::unreadable($path, &error))?
            .iter()
            .map(|value| value.ok_or_else(|| crate::trace::frame::unreadable($path, &concat!("null in `", $name, "`"))))
    };
}
pub(super) use column;
