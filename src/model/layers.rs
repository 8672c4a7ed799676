//! The parts of a decoder layer over a whole wave: attention, dense MLP, mixture of experts.

use rayon::prelude::*;

use super::{
    attention::{Heads, Projections, Rows, attend},
    forward::Wave,
    kernels::{Rotary, Rounding, dot, gate, rms_norm, round_all},
    matmul::{Matrix, TILE_ROWS, linear, multiply, padded},
};
use crate::{
    checkpoint::{Checkpoint, Config},
    error::{Error, Result},
    routing::{LayerRouting, RouterSettings, RoutingObserver, route},
};

/// Buffers of one wave, reused by every layer. Rows are padded to whole product rows; the padding is zero or whatever
/// a product made of zeros, and never read back.
#[derive(Default)]
pub(super) struct Buffers {
    /// Residual stream `[rows, hidden]`.
    pub(super) residual: Vec<f32>,
    /// Normalised input of the running part `[rows, hidden]`.
    pub(super) normed: Vec<f32>,
    /// Output of the running part `[rows, hidden]`.
    output: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    attended: Vec<f32>,
    /// Rows gathered for one expert, and what it made of them.
    gathered: Vec<f32>,
    expert_output: Vec<f32>,
    /// Weights of the running part: one matrix, or the three of an MLP.
    pub(super) weight: Vec<f32>,
    up_weight: Vec<f32>,
    down_weight: Vec<f32>,
}

impl Buffers {
    /// Zeroed buffers for `rows` rows; what an earlier wave allocated is used again.
    pub(super) fn reset(&mut self, rows: usize, config: &Config) {
        let rows = padded(rows);
        let query = rows * config.num_attention_heads * config.head_dim;
        let key_value = rows * config.num_key_value_heads * config.head_dim;
        let hidden = rows * config.hidden_size;
        for (buffer, length) in [
            (&mut self.residual, hidden),
            (&mut self.normed, hidden),
            (&mut self.output, hidden),
            (&mut self.query, query),
            (&mut self.key, key_value),
            (&mut self.value, key_value),
            (&mut self.attended, query),
        ] {
            zeroed(buffer, length);
        }
    }
}

fn zeroed(buffer: &mut Vec<f32>, length: usize) {
    buffer.clear();
    buffer.resize(length, 0.0);
}

/// The three matrices of a gated MLP and how they are stored.
struct MlpWeights<'a> {
    gate: Matrix<'a>,
    up: Matrix<'a>,
    down: Matrix<'a>,
}

impl MlpWeights<'_> {
    /// `out = down(a * silu(b) * up)` with `[a | b] = gate(input)`, for every row; both hold whole product rows.
    fn apply<R: Rounding>(&self, out: &mut [f32], input: &[f32], hidden: usize, inner: usize) {
        let tiles = out.par_chunks_mut(TILE_ROWS * hidden).zip(input.par_chunks(TILE_ROWS * hidden));
        tiles.for_each_init(Default::default, |(gates, ups): &mut (Vec<f32>, Vec<f32>), (out, input)| {
            let rows = input.len() / hidden;
            let input = Matrix::new(input, rows, hidden);
            gates.resize(rows * 2 * inner, 0.0);
            ups.resize(rows * inner, 0.0);
            multiply(gates, 2 * inner, input, self.gate);
            multiply(ups, inner, input, self.up);
            round_all::<R>(gates);
            round_all::<R>(ups);
            for (up, gates) in ups.chunks_exact_mut(inner).zip(gates.chunks_exact(2 * inner)) {
                gate::<R>(up, gates);
            }
            multiply(out, hidden, Matrix::new(ups, rows, inner), self.down);
            round_all::<R>(out);
        });
    }
}

/// What every part of a layer needs to know about the wave.
pub(super) struct Context<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) wave: &'a Wave<'a>,
    pub(super) rotary: Rotary,
    pub(super) router: RouterSettings,
}

