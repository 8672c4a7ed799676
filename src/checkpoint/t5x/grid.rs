//! How the numbers of an array lie in its chunks: a grid of boxes of one size, each a file.

use std::ops::Range;

/// The most axes of an array; those of a decoder have three at most.
pub(super) const MOST_AXES: usize = 8;
/// The most chunks of an array: a mesh has thousands of devices at most.
const MOST_CHUNKS: usize = 1 << 20;

/// A row-major array cut into chunks of one size. Chunks at the far edges are stored at full size and stick out of the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    shape: Vec<usize>,
    chunk: Vec<usize>,
}

/// Numbers that are consecutive both in a chunk and in the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Place of the first one in the array.
    pub(super) in_array: usize,
    /// Place of the first one in the chunk.
    pub(super) in_chunk: usize,
    /// How many there are.
    pub(super) length: usize,
}

impl Grid {
    /// A grid, if its sizes can be those of an array.
    ///
    /// # Errors
    /// What is wrong with the sizes.
    pub(super) fn new(shape: &[u64], chunk: &[u64]) -> Result<Self, String> {
        if shape.len() != chunk.len() {
            return Err(format!("has shape {shape:?} in chunks of {chunk:?}; expected as many sizes in both"));
        }
        if shape.len() > MOST_AXES {
            return Err(format!("has {} axes; expected at most {MOST_AXES}", shape.len()));
        }
        if chunk.contains(&0) {
            return Err(format!("has chunks of {chunk:?}; expected sizes above 0"));
        }
        let sizes = |sizes: &[u64]| sizes.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>();
        let product = |sizes: &[usize]| sizes.iter().try_fold(8_usize, |product, &size| product.checked_mul(size));
        let grid = sizes(shape).zip(sizes(chunk)).filter(|(shape, chunk)| {
            // Chunks of an array that is no multiple of them stick out of it.
            let covered: Option<Vec<usize>> =
                shape.iter().zip(chunk).map(|(&size, &chunk)| size.div_ceil(chunk).checked_mul(chunk)).collect();
            product(chunk).is_some() && covered.is_some_and(|covered| product(&covered).is_some())
        });
        let Some((mut shape, mut chunk)) = grid else {
            return Err(format!("has shape {shape:?} in chunks of {chunk:?}, more than can be counted"));
        };
        if shape.is_empty() {
            // A single number is a file of its own, called 0.
            (shape, chunk) = (vec![1], vec![1]);
        }
        let grid = Self { shape, chunk };
        match grid.chunks() {
            chunks if chunks > MOST_CHUNKS => Err(format!("has {chunks} chunks; expected at most {MOST_CHUNKS}")),
            _ => Ok(grid),
        }
    }

    /// Sizes of the array.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Numbers in the array.
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Numbers in a chunk as it is stored.
    pub(super) fn chunk_elements(&self) -> usize {
        self.chunk.iter().product()
    }

    /// How many chunks there are.
    pub(super) fn chunks(&self) -> usize {
        self.shape.iter().zip(&self.chunk).map(|(size, chunk)| size.div_ceil(*chunk)).product()
    }

    /// Where a chunk is in the grid.
    fn indices(&self, chunk: usize) -> Vec<usize> {
        let mut rest = chunk;
        let mut indices = vec![0; self.shape.len()];
        for axis in (0..self.shape.len()).rev() {
            let count = self.shape[axis].div_ceil(self.chunk[axis]).max(1);
            indices[axis] = rest % count;
            rest /= count;
        }
        indices
    }

    /// The name of a chunk's file.
    pub(super) fn file(&self, chunk: usize, separator: &str) -> String {
        self.indices(chunk).iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
    }

    /// The part of the array that a chunk covers.
    pub(super) fn part(&self, chunk: usize) -> ChunkPart<'_> {
        let origin: Vec<usize> =
            self.indices(chunk).iter().zip(&self.chunk).map(|(index, size)| index * size).collect();
        let axes = origin.iter().zip(&self.shape).zip(&self.chunk);
        let extent: Vec<usize> = axes.map(|((&first, &size), &chunk)| chunk.min(size - first)).collect();
        ChunkPart { grid: self, origin, extent }
    }
}

