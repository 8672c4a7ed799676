//! What a forward pass costs, before it is run.

use std::time::Instant;

use rayon::prelude::*;

use super::matmul::{Matrix, TILE_ROWS, multiply};
use crate::checkpoint::Config;

/// Arithmetic and memory of a routing-only forward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Floating point operations per token (a multiply-add counts as two), no assignment dropped.
    pub flop_per_token: f64,
    /// Bytes of activations per token of a wave.
    pub activation_bytes_per_token: f64,
    /// Bytes of the largest set of weights held at once, as f32.
    pub weight_bytes: f64,
    /// Bytes that each thread needs beside.
    pub thread_bytes: f64,
}

impl Cost {
    /// The cost for sequences of `length` tokens; attention is causal, so a token sees `length / 2` keys on average.
    pub fn new(config: &Config, length: usize) -> Self {
        let (hidden, inner) = (config.hidden_size as f64, config.intermediate_size as f64);
        let query = (config.num_attention_heads * config.head_dim) as f64;
        let key_value = (config.num_key_value_heads * config.head_dim) as f64;
        let moe_layers = config.moe_layers();
        let last = moe_layers.last().map_or(0, |&layer| usize::from(layer));
        let attention = hidden * (2.0 * query + 2.0 * key_value) + query * length as f64;
        let mlp = 4.0 * hidden * inner;
        let complete_moe = moe_layers.len().saturating_sub(1) as f64;
        let dense = (last + 1 - moe_layers.len()) as f64;
        let router = hidden * config.num_experts as f64 * moe_layers.len() as f64;
        let products =
            attention * (last + 1) as f64 + mlp * dense + complete_moe * mlp * (1 + config.router_topk) as f64 + router;
        let tile = TILE_ROWS as f64;
        Self {
            flop_per_token: 2.0 * products,
            activation_bytes_per_token: 4.0 * (4.0 * hidden + 2.0 * query + 2.0 * key_value),
            weight_bytes: 4.0 * mlp.max(query * hidden),
            thread_bytes: 4.0 * (tile * 3.0 * inner).max(tile * length as f64),
        }
    }

    /// Peak memory of a wave of `tokens` tokens on `threads` threads, in bytes; the program itself comes on top.
    pub fn memory(&self, tokens: usize, threads: usize) -> f64 {
        self.activation_bytes_per_token * tokens as f64 + self.weight_bytes + self.thread_bytes * threads as f64
    }
}

/// Measures what this machine multiplies, in floating point operations per second on all threads of the pool, with a
/// product of the shape that the model runs. Takes a fraction of a second.
pub fn multiply_rate(hidden: usize, inner: usize) -> f64 {
    let (inputs, outputs) = (hidden.min(1024), inner.min(1024));
    let tiles = rayon::current_num_threads() * 2;
    let (input, weight) = (vec![0.5_f32; TILE_ROWS * inputs], vec![0.25_f32; inputs * outputs]);
    let mut out = vec![0.0_f32; tiles * TILE_ROWS * outputs];
    let mut best = 0.0_f64;
    for _ in 0..3 {
        let start = Instant::now();
        out.par_chunks_mut(TILE_ROWS * outputs).for_each(|out| {
            multiply(out, outputs, Matrix::new(&input, TILE_ROWS, inputs), Matrix::new(&weight, inputs, outputs));
        });
        let flop = 2.0 * (tiles * TILE_ROWS * inputs * outputs) as f64;
        best = best.max(flop / start.elapsed().as_secs_f64());
    }
    best
}
