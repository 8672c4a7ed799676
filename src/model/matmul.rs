//! Matrix products on the `gemm` crate, into reused buffers. The only place that calls unsafe code: the views check
//! their bounds before a pointer leaves them.
//!
//! # Why the results do not depend on the wave or on the number of threads
//! Every element of a product is one chain of fused multiply-adds over the inner dimension. `gemm` cuts that chain
//! where its cache model says, which depends on the number of rows; so the inner dimension is cut here, at fixed places
//! ([`INNER_BLOCK`]), which it never cuts again. Its special kernels for very small products are kept out by padding
//! rows to a multiple of [`ROW_MULTIPLE`]. Threads share rows, never a sum.

use rayon::prelude::*;

/// Rows of a product are padded to a multiple of this, so that no special kernel for few rows is chosen.
pub const ROW_MULTIPLE: usize = 32;
/// Largest inner dimension that `gemm` handles in one pass whatever the shape.
const INNER_BLOCK: usize = 512;
/// Rows that one task multiplies: enough to pay for packing the weights, few enough to share among threads.
pub(super) const TILE_ROWS: usize = 256;

/// A read-only view of an f32 matrix with any strides.
#[derive(Clone, Copy)]
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
}

/// `out = lhs @ rhs` (or `out += lhs @ rhs`), `out` row-major with `row_stride`, on the calling thread.
#[allow(unsafe_code)]
pub(super) fn multiply(out: &mut [f32], row_stride: usize, lhs: Matrix, rhs: Matrix) {
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
                start > 0,
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
pub(super) fn padded(rows: usize) -> usize {
    rows.next_multiple_of(ROW_MULTIPLE)
}

/// A linear layer without bias over all rows: `out[rows, outputs] = input[rows, inputs] @ weight[outputs, inputs]^T`.
///
/// Both buffers hold a whole multiple of [`ROW_MULTIPLE`] rows.
pub(super) fn linear(out: &mut [f32], input: &[f32], weight: &[f32], inputs: usize, outputs: usize) {
    debug_assert_eq!(input.len() / inputs % ROW_MULTIPLE, 0);
    let weight = Matrix::new(weight, outputs, inputs).transposed();
    out.par_chunks_mut(TILE_ROWS * outputs).zip(input.par_chunks(TILE_ROWS * inputs)).for_each(|(out, input)| {
        multiply(out, outputs, Matrix::new(input, input.len() / inputs, inputs), weight);
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

    /// The promise that waves rest on: a row's product has the same bits in whatever company it is computed.
    #[test]
    fn a_row_has_the_same_bits_whatever_rows_stand_beside_it() {
        for (inputs, outputs) in [(32, 12), (48, 64), (64, 256), (96, 64), (700, 40), (1300, 9), (24, 4096)] {
            let weight = pseudo_random(inputs * outputs, 7);
            let input = pseudo_random(544 * inputs, 11);
            let mut whole = vec![0.0; 544 * outputs];
            linear(&mut whole, &input, &weight, inputs, outputs);
            for (first, rows) in [(0, 32), (32, 32), (64, 96), (5, 64), (100, 256), (200, 320)] {
                let mut part = vec![0.0; rows * outputs];
                linear(&mut part, &input[first * inputs..(first + rows) * inputs], &weight, inputs, outputs);
                let same = part.iter().zip(&whole[first * outputs..]).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "[{rows}, {inputs}] @ [{inputs}, {outputs}] from row {first}");
            }
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