impl Context<'_> {
    fn config(&self) -> &Config {
        self.checkpoint.config()
    }

    /// `normed = rms(residual)` for every row of the wave.
    pub(super) fn norm<R: Rounding>(&self, name: &str, buffers: &mut Buffers) -> Result<()> {
        self.checkpoint.read(name, &mut buffers.weight)?;
        let (hidden, eps) = (self.config().hidden_size, self.config().rms_norm_eps as f32);
        let (weight, length) = (&buffers.weight, self.wave.tokens() * hidden);
        buffers.normed[..length]
            .par_chunks_mut(hidden)
            .zip(buffers.residual.par_chunks(hidden))
            .for_each(|(out, x)| rms_norm::<R>(out, x, weight, eps));
        Ok(())
    }

    /// `residual += output` for every row of the wave.
    fn add_output<R: Rounding>(&self, buffers: &mut Buffers) {
        let length = self.wave.tokens() * self.config().hidden_size;
        buffers.residual[..length].par_iter_mut().zip(&buffers.output).for_each(|(x, y)| *x = R::round(*x + y));
    }

    /// `residual += o_proj(attention(rms(residual)))`.
    pub(super) fn attention<R: Rounding>(&self, layer: usize, buffers: &mut Buffers) -> Result<()> {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        self.norm::<R>(&name("input_layernorm"), buffers)?;
        let config = self.config();
        let heads =
            Heads { query: config.num_attention_heads, key_value: config.num_key_value_heads, dim: config.head_dim };
        let Buffers { normed, query, key, value, attended, output, weight, .. } = buffers;
        let (wide, narrow) = (heads.query * heads.dim, heads.key_value * heads.dim);
        for (out, projection, width) in
            [(&mut *query, "q_proj", wide), (&mut *key, "k_proj", narrow), (&mut *value, "v_proj", narrow)]
        {
            self.checkpoint.read(&name(&format!("self_attn.{projection}")), weight)?;
            linear(out, normed, weight, config.hidden_size, width);
            round_all::<R>(out);
        }
        self.rotate::<R>(query, wide);
        self.rotate::<R>(key, narrow);
        let length = self.wave.tokens() * wide;
        attend::<R>(&mut attended[..length], Projections { query, key, value }, heads, &self.rows());
        self.checkpoint.read(&name("self_attn.o_proj"), weight)?;
        linear(output, attended, weight, wide, config.hidden_size);
        round_all::<R>(output);
        self.add_output::<R>(buffers);
        Ok(())
    }

    /// Turns the heads of every row by its position.
    fn rotate<R: Rounding>(&self, heads: &mut [f32], width: usize) {
        for rows in self.rows() {
            heads[rows.first * width..(rows.first + rows.length) * width]
                .par_chunks_mut(width)
                .enumerate()
                .for_each(|(position, heads)| self.rotary.rotate::<R>(heads, position));
        }
    }

    /// The wave's sequences as rows of the buffers.
    fn rows(&self) -> Vec<Rows<'_>> {
        let mut first = 0;
        let masks = self.wave.key_masks.iter().map(|mask| Some(mask.as_slice())).chain(std::iter::repeat(None));
        self.wave
            .sequences
            .iter()
            .zip(masks)
            .map(|(ids, key_mask)| {
                let rows = Rows { first, length: ids.len(), key_mask };
                first += ids.len();
                rows
            })
            .collect()
    }

    /// `residual += mlp3(normed)` with the dense matrices under `prefix`.
    pub(super) fn dense_mlp<R: Rounding>(&self, prefix: &str, buffers: &mut Buffers) -> Result<()> {
        let (hidden, inner) = (self.config().hidden_size, self.config().intermediate_size);
        let Buffers { normed, output, weight, up_weight, down_weight, .. } = buffers;
        for (projection, buffer) in
            [("gate_proj", &mut *weight), ("up_proj", &mut *up_weight), ("down_proj", &mut *down_weight)]
        {
            self.checkpoint.read(&format!("{prefix}.{projection}.weight"), buffer)?;
        }
        let weights = MlpWeights {
            gate: Matrix::new(weight, 2 * inner, hidden).transposed(),
            up: Matrix::new(up_weight, inner, hidden).transposed(),
            down: Matrix::new(down_weight, hidden, inner).transposed(),
        };
        weights.apply::<R>(output, normed, hidden, inner);
        self.add_output::<R>(buffers);
        Ok(())
    }

    /// Routes the normalised rows, group by group, and tells the observer.
    pub(super) fn router(
        &self,
        layer: usize,
        buffers: &mut Buffers,
        observer: &mut dyn RoutingObserver,
    ) -> Result<Vec<LayerRouting>> {
        let (hidden, experts) = (self.config().hidden_size, self.router.num_experts);
        self.checkpoint.read(&format!("model.layers.{layer}.mlp.gate_weight"), &mut buffers.weight)?;
        let offsets = self.wave.offsets();
        let (normed, gate_weight) = (&buffers.normed, &buffers.weight);
        let routings = self.wave.groups.par_iter().enumerate().map(|(index, group)| {
            let rows = &normed[offsets[group.start] * hidden..offsets[group.end] * hidden];
            let logits = rows
                .par_chunks_exact(hidden)
                .flat_map_iter(|row| gate_weight.chunks_exact(hidden).map(move |expert| dot(row, expert)))
                .collect();
            self.route_group(layer, index, group, logits, experts)
        });
        let routings = routings.collect::<Vec<Result<_>>>().into_iter().collect::<Result<Vec<_>>>()?;
        for routing in &routings {
            observer.observe_routing(routing)?;
        }
        Ok(routings)
    }

    fn route_group(
        &self,
        layer: usize,
        index: usize,
        group: &std::ops::Range<usize>,
        logits: Vec<f32>,
        experts: usize,
    ) -> Result<LayerRouting> {
        if let Some(bad) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(self.not_finite(layer, group.start, bad / experts, bad % experts, logits[bad]));
        }
        let capacity = self.router.capacity(logits.len() / experts)?;
        let mut routing = route(logits, experts, self.router.top_k, capacity);
        routing.layer = layer as u16;
        routing.group = self.wave.first_group + index as u32;
        routing.sequences = self.wave.first_sequence + group.start as u32..self.wave.first_sequence + group.end as u32;
        Ok(routing)
    }

    /// Names the place of a logit that is NaN or infinite; `token` counts within the group.
    fn not_finite(&self, layer: usize, mut sequence: usize, mut token: usize, expert: usize, value: f32) -> Error {
        while token >= self.wave.sequences[sequence].len() {
            token -= self.wave.sequences[sequence].len();
            sequence += 1;
        }
        Error::NonFinite {
            layer: layer as u16,
            sequence: self.wave.first_sequence + sequence as u32,
            position: token as u32,
            expert: expert as u16,
            value,
        }
    }

    /// `residual += sum over kept choices of probability * expert(normed)`, not renormalised. Experts run one after
    /// another on the rows that kept them, all groups of the wave together; nothing is padded to capacity.
    pub(super) fn experts<R: Rounding>(
        &self,
        layer: usize,
        routings: &[LayerRouting],
        buffers: &mut Buffers,
    ) -> Result<()> {
        let (hidden, inner) = (self.config().hidden_size, self.config().intermediate_size);
        let kept = kept_rows::<R>(routings, self.router.num_experts);
        buffers.output.fill(0.0);
        let Buffers { normed, output, gathered, expert_output, weight, up_weight, down_weight, .. } = buffers;
        for (expert, rows) in kept.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            for (tensor, buffer, size) in [
                ("wi_gate", &mut *weight, hidden * 2 * inner),
                ("wi_up", &mut *up_weight, hidden * inner),
                ("wo", &mut *down_weight, inner * hidden),
            ] {
                let name = format!("model.layers.{layer}.mlp.experts.{tensor}");
                self.checkpoint.read_part(&name, expert * size, size, buffer)?;
            }
            let weights = MlpWeights {
                gate: Matrix::new(weight, hidden, 2 * inner),
                up: Matrix::new(up_weight, hidden, inner),
                down: Matrix::new(down_weight, inner, hidden),
            };
            zeroed(gathered, padded(rows.len()) * hidden);
            zeroed(expert_output, gathered.len());
            for (gathered, &(row, _)) in gathered.chunks_exact_mut(hidden).zip(rows) {
                gathered.copy_from_slice(&normed[row * hidden..(row + 1) * hidden]);
            }
            weights.apply::<R>(expert_output, gathered, hidden, inner);
            for (made, &(row, probability)) in expert_output.chunks_exact(hidden).zip(rows) {
                for (sum, made) in output[row * hidden..(row + 1) * hidden].iter_mut().zip(made) {
                    *sum += probability * made;
                }
            }
        }
        round_all::<R>(output);
        self.add_output::<R>(buffers);
        Ok(())
    }
}

/// For every expert the rows of the wave that kept it, in input order, with their combine weights.
fn kept_rows<R: Rounding>(routings: &[LayerRouting], num_experts: usize) -> Vec<Vec<(usize, f32)>> {
    let mut kept = vec![Vec::new(); num_experts];
    let mut first = 0;
    for routing in routings {
        for (index, &expert) in routing.expert.iter().enumerate() {
            if !routing.dropped[index] {
                kept[expert as usize].push((first + index / routing.top_k, R::round(routing.probability[index])));
            }
        }
        first += routing.tokens;
    }
    kept
}
