//! The MLP with a gate, over tiles of rows: a dense MLP over all rows, or an expert over its rows.

use std::ops::Range;

use super::{
    kernels::{Rounding, add_bias, clamped_gate, gate, round_all, silu_gate},
    matmul::{INNER_BLOCK, Matrix, cut_into_tiles, multiply, multiply_add, padded_rows, run_tasks},
    scratch::{MlpScratch, Scratch, ScratchPool, at_least},
};
use crate::checkpoint::Activation;

/// The number of inner columns that are computed, gated and multiplied together, so that they stay in the cache. It is a
/// multiple of [`INNER_BLOCK`], so that the sums of the down projection are always cut at the same places.
pub(super) const COLUMNS: usize = INNER_BLOCK;

/// A row of the wave that an expert kept, and its combine weight.
pub(super) type KeptRow = (usize, f32);

/// The three matrices of an MLP: gate, `up [hidden, inner]`, `down [inner, hidden]`.
#[derive(Clone, Copy)]
pub(super) struct Mlp<'a> {
    /// The gate, `[hidden, inner]`; both halves of a gate with three factors, `[hidden, 2 * inner]`.
    pub(super) gate: Matrix<'a>,
    /// The up projection, `[hidden, inner]`.
    pub(super) up: Matrix<'a>,
    /// The down projection, `[inner, hidden]`.
    pub(super) down: Matrix<'a>,
    /// Biases of gate, up and down.
    pub(super) biases: Option<[&'a [f32]; 3]>,
    /// What is computed between the projections.
    pub(super) activation: Activation,
    /// Columns of input and output.
    pub(super) hidden: usize,
    /// Columns between.
    pub(super) inner: usize,
}

impl Mlp<'_> {
    /// `out = mlp(input)` for every row of both, which are whole product rows.
    pub(super) fn dense<R: Rounding>(self, out: &mut [f32], input: &[f32], pool: &ScratchPool) {
        run_tasks(cut_into_tiles(out, self.hidden), |(out, tile)| {
            let input = &input[tile.start * self.hidden..tile.end * self.hidden];
            self.tile::<R>(out, input, &mut pool.mine().mlp);
        });
    }

    /// `made[index] = mlp(input[row])` for some rows of the input, `[rows, hidden]` and padding behind it.
    pub(super) fn of_rows<R: Rounding>(
        self,
        made: &mut Vec<f32>,
        input: &[f32],
        rows: &[KeptRow],
        scratch: &mut Scratch,
    ) {
        let Scratch { gathered, mlp, .. } = scratch;
        let length = padded_rows(rows.len()) * self.hidden;
        let (gathered, made) = (at_least(gathered, length), at_least(made, length));
        for (gathered, &(row, _)) in gathered.chunks_exact_mut(self.hidden).zip(rows) {
            gathered.copy_from_slice(&input[row * self.hidden..(row + 1) * self.hidden]);
        }
        gathered[rows.len() * self.hidden..].fill(0.0);
        self.tile::<R>(made, gathered, mlp);
    }

    /// `out = down(activation(gate(input), up(input)))` for one tile, [`COLUMNS`] inner columns at a time.
    fn tile<R: Rounding>(self, out: &mut [f32], input: &[f32], scratch: &mut MlpScratch) {
        let rows = input.len() / self.hidden;
        let input = Matrix::new(input, rows, self.hidden);
        for first in (0..self.inner).step_by(COLUMNS) {
            let columns = first..self.inner.min(first + COLUMNS);
            let width = columns.len();
            self.inner_columns::<R>(input, rows, columns.clone(), scratch);
            let (inner, down) = (Matrix::new(&scratch.up[..rows * width], rows, width), self.down.rows(columns));
            if first == 0 {
                multiply(out, self.hidden, inner, down);
            } else {
                multiply_add(out, self.hidden, inner, down);
            }
        }
        round_all::<R>(out);
        if let Some([_, _, down]) = self.biases {
            add_bias::<R>(out, down);
        }
    }

    /// Fills `scratch.up` with some inner columns, `[rows, columns]`.
    fn inner_columns<R: Rounding>(self, input: Matrix, rows: usize, columns: Range<usize>, scratch: &mut MlpScratch) {
        let width = columns.len();
        let project = |out: &mut [f32], weight: Matrix, columns: Range<usize>| {
            multiply(out, width, input, weight.columns(columns));
            round_all::<R>(out);
        };
        let [a, b, up] = [&mut scratch.a, &mut scratch.b, &mut scratch.up].map(|part| at_least(part, rows * width));
        project(a, self.gate, columns.clone());
        if self.activation == Activation::ThreeFactors {
            project(b, self.gate, self.inner + columns.start..self.inner + columns.end);
        }
        project(up, self.up, columns.clone());
        if let Some([gate, of_up, _]) = self.biases {
            add_bias::<R>(a, &gate[columns.clone()]);
            add_bias::<R>(up, &of_up[columns]);
        }
        match self.activation {
            Activation::ThreeFactors => gate::<R>(up, a, b),
            Activation::Gated => silu_gate::<R>(up, a),
            Activation::Clamped { limit, alpha } => clamped_gate::<R>(up, a, limit as f32, alpha as f32),
        }
    }
}
