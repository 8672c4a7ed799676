//! Estimates the cost of a forward pass before it is run.

use std::time::{Duration, Instant};

use super::{
    attention_kernel::padded_dim,
    head::STEP,
    layers::Latents,
    matmul::{Matrix, TILE_ROWS, linear},
    mlp::COLUMNS,
    weights::Parts,
};
use crate::{
    checkpoint::{Architecture, Block, FeedForward, TensorMap},
    routing::LayerShape,
};

/// Arithmetic and memory of a routing-only forward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Floating point operations per token (a multiply-add counts as two), no assignment dropped.
    pub flop_per_token: f64,
    /// Bytes of activations per token of a wave.
    pub activation_bytes_per_token: f64,
    /// Bytes of the buffers that weights travel through, as f32.
    pub weight_bytes: f64,
    /// Bytes of working memory of each thread.
    pub thread_bytes: f64,
}

impl Cost {
    /// The cost for sequences of `length` tokens; attention is causal, so a token sees `length / 2` keys on average, in a window
    /// fewer.
    pub fn new(map: &TensorMap, length: usize) -> Self {
        let (architecture, attention) = (map.architecture(), &map.architecture().attention);
        let hidden = architecture.hidden as f64;
        let last = architecture.moe_layers().last().map_or(0, |&layer| usize::from(layer));
        let products: f64 = (0..=last).map(|layer| layer_products(map, layer, length, layer == last)).sum();
        // Residual, normed, output; queries and the output of attention; keys or values, and the panels of both.
        let padded_values = attention.key_value_heads * padded_dim(attention.value_dim);
        let widths = attention.query_width()
            + attention.output_width()
            + attention.key_width().max(attention.value_width())
            + attention.key_width()
            + padded_values
            + Latents::widths(attention).iter().sum::<usize>();
        let activations = 3.0 * hidden + widths as f64;
        let routing = LayerShape::of_choices(architecture.experts.number, architecture.experts.chosen).routing_bytes();
        // A tile of gathered rows, the expert's output for them, another one that waits to be added, three blocks of inner columns, and
        // as much again for packing.
        let tile = TILE_ROWS as f64 * (3.0 * hidden + 6.0 * COLUMNS as f64);
        Self {
            flop_per_token: 2.0 * products,
            activation_bytes_per_token: 4.0 * activations + routing as f64,
            weight_bytes: Parts(map).buffer_bytes() as f64,
            thread_bytes: 4.0 * tile,
        }
    }

    /// The cost of a pass that also computes the loss of every next token: all layers to their end, and the head in parts of the
    /// vocabulary.
    #[must_use]
    pub fn with_losses(self, map: &TensorMap, length: usize) -> Self {
        let Architecture { vocabulary, hidden, ref layers, .. } = *map.architecture();
        let products: f64 = (0..layers.len()).map(|layer| layer_products(map, layer, length, false)).sum();
        let head = (vocabulary * hidden) as f64;
        Self {
            flop_per_token: 2.0 * (products + head),
            activation_bytes_per_token: self.activation_bytes_per_token + (4 * STEP) as f64,
            weight_bytes: self.weight_bytes + (4 * STEP * hidden) as f64,
            ..self
        }
    }

    /// Peak memory of a wave of `tokens` tokens on `threads` threads, in bytes; the program itself comes on top.
    pub fn memory(&self, tokens: usize, threads: usize) -> f64 {
        self.activation_bytes_per_token * tokens as f64 + self.weight_bytes + self.thread_bytes * threads as f64
    }
}

/// Multiply-adds of a token in a layer; of the last one only up to its router.
fn layer_products(map: &TensorMap, layer: usize, length: usize, is_last: bool) -> f64 {
    let Architecture { attention, hidden, experts, layers, .. } = map.architecture();
    let matrices = map.attention().into_iter().map(|role| map.stored(layer, role)).filter(|part| part.rows > 1);
    let projections: usize = matrices.map(|matrix| matrix.elements()).sum();
    let seen = layers[layer].window.map_or(length as f64 / 2.0, |window| (window as f64).min(length as f64 / 2.0));
    let attended = seen * (attention.query_width() + attention.output_width()) as f64;
    let mlp = |block| map.mlp_of(block).matrix_size(*hidden) as f64;
    let of_attention = projections as f64 + attended;
    match layers[layer].feed_forward {
        FeedForward::Dense => of_attention + mlp(Block::Dense),
        _ if is_last => of_attention + (hidden * experts.number) as f64,
        _ => {
            let others: f64 = map.blocks(layer).into_iter().map(mlp).sum();
            let chosen = experts.chosen as f64 * mlp(Block::Expert(0));
            of_attention + (hidden * experts.number) as f64 + chosen + others
        }
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
