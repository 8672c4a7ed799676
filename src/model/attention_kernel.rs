//! The kernel of attention: scores, softmax and weighted values of a few query rows; the inner loops stay in registers.
//!
//! Every score is one chain of fused multiply-adds over the head's dimensions, every output one chain over
//! [`INNER_BLOCK`] keys at a time: the bits are those of the products in [`super::matmul`], on every instruction set.

// Kernels must be inlined into the function that pulp compiles for the instruction set found at run time.
#![allow(clippy::inline_always)]

use pulp::{Simd, WithSimd};

use super::{
    kernels::{Rounding, round_all, softmax},
    matmul::INNER_BLOCK,
    scratch::{AttentionScratch, at_least},
};

/// Keys of one panel: a sequence takes whole panels of a wave's memory.
pub const PANEL: usize = 64;
/// Query rows that share every load of a key or a value: six rows by four registers fill the 32 of AVX-512.
const ROWS: usize = 6;
/// Query rows that go through the keys together: a panel stays in the first-level cache for all of them.
pub(super) const GROUP_ROWS: usize = 4 * ROWS;
/// Values are padded to whole registers of the widest instruction set.
const VALUE_MULTIPLE: usize = 16;
/// Panels over which one chain of a weighted sum runs.
const CHAIN_PANELS: usize = INNER_BLOCK / PANEL;

/// Columns of a head's values in a panel.
pub(super) fn padded_dim(dim: usize) -> usize {
    dim.next_multiple_of(VALUE_MULTIPLE)
}

/// Up to [`GROUP_ROWS`] neighbouring query rows of one head, and what they attend to.
#[derive(Clone, Copy)]
pub(super) struct QueryGroup<'a> {
    /// The head's queries: row `r` at `r * width`.
    pub(super) query: &'a [f32],
    /// The head's keys: panel `p` at `p * key_panel`, `[dim, PANEL]`.
    pub(super) keys: &'a [f32],
    /// Elements from panel to panel of keys.
    pub(super) key_panel: usize,
    /// The head's values: panel `p` at `p * value_panel`, `[PANEL, padded dim]`.
    pub(super) values: &'a [f32],
    /// Elements from panel to panel of values.
    pub(super) value_panel: usize,
    /// Dimensions of a query and of a key.
    pub(super) key_dim: usize,
    /// Dimensions of a value and of an output.
    pub(super) value_dim: usize,
    /// Elements from query row to query row.
    pub(super) width: usize,
    /// Elements from output row to output row.
    pub(super) out_width: usize,
    /// What the product of query and key is multiplied by.
    pub(super) scale: f32,
    /// Keys that a query sees, its own included.
    pub(super) window: usize,
    /// The head's score without a value; minus infinity for none.
    pub(super) sink: f32,
    /// Position of the first row.
    pub(super) first: usize,
    /// `false` hides a key (padding); none: all are visible.
    pub(super) key_mask: Option<&'a [bool]>,
}

/// `out[row * out_width ..][.. value_dim]` = attention of every row of the group.
pub(super) fn run<R: Rounding>(group: QueryGroup, out: &mut [f32], scratch: &mut AttentionScratch) {
    let rows = group.query.len().div_ceil(group.width);
    let skipped = group.skipped_panels();
    let panels = (group.first + rows).div_ceil(PANEL) - skipped;
    // Rows that are a power of two apart would share the same lines of the first-level cache.
    let (pitch, padded) = (panels * PANEL + 2 * VALUE_MULTIPLE, padded_dim(group.value_dim));
    let query = at_least(&mut scratch.query, group.key_dim * rows);
    let scores = at_least(&mut scratch.scores, pitch * rows);
    let sums = at_least(&mut scratch.sums, 2 * padded * rows);
    gather_queries(group, query);
    let arch = pulp::Arch::new();
    let keys = Panels::of(group.keys, group.key_panel, skipped, panels);
    arch.dispatch(Scores { query, keys, dim: group.key_dim, pitch, out: scores });
    for (row, scores) in scores.chunks_exact_mut(pitch).enumerate() {
        let scores = &mut scores[..panels * PANEL];
        round_all::<R>(scores);
        let visible = group.first + row + 1;
        scores[..visible.saturating_sub(group.window).saturating_sub(skipped * PANEL)].fill(f32::NEG_INFINITY);
        softmax::<R>(scores, visible - skipped * PANEL, group.key_mask, group.sink);
    }
    let (chains, totals) = sums.split_at_mut(padded * rows);
    let values = Panels::of(group.values, group.value_panel, skipped, panels);
    arch.dispatch(Outputs { scores, values, pitch, padded, chains, totals });
    for (row, totals) in totals.chunks_exact(padded).enumerate() {
        let out = &mut out[row * group.out_width..][..group.value_dim];
        out.copy_from_slice(&totals[..group.value_dim]);
        round_all::<R>(out);
    }
}

