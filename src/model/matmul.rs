//! Matrix products with the `gemm` crate, into reused buffers. This is the only place that calls unsafe code: the views check
//! their bounds before they give out a pointer.
//!
//! # Why the results do not depend on the wave or on the number of threads
//! Every element of a product is one chain of fused multiply-adds over the inner dimension. `gemm` cuts that chain
//! where its cache model says, which depends on the number of rows; so the inner dimension is cut here, at fixed places
//! ([`INNER_BLOCK`]), which it never cuts again. Its special kernels for very small products are kept out by padding
//! rows to a multiple of [`ROW_MULTIPLE`]. Threads share rows, never a sum.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Rows of a product are padded to a multiple of this, so that no special kernel for few rows is chosen.
pub const ROW_MULTIPLE: usize = 32;
/// Largest inner dimension that `gemm` handles in one pass whatever the shape.
pub(super) const INNER_BLOCK: usize = 512;
/// Most rows that one task multiplies: enough to pay for packing the weights (measured: 1,024 rows reach 0.95 of the
/// best rate, 256 rows 0.8).
pub(super) const TILE_ROWS: usize = 1024;
/// Rows of the last tiles.
const LAST_TILE_ROWS: usize = 256;
/// Columns of a product that are computed together: what is written stays in the cache.
const TILE_COLUMNS: usize = 1024;

/// A read-only view of an f32 matrix with any strides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix `[rows, columns]`.
    pub(super) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// `[rows, columns]` with `row_stride` elements from row to row.
    pub(super) fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(
            rows == 0 || columns == 0 || (rows - 1) * row_stride + columns <= data.len(),
            "matrix view out of bounds"
        );
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The transpose, without moving data.
    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Some of the columns.
    pub(super) fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.columns, "columns out of bounds");
        let first = if self.rows == 0 || range.is_empty() { 0 } else { range.start * self.column_stride };
        Self { data: &self.data[first..], columns: range.len(), ..self }
    }

    /// Some of the rows.
    pub(super) fn rows(self, range: Range<usize>) -> Self {
        self.transposed().columns(range).transposed()
    }
}

/// `out = lhs @ rhs`, `out` row-major with `row_stride`, on the calling thread.
pub(super) fn multiply(out: &mut [f32], row_stride: usize, lhs: Matrix, rhs: Matrix) {
    product(out, row_stride, false, lhs, rhs);
}

/// `out += lhs @ rhs`, as [`multiply`]. The result has the same bits as one product over the whole inner dimension only if
/// whole [`INNER_BLOCK`]s were added before.
pub(super) fn multiply_add(out: &mut [f32], row_stride: usize, lhs: Matrix, rhs: Matrix) {
    product(out, row_stride, true, lhs, rhs);
}

#[allow(unsafe_code)]
fn product(out: &mut [f32], row_stride: usize, add: bool, lhs: Matrix, rhs: Matrix) {
    let (rows, columns, inner) = (lhs.rows, rhs.columns, lhs.columns);
    assert_eq!(inner, rhs.rows, "inner dimensions of a product");
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(row_stride >= columns && (rows - 1) * row_stride + columns <= out.len(), "product out of bounds");
    for start in (0..inner.max(1)).step_by(INNER_BLOCK) {
        let length = INNER_BLOCK.min(inner - start);
        // SAFETY: the asserts above and in `Matrix::strided` keep every element that is read or written inside its
        // slice (transposing exchanges sizes and strides together); `out` is borrowed mutably, so it overlaps neither.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                length,
                out.as_mut_ptr(),
                1,
                row_stride as isize,
                add || start > 0,
                lhs.data.as_ptr().add(start * lhs.column_stride),
                lhs.column_stride as isize,
                lhs.row_stride as isize,
                rhs.data.as_ptr().add(start * rhs.row_stride),
                rhs.column_stride as isize,
                rhs.row_stride as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

/// Smallest multiple of [`ROW_MULTIPLE`] that holds `rows`.
pub(super) fn padded_rows(rows: usize) -> usize {
    rows.next_multiple_of(ROW_MULTIPLE)
}

/// Rows of a product that is shared among the threads of the pool, tile by tile: at most [`TILE_ROWS`], the last ones
/// smaller, so that no thread waits long for another.
pub(super) fn tiles(rows: usize) -> Vec<Range<usize>> {
    let threads = rayon::current_num_threads();
    let smallest = padded_rows(rows.div_ceil(threads)).min(LAST_TILE_ROWS);
    let mut tiles = Vec::new();
    let mut first = 0;
    while first < rows {
        let size = padded_rows((rows - first).div_ceil(threads)).clamp(smallest, TILE_ROWS);
        tiles.push(first..rows.min(first + size));
        first += size;
    }
    tiles
}

/// Cuts `out` into the [`tiles`] of its rows of `width` elements.
pub(super) fn cut_into_tiles(out: &mut [f32], width: usize) -> Vec<(&mut [f32], Range<usize>)> {
    let tiles = tiles(out.len() / width);
    let mut rest = out;
    let cut = |tile: Range<usize>| {
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(tile.len() * width);
        rest = tail;
        (part, tile)
    };
    tiles.into_iter().map(cut).collect()
}

/// Runs the tasks in order on all threads of the pool: a free thread takes the next task.
pub(super) fn run_tasks<T: Send>(tasks: Vec<T>, work: impl Fn(T) + Sync) {
    let queue = Mutex::new(tasks.into_iter());
    // A panic in a task is passed on by `broadcast`; the queue itself is never left in a broken state.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    rayon::broadcast(|_| {
        while let Some(task) = next() {
            work(task);
        }
    });
}

