//! Causal attention. There is never a whole `[tokens, tokens]` matrix of scores, and above the diagonal at most the rest
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
use crate::checkpoint::Attention;

/// Query rows per task: a head's keys and values come from the second-level cache for all but the first rows.
const BLOCK_ROWS: usize = 5 * GROUP_ROWS;

/// Shape of the attention heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    /// Heads of queries.
    pub(super) query: usize,
    /// Heads of keys and values, each of which some heads of queries share.
    pub(super) key_value: usize,
    /// Dimensions of a query and of a key.
    pub(super) key_dim: usize,
    /// Dimensions of a value.
    pub(super) value_dim: usize,
    /// What the product of query and key is multiplied by.
    scale: f32,
}

impl Heads {
    /// The heads of an architecture.
    pub(super) fn of(attention: &Attention) -> Self {
        Self {
            query: attention.heads,
            key_value: attention.key_value_heads,
            key_dim: attention.key_dim,
            value_dim: attention.value_dim,
            scale: attention.scale as f32,
        }
    }

    /// Elements of one panel of keys, all heads; of a panel of values.
    fn panel(self) -> (usize, usize) {
        (self.key_value * self.key_dim * PANEL, self.key_value * padded_dim(self.value_dim) * PANEL)
    }
}

/// What the queries of a layer see besides their own sequence up to themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    /// Keys that a query sees, its own included; `usize::MAX`: all before it.
    pub(super) window: usize,
    /// A score of each head without a value.
    pub(super) sinks: Option<&'a [f32]>,
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

/// Keys `[panels][key_value][key dim][PANEL]` and values `[panels][key_value][PANEL][padded value dim]` of a wave. The rest of the last
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

    /// Lays out the keys `[rows, key_value * key_dim]` of all sequences.
    pub(super) fn lay_out_keys(&mut self, keys: &[f32], heads: Heads, sequences: &[Rows]) {
        let (dim, width) = (heads.key_dim, heads.key_value * heads.key_dim);
        lay_out(&mut self.keys, heads.panel().0, keys, width, sequences, |panel, rows| {
            for (head, panel) in panel.chunks_exact_mut(dim * PANEL).enumerate() {
                for (key, row) in rows.chunks_exact(width).enumerate() {
                    for (d, number) in row[head * dim..(head + 1) * dim].iter().enumerate() {
                        panel[d * PANEL + key] = *number;
                    }
                }
            }
        });
    }

    /// Lays out the values `[rows, key_value * value_dim]` of all sequences.
    pub(super) fn lay_out_values(&mut self, values: &[f32], heads: Heads, sequences: &[Rows]) {
        let (dim, padded) = (heads.value_dim, padded_dim(heads.value_dim));
        let width = heads.key_value * dim;
        lay_out(&mut self.values, heads.panel().1, values, width, sequences, |panel, rows| {
            for (head, panel) in panel.chunks_exact_mut(padded * PANEL).enumerate() {
                for (out, row) in panel.chunks_exact_mut(padded).zip(rows.chunks_exact(width)) {
                    out[..dim].copy_from_slice(&row[head * dim..(head + 1) * dim]);
                }
            }
        });
    }
}

/// Fills every panel of `size` elements from the rows of `width` elements of the wave that it holds.
fn lay_out(
    panels: &mut [f32],
    size: usize,
    rows: &[f32],
    width: usize,
    sequences: &[Rows],
    fill: impl Fn(&mut [f32], &[f32]) + Sync,
) {
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

/// `out[rows, query * value_dim]` = attention of every sequence of the wave over itself, from the queries
/// `[rows, query * key_dim]`.
pub(super) fn attend<R: Rounding>(
    out: &mut [f32],
    query: &[f32],
    panels: &Panels,
    heads: Heads,
    sight: Sight,
    sequences: &[Rows],
    pool: &ScratchPool,
) {
    let (width, out_width) = (heads.query * heads.key_dim, heads.query * heads.value_dim);
    let mut blocks = Vec::new();
    let mut rest = out;
    for &rows in sequences {
        let (mut sequence, tail) = rest.split_at_mut(rows.length * out_width);
        rest = tail;
        for start in (0..rows.length).step_by(BLOCK_ROWS) {
            let (block, tail) = sequence.split_at_mut(BLOCK_ROWS.min(rows.length - start) * out_width);
            sequence = tail;
            blocks.push((block, start, rows));
        }
    }
    // The longest blocks come first, so that no thread waits long for the last one.
    blocks.sort_by_key(|(_, start, _)| std::cmp::Reverse(*start));
    run_tasks(blocks, |(out, start, rows)| {
        let (first, count) = (rows.first + start, out.len() / out_width);
        let query = &query[first * width..(first + count) * width];
        for head in 0..heads.query {
            attend_block::<R>(out, query, panels, heads, sight, head, start, rows, pool);
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
    sight: Sight,
    head: usize,
    start: usize,
    rows: Rows,
    pool: &ScratchPool,
) {
    let (width, out_width) = (heads.query * heads.key_dim, heads.query * heads.value_dim);
    let (key_panel, value_panel) = heads.panel();
    // Contiguous repeat: with fewer key-value heads, neighbours share one.
    let shared = head / (heads.query / heads.key_value);
    let keys = &panels.keys[rows.first_panel * key_panel + shared * heads.key_dim * PANEL..];
    let values = &panels.values[rows.first_panel * value_panel + shared * padded_dim(heads.value_dim) * PANEL..];
    let scratch = &mut pool.mine().attention;
    let group_rows = out.chunks_mut(GROUP_ROWS * out_width).zip(query.chunks(GROUP_ROWS * width));
    for (index, (out, query)) in group_rows.enumerate() {
        let group = QueryGroup {
            query: &query[head * heads.key_dim..],
            keys,
            key_panel,
            values,
            value_panel,
            key_dim: heads.key_dim,
            value_dim: heads.value_dim,
            width,
            out_width,
            scale: heads.scale,
            window: sight.window,
            sink: sight.sinks.map_or(f32::NEG_INFINITY, |sinks| sinks[head]),
            first: start + index * GROUP_ROWS,
            key_mask: rows.key_mask,
        };
        run::<R>(group, &mut out[head * heads.value_dim..], scratch);
    }
}
