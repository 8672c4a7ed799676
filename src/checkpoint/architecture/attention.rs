//! Attention as data.

use serde::{Deserialize, Serialize};

/// Causal attention.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Attention {
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values, a divisor of the heads of queries; neighbouring query heads share one.
    pub key_value_heads: usize,
    /// Dimensions of a query and of a key.
    pub key_dim: usize,
    /// Dimensions of a value.
    pub value_dim: usize,
    /// What the product of query and key is multiplied by.
    pub scale: f64,
    /// From hidden states to queries, keys and values.
    pub projection: Projection,
    /// Whether biases are added to queries, keys and values; for a latent: to the two projections into latents.
    pub input_bias: bool,
    /// Whether a bias is added to the output projection.
    pub output_bias: bool,
    /// Norm of queries and keys before the rotary embedding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_key_norm: Option<QueryKeyNorm>,
    /// Queries, keys and values are cut to this size on both sides of zero, after their norm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// The rotary embedding.
    pub rotary: Rotary,
    /// Whether each head has a learnt logit without a value beside its keys.
    pub sinks: bool,
}

/// From hidden states to queries, keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Projection {
    /// A linear layer for each.
    Plain,
    /// Keys and values through a latent (MLA).
    Latent(Latent),
}

/// Multi-head latent attention: keys and values of all heads are made from one latent; the rotated dimensions of the keys are the
/// same for all heads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Latent {
    /// Width of the latent of queries; `None`: queries come from the hidden states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_rank: Option<usize>,
    /// Width of the latent of keys and values.
    pub key_value_rank: usize,
    /// Dimensions of a head that are not rotated; the rotated ones follow them.
    pub plain_dim: usize,
    /// Added to the mean square of a latent before the root.
    pub epsilon: f64,
}

/// Which numbers share a mean when queries and keys are normed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum QueryKeyNorm {
    /// All heads together (OLMoE).
    Whole,
    /// Those of a head, with one weight for all heads (Qwen3).
    PerHead,
}

/// The rotary embedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rotary {
    /// Base of the frequencies.
    pub theta: f64,
    /// Dimensions of a head that are rotated: the first ones, for a latent the last ones.
    pub dim: usize,
    /// Which dimensions form a pair.
    pub pairs: Pairs,
    /// What is done to reach further than the model was first trained for.
    pub scaling: RotaryScaling,
}

/// Which of d rotated dimensions form a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Pairs {
    /// f and f + d/2.
    Half,
    /// 2f and 2f + 1.
    Interleaved,
}

/// Changes to frequencies and size of the rotary table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RotaryScaling {
    /// None.
    None,
    /// Low frequencies are divided by a factor, high ones stay.
    Yarn {
        /// The factor.
        factor: f64,
        /// Frequencies with at least so many turns within the original length stay.
        fast: f64,
        /// Frequencies with at most so many turns are divided.
        slow: f64,
        /// The length of the first training.
        original: usize,
        /// Whether the two ends of the ramp between them are whole dimensions.
        whole_dimensions: bool,
        /// What cosine and sine are multiplied by.
        magnitude: f64,
    },
    /// Each frequency is divided by a number of its own, of which there are two sets: a sequence that is longer than the original
    /// length uses the long one for all its positions.
    Long {
        /// Divisors up to the original length, `[dim / 2]`.
        short: Vec<f64>,
        /// Divisors beyond it.
        long: Vec<f64>,
        /// What cosine and sine are multiplied by up to the original length.
        short_magnitude: f64,
        /// The same beyond it.
        long_magnitude: f64,
        /// The length of the first training.
        original: usize,
    },
}

impl Attention {
    /// Numbers of all queries of a token.
    pub fn query_width(&self) -> usize {
        self.heads * self.key_dim
    }

    /// Numbers of all keys of a token.
    pub fn key_width(&self) -> usize {
        self.key_value_heads * self.key_dim
    }

    /// Numbers of all values of a token.
    pub fn value_width(&self) -> usize {
        self.key_value_heads * self.value_dim
    }

    /// Numbers that all heads make of a token.
    pub fn output_width(&self) -> usize {
        self.heads * self.value_dim
    }

    /// The latent, if keys and values go through one.
    pub fn latent(&self) -> Option<Latent> {
        match self.projection {
            Projection::Plain => None,
            Projection::Latent(latent) => Some(latent),
        }
    }
}

impl RotaryScaling {
    /// What the product of query and key is multiplied by for a factor of length, by yarn: `0.1 * strength * ln(factor) + 1`.
    pub fn yarn_magnitude(factor: f64, strength: f64) -> f64 {
        if factor <= 1.0 { 1.0 } else { 0.1 * strength * factor.ln() + 1.0 }
    }
}
