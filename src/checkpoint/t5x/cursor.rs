//! A chunk that is too large to be kept: unpacked from its beginning to some place, from which a later read goes on.

use std::{
    fmt,
    io::{self, Read},
    ops::Range,
};

use super::{cache::Key, unpack::Unpacked};

/// Bytes that are unpacked at a time; a multiple of the size of every type.
const PIECE: usize = 1 << 20;

/// A chunk that is being unpacked.
pub(super) struct Cursor {
    chunk: Key,
    bytes: Unpacked<Box<dyn Read + Send>>,
    position: usize,
    size: usize,
    piece: Vec<u8>,
}

impl Cursor {
    /// At the beginning of a chunk of so many bytes.
    pub(super) fn new(chunk: Key, bytes: Unpacked<Box<dyn Read + Send>>, size: usize) -> Self {
        Self { chunk, bytes, position: 0, size, piece: vec![0; PIECE] }
    }

    /// Whether a place of a chunk is still ahead.
    pub(super) fn is_before(&self, chunk: Key, position: usize) -> bool {
        self.chunk == chunk && self.position <= position
    }

    /// Gives the bytes of a range to `take`, piece by piece, each with its place. The end of the chunk is checked when it is reached.
    ///
    /// # Errors
    /// The chunk is damaged.
    pub(super) fn read(&mut self, range: Range<usize>, take: &mut dyn FnMut(usize, &[u8])) -> io::Result<()> {
        while self.position < range.end {
            let skips = self.position < range.start;
            let until = if skips { range.start } else { range.end };
            let count = (until - self.position).min(PIECE);
            self.bytes.fill(&mut self.piece[..count], self.position, self.size)?;
            if !skips {
                take(self.position, &self.piece[..count]);
            }
            self.position += count;
        }
        if self.position == self.size { self.bytes.end(self.size) } else { Ok(()) }
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("chunk", &self.chunk).field("position", &self.position).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::t5x::unpack::Compressor;

    #[test]
    fn reading_goes_on_where_it_stopped_and_the_end_is_checked() {
        let bytes: Vec<u8> = (0..3 * PIECE).map(|place| (place % 251) as u8).collect();
        let source =
            |bytes: &[u8]| Compressor::None.unpack(Box::new(io::Cursor::new(bytes.to_vec())) as Box<dyn Read + Send>);
        let mut cursor = Cursor::new((1, 2), source(&bytes), bytes.len());
        let mut read = |range: Range<usize>| {
            let mut out = Vec::new();
            cursor.read(range, &mut |_, piece| out.extend_from_slice(piece)).map(|()| (out, cursor.position))
        };
        assert_eq!(read(10..20).unwrap(), (bytes[10..20].to_vec(), 20));
        assert_eq!(read(30..2 * PIECE + 5).unwrap().0, bytes[30..2 * PIECE + 5]);
        assert_eq!(read(3 * PIECE - 1..3 * PIECE).unwrap().0, bytes[3 * PIECE - 1..]);
        assert!(
            cursor.is_before((1, 2), 3 * PIECE) && !cursor.is_before((1, 2), 0) && !cursor.is_before((1, 3), 3 * PIECE)
        );
        let mut short = Cursor::new((0, 0), source(&bytes), bytes.len() + 4);
        assert!(short.read(0..bytes.len() + 4, &mut |_, _| {}).is_err());
        let mut long = Cursor::new((0, 0), source(&bytes), bytes.len() - 4);
        assert!(long.read(0..bytes.len() - 4, &mut |_, _| {}).is_err());
    }
}
