//! The parts of a decoder layer over a whole wave: attention, dense MLP, mixture of experts.

use rayon::prelude::*;

use super::{
    attention::{Heads, Panels, Rows, attend},
    kernels::{Rotary, Rounding, dot, rms_norm, round_all},
    matmul::{linear, padded_rows},
    mlp::Mlp,
    scratch::ScratchPool,
    wave::Wave,
    weights::Weights,
};
use crate::{
    checkpoint::Config,
    error::{Error, Result},
    routing::{LayerId, LayerRouting, LayerShape, RoutingObserver, RoutingShape, route},
};

/// Buffers of one wave, reused by every layer and by the next wave. Rows are padded to whole product rows; the padding is
/// zero or the product of zeros, and is never read back.
#[derive(Default)]
pub(super) struct Buffers {
    /// Residual stream `[rows, hidden]`.
    pub(super) residual: Vec<f32>,
    /// Normalised input of the running part `[rows, hidden]`.
    pub(super) normed: Vec<f32>,
    /// Output of the running part `[rows, hidden]`.
    output: Vec<f32>,
    query: Vec<f32>,
    /// Keys, then values, before they are laid out.
    key_value: Vec<f32>,
    attended: Vec<f32>,
    /// Keys and values in the layout that attention reads.
    panels: Panels,
    /// Working memory of the threads.
    pool: ScratchPool,
}

impl Buffers {
    /// Prepares zeroed buffers for the rows of a wave; the memory of an earlier wave is reused.
    pub(super) fn reset(&mut self, wave: &Wave, config: &Config) {
        let rows = padded_rows(wave.tokens());
        let query = rows * config.num_attention_heads * config.head_dim;
        let key_value = rows * config.num_key_value_heads * config.head_dim;
        let hidden = rows * config.hidden_size;
        for (buffer, length) in [
            (&mut self.residual, hidden),
            (&mut self.normed, hidden),
            (&mut self.output, hidden),
            (&mut self.query, query),
            (&mut self.key_value, key_value),
            (&mut self.attended, query),
        ] {
            buffer.clear();
            buffer.resize(length, 0.0);
        }
        self.panels.reset(wave.sequences.iter().map(|ids| Rows::panels(ids.len())).sum(), Heads::of(config));
    }

    /// Sets the output to zero, before the experts add to it.
    pub(super) fn begin_experts(&mut self) {
        self.output.fill(0.0);
    }
}

/// The facts about the wave that every part of a layer needs.
pub(super) struct Context<'a> {
    /// The checkpoint's configuration.
    pub(super) config: &'a Config,
    /// The sequences that go through the layer together.
    pub(super) wave: &'a Wave<'a>,
    /// Cosines and sines of the positions of the wave.
    pub(super) rotary: Rotary,
    /// Experts, choices and capacity of every routed layer.
    pub(super) shape: &'a RoutingShape,
}

