//! The parts of a decoder layer over a whole wave but attention: norms, dense MLP, mixture of experts.

use rayon::prelude::*;

use super::{
    attention::{Heads, Panels, Rows},
    kernels::{Rounding, dot, layer_norm, rms_norm, round_all, sigmoid},
    matmul::padded_rows,
    mlp::{KeptRow, Mlp},
    rotary::Rotary,
    scratch::ScratchPool,
    wave::Wave,
    weights::Weights,
};
use crate::{
    checkpoint::{Architecture, Attention, Block, MlpPart, NormKind, Role, TensorMap},
    error::{Error, Result},
    routing::{LayerId, LayerRouting, LayerShape, RouterCall, RoutingObserver, RoutingPolicy, RoutingShape},
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
    pub(super) output: Vec<f32>,
    pub(super) query: Vec<f32>,
    /// Keys, then values, before they are laid out.
    pub(super) key_value: Vec<f32>,
    pub(super) attended: Vec<f32>,
    /// What keys and values, or queries, are made from where that is a latent.
    pub(super) latents: Latents,
    /// Keys and values in the layout that attention reads.
    pub(super) panels: Panels,
    /// What experts made of some rows, one buffer each `[rows, hidden]`.
    pub(super) made: Vec<Vec<f32>>,
    /// Working memory of the threads.
    pub(super) pool: ScratchPool,
}

/// Latents of multi-head latent attention, and what is made of them; empty for other models.
#[derive(Default)]
pub(super) struct Latents {
    /// A latent before its norm, and the rotated part of the keys behind it `[rows, ..]`.
    pub(super) projected: Vec<f32>,
    /// A latent after its norm `[rows, rank]`.
    pub(super) normed: Vec<f32>,
    /// Keys and values of every head, without the rotated part of the keys `[rows, ..]`.
    pub(super) expanded: Vec<f32>,
}

impl Latents {
    /// Numbers of each buffer for one row.
    pub(super) fn widths(attention: &Attention) -> [usize; 3] {
        attention.latent().map_or([0; 3], |latent| {
            let (query, key_value) = (latent.query_rank.unwrap_or(0), latent.key_value_rank);
            let expanded = attention.heads * (latent.plain_dim + attention.value_dim);
            [query.max(key_value + attention.rotary.dim), query.max(key_value), expanded]
        })
    }
}

impl Buffers {
    /// Prepares zeroed buffers for the rows of a wave; the memory of an earlier wave is reused.
    pub(super) fn reset(&mut self, wave: &Wave, architecture: &Architecture) {
        let (rows, attention) = (padded_rows(wave.tokens()), &architecture.attention);
        let hidden = rows * architecture.hidden;
        let [projected, normed, expanded] = Latents::widths(attention);
        for (buffer, length) in [
            (&mut self.residual, hidden),
            (&mut self.normed, hidden),
            (&mut self.output, hidden),
            (&mut self.query, rows * attention.query_width()),
            (&mut self.key_value, rows * attention.key_width().max(attention.value_width())),
            (&mut self.attended, rows * attention.output_width()),
            (&mut self.latents.projected, rows * projected),
            (&mut self.latents.normed, rows * normed),
            (&mut self.latents.expanded, rows * expanded),
        ] {
            buffer.clear();
            buffer.resize(length, 0.0);
        }
        self.panels.reset(wave.sequences.iter().map(|ids| Rows::panels(ids.len())).sum(), Heads::of(attention));
    }

    /// Sets the output to zero, before the experts add to it.
    pub(super) fn begin_experts(&mut self) {
        self.output.fill(0.0);
    }
}

/// The facts about the wave that every part of a layer needs.
pub(super) struct Context<'a> {
    /// The tensors of the model.
    pub(super) map: &'a TensorMap,
    /// What the model computes.
    pub(super) architecture: &'a Architecture,
    /// The sequences that go through the layer together.
    pub(super) wave: &'a Wave<'a>,
    /// Cosines and sines of the positions of the wave.
    pub(super) rotary: Rotary,
    /// Experts, choices and capacity of every routed layer.
    pub(super) shape: &'a RoutingShape,
    /// Who decides for the routers.
    pub(super) policy: &'a dyn RoutingPolicy,
}

