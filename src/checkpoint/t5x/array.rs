//! An array: where its numbers lie, and how a part of them is read.

use std::{
    io::{self, Read},
    ops::Range,
    sync::Arc,
};

use super::{
    grid::ChunkPart,
    store::Store,
    unpack::{Unpacked, damaged},
    zarray::Layout,
};
use crate::checkpoint::tensor::Dtype;

/// An array of the model.
#[derive(Debug)]
pub(super) struct Array {
    /// Its name in the index.
    pub(super) name: String,
    /// What the PyTorch port calls it; empty until it is known.
    pub(super) tensor: String,
    /// How it is stored; of an array in the index, as if its only chunk were not packed.
    pub(super) layout: Layout,
    /// Where its numbers lie.
    pub(super) content: Content,
    /// Whether the PyTorch port has its transpose.
    pub(super) transposed: bool,
}

/// Where the numbers of an array lie.
#[derive(Debug)]
pub(super) enum Content {
    /// In files of this folder within that of the step.
    Folder(String),
    /// In the index.
    Index(Arc<[u8]>),
}

impl Array {
    /// The file of a chunk, within the folder of the step.
    pub(super) fn file(&self, chunk: usize) -> String {
        match &self.content {
            Content::Folder(folder) => format!("{folder}/{}", self.layout.grid.file(chunk, self.layout.separator)),
            Content::Index(_) => super::place::INDEX.to_owned(),
        }
    }

    /// Bytes of a chunk when it is unpacked.
    pub(super) fn chunk_bytes(&self) -> usize {
        self.layout.grid.chunk_elements() * self.layout.dtype.bytes()
    }

    /// The bytes of a chunk as its file has them; those of a missing one are made up of the number that fills it.
    ///
    /// # Errors
    /// Its file is not there, or is not opened.
    pub(super) fn packed(&self, store: &Store, chunk: usize) -> io::Result<Chunk> {
        if let Content::Index(bytes) = &self.content {
            return Ok(Chunk::Packed(Box::new(io::Cursor::new(Arc::clone(bytes)))));
        }
        let file = self.file(chunk);
        match (store.read(&file).map_err(|error| named(&file, &error))?, &self.layout.fill) {
            (Some(packed), _) => Ok(Chunk::Packed(packed)),
            (None, Some(number)) => Ok(Chunk::Plain(Box::new(
                Repeated { number: number.clone(), place: 0 }.take(self.chunk_bytes() as u64),
            ))),
            (None, None) => Err(named(&file, &damaged("is missing".to_owned()))),
        }
    }

    /// Unpacks a chunk, piece by piece.
    ///
    /// # Errors
    /// As [`Self::packed`].
    pub(super) fn unpacked(&self, store: &Store, chunk: usize) -> io::Result<Unpacked<Box<dyn Read + Send>>> {
        Ok(match self.packed(store, chunk)? {
            Chunk::Packed(packed) => self.layout.compressor.unpack(packed),
            Chunk::Plain(numbers) => Unpacked::Plain(numbers),
        })
    }

    /// Unpacks a whole chunk, which must have exactly its size.
    ///
    /// # Errors
    /// As [`Self::packed`]; it is damaged.
    pub(super) fn unpack(&self, store: &Store, chunk: usize) -> io::Result<Vec<u8>> {
        let size = self.chunk_bytes();
        let mut reader = self.unpacked(store, chunk)?;
        let mut bytes = vec![0; size];
        let filled = reader.fill(&mut bytes, 0, size).and_then(|()| reader.end(size));
        filled.map_err(|error| named(&self.file(chunk), &error))?;
        Ok(bytes)
    }
}

/// The bytes of a chunk's file, or of one that is not there.
pub(super) enum Chunk {
    /// As the file has them.
    Packed(Box<dyn Read + Send>),
    /// Of a chunk without a file.
    Plain(Box<dyn Read + Send>),
}

/// An error with the file that it met.
pub(super) fn named(file: &str, error: &io::Error) -> io::Error {
    // What is wrong with packed bytes is wrong with the file, not with what was asked for.
    let kind = if error.kind() == io::ErrorKind::InvalidInput { io::ErrorKind::InvalidData } else { error.kind() };
    io::Error::new(kind, format!("chunk `{file}`: {error}"))
}

/// One number again and again.
struct Repeated {
    number: Vec<u8>,
    place: usize,
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *buffer {
            *byte = self.number[self.place];
            self.place = (self.place + 1) % self.number.len();
        }
        Ok(buffer.len())
    }
}

/// The numbers of an array that are wanted: consecutive ones, of the array or of its transpose.
pub(super) struct Wanted<'a> {
    /// Rows and columns of the array, if its transpose is wanted.
    pub(super) transposed: Option<[usize; 2]>,
    /// The first number.
    pub(super) first: usize,
    /// Where they go.
    pub(super) out: &'a mut [f32],
}

