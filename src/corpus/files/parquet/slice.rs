//! Decodes some rows of a column at a time.

use std::{io::Cursor, ops::Range};

use polars_arrow::{array::Array, datatypes::Field};
use polars_buffer::Buffer;
use polars_parquet::{
    parquet::page::CompressedPage,
    read::{BasicDecompressor, ColumnChunkMetadata, Filter, PageReader, column_iter_to_arrays},
};

use crate::corpus::files::scan::LONGEST;

/// The largest page that is decoded; a page holds whole cells.
const LARGEST_PAGE: usize = 2 * LONGEST;

/// About how many bytes of decoded columns are in memory together.
const SLICE: usize = 64 << 20;

/// A leaf of a column in one row group, as stored in the file.
pub(super) struct Chunk<'g> {
    /// Its bytes.
    pub bytes: Buffer<u8>,
    /// Its entry in the footer.
    pub metadata: &'g ColumnChunkMetadata,
}

impl Chunk<'_> {
    fn pages(&self) -> PageReader {
        PageReader::new(Cursor::new(self.bytes.clone()), self.metadata, Vec::new(), LARGEST_PAGE)
    }

    /// The decompressed size of all pages, by their headers. The library does not give the header of the dictionary page; its size
    /// is the rest of what the footer counts.
    ///
    /// # Errors
    /// A page is too large, or damaged.
    fn decompressed(&self, rows: usize) -> Result<usize, String> {
        let (mut total, mut values) = (0_usize, 0);
        let mut reader = self.pages();
        if reader.read_dict().map_err(|error| error.to_string())?.is_none() {
            reader = self.pages();
        }
        for page in reader {
            let CompressedPage::Data(page) = page.map_err(|error| error.to_string())? else { continue };
            let size = page.uncompressed_size();
            if size > LARGEST_PAGE {
                return Err(too_large(size));
            }
            (total, values) = (total.saturating_add(size), values + page.num_values());
        }
        let is_flat = self.metadata.descriptor().descriptor.max_rep_level == 0;
        if is_flat && values != rows {
            return Err(format!("a column has {values} values in a group of {rows} rows"));
        }
        let all = usize::try_from(self.metadata.uncompressed_size()).unwrap_or(0);
        let dictionary = all.saturating_sub(total);
        if dictionary > LARGEST_PAGE { Err(too_large(dictionary)) } else { Ok(total.max(all)) }
    }
}

fn too_large(size: usize) -> String {
    format!("a page of {size} bytes; at most {LARGEST_PAGE} are read")
}

/// How many rows of a group can be decoded at a time.
///
/// # Errors
/// A column is damaged, or has a page that is too large.
pub(super) fn rows_at_a_time(columns: &[(Vec<Chunk>, Field)], rows: usize) -> Result<usize, String> {
    let sizes = columns.iter().flat_map(|(chunks, _)| chunks).map(|chunk| chunk.decompressed(rows));
    let total: usize = sizes.sum::<Result<_, _>>()?;
    Ok((rows.saturating_mul(SLICE) / total.max(1)).clamp(1, rows.max(1)))
}

/// Decodes a column of a group of `all` rows, some rows at a time.
///
/// # Errors
/// The column is damaged, or its type is not supported by the library.
pub(super) fn arrays(
    chunks: &[Chunk],
    field: &Field,
    rows: Range<usize>,
    all: usize,
) -> Result<Vec<Box<dyn Array>>, String> {
    let columns = chunks.iter().map(|chunk| BasicDecompressor::new(chunk.pages(), Vec::new())).collect();
    let types = chunks.iter().map(|chunk| &chunk.metadata.descriptor().descriptor.primitive_type).collect();
    // The number of rows in a column of repeated values is known only after decoding: after the last row one more is asked for,
    // and must not come. For all other columns the values were counted before.
    let is_repeated = chunks.iter().any(|chunk| chunk.metadata.descriptor().descriptor.max_rep_level > 0);
    let beyond = usize::from(is_repeated && rows.end == all);
    let (expected, filter) = (rows.len(), Filter::new_ranged(rows.start, rows.end + beyond));
    let (arrays, _) =
        column_iter_to_arrays(columns, types, field.clone(), Some(filter)).map_err(|error| error.to_string())?;
    let found: usize = arrays.iter().map(|array| array.len()).sum();
    if found == expected {
        return Ok(arrays);
    }
    let more = if found > expected { " or more" } else { "" };
    Err(format!("column `{}` has {found}{more} rows where {expected} are due", field.name))
}
