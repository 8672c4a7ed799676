//! Causal attention, unscaled, in blocks of query rows: never a whole `[tokens, tokens]` score matrix, and nothing of
//! the upper triangle beyond the block on the diagonal.

use rayon::prelude::*;

use super::{
    kernels::{Rounding, round_all, softmax},
    matmul::{Matrix, multiply},
};

/// Query rows per block.
const BLOCK_ROWS: usize = 128;

/// Shape of the attention heads.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub(super) query: usize,
    pub(super) key_value: usize,
    pub(super) dim: usize,
}

/// One sequence's part of the wave buffers: rows `first .. first + length`.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) first: usize,
    pub(super) length: usize,
    /// `false` hides a key (padding); key 0 is always visible.
    pub(super) key_mask: Option<&'a [bool]>,
}

/// Queries, keys and values of a wave: `[rows, query * dim]`, `[rows, key_value * dim]` twice.
#[derive(Clone, Copy)]
pub(super) struct Projections<'a> {
    pub(super) query: &'a [f32],
    pub(super) key: &'a [f32],
    pub(super) value: &'a [f32],
}

/// `out[rows, query * dim]` = attention of every sequence of the wave over itself. Scores are q.k, NOT divided by
/// sqrt(dim) (model.md, "Forward pass").
pub(super) fn attend<R: Rounding>(out: &mut [f32], input: Projections, heads: Heads, sequences: &[Rows]) {
    let width = heads.query * heads.dim;
    let mut blocks = Vec::new();
    let mut rest = out;
    for &rows in sequences {
        let (mut sequence, tail) = rest.split_at_mut(rows.length * width);
        rest = tail;
        for start in (0..rows.length).step_by(BLOCK_ROWS) {
            let (block, tail) = sequence.split_at_mut(BLOCK_ROWS.min(rows.length - start) * width);
            sequence = tail;
            blocks.push((block, start, rows));
        }
    }
    // The longest blocks first: whoever comes last has little to wait for.
    blocks.sort_by_key(|(_, start, _)| std::cmp::Reverse(*start));
    blocks.into_par_iter().for_each_init(Vec::new, |scores, (block, start, rows)| {
        for head in 0..heads.query {
            attend_block::<R>(block, scores, input, heads, head, start, rows);
        }
    });
}

/// One head over one block of query rows.
fn attend_block<R: Rounding>(
    out: &mut [f32],
    scores: &mut Vec<f32>,
    input: Projections,
    heads: Heads,
    head: usize,
    start: usize,
    rows: Rows,
) {
    let (dim, width) = (heads.dim, heads.query * heads.dim);
    let (count, keys) = (out.len() / width, start + out.len() / width);
    // Contiguous repeat: with fewer key-value heads, neighbours share one.
    let (shared, shared_width) = (head / (heads.query / heads.key_value), heads.key_value * dim);
    let query = Matrix::strided(&input.query[(rows.first + start) * width + head * dim..], count, dim, width);
    let first = rows.first * shared_width + shared * dim;
    let key = Matrix::strided(&input.key[first..], keys, dim, shared_width);
    let value = Matrix::strided(&input.value[first..], keys, dim, shared_width);
    scores.clear();
    scores.resize(count * keys, 0.0);
    multiply(scores, keys, query, key.transposed());
    round_all::<R>(scores);
    for (row, scores) in scores.chunks_exact_mut(keys).enumerate() {
        softmax::<R>(scores, start + row + 1, rows.key_mask);
    }
    let out = &mut out[head * dim..];
    multiply(out, width, Matrix::new(scores, count, keys), value);
    if R::ROUNDS {
        for row in out.chunks_mut(width) {
            round_all::<R>(&mut row[..dim]);
        }
    }
}