impl Wanted<'_> {
    /// The numbers of a chunk between which those that are wanted lie; `None` if it has none.
    pub(super) fn within(&self, part: &ChunkPart) -> Option<Range<usize>> {
        let (first, end) = (self.first, self.first + self.out.len());
        if let Some([rows, _]) = self.transposed {
            let [columns, own_rows] = part.columns_and_rows();
            // The transpose has a row for each column: of the first and the last one that are wanted, a part may be.
            let wanted = first / rows..end.div_ceil(rows);
            let is_there = columns.start < wanted.end && wanted.start < columns.end;
            let one_row = wanted.len() == 1
                && (own_rows.start >= end - wanted.start * rows || own_rows.end <= first - wanted.start * rows);
            return (is_there && !one_row).then(|| 0..part.run(part.runs() - 1).in_chunk + columns.len());
        }
        let runs = part.runs();
        let (mut low, mut high) = (0, runs);
        // Runs are in order: the first one that ends behind the first wanted number.
        while low < high {
            let middle = low.midpoint(high);
            let run = part.run(middle);
            if run.in_array + run.length <= first { low = middle + 1 } else { high = middle }
        }
        let run = (low < runs).then(|| part.run(low)).filter(|run| run.in_array < end)?;
        let begin = run.in_chunk + first.saturating_sub(run.in_array);
        let mut last = runs;
        while low < last {
            let middle = low.midpoint(last);
            if part.run(middle).in_array < end { low = middle + 1 } else { last = middle }
        }
        let run = part.run(low - 1);
        Some(begin..run.in_chunk + run.length.min(end - run.in_array))
    }

    /// Takes what is wanted of a piece of a chunk, whose first number is `start`. `next` is the run to begin with, which is moved
    /// on to the one in which the piece ends.
    pub(super) fn take(&mut self, part: &ChunkPart, start: usize, bytes: &[u8], dtype: Dtype, next: &mut usize) {
        let width = dtype.bytes();
        part.each_run(start..start + bytes.len() / width, next, &mut |in_array, piece| {
            self.take_run(in_array, &bytes[piece.start * width..piece.end * width], dtype);
        });
    }

    /// Takes what is wanted of consecutive numbers of one row.
    fn take_run(&mut self, in_array: usize, bytes: &[u8], dtype: Dtype) {
        let (first, end) = (self.first, self.first + self.out.len());
        let width = dtype.bytes();
        let length = bytes.len() / width;
        let Some([rows, columns]) = self.transposed else {
            let (from, until) = (in_array.max(first), (in_array + length).min(end));
            if from < until {
                let bytes = &bytes[(from - in_array) * width..(until - in_array) * width];
                let out = &mut self.out[from - first..until - first];
                if dtype == Dtype::F32 && cfg!(target_endian = "little") {
                    bytemuck::cast_slice_mut(out).copy_from_slice(bytes);
                } else {
                    widen(bytes, dtype, out.iter_mut());
                }
            }
            return;
        };
        let (row, column) = (in_array / columns, in_array % columns);
        let from = first.saturating_sub(row).div_ceil(rows).max(column);
        let until = end.saturating_sub(row).div_ceil(rows).min(column + length);
        if from < until {
            let bytes = &bytes[(from - column) * width..(until - column) * width];
            widen(bytes, dtype, self.out[from * rows + row - first..].iter_mut().step_by(rows));
        }
    }
}

/// Stored numbers as f32; every bf16 has exactly one of the same value.
fn widen<'a>(bytes: &[u8], dtype: Dtype, out: impl Iterator<Item = &'a mut f32>) {
    if dtype == Dtype::Bf16 {
        for (out, bits) in out.zip(bytes.chunks_exact(2)) {
            *out = f32::from_bits(u32::from(u16::from_le_bytes([bits[0], bits[1]])) << 16);
        }
    } else {
        for (out, bits) in out.zip(bytes.chunks_exact(4)) {
            *out = f32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::t5x::grid::Grid;

    /// Every part of an array of every grid, in pieces of every size, is the part.
    #[test]
    fn every_part_of_an_array_and_of_its_transpose_is_found() {
        for (shape, chunk) in [([7, 5], [3, 2]), ([4, 6], [4, 6]), ([3, 4], [1, 8]), ([6, 3], [4, 1])] {
            let [rows, columns] = shape.map(|size: u64| size as usize);
            let grid = Grid::new(&shape, &chunk).unwrap();
            for transposed in [None, Some([rows, columns])] {
                for first in 0..rows * columns {
                    for end in first + 1..=rows * columns {
                        let mut out = vec![f32::NAN; end - first];
                        let mut wanted = Wanted { transposed, first, out: &mut out };
                        for index in 0..grid.chunks() {
                            one_chunk(&grid, index, &mut wanted, 1 + (first + end) % 5);
                        }
                        for (place, number) in (first..).zip(&out) {
                            let own = if transposed.is_some() { place % rows * columns + place / rows } else { place };
                            assert_eq!(
                                *number, own as f32,
                                "{shape:?} {chunk:?} {transposed:?} {first}..{end} at {place}"
                            );
                        }
                    }
                }
            }
        }
    }

    /// Gives a chunk, in which every number is its place in the array, in pieces.
    fn one_chunk(grid: &Grid, index: usize, wanted: &mut Wanted, piece: usize) {
        let part = grid.part(index);
        let mut numbers = vec![f32::NAN; grid.chunk_elements()];
        for run in (0..part.runs()).map(|run| part.run(run)) {
            (0..run.length).for_each(|place| numbers[run.in_chunk + place] = (run.in_array + place) as f32);
        }
        let Some(range) = wanted.within(&part) else { return };
        let mut next = 0;
        for start in range.clone().step_by(piece) {
            let end = range.end.min(start + piece);
            let bytes: Vec<u8> = numbers[start..end].iter().flat_map(|number| number.to_le_bytes()).collect();
            wanted.take(&part, start, &bytes, Dtype::F32, &mut next);
        }
    }
}