/// A linear layer without bias over all rows: `out[rows, outputs] = input[rows, inputs] @ weight[inputs, outputs]`.
///
/// Both buffers hold a whole multiple of [`ROW_MULTIPLE`] rows.
pub(super) fn linear(out: &mut [f32], input: &[f32], weight: Matrix) {
    let (inputs, outputs) = (weight.rows, weight.columns);
    debug_assert_eq!(input.len() / inputs % ROW_MULTIPLE, 0);
    run_tasks(cut_into_tiles(out, outputs), |(out, tile)| {
        let input = Matrix::new(&input[tile.start * inputs..tile.end * inputs], tile.len(), inputs);
        for first in (0..outputs).step_by(TILE_COLUMNS) {
            let columns = first..outputs.min(first + TILE_COLUMNS);
            multiply(&mut out[first..], outputs, input, weight.columns(columns));
        }
    });
}

/// The instruction set that the kernels choose on this machine, for the manifest.
pub fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return "x86-64 AVX-512";
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return "x86-64 AVX2 FMA";
        }
        "x86-64 baseline"
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::env::consts::ARCH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudo_random(count: usize, mut state: u32) -> Vec<f32> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// Waves depend on this: the product of a row has the same bits whatever other rows are computed with it.
    #[test]
    fn a_row_has_the_same_bits_whatever_rows_stand_beside_it() {
        for (inputs, outputs) in [(32, 12), (48, 64), (64, 256), (96, 64), (700, 40), (1300, 9), (24, 4096)] {
            let weight = pseudo_random(inputs * outputs, 7);
            let input = pseudo_random(544 * inputs, 11);
            let mut whole = vec![0.0; 544 * outputs];
            let weight = Matrix::new(&weight, outputs, inputs).transposed();
            linear(&mut whole, &input, weight);
            for (first, rows) in [(0, 32), (32, 32), (64, 96), (5, 64), (100, 256), (200, 320)] {
                let mut part = vec![0.0; rows * outputs];
                linear(&mut part, &input[first * inputs..(first + rows) * inputs], weight);
                let same = part.iter().zip(&whole[first * outputs..]).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "[{rows}, {inputs}] @ [{inputs}, {outputs}] from row {first}");
            }
        }
    }

    #[test]
    fn tiles_are_whole_product_rows_and_cover_all() {
        for rows in [32, 64, 512, 1024, 4096, 8192 + 32] {
            let tiles = tiles(rows);
            assert_eq!(tiles.iter().map(Range::len).sum::<usize>(), rows);
            assert!(tiles.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len() >= pair[1].len()));
            assert!(tiles.iter().all(|tile| tile.len() % ROW_MULTIPLE == 0 && tile.len() <= TILE_ROWS), "{tiles:?}");
        }
    }

    #[test]
    fn products_agree_with_sums_in_f64() {
        let (rows, inner, columns) = (32, 1100, 20);
        let (lhs, rhs) = (pseudo_random(rows * inner, 3), pseudo_random(inner * columns, 5));
        let mut out = vec![f32::NAN; rows * columns];
        multiply(&mut out, columns, Matrix::new(&lhs, rows, inner), Matrix::new(&rhs, inner, columns));
        for row in 0..rows {
            for column in 0..columns {
                let exact: f64 =
                    (0..inner).map(|i| f64::from(lhs[row * inner + i]) * f64::from(rhs[i * columns + column])).sum();
                assert!((f64::from(out[row * columns + column]) - exact).abs() < 1e-3);
            }
        }
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn a_view_beyond_its_data_is_refused() {
        Matrix::new(&[0.0; 5], 2, 3);
    }
}