impl Context<'_> {
    /// `normed = norm(residual)` for every row of the wave.
    pub(super) fn norm<R: Rounding>(&self, weights: &Weights, (weight, bias): (Role, Role), buffers: &mut Buffers) {
        let (hidden, eps) = (self.architecture.hidden, self.architecture.norm.epsilon as f32);
        let length = self.wave.tokens() * hidden;
        let weight = weights.vector(weight);
        let rows = buffers.normed[..length].par_chunks_mut(hidden).zip(buffers.residual.par_chunks(hidden));
        match self.architecture.norm.kind {
            NormKind::RootMeanSquare => rows.for_each(|(out, x)| rms_norm::<R>(out, x, weight, eps)),
            NormKind::Layer => {
                let bias = weights.vector(bias);
                rows.for_each(|(out, x)| layer_norm::<R>(out, x, weight, bias, eps));
            }
        }
    }

    /// `residual += multiplier * output` for every row of the wave.
    pub(super) fn add_output<R: Rounding>(&self, buffers: &mut Buffers) {
        let length = self.wave.tokens() * self.architecture.hidden;
        let multiplier = self.architecture.residual_multiplier as f32;
        buffers.residual[..length].par_iter_mut().zip(&buffers.output).for_each(|(x, y)| {
            *x = R::round(*x + multiplier * y);
        });
    }

    /// The wave's sequences as rows of the buffers.
    pub(super) fn rows(&self) -> Vec<Rows<'_>> {
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

    /// `residual += mlp(normed)` with a dense MLP.
    pub(super) fn dense_mlp<R: Rounding>(&self, weights: &Weights, block: Block, buffers: &mut Buffers) {
        let Buffers { normed, output, pool, .. } = buffers;
        self.mlp(weights, block).dense::<R>(output, normed, pool);
        self.add_output::<R>(buffers);
    }

    /// `output = shared experts(normed)`, to which the chosen ones are added.
    pub(super) fn shared_experts<R: Rounding>(&self, weights: &Weights, buffers: &mut Buffers) {
        let Buffers { normed, output, pool, .. } = buffers;
        self.mlp(weights, Block::Shared).dense::<R>(output, normed, pool);
        let Some(gate) = weights.optional(Role::SharedGate) else { return };
        let hidden = self.architecture.hidden;
        output.par_chunks_exact_mut(hidden).zip(normed.par_chunks_exact(hidden)).for_each(|(output, row)| {
            let share = R::round(sigmoid(R::round(dot(row, gate))));
            for x in output {
                *x = R::round(*x * share);
            }
        });
    }

    /// The MLP of a block, from the weights of its part.
    pub(super) fn mlp<'w>(&self, weights: &'w Weights, block: Block) -> Mlp<'w> {
        let (mlp, hidden) = (self.map.mlp_of(block), self.architecture.hidden);
        let matrix = |part| weights.matrix(Role::Mlp(block, part));
        let bias = |part| weights.optional(Role::MlpBias(block, part));
        let width = mlp.gate_width();
        let both = width..width + mlp.inner;
        let is_fused = weights.optional(Role::Mlp(block, MlpPart::GateAndUp)).is_some();
        let (gate, up) = if is_fused {
            let fused = matrix(MlpPart::GateAndUp);
            (fused.columns(0..width), fused.columns(both.clone()))
        } else {
            (matrix(MlpPart::Gate), matrix(MlpPart::Up))
        };
        let gate_and_up = bias(MlpPart::GateAndUp).map(|fused| (&fused[..width], &fused[both]));
        let first_two = gate_and_up.or_else(|| bias(MlpPart::Gate).zip(bias(MlpPart::Up)));
        let biases = first_two.zip(bias(MlpPart::Down)).map(|((gate, up), down)| [gate, up, down]);
        Mlp { gate, up, down: matrix(MlpPart::Down), biases, activation: mlp.activation, hidden, inner: mlp.inner }
    }

    /// What the router of a layer says about rows that no attention has changed: `normed` is that of the residual stream before it.
    pub(super) fn logits_before_attention<R: Rounding>(
        &self,
        layer: usize,
        weights: &Weights,
        buffers: &mut Buffers,
    ) -> Vec<Vec<f32>> {
        self.norm::<R>(weights, (Role::FeedForwardNorm, Role::FeedForwardNormBias), buffers);
        self.router_logits(layer, weights, buffers)
    }

    /// The gate's output for the normalised rows, by routing group `[tokens, num_experts]`.
    pub(super) fn router_logits(&self, layer: usize, weights: &Weights, buffers: &Buffers) -> Vec<Vec<f32>> {
        let hidden = self.architecture.hidden;
        let offsets = self.wave.offsets();
        let normed = &buffers.normed;
        let other = self.policy.gate(layer as LayerId);
        let gate_weight = other.map_or_else(|| weights.vector(Role::Router), |gate| &gate.weight);
        let bias = match other {
            Some(gate) => Some(gate.bias.as_slice()).filter(|bias| !bias.is_empty()),
            None => weights.optional(Role::RouterBias),
        };
        let of_group = |group: &std::ops::Range<usize>| {
            let rows = &normed[offsets[group.start] * hidden..offsets[group.end] * hidden];
            let mut logits: Vec<f32> = rows
                .par_chunks_exact(hidden)
                .flat_map_iter(|row| gate_weight.chunks_exact(hidden).map(move |expert| dot(row, expert)))
                .collect();
            if let Some(bias) = bias {
                for row in logits.chunks_exact_mut(bias.len()) {
                    row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
                }
            }
            logits
        };
        self.wave.groups.par_iter().map(of_group).collect()
    }

    /// Routes by the logits of every group, and passes the routing to the observer.
    pub(super) fn route<R: Rounding>(
        &self,
        layer: usize,
        weights: &Weights,
        logits: Vec<Vec<f32>>,
        observer: &mut dyn RoutingObserver,
    ) -> Result<Vec<LayerRouting>> {
        let shape = self.shape_of(layer)?;
        let correction_bias = match self.policy.gate(layer as LayerId) {
            Some(gate) => Some(gate.correction_bias.as_slice()).filter(|bias| !bias.is_empty()),
            None => weights.optional(Role::CorrectionBias),
        };
        check_finite(layer, correction_bias)?;
        let routings = logits
            .into_par_iter()
            .enumerate()
            .map(|(index, logits)| self.route_group::<R>(layer, index, logits, correction_bias, shape));
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
        logits: Vec<f32>,
        correction_bias: Option<&[f32]>,
        shape: &LayerShape,
    ) -> Result<LayerRouting> {
        let (experts, group) = (shape.num_experts, &self.wave.groups[index]);
        if let Some(bad) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(self.not_finite(layer, group.start, bad / experts, bad % experts, logits[bad]));
        }
        let first = self.wave.first_sequence;
        let mut routing = self.policy.route(RouterCall {
            layer: layer as LayerId,
            group: self.wave.first_group + index as u32,
            sequences: first + group.start as u32..first + group.end as u32,
            token_ids: &self.wave.sequences[group.clone()],
            rule: &self.architecture.experts.router,
            bias: correction_bias,
            shape,
            capacity: shape.slots(logits.len() / experts)?,
            logits,
        })?;
        round_all::<R>(&mut routing.combine_weight);
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

    /// `residual += output` of all experts.
    pub(super) fn end_experts<R: Rounding>(&self, buffers: &mut Buffers) {
        round_all::<R>(&mut buffers.output);
        self.add_output::<R>(buffers);
    }
}

/// Refuses a bias by which nothing can be ranked: it acts after the logits, whose check does not see it.
fn check_finite(layer: usize, correction_bias: Option<&[f32]>) -> Result<()> {
    let mut biases = correction_bias.unwrap_or_default().iter().enumerate();
    match biases.find(|(_, bias)| !bias.is_finite()) {
        Some((expert, &value)) => Err(Error::NonFiniteBias { layer: layer as u16, expert: expert as u16, value }),
        None => Ok(()),
    }
}

/// For every expert the rows of the wave that kept it, in input order, with their combine weights.
pub(super) fn kept_rows(routings: &[LayerRouting], num_experts: usize) -> Vec<Vec<KeptRow>> {
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