impl Context<'_> {
    /// `normed = rms(residual)` for every row of the wave.
    pub(super) fn norm<R: Rounding>(&self, weight: &[f32], buffers: &mut Buffers) {
        let (hidden, eps) = (self.config.hidden_size, self.config.rms_norm_eps as f32);
        let length = self.wave.tokens() * hidden;
        buffers.normed[..length]
            .par_chunks_mut(hidden)
            .zip(buffers.residual.par_chunks(hidden))
            .for_each(|(out, x)| rms_norm::<R>(out, x, weight, eps));
    }

    /// `residual += output` for every row of the wave.
    fn add_output<R: Rounding>(&self, buffers: &mut Buffers) {
        let length = self.wave.tokens() * self.config.hidden_size;
        buffers.residual[..length].par_iter_mut().zip(&buffers.output).for_each(|(x, y)| *x = R::round(*x + y));
    }

    /// `residual += o_proj(attention(rms(residual)))`, then `normed = rms(residual)` for what follows. The weights are
    /// those of [`super::weights::Parts::attention`].
    pub(super) fn attention<R: Rounding>(&self, weights: &Weights, buffers: &mut Buffers) {
        self.norm::<R>(weights.vector(0), buffers);
        let (heads, rows) = (Heads::of(self.config), self.rows());
        let Buffers { normed, query, key_value, attended, output, panels, pool, .. } = buffers;
        let (wide, narrow) = (heads.query * heads.dim, heads.key_value * heads.dim);
        let project = |out: &mut Vec<f32>, weight: usize| {
            linear(out, normed, weights.matrix(weight));
            round_all::<R>(out);
        };
        project(query, 1);
        self.rotate::<R>(query, wide);
        project(key_value, 2);
        self.rotate::<R>(key_value, narrow);
        panels.lay_out_keys(key_value, heads, &rows);
        project(key_value, 3);
        panels.lay_out_values(key_value, heads, &rows);
        let length = self.wave.tokens() * wide;
        attend::<R>(&mut attended[..length], &query[..length], panels, heads, &rows, pool);
        linear(output, attended, weights.matrix(4));
        round_all::<R>(output);
        self.add_output::<R>(buffers);
        self.norm::<R>(weights.vector(5), buffers);
    }

    /// Applies the rotary embedding to the heads of every row, by its position.
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
        let (mut first, mut first_panel) = (0, 0);
        let masks = self.wave.key_masks.iter().map(|mask| Some(mask.as_slice())).chain(std::iter::repeat(None));
        self.wave
            .sequences
            .iter()
            .zip(masks)
            .map(|(ids, key_mask)| {
                let rows = Rows { first, length: ids.len(), first_panel, key_mask };
                first += ids.len();
                first_panel += Rows::panels(ids.len());
                rows
            })
            .collect()
    }

    /// `residual += mlp3(normed)` with dense matrices.
    pub(super) fn dense_mlp<R: Rounding>(&self, weights: &Weights, buffers: &mut Buffers) {
        let Buffers { normed, output, pool, .. } = buffers;
        self.mlp(weights).dense::<R>(output, normed, pool);
        self.add_output::<R>(buffers);
    }

    /// The MLP whose gate, up and down projection are the first three matrices of a part.
    fn mlp<'w>(&self, weights: &'w Weights) -> Mlp<'w> {
        let [gate, up, down] = [0, 1, 2].map(|index| weights.matrix(index));
        Mlp { gate, up, down, hidden: self.config.hidden_size, inner: self.config.intermediate_size }
    }

    /// Routes the normalised rows, group by group, and passes the routing to the observer.
    pub(super) fn router<R: Rounding>(
        &self,
        layer: usize,
        gate_weight: &[f32],
        buffers: &Buffers,
        observer: &mut dyn RoutingObserver,
    ) -> Result<Vec<LayerRouting>> {
        let (hidden, shape) = (self.config.hidden_size, self.shape_of(layer)?);
        let offsets = self.wave.offsets();
        let normed = &buffers.normed;
        let routings = self.wave.groups.par_iter().enumerate().map(|(index, group)| {
            let rows = &normed[offsets[group.start] * hidden..offsets[group.end] * hidden];
            let logits = rows
                .par_chunks_exact(hidden)
                .flat_map_iter(|row| gate_weight.chunks_exact(hidden).map(move |expert| dot(row, expert)))
                .collect();
            self.route_group::<R>(layer, index, group, logits, shape)
        });
        let routings = routings.collect::<Vec<Result<_>>>().into_iter().collect::<Result<Vec<_>>>()?;
        for routing in &routings {
            observer.observe_routing(routing)?;
        }
        Ok(routings)
    }

    fn shape_of(&self, layer: usize) -> Result<&LayerShape> {
        let known = self.shape.layer(layer as LayerId);
        known.ok_or_else(|| Error::internal(format!("decoder layer {layer} routes, but its shape is not known")))
    }

    fn route_group<R: Rounding>(
        &self,
        layer: usize,
        index: usize,
        group: &std::ops::Range<usize>,
        logits: Vec<f32>,
        shape: &LayerShape,
    ) -> Result<LayerRouting> {
        let experts = shape.num_experts;
        if let Some(bad) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(self.not_finite(layer, group.start, bad / experts, bad % experts, logits[bad]));
        }
        let capacity = shape.slots(logits.len() / experts)?;
        let mut routing = route(logits, experts, shape.top_k, capacity);
        round_all::<R>(&mut routing.combine_weight);
        routing.layer = layer as LayerId;
        routing.group = self.wave.first_group + index as u32;
        routing.sequences = self.wave.first_sequence + group.start as u32..self.wave.first_sequence + group.end as u32;
        Ok(routing)
    }

    /// The error for a logit that is NaN or infinite, with its place; `token` counts within the group.
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

    /// Adds the output of one expert to the rows that kept it; nothing is padded to capacity, and nothing is renormalised.
    pub(super) fn expert<R: Rounding>(&self, weights: &Weights, rows: &[(usize, f32)], buffers: &mut Buffers) {
        let Buffers { normed, output, pool, .. } = buffers;
        self.mlp(weights).expert::<R>(output, normed, rows, pool);
    }

    /// `residual += output` of all experts.
    pub(super) fn end_experts<R: Rounding>(&self, buffers: &mut Buffers) {
        round_all::<R>(&mut buffers.output);
        self.add_output::<R>(buffers);
    }
}

/// For every expert the rows of the wave that kept it, in input order, with their combine weights.
pub(super) fn kept_rows(routings: &[LayerRouting], num_experts: usize) -> Vec<Vec<(usize, f32)>> {
    let mut kept = vec![Vec::new(); num_experts];
    let mut first = 0;
    for routing in routings {
        for (index, &expert) in routing.expert.iter().enumerate() {
            if !routing.dropped[index] {
                kept[expert as usize].push((first + index / routing.top_k, routing.combine_weight[index]));
            }
        }
        first += routing.tokens;
    }
    kept
}
