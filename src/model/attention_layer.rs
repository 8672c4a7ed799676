//! Attention of a decoder layer over a whole wave: from hidden states to queries, keys and values, and back.

use rayon::prelude::*;

use super::{
    attention::{Heads, Sight, attend},
    kernels::{Rounding, add_bias, rms_norm, rms_norm_in_place, round_all},
    layers::{Buffers, Context, Latents},
    matmul::linear,
    weights::Weights,
};
use crate::checkpoint::{Latent, Projection, QueryKeyNorm, Role};

/// Applies a linear layer to all rows of the wave, and its bias if it has one.
fn project<R: Rounding>(out: &mut [f32], input: &[f32], weights: &Weights, (matrix, bias): (Role, Role)) {
    linear(out, input, weights.matrix(matrix));
    round_all::<R>(out);
    if let Some(bias) = weights.optional(bias) {
        add_bias::<R>(out, bias);
    }
}

/// Cuts numbers at a size.
fn cut(numbers: &mut [f32], size: f64) {
    let size = size as f32;
    numbers.par_iter_mut().for_each(|x| *x = x.clamp(-size, size));
}

impl Context<'_> {
    /// `residual += o_proj(attention(norm(residual)))`, then `normed = norm(residual)` for what follows. The weights are
    /// those of [`super::weights::Parts::attention`].
    pub(super) fn attention<R: Rounding>(&self, layer: usize, weights: &Weights, buffers: &mut Buffers) {
        self.norm::<R>(weights, (Role::AttentionNorm, Role::AttentionNormBias), buffers);
        match self.architecture.attention.projection {
            Projection::Plain => self.project_plain::<R>(weights, buffers),
            Projection::Latent(latent) => self.project_latent::<R>(weights, &latent, buffers),
        }
        let attention = &self.architecture.attention;
        let sight = Sight {
            window: self.architecture.layers[layer].window.unwrap_or(usize::MAX),
            sinks: weights.optional(Role::Sinks),
        };
        let Buffers { query, attended, output, panels, pool, .. } = buffers;
        let attended_length = self.wave.tokens() * attention.output_width();
        let query = &query[..self.wave.tokens() * attention.query_width()];
        attend::<R>(&mut attended[..attended_length], query, panels, Heads::of(attention), sight, &self.rows(), pool);
        project::<R>(output, attended, weights, (Role::Output, Role::OutputBias));
        self.add_output::<R>(buffers);
        self.norm::<R>(weights, (Role::FeedForwardNorm, Role::FeedForwardNormBias), buffers);
    }

    /// Queries, keys and values by a linear layer each.
    fn project_plain<R: Rounding>(&self, weights: &Weights, buffers: &mut Buffers) {
        let attention = &self.architecture.attention;
        let (heads, rows) = (Heads::of(attention), self.rows());
        let Buffers { normed, query, key_value, panels, .. } = buffers;
        project::<R>(query, normed, weights, (Role::Query, Role::QueryBias));
        self.finish_heads::<R>(query, attention.query_width(), weights.optional(Role::QueryNorm));
        project::<R>(key_value, normed, weights, (Role::Key, Role::KeyBias));
        self.finish_heads::<R>(key_value, attention.key_width(), weights.optional(Role::KeyNorm));
        panels.lay_out_keys(key_value, heads, &rows);
        project::<R>(key_value, normed, weights, (Role::Value, Role::ValueBias));
        if let Some(clip) = attention.clip {
            cut(key_value, clip);
        }
        panels.lay_out_values(key_value, heads, &rows);
    }

    /// Norm, clipping and rotary embedding of queries or keys, `width` numbers a row.
    fn finish_heads<R: Rounding>(&self, heads: &mut [f32], width: usize, norm: Option<&[f32]>) {
        let attention = &self.architecture.attention;
        if let Some(weight) = norm {
            let eps = self.architecture.norm.epsilon as f32;
            let together = match attention.query_key_norm {
                Some(QueryKeyNorm::PerHead) => attention.key_dim,
                _ => width,
            };
            let rows = heads[..self.wave.tokens() * width].par_chunks_mut(together);
            rows.for_each(|numbers| rms_norm_in_place::<R>(numbers, weight, eps));
        }
        if let Some(clip) = attention.clip {
            cut(heads, clip);
        }
        self.rotate::<R>(heads, width, (attention.key_dim, 0));
    }

    /// Applies the rotary embedding to the heads of every row of `width` numbers, by its position: `head` is the width of a head
    /// and where its rotated dimensions begin.
    fn rotate<R: Rounding>(&self, heads: &mut [f32], width: usize, head: (usize, usize)) {
        for rows in self.rows() {
            heads[rows.first * width..(rows.first + rows.length) * width]
                .par_chunks_mut(width)
                .enumerate()
                .for_each(|(position, heads)| self.rotary.rotate::<R>(heads, head, position, rows.length));
        }
    }

    /// Queries, keys and values by way of latents (MLA).
    fn project_latent<R: Rounding>(&self, weights: &Weights, latent: &Latent, buffers: &mut Buffers) {
        let attention = &self.architecture.attention;
        let (heads, sequences) = (Heads::of(attention), self.rows());
        let rows = buffers.normed.len() / self.architecture.hidden;
        let (rank, rotated) = (latent.key_value_rank, attention.rotary.dim);
        let Buffers { normed, query, key_value, latents, panels, .. } = buffers;
        if let Some(query_rank) = latent.query_rank {
            let projected = &mut latents.projected[..rows * query_rank];
            project::<R>(projected, normed, weights, (Role::QueryLatent, Role::QueryLatentBias));
            let norm = weights.vector(Role::QueryLatentNorm);
            let latent = self.norm_latent::<R>(latents, (query_rank, query_rank), latent.epsilon, norm);
            project::<R>(query, latent, weights, (Role::QueryFromLatent, Role::QueryBias));
        } else {
            project::<R>(query, normed, weights, (Role::Query, Role::QueryBias));
        }
        self.rotate::<R>(query, attention.query_width(), (attention.key_dim, latent.plain_dim));
        let projected = &mut latents.projected[..rows * (rank + rotated)];
        project::<R>(projected, normed, weights, (Role::KeyValueLatent, Role::KeyValueLatentBias));
        self.rotate::<R>(projected, rank + rotated, (rank + rotated, rank));
        let norm = weights.vector(Role::KeyValueLatentNorm);
        self.norm_latent::<R>(latents, (rank + rotated, rank), latent.epsilon, norm);
        let Latents { projected, normed: compressed, expanded } = latents;
        project::<R>(expanded, &compressed[..rows * rank], weights, (Role::KeyValueFromLatent, Role::ValueBias));
        self.gather_keys(key_value, expanded, projected, latent);
        panels.lay_out_keys(key_value, heads, &sequences);
        self.gather_values(key_value, expanded, latent.plain_dim);
        panels.lay_out_values(key_value, heads, &sequences);
    }

    /// Norms the first `rank` of every `width` projected numbers; the rows that are padding stay as they are.
    fn norm_latent<'b, R: Rounding>(
        &self,
        latents: &'b mut Latents,
        (width, rank): (usize, usize),
        epsilon: f64,
        weight: &[f32],
    ) -> &'b [f32] {
        let rows = latents.projected.len() / Latents::widths(&self.architecture.attention)[0];
        let normed = &mut latents.normed[..rows * rank];
        let sources = latents.projected.par_chunks_exact(width).take(self.wave.tokens());
        normed.par_chunks_exact_mut(rank).zip(sources).for_each(|(out, x)| {
            rms_norm::<R>(out, &x[..rank], weight, epsilon as f32);
        });
        normed
    }

    /// Keys `[rows, heads * key_dim]`: of each head its own part, then the rotated part that all heads share.
    fn gather_keys(&self, keys: &mut [f32], expanded: &[f32], projected: &[f32], latent: &Latent) {
        let attention = &self.architecture.attention;
        let (plain, rank) = (latent.plain_dim, latent.key_value_rank);
        let of_head = plain + attention.value_dim;
        let rows = keys.par_chunks_exact_mut(attention.key_width()).take(self.wave.tokens());
        let expanded = expanded.par_chunks_exact(attention.heads * of_head);
        let projected = projected.par_chunks_exact(rank + attention.rotary.dim);
        rows.zip(expanded).zip(projected).for_each(|((keys, expanded), projected)| {
            for (key, expanded) in keys.chunks_exact_mut(attention.key_dim).zip(expanded.chunks_exact(of_head)) {
                key[..plain].copy_from_slice(&expanded[..plain]);
                key[plain..].copy_from_slice(&projected[rank..]);
            }
        });
    }

    /// Values `[rows, heads * value_dim]`: what stands behind the `plain` numbers of the keys.
    fn gather_values(&self, values: &mut [f32], expanded: &[f32], plain: usize) {
        let attention = &self.architecture.attention;
        let of_head = plain + attention.value_dim;
        let rows = values.par_chunks_exact_mut(attention.value_width()).take(self.wave.tokens());
        rows.zip(expanded.par_chunks_exact(attention.heads * of_head)).for_each(|(values, expanded)| {
            for (value, expanded) in values.chunks_exact_mut(attention.value_dim).zip(expanded.chunks_exact(of_head)) {
                value.copy_from_slice(&expanded[plain..]);
            }
        });
    }
}
