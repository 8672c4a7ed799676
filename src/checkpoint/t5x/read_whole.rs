//! Reads all chunk files of an array once: their SHA-256, and what is odd about the numbers in them.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::{
    T5x,
    array::{Chunk, named},
    unpack::Unpacked,
};
use crate::checkpoint::{
    Oddity,
    hash::hexadecimal,
    sanity::{Scan, ScannedPart, oddities},
};

/// Bytes that are unpacked at a time; a multiple of the size of every type.
const PIECE: usize = 1 << 20;

impl T5x {
    /// SHA-256 of the chunk files of an array, one behind the other in the order of the grid, and what is odd about its numbers; `watch` is
    /// called with the bytes that were read. A chunk without a file adds nothing to the hash.
    ///
    /// # Errors
    /// A chunk is missing or damaged.
    pub(in crate::checkpoint) fn read_whole(
        &self,
        index: usize,
        watch: &mut dyn FnMut(u64),
    ) -> io::Result<(String, Vec<Oddity>)> {
        let array = &self.arrays[index];
        let (grid, dtype) = (&array.layout.grid, array.layout.dtype);
        let experts = if grid.shape().len() >= 3 { grid.shape()[0] } else { 1 };
        let each = (grid.elements() / experts).max(1);
        let mut parts: Vec<ScannedPart> = (0..experts)
            .map(|expert| ScannedPart {
                name: array.tensor.clone(),
                expert: (experts > 1).then_some(expert),
                begin: (expert * each) as u64,
                end: ((expert + 1) * each) as u64,
                scan: Scan::new(dtype),
            })
            .collect();
        let mut hasher = Sha256::new();
        let (mut piece, size) = (vec![0; PIECE.min(array.chunk_bytes())], array.chunk_bytes());
        for chunk in 0..grid.chunks() {
            let part = grid.part(chunk);
            let mut bytes = match array.packed(&self.store, chunk)? {
                Chunk::Packed(packed) => array.layout.compressor.unpack(Seen::Hashed(packed, &mut hasher, watch)),
                Chunk::Plain(numbers) => Unpacked::Plain(Seen::Plain(numbers)),
            };
            let (mut position, mut next) = (0, 0);
            while position < size {
                let count = (size - position).min(piece.len());
                let read = bytes.fill(&mut piece[..count], position, size);
                read.map_err(|error| named(&array.file(chunk), &error))?;
                let numbers = position / dtype.bytes()..(position + count) / dtype.bytes();
                part.each_run(numbers, &mut next, &mut |in_array, range| {
                    let bytes = &piece[range.start * dtype.bytes()..range.end * dtype.bytes()];
                    parts[in_array / each].scan.block(bytes);
                });
                position += count;
            }
            let ended = bytes.end(size).and_then(|()| io::copy(bytes.inner(), &mut io::sink()));
            ended.map_err(|error| named(&array.file(chunk), &error))?;
        }
        Ok((hexadecimal(&hasher.finalize()), oddities(&parts)))
    }

    /// SHA-256 of the chunk files of an array, as [`Self::read_whole`], without unpacking them.
    ///
    /// # Errors
    /// A chunk is missing.
    pub(in crate::checkpoint) fn sum(&self, index: usize) -> io::Result<String> {
        let array = &self.arrays[index];
        let mut hasher = Sha256::new();
        for chunk in 0..array.layout.grid.chunks() {
            if let Chunk::Packed(packed) = array.packed(&self.store, chunk)? {
                io::copy(&mut Seen::Hashed(packed, &mut hasher, &mut |_| {}), &mut io::sink())?;
            }
        }
        Ok(hexadecimal(&hasher.finalize()))
    }
}

/// Bytes of a file on their way to be unpacked.
enum Seen<'a> {
    /// They are hashed and counted.
    Hashed(Box<dyn Read + Send>, &'a mut Sha256, &'a mut dyn FnMut(u64)),
    /// They come from no file.
    Plain(Box<dyn Read + Send>),
}

impl Read for Seen<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Hashed(file, hasher, watch) => {
                let count = file.read(buffer)?;
                hasher.update(&buffer[..count]);
                watch(count as u64);
                Ok(count)
            }
            Self::Plain(numbers) => numbers.read(buffer),
        }
    }
}
