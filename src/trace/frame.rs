//! Reads and writes data frames as Parquet.

use std::{fs::File, io::Cursor, path::Path};

use polars::{io::mmap::MmapBytesReader, prelude::*};

use crate::{
    error::{Error, OptionName, Result, guarded},
    run::{RunDir, again},
};

/// A data frame as a Parquet file (zstd).
pub(super) fn to_parquet(columns: Vec<Column>) -> Result<Vec<u8>> {
    written(columns, None)
}

/// The same with keys and their values in the file's metadata.
pub(super) fn to_parquet_with(columns: Vec<Column>, pairs: Vec<(String, String)>) -> Result<Vec<u8>> {
    written(columns, Some(KeyValueMetadata::from_static(pairs)))
}

fn written(columns: Vec<Column>, metadata: Option<KeyValueMetadata>) -> Result<Vec<u8>> {
    let height = columns.first().map_or(0, Column::len);
    let mut frame = DataFrame::new(height, columns).map_err(|error| failed(&error))?;
    let mut bytes = Cursor::new(Vec::new());
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .with_key_value_metadata(metadata)
        .finish(&mut frame)
        .map_err(|error| failed(&error))?;
    Ok(bytes.into_inner())
}

fn failed(error: &PolarsError) -> Error {
    Error::internal(format!("Parquet: {error}"))
}

/// Reads some columns of a Parquet file of a run. The checksum is compared first, because polars panics at some damaged files.
pub(super) fn read_parquet(run: &RunDir, name: &str, columns: &[&str]) -> Result<DataFrame> {
    Ok(read_parquet_with(run, name, columns, "")?.0)
}

/// The same, and the value of a key in the file's metadata, if it is there.
pub(super) fn read_parquet_with(
    run: &RunDir,
    name: &str,
    columns: &[&str],
    key: &str,
) -> Result<(DataFrame, Option<String>)> {
    let bytes = run.read(name)?;
    let path = run.file(name);
    let read = || {
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        let schema = reader.schema().map_err(|error| unreadable(&path, &error))?;
        if let Some(column) = columns.iter().find(|column| !schema.contains(column)) {
            let there: Vec<&str> = schema.iter_names().map(PlSmallStr::as_str).collect();
            let what = format!(
                "it has no column `{column}`, which the manifest implies; its columns are {}",
                there.join(", ")
            );
            return Err(unreadable(&path, &what));
        }
        let value = value_of(&mut reader, &path, key)?;
        let frame = reader
            // Several parts are read in parallel and each is small: reading one part in parallel would only cost time.
            .read_parallel(ParallelStrategy::None)
            .with_columns(Some(columns.iter().map(ToString::to_string).collect()))
            .finish()
            .map_err(|error| unreadable(&path, &error))?;
        Ok((frame, value))
    };
    guarded(|panic| unreadable(&path, &panic), read)
}

/// The value of a key in the metadata of a Parquet file of a run whose checksum has been compared already: only its end is read.
pub(super) fn metadata_of(run: &RunDir, name: &str, key: &str) -> Result<Option<String>> {
    let path = run.file(name);
    let read = || {
        let file = File::open(&path).map_err(|error| unreadable(&path, &error))?;
        value_of(&mut ParquetReader::new(file), &path, key)
    };
    guarded(|panic| unreadable(&path, &panic), read)
}

fn value_of(reader: &mut ParquetReader<impl MmapBytesReader>, path: &Path, key: &str) -> Result<Option<String>> {
    let metadata = reader.get_metadata().map_err(|error| unreadable(path, &error))?;
    let mut pairs = metadata.key_value_metadata().iter().flatten();
    Ok(pairs.find(|pair| pair.key == key).and_then(|pair| pair.value.clone()))
}

/// The error for a file of the run that does not hold what it should.
pub(super) fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    let again = match again(path) {
        OptionName::Resume => {
            format!("{}; a run of another version: with {}", OptionName::Resume, OptionName::Force)
        }
        option => option.to_string(),
    };
    Error::run_folder(
        format!("`{}` cannot be read: {error}", path.display()),
        format!("the run is damaged: repeat the command that made it with {again}"),
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

/// A column of numbers without nulls as one slice, copied only if the file has it in several chunks.
macro_rules! values {
    ($frame:expr, $path:expr, $name:literal, $kind:ident) => {{
        let fault = |error: &dyn std::fmt::Display| crate::trace::frame::unreadable($path, error);
        let column = $frame.column($name).and_then(|column| column.$kind()).map_err(|error| fault(&error))?;
        match column.cont_slice() {
            Ok(slice) => std::borrow::Cow::Borrowed(slice),
            Err(_) => std::borrow::Cow::Owned(
                column.to_vec_null_aware().left().ok_or_else(|| fault(&concat!("null in `", $name, "`")))?,
            ),
        }
    }};
}
pub(super) use values;

/// A column of flags without nulls.
pub(super) fn flags(frame: &DataFrame, path: &Path, name: &str) -> Result<Vec<bool>> {
    let column = frame.column(name).and_then(|column| column.bool()).map_err(|error| unreadable(path, &error))?;
    if column.null_count() > 0 {
        return Err(unreadable(path, &format!("null in `{name}`")));
    }
    Ok(column.downcast_iter().flat_map(|array| array.values_iter()).collect())
}
