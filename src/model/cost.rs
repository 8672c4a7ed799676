//! Estimates the cost of a forward pass before it is run.

use std::time::{Duration, Instant};

use super::{
    attention_kernel::padded_dim,
    matmul::{Matrix, TILE_ROWS, linear},
    mlp::COLUMNS,
    weights::Parts,
};
use crate::{checkpoint::Config, routing::LayerShape};

/// Arithmetic and memory of a routing-only forward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Floating point operations per token (a multiply-add counts as two), no assignment dropped.
    pub flop_per_token: f64,
    /// Bytes of activations per token of a wave.
    pub activation_bytes_per_token: f64,
    /// Bytes of the two buffers that weights travel through, as f32.
    pub weight_bytes: f64,
    /// Bytes of working memory of each thread.
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
        // Residual, normed, output; queries and the output of attention; keys or values, and the panels of both.
        let padded_values = (config.num_key_value_heads * padded_dim(config.head_dim)) as f64;
        let activations = 3.0 * hidden + 2.0 * query + 2.0 * key_value + padded_values;
        let routing = LayerShape::of_choices(config.num_experts, config.router_topk).routing_bytes() as f64;
        // A tile of gathered rows, the expert's output for them, three blocks of inner columns, and as much again for packing.
        let tile = TILE_ROWS as f64 * (2.0 * hidden + 6.0 * COLUMNS as f64);
        Self {
            flop_per_token: 2.0 * products,
            activation_bytes_per_token: 4.0 * activations + routing,
            weight_bytes: Parts(config).buffer_bytes() as f64,
            thread_bytes: 4.0 * tile,
        }
    }

    /// Peak memory of a wave of `tokens` tokens on `threads` threads, in bytes; the program itself comes on top.
    pub fn memory(&self, tokens: usize, threads: usize) -> f64 {
        self.activation_bytes_per_token * tokens as f64 + self.weight_bytes + self.thread_bytes * threads as f64
    }
}

/// Measures the speed of matrix products on this machine, in floating point operations per second on all threads of the pool,
/// with a product of the model's shape. It takes a quarter of a second: a shorter time would measure a burst.
pub fn multiply_rate(hidden: usize, inner: usize) -> f64 {
    let (inputs, outputs) = (hidden.min(1024), inner.min(1024));
    let rows = rayon::current_num_threads() * 2 * TILE_ROWS;
    let (input, weight) = (vec![0.5_f32; rows * inputs], vec![0.25_f32; inputs * outputs]);
    let mut out = vec![0.0_f32; rows * outputs];
    linear(&mut out, &input, Matrix::new(&weight, inputs, outputs));
    let (mut products, clock) = (0, Instant::now());
    // The number of products is limited too, in case the clock stands still.
    while products < 2 || (products < 1_000_000 && clock.elapsed() < Duration::from_millis(250)) {
        linear(&mut out, &input, Matrix::new(&weight, inputs, outputs));
        products += 1;
    }
    2.0 * (products * rows * inputs * outputs) as f64 / clock.elapsed().as_secs_f64().max(1e-9)
}
