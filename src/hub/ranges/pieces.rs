//! Which bytes are fetched together: missing blocks, joined over small gaps, cut where a request would be too long.

use std::{ops::Range, sync::Mutex};

/// The unit in which it is known what is there, in bytes: small, because heads and directories of files are.
pub(super) const BLOCK: u64 = 32 << 10;
/// A gap below this is fetched too, because another request takes longer, in bytes.
const GAP: u64 = 1 << 20;
/// The longest request, in bytes.
pub(super) const LONGEST: u64 = 16 << 20;
/// How many places are remembered at which a reader may go on.
const READERS: usize = 32;

/// The blocks that a range of bytes touches.
pub(super) fn blocks(bytes: &Range<u64>) -> Range<u64> {
    if bytes.is_empty() { 0..0 } else { bytes.start / BLOCK..bytes.end.div_ceil(BLOCK) }
}

/// The bytes of blocks, within a file of this size.
pub(super) fn bytes(blocks: &Range<u64>, size: u64) -> Range<u64> {
    blocks.start.saturating_mul(BLOCK).min(size)..blocks.end.saturating_mul(BLOCK).min(size)
}

/// Missing blocks, in rising order, as requests.
pub(super) fn pieces(missing: impl IntoIterator<Item = u64>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for block in missing {
        match joined.last_mut() {
            Some(last) if (block - last.end) * BLOCK < GAP => last.end = block + 1,
            _ => joined.push(block..block + 1),
        }
    }
    joined.iter().flat_map(cut).collect()
}

/// A range of blocks as requests of which none is too long.
fn cut(blocks: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let (start, end, longest) = (blocks.start, blocks.end, LONGEST / BLOCK);
    (start..end).step_by(longest as usize).map(move |first| first..(first + longest).min(end))
}

/// Who reads on where the last read ended gets more at once, each time twice as much.
#[derive(Debug)]
pub(super) struct ReadAhead {
    /// The most that is read ahead, in blocks.
    most: u64,
    /// The block after the last one that was fetched, and how many were; the latest reader last.
    readers: Mutex<Vec<(u64, u64)>>,
}

impl ReadAhead {
    /// `most` bytes ahead at most.
    pub(super) fn new(most: u64) -> Self {
        Self { most: most / BLOCK, readers: Mutex::default() }
    }

    /// How many blocks to fetch behind the missing ones, of which `first` is the first and `end` the one behind the last.
    pub(super) fn behind(&self, first: u64, end: u64) -> u64 {
        let mut readers = self.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = readers.iter().position(|(next, _)| *next == first).map(|at| readers.remove(at));
        let ahead = known.map_or(0, |(_, last)| (2 * last).saturating_sub(end - first).min(self.most));
        if readers.len() >= READERS {
            readers.remove(0);
        }
        readers.push((end + ahead, end + ahead - first));
        ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_bytes_and_end_with_the_file() {
        assert_eq!(blocks(&(0..1)), 0..1);
        assert_eq!(blocks(&(BLOCK - 1..BLOCK + 1)), 0..2);
        assert_eq!(blocks(&(BLOCK..2 * BLOCK)), 1..2);
        assert_eq!(blocks(&(5..5)), 0..0);
        assert_eq!(bytes(&(1..3), BLOCK * 2 + 7), BLOCK..BLOCK * 2 + 7);
        assert_eq!(bytes(&(u64::MAX - 1..u64::MAX), 9), 9..9);
    }

    #[test]
    fn small_gaps_are_joined_and_long_requests_cut() {
        let gap = GAP / BLOCK;
        assert_eq!(pieces([0, 1, 2, gap + 2, 2 * gap + 3]), [0..gap + 3, 2 * gap + 3..2 * gap + 4]);
        let longest = LONGEST / BLOCK;
        assert_eq!(
            pieces(3..2 * longest + 4),
            [3..longest + 3, longest + 3..2 * longest + 3, 2 * longest + 3..2 * longest + 4]
        );
        assert!(pieces([]).is_empty());
    }

    #[test]
    fn a_reader_that_goes_on_gets_more_and_one_that_jumps_does_not() {
        let ahead = ReadAhead::new(16 * BLOCK);
        assert_eq!(ahead.behind(0, 2), 0);
        assert_eq!(ahead.behind(100, 101), 0, "another reader");
        assert_eq!(ahead.behind(2, 4), 2);
        assert_eq!(ahead.behind(6, 7), 7);
        assert_eq!(ahead.behind(14, 15), 15);
        assert_eq!(ahead.behind(30, 31), 16, "at most so many");
        assert_eq!(ahead.behind(101, 102), 1);
        assert_eq!(ahead.behind(7, 8), 0);
    }
}