impl QueryGroup<'_> {
    /// Panels that no row of the group sees. A mask counts keys from the beginning of the sequence: then none is skipped.
    fn skipped_panels(&self) -> usize {
        if self.key_mask.is_some() { 0 } else { (self.first + 1).saturating_sub(self.window) / PANEL }
    }
}

/// Copies the queries, times the scale, into the order in which the kernel broadcasts them: `[dim, ROWS]` for every [`ROWS`] rows, then the
/// remaining rows.
fn gather_queries(group: QueryGroup, query: &mut [f32]) {
    let rows = query.len() / group.key_dim;
    for (first, count) in tiles(rows) {
        let tile = &mut query[first * group.key_dim..(first + count) * group.key_dim];
        for (d, numbers) in tile.chunks_exact_mut(count).enumerate() {
            for (row, number) in numbers.iter_mut().enumerate() {
                *number = group.query[(first + row) * group.width + d] * group.scale;
            }
        }
    }
}

/// First row and number of rows of every register tile.
#[inline(always)]
fn tiles(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let whole = rows / ROWS * ROWS;
    (0..whole).step_by(ROWS).map(|first| (first, ROWS)).chain((whole..rows).map(|first| (first, 1)))
}

/// Some panels of one head.
#[derive(Clone, Copy)]
struct Panels<'a> {
    numbers: &'a [f32],
    /// Elements from panel to panel.
    stride: usize,
    count: usize,
}

impl<'a> Panels<'a> {
    /// Some panels, without those before `first`.
    fn of(numbers: &'a [f32], stride: usize, first: usize, count: usize) -> Self {
        Self { numbers: &numbers[first * stride..], stride, count }
    }
}

/// `scores[rows, panels * PANEL] = query @ keys`, panel by panel.
struct Scores<'a> {
    query: &'a [f32],
    keys: Panels<'a>,
    dim: usize,
    /// Elements from row to row of the scores.
    pitch: usize,
    out: &'a mut [f32],
}

impl WithSimd for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.out.len() / self.pitch;
        for panel in 0..self.keys.count {
            let keys = &self.keys.numbers[panel * self.keys.stride..][..self.dim * PANEL];
            for (first, count) in tiles(rows) {
                let query = &self.query[first * self.dim..(first + count) * self.dim];
                let scores = &mut self.out[first * self.pitch + panel * PANEL..];
                // Sums, keys and a query fit the registers, of which there are 32 or 16.
                match (S::REGISTER_COUNT >= 32, count) {
                    (true, ROWS) => scores_tile::<S, ROWS, 4>(simd, query, keys, scores, self.pitch),
                    (true, _) => scores_tile::<S, 1, 4>(simd, query, keys, scores, self.pitch),
                    (false, ROWS) => scores_tile::<S, ROWS, 2>(simd, query, keys, scores, self.pitch),
                    (false, _) => scores_tile::<S, 1, 2>(simd, query, keys, scores, self.pitch),
                }
            }
        }
    }
}