/// The part of an array that a chunk covers, without what sticks out.
#[derive(Debug)]
pub(super) struct ChunkPart<'a> {
    grid: &'a Grid,
    origin: Vec<usize>,
    extent: Vec<usize>,
}

impl ChunkPart<'_> {
    /// How many runs it consists of.
    pub(super) fn runs(&self) -> usize {
        self.extent[..self.extent.len() - 1].iter().product()
    }

    /// One of its runs; later ones lie behind it, in the chunk and in the array.
    pub(super) fn run(&self, index: usize) -> Run {
        let last = self.extent.len() - 1;
        let (mut rest, mut in_array, mut in_chunk) = (index, self.origin[last], 0);
        let (mut of_array, mut of_chunk) = (self.grid.shape[last], self.grid.chunk[last]);
        for axis in (0..last).rev() {
            let place = rest % self.extent[axis];
            rest /= self.extent[axis];
            in_array += (self.origin[axis] + place) * of_array;
            in_chunk += place * of_chunk;
            of_array *= self.grid.shape[axis];
            of_chunk *= self.grid.chunk[axis];
        }
        Run { in_array, in_chunk, length: self.extent[last] }
    }

    /// Gives every run, or what of it lies in a piece of the chunk, to `take`: its place in the array, and its numbers counted from
    /// the beginning of the piece. `next` is the run to begin with, which is moved on to the one in which the piece ends.
    pub(super) fn each_run(&self, piece: Range<usize>, next: &mut usize, take: &mut dyn FnMut(usize, Range<usize>)) {
        while *next < self.runs() {
            let Run { in_array, in_chunk, length } = self.run(*next);
            let (from, until) = (in_chunk.max(piece.start), (in_chunk + length).min(piece.end));
            if from < until {
                take(in_array + from - in_chunk, from - piece.start..until - piece.start);
            }
            if in_chunk + length > piece.end {
                return;
            }
            *next += 1;
        }
    }

    /// The column in which it begins and the one behind its last, and the same of rows, of a matrix.
    pub(super) fn columns_and_rows(&self) -> [Range<usize>; 2] {
        let axis = |axis: usize| self.origin[axis]..self.origin[axis] + self.extent[axis];
        let last = self.extent.len() - 1;
        [axis(last), axis(last.saturating_sub(1))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_number_once() {
        for (shape, chunk) in [(&[10, 5][..], &[4, 3][..]), (&[2, 3, 7], &[1, 3, 4]), (&[5], &[8]), (&[], &[])] {
            let grid = Grid::new(shape, chunk).unwrap();
            let mut seen = vec![0; grid.elements()];
            for part in (0..grid.chunks()).map(|chunk| grid.part(chunk)) {
                let mut before = None;
                for run in (0..part.runs()).map(|run| part.run(run)) {
                    assert!(before.is_none_or(|(a, b)| a < run.in_array && b < run.in_chunk));
                    assert!(run.in_chunk + run.length <= grid.chunk_elements());
                    before = Some((run.in_array, run.in_chunk));
                    seen[run.in_array..run.in_array + run.length].iter_mut().for_each(|count| *count += 1);
                }
            }
            assert!(seen.iter().all(|&count| count == 1), "{shape:?} {chunk:?}");
        }
        let grid = Grid::new(&[10, 5], &[4, 3]).unwrap();
        assert_eq!((grid.chunks(), grid.file(5, "."), grid.file(2, "/")), (6, "2.1".into(), "1/0".into()));
        assert_eq!(grid.part(5).run(1), Run { in_array: 48, in_chunk: 3, length: 2 });
        assert_eq!(Grid::new(&[], &[]).unwrap().file(0, "."), "0");
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for (shape, chunk, word) in [
            (&[4][..], &[4, 1][..], "as many sizes"),
            (&[4], &[0], "above 0"),
            (&[u64::MAX, 2], &[1, 1], "more than can be counted"),
            (&[4, 4], &[1 << 40, 1 << 40], "more than can be counted"),
            (&[1 << 30], &[1], "1073741824 chunks"),
            (&[1; 9], &[1; 9], "9 axes"),
        ] {
            assert!(Grid::new(shape, chunk).unwrap_err().contains(word), "{shape:?} {chunk:?}");
        }
        assert_eq!(Grid::new(&[0, 3], &[1, 3]).unwrap().chunks(), 0);
    }
}
