//! The gated MLP with three factors, over tiles of rows: a dense MLP over all rows, or an expert over its rows.

use std::ops::Range;

use super::{
    kernels::{Rounding, gate, round_all},
    matmul::{INNER_BLOCK, Matrix, cut_into_tiles, multiply, multiply_add, padded_rows, run_tasks, tiles},
    scratch::{MlpScratch, Scratch, ScratchPool, at_least},
};

/// The number of inner columns that are computed, gated and multiplied together, so that they stay in the cache. It is a
/// multiple of [`INNER_BLOCK`], so that the sums of the down projection are always cut at the same places.
pub(super) const COLUMNS: usize = INNER_BLOCK;

/// The three matrices of a gated MLP: `gate [hidden, 2 * inner]`, `up [hidden, inner]`, `down [inner, hidden]`.
#[derive(Clone, Copy)]
pub(super) struct Mlp<'a> {
    /// Both halves of the gate, `[hidden, 2 * inner]`.
    pub(super) gate: Matrix<'a>,
    /// The up projection, `[hidden, inner]`.
    pub(super) up: Matrix<'a>,
    /// The down projection, `[inner, hidden]`.
    pub(super) down: Matrix<'a>,
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

    /// `out[row] += weight * mlp(input[row])` for the rows of an expert, ascending, with their combine weights.
    pub(super) fn expert<R: Rounding>(self, out: &mut [f32], input: &[f32], rows: &[(usize, f32)], pool: &ScratchPool) {
        run_tasks(disjoint(out, rows, self.hidden), |(out, first, rows)| {
            let Scratch { gathered, made, mlp, .. } = &mut *pool.mine();
            let length = padded_rows(rows.len()) * self.hidden;
            let (gathered, made) = (at_least(gathered, length), at_least(made, length));
            for (gathered, &(row, _)) in gathered.chunks_exact_mut(self.hidden).zip(rows) {
                gathered.copy_from_slice(&input[row * self.hidden..(row + 1) * self.hidden]);
            }
            gathered[rows.len() * self.hidden..].fill(0.0);
            self.tile::<R>(made, gathered, mlp);
            for (made, &(row, weight)) in made.chunks_exact(self.hidden).zip(rows) {
                let out = &mut out[(row - first) * self.hidden..(row - first + 1) * self.hidden];
                for (sum, made) in out.iter_mut().zip(made) {
                    *sum += weight * made;
                }
            }
        });
    }

    /// `out = down(a * silu(b) * up)` with `[a | b] = gate(input)` for one tile, [`COLUMNS`] inner columns at a time.
    fn tile<R: Rounding>(self, out: &mut [f32], input: &[f32], scratch: &mut MlpScratch) {
        let rows = input.len() / self.hidden;
        let input = Matrix::new(input, rows, self.hidden);
        for first in (0..self.inner).step_by(COLUMNS) {
            let columns = first..self.inner.min(first + COLUMNS);
            let width = columns.len();
            let [a, b, up] = [&mut scratch.a, &mut scratch.b, &mut scratch.up].map(|part| at_least(part, rows * width));
            multiply(a, width, input, self.gate.columns(columns.clone()));
            multiply(b, width, input, self.gate.columns(self.inner + columns.start..self.inner + columns.end));
            multiply(up, width, input, self.up.columns(columns.clone()));
            for part in [&mut *a, &mut *b, &mut *up] {
                round_all::<R>(part);
            }
            gate::<R>(up, a, b);
            let (inner, down) = (Matrix::new(up, rows, width), self.down.rows(columns));
            if first == 0 {
                multiply(out, self.hidden, inner, down);
            } else {
                multiply_add(out, self.hidden, inner, down);
            }
        }
        round_all::<R>(out);
    }
}

/// Some rows of an expert: the part of the output that holds them, the first row of that part, the rows.
type ExpertTile<'a> = (&'a mut [f32], usize, &'a [(usize, f32)]);

/// The rows of an expert in tiles.
fn disjoint<'a>(out: &'a mut [f32], rows: &'a [(usize, f32)], hidden: usize) -> Vec<ExpertTile<'a>> {
    let (mut rest, mut first) = (out, 0);
    let cut = |tile: Range<usize>| {
        let rows = &rows[tile];
        let end = rows.last().map_or(first, |(row, _)| row + 1);
        let (part, tail) = std::mem::take(&mut rest).split_at_mut((end - first) * hidden);
        rest = tail;
        (part, std::mem::replace(&mut first, end), rows)
    };
    tiles(rows.len()).into_iter().map(cut).collect()
}