/// The scores of `N` rows in one panel, `J` registers of keys at a time.
#[inline(always)]
fn scores_tile<S: Simd, const N: usize, const J: usize>(
    simd: S,
    query: &[f32],
    keys: &[f32],
    scores: &mut [f32],
    pitch: usize,
) {
    let vectors = PANEL / S::F32_LANES;
    let (query, keys) = (query.as_chunks::<N>().0, S::as_simd_f32s(keys).0);
    for first in (0..vectors).step_by(J) {
        let mut sums = [[simd.splat_f32s(0.0); J]; N];
        for (keys, query) in keys[first..].chunks(vectors).zip(query) {
            let Some(keys) = keys.first_chunk::<J>() else { break };
            for (sums, query) in sums.iter_mut().zip(query) {
                let query = simd.splat_f32s(*query);
                for (sum, key) in sums.iter_mut().zip(keys) {
                    *sum = simd.mul_add_f32s(query, *key, *sum);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let scores = &mut scores[row * pitch..][..PANEL];
            S::as_mut_simd_f32s(scores).0[first..first + J].copy_from_slice(sums);
        }
    }
}

/// `totals[rows, padded] = scores[rows, panels * PANEL] @ values`, panel by panel.
struct Outputs<'a> {
    scores: &'a [f32],
    values: Panels<'a>,
    pitch: usize,
    padded: usize,
    /// The sums of the current chain, `[rows, padded]`.
    chains: &'a mut [f32],
    totals: &'a mut [f32],
}

impl WithSimd for Outputs<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let panels = self.values.count;
        for start in (0..panels).step_by(CHAIN_PANELS) {
            self.chains.fill(0.0);
            for panel in start..panels.min(start + CHAIN_PANELS) {
                self.panel(simd, panel);
            }
            if start == 0 {
                self.totals.copy_from_slice(self.chains);
            } else {
                self.totals.iter_mut().zip(&*self.chains).for_each(|(total, chain)| *total += chain);
            }
        }
    }
}

impl Outputs<'_> {
    /// Continues all chains over one panel.
    #[inline(always)]
    fn panel<S: Simd>(&mut self, simd: S, panel: usize) {
        let values = &self.values.numbers[panel * self.values.stride..][..PANEL * self.padded];
        let values = S::as_simd_f32s(values).0;
        for (first, count) in tiles(self.scores.len() / self.pitch) {
            let scores = &self.scores[first * self.pitch + panel * PANEL..];
            let chains = &mut self.chains[first * self.padded..(first + count) * self.padded];
            let chains = S::as_mut_simd_f32s(chains).0;
            if count == ROWS {
                outputs_tile::<S, ROWS>(simd, chains, scores, self.pitch, values);
            } else {
                outputs_tile::<S, 1>(simd, chains, scores, self.pitch, values);
            }
        }
    }
}

/// Continues the chains of `N` rows over one panel, with as many registers of columns at a time as there are.
#[inline(always)]
fn outputs_tile<S: Simd, const N: usize>(
    simd: S,
    chains: &mut [S::f32s],
    scores: &[f32],
    pitch: usize,
    values: &[S::f32s],
) {
    let vectors = values.len() / PANEL;
    let mut first = 0;
    if S::REGISTER_COUNT >= 32 {
        while first + 4 <= vectors {
            outputs_columns::<S, N, 4>(simd, chains, scores, pitch, values, first);
            first += 4;
        }
    }
    while first + 2 <= vectors {
        outputs_columns::<S, N, 2>(simd, chains, scores, pitch, values, first);
        first += 2;
    }
    while first < vectors {
        outputs_columns::<S, N, 1>(simd, chains, scores, pitch, values, first);
        first += 1;
    }
}

/// `J` registers of columns, from register `first` on.
#[inline(always)]
fn outputs_columns<S: Simd, const N: usize, const J: usize>(
    simd: S,
    chains: &mut [S::f32s],
    scores: &[f32],
    pitch: usize,
    values: &[S::f32s],
    first: usize,
) {
    let vectors = values.len() / PANEL;
    let mut sums = [[simd.splat_f32s(0.0); J]; N];
    for (row, sums) in sums.iter_mut().enumerate() {
        sums.copy_from_slice(&chains[row * vectors + first..][..J]);
    }
    let rows: [&[f32; PANEL]; N] =
        std::array::from_fn(|row| scores[row * pitch..].first_chunk().expect("a panel of scores"));
    for (key, values) in (0..PANEL).zip(values[first..].chunks(vectors)) {
        let Some(values) = values.first_chunk::<J>() else { break };
        for (sums, scores) in sums.iter_mut().zip(rows) {
            let score = simd.splat_f32s(scores[key]);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = simd.mul_add_f32s(score, *value, *sum);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        chains[row * vectors + first..][..J].copy_from_slice(sums);
    }
}
