//! Checkpoints of T5X (JAX), in which OpenMoE was trained: an index in msgpack, and one zarr array (version 2) for each tensor, cut
//! into packed chunks.
//!
//! Chunks stay packed on the disk. A part of a tensor unpacks the chunks that it lies in; small ones are kept for the parts that
//! follow, large ones are unpacked piece by piece, so that memory does not depend on how the training cut its arrays.

mod archive;
mod array;
mod cache;
mod config;
mod cursor;
mod embedded;
mod grid;
mod index;
mod listing;
mod matching;
mod names;
mod open;
mod place;
mod read_whole;
mod reference;
mod side_by_side;
mod store;
mod tree;
mod unpack;
mod zarray;

pub use config::released_names;
pub use open::ConfigSource;
pub(super) use open::{Opened, open};
pub(super) use place::is_meant;

use std::{
    fs::Metadata,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use self::{
    array::{Array, Content, Wanted},
    cache::ChunkCache,
    cursor::Cursor,
    store::Store,
};
use crate::read_at::ReadAt;

/// Bytes of unpacked chunks that are kept.
const KEPT: usize = 64 << 20;
/// Largest chunk that is unpacked as a whole; a larger one is unpacked piece by piece, as far as it is needed.
const LARGEST_KEPT: usize = KEPT / 2;
/// The same of a matrix that is turned: any few rows of the other side need all of it.
const LARGEST_TURNED: usize = 2 * KEPT;

/// The arrays of a step, in the order of their names.
#[derive(Debug)]
pub(super) struct T5x {
    store: Store,
    arrays: Vec<Array>,
    cache: ChunkCache,
    /// A large chunk that was unpacked to some place, from which a later part goes on.
    cursor: Mutex<Option<Cursor>>,
}

impl T5x {
    /// Folders in which files that belong to the checkpoint may lie, the nearest first.
    pub(super) fn beside(&self) -> Vec<PathBuf> {
        self.store.beside()
    }

    /// The ZIP that the step lies in, if it does, with its bytes.
    pub(super) fn archive(&self) -> Option<(&Path, &dyn ReadAt)> {
        match &self.store {
            Store::Zip { path, archive, .. } => Some((path, archive.bytes())),
            Store::Folder(_) => None,
        }
    }

    /// Reads numbers of the tensor of an array, in the order of the PyTorch port, from number `first` on.
    ///
    /// # Errors
    /// A chunk is missing or damaged.
    pub(super) fn read(&self, index: usize, first: usize, out: &mut [f32]) -> io::Result<()> {
        let array = &self.arrays[index];
        let grid = &array.layout.grid;
        let transposed = match *grid.shape() {
            [rows, columns] if array.transposed => Some([rows, columns]),
            _ => None,
        };
        let mut wanted = Wanted { transposed, first, out };
        let parts = (0..grid.chunks()).map(|chunk| (chunk, grid.part(chunk)));
        let parts: Vec<_> = parts.filter_map(|(chunk, part)| Some((chunk, wanted.within(&part)?, part))).collect();
        if array.chunk_bytes() > if array.transposed { LARGEST_TURNED } else { LARGEST_KEPT } {
            return parts.into_iter().try_for_each(|(chunk, range, part)| {
                self.each_piece(index, chunk, range, &mut |start, bytes, next| {
                    wanted.take(&part, start, bytes, array.layout.dtype, next);
                })
            });
        }
        let together = (KEPT / array.chunk_bytes().max(1)).clamp(1, 16);
        for parts in parts.chunks(together) {
            let chunks: Vec<usize> = parts.iter().map(|(chunk, ..)| *chunk).collect();
            let unpack =
                |chunk| self.cache.get((index, chunk), array.chunk_bytes(), || array.unpack(&self.store, chunk));
            let unpacked = side_by_side::unpacked(&chunks, array.chunk_bytes(), &unpack);
            for ((.., part), bytes) in parts.iter().zip(unpacked) {
                wanted.take(part, 0, &bytes?, array.layout.dtype, &mut 0);
            }
        }
        Ok(())
    }

    /// Gives a part of a large chunk to `take`, piece by piece, and remembers where it ended.
    fn each_piece(
        &self,
        array: usize,
        chunk: usize,
        range: std::ops::Range<usize>,
        take: &mut dyn FnMut(usize, &[u8], &mut usize),
    ) -> io::Result<()> {
        let own = &self.arrays[array];
        let mut place = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let width = own.layout.dtype.bytes();
        let goes_on = place.take().filter(|cursor| cursor.is_before((array, chunk), range.start * width));
        let mut cursor = match goes_on {
            Some(cursor) => cursor,
            None => Cursor::new((array, chunk), own.unpacked(&self.store, chunk)?, own.chunk_bytes()),
        };
        let mut next = 0;
        let read = cursor.read(range.start * width..range.end * width, &mut |position, bytes| {
            take(position / width, bytes, &mut next);
        });
        read.map_err(|error| array::named(&own.file(chunk), &error))?;
        *place = Some(cursor);
        Ok(())
    }

    /// What the system knows about the files of an array: its chunks and its `.zarray`; for an array in the index about the index.
    ///
    /// # Errors
    /// One of them is not there any more.
    pub(super) fn metadata(&self, index: usize) -> io::Result<Vec<Metadata>> {
        let array = &self.arrays[index];
        let Content::Folder(folder) = &array.content else { return Ok(vec![self.store.metadata(place::INDEX)?]) };
        if let Store::Zip { .. } = self.store {
            return Ok(vec![self.store.metadata(folder)?]);
        }
        let description = self.store.metadata(&format!("{folder}/.zarray")).ok();
        let chunk = |chunk: usize| match self.store.metadata(&array.file(chunk)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && array.layout.fill.is_some() => None,
            metadata => Some(metadata),
        };
        let chunks = (0..array.layout.grid.chunks()).filter_map(chunk);
        description.map(Ok).into_iter().chain(chunks).collect()
    }
}
