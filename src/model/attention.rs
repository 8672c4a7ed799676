//! Causal attention, unscaled. There is never a whole `[tokens, tokens]` matrix of scores, and above the diagonal at most the rest
//! of a panel is computed.
//!
//! Keys and values are laid out once in panels that the kernel reads in order; then every task takes a block of query
//! rows of one sequence and goes through the heads, a few rows at a time over all their keys.

use rayon::prelude::*;

use super::{
    attention_kernel::{GROUP_ROWS, PANEL, QueryGroup, padded_dim, run},
    kernels::Rounding,
    matmul::run_tasks,
    scratch::ScratchPool,
};
use crate::checkpoint::Config;

/// Query rows per task: a head's keys and values come from the second-level cache for all but the first rows.
const BLOCK_ROWS: usize = 5 * GROUP_ROWS;

/// Shape of the attention heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    /// Heads of queries.
    pub(super) query: usize,
    /// Heads of keys and values, each of which some heads of queries share.
    pub(super) key_value: usize,
    /// Dimensions of a head.
    pub(super) dim: usize,
}

impl Heads {
    /// The heads of a checkpoint.
    pub(super) fn of(config: &Config) -> Self {
        Self { query: config.num_attention_heads, key_value: config.num_key_value_heads, dim: config.head_dim }
    }

    /// Elements of one panel of keys, all heads; of a panel of values.
    fn panel(self) -> (usize, usize) {
        (self.key_value * self.dim * PANEL, self.key_value * padded_dim(self.dim) * PANEL)
    }
}

/// One sequence's part of the wave buffers: rows `first .. first + length`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    /// First row.
    pub(super) first: usize,
    /// Number of rows.
    pub(super) length: usize,
    /// First panel of the sequence.
    pub(super) first_panel: usize,
    /// `false` hides a key (padding); key 0 is always visible.
    pub(super) key_mask: Option<&'a [bool]>,
}

impl Rows<'_> {
    /// Panels that hold the keys of a sequence of `length` tokens.
    pub(super) fn panels(length: usize) -> usize {
        length.div_ceil(PANEL)
    }
}

/// Keys `[panels][key_value][dim][PANEL]` and values `[panels][key_value][PANEL][padded dim]` of a wave. The rest of the last
/// panel of a sequence is zero.
#[derive(Default)]
pub(super) struct Panels {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Panels {
    /// Makes room for this many panels.
    pub(super) fn reset(&mut self, panels: usize, heads: Heads) {
        let (keys, values) = heads.panel();
        for (buffer, length) in [(&mut self.keys, panels * keys), (&mut self.values, panels * values)] {
            buffer.resize(length, 0.0);
        }
    }

    /// Lays out the keys `[rows, key_value * dim]` of all sequences.
    pub(super) fn lay_out_keys(&mut self, keys: &[f32], heads: Heads, sequences: &[Rows]) {
        let dim = heads.dim;
        lay_out(&mut self.keys, heads.panel().0, keys, heads, sequences, |panel, rows| {
            for (head, panel) in panel.chunks_exact_mut(dim * PANEL).enumerate() {
                for (key, row) in rows.chunks_exact(heads.key_value * dim).enumerate() {
                    for (d, number) in row[head * dim..(head + 1) * dim].iter().enumerate() {
                        panel[d * PANEL + key] = *number;
                    }
                }
            }
        });
    }

    /// Lays out the values `[rows, key_value * dim]` of all sequences.
    pub(super) fn lay_out_values(&mut self, values: &[f32], heads: Heads, sequences: &[Rows]) {
        let (dim, padded) = (heads.dim, padded_dim(heads.dim));
        lay_out(&mut self.values, heads.panel().1, values, heads, sequences, |panel, rows| {
            for (head, panel) in panel.chunks_exact_mut(padded * PANEL).enumerate() {
                for (out, row) in panel.chunks_exact_mut(padded).zip(rows.chunks_exact(heads.key_value * dim)) {
                    out[..dim].copy_from_slice(&row[head * dim..(head + 1) * dim]);
                }
            }
        });
    }
}

/// Fills every panel of `size` elements from the rows of the wave that it holds.
fn lay_out(
    panels: &mut [f32],
    size: usize,
    rows: &[f32],
    heads: Heads,
    sequences: &[Rows],
    fill: impl Fn(&mut [f32], &[f32]) + Sync,
) {
    let width = heads.key_value * heads.dim;
    let sources: Vec<&[f32]> = sequences
        .iter()
        .flat_map(|sequence| {
            rows[sequence.first * width..(sequence.first + sequence.length) * width].chunks(PANEL * width)
        })
        .collect();
    panels.par_chunks_exact_mut(size).zip(sources).for_each(|(panel, rows)| {
        panel.fill(0.0);
        fill(panel, rows);
    });
}

/// `out[rows, query * dim]` = attention of every sequence of the wave over itself, from the queries of the same shape.
/// Scores are q.k, NOT divided by sqrt(dim) (model.md, "Forward pass").
pub(super) fn attend<R: Rounding>(
    out: &mut [f32],
    query: &[f32],
    panels: &Panels,
    heads: Heads,
    sequences: &[Rows],
    pool: &ScratchPool,
) {
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
    // The longest blocks come first, so that no thread waits long for the last one.
    blocks.sort_by_key(|(_, start, _)| std::cmp::Reverse(*start));
    run_tasks(blocks, |(out, start, rows)| {
        let first = (rows.first + start) * width;
        let query = &query[first..first + out.len()];
        for head in 0..heads.query {
            attend_block::<R>(out, query, panels, heads, head, start, rows, pool);
        }
    });
}

/// One head over one block of query rows, [`GROUP_ROWS`] rows at a time.
#[allow(clippy::too_many_arguments)]
fn attend_block<R: Rounding>(
    out: &mut [f32],
    query: &[f32],
    panels: &Panels,
    heads: Heads,
    head: usize,
    start: usize,
    rows: Rows,
    pool: &ScratchPool,
) {
    let width = heads.query * heads.dim;
    let (key_panel, value_panel) = heads.panel();
    // Contiguous repeat: with fewer key-value heads, neighbours share one.
    let shared = head / (heads.query / heads.key_value);
    let keys = &panels.keys[rows.first_panel * key_panel + shared * heads.dim * PANEL..];
    let values = &panels.values[rows.first_panel * value_panel + shared * padded_dim(heads.dim) * PANEL..];
    let scratch = &mut pool.mine().attention;
    let group_rows = out.chunks_mut(GROUP_ROWS * width).zip(query.chunks(GROUP_ROWS * width));
    for (index, (out, query)) in group_rows.enumerate() {
        let group = QueryGroup {
            query: &query[head * heads.dim..],
            keys,
            key_panel,
            values,
            value_panel,
            dim: heads.dim,
            width,
            first: start + index * GROUP_ROWS,
            key_mask: rows.key_mask,
        };
        run::<R>(group, &mut out[head * heads.dim..], scratch);
    }
}
