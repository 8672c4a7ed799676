//! The configuration of an OpenMoE checkpoint, with the names that config.json uses.

use crate::{
    checkpoint::architecture::{
        Activation, Architecture, Attention, DecoderLayer, Experts, FeedForward, Head, MOST_LAYERS, Mlp, Norm,
        NormKind, OPENMOE, Pairs, Projection, Rotary, RotaryScaling, SpecialTokens,
    },
    routing::{CapacityPolicy, CapacityRule, RouterRule},
};

/// The contents of config.json; the field names are its keys.
///
/// An `OpenMoeConfig` that comes from a checkpoint has been checked: the sizes are positive, `router_topk` is 1 or 2, there are
/// at least as many experts, `head_dim` is even and the query heads are a multiple of the key heads.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OpenMoeConfig {
    /// Rows of the embedding matrix and of `lm_head`.
    pub vocab_size: usize,
    /// Width of the residual stream, H.
    pub hidden_size: usize,
    /// Inner width of a dense MLP and of an expert, I.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Every n-th decoder layer is an MoE layer; this is n.
    pub moe_layer_interval: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; a divisor of `num_attention_heads`.
    pub num_key_value_heads: usize,
    /// Width of one head; heads * `head_dim` may differ from `hidden_size`.
    pub head_dim: usize,
    /// The longest sequence in tokens; the original refuses longer ones.
    pub max_position_embeddings: usize,
    /// Added to the mean square before the root.
    pub rms_norm_eps: f64,
    /// Experts per MoE layer, E.
    pub num_experts: usize,
    /// Choices per token, k: 1 or 2.
    pub router_topk: usize,
    /// Capacity factor of the evaluation, used for analysis.
    pub router_capacity_factor_eval: f64,
    /// Capacity factor of the training.
    pub router_capacity_factor_train: f64,
    /// Lower bound on the slots of an expert.
    pub router_min_capacity: u32,
    /// Id at position 0 of every sequence: `<pad>` = 0 in OpenMoE.
    pub bos_token_id: u32,
    /// Id that ends a text.
    pub eos_token_id: u32,
    /// Id of the padding, which this tool never adds.
    pub pad_token_id: u32,
    /// Activation of the MLPs; only `swiglu` exists in the original.
    pub hidden_act: String,
    /// Whether the MLPs have a gate; only `true` runs in the original.
    pub mlp_gated: bool,
    /// The stored type according to config.json; if the weight files disagree, they count.
    pub torch_dtype: String,
    /// Whether the head shares the matrix of the embedding. Routing does not depend on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tie_word_embeddings: bool,
}

impl OpenMoeConfig {
    /// What it says about the model: attention is not scaled, MLPs have three factors, every n-th layer has experts and then a
    /// dense MLP, expert slots are limited (model.md).
    pub fn architecture(&self) -> Architecture {
        let mlp = Mlp { inner: self.intermediate_size, activation: Activation::ThreeFactors, bias: false };
        let kind = |layer: usize| {
            let routes = (layer + 1).is_multiple_of(self.moe_layer_interval);
            if routes { FeedForward::MoeThenDense } else { FeedForward::Dense }
        };
        let layer = |layer| DecoderLayer { window: None, feed_forward: kind(layer) };
        Architecture {
            family: OPENMOE.to_owned(),
            vocabulary: self.vocab_size,
            hidden: self.hidden_size,
            longest_sequence: self.max_position_embeddings,
            norm: Norm { kind: NormKind::RootMeanSquare, epsilon: self.rms_norm_eps },
            attention: self.attention(),
            layers: (0..self.num_hidden_layers.min(MOST_LAYERS)).map(layer).collect(),
            dense: mlp,
            experts: Experts {
                number: self.num_experts,
                chosen: self.router_topk,
                router: RouterRule::OPENMOE,
                router_bias: false,
                correction_bias: false,
                mlp,
                shared: None,
            },
            embedding_multiplier: 1.0,
            residual_multiplier: 1.0,
            head: Head { tied: self.tie_word_embeddings, bias: false, divisor: 1.0 },
            special_tokens: SpecialTokens { bos: Some(self.bos_token_id), eos: vec![self.eos_token_id] },
            capacity: Some(CapacityPolicy {
                rule: CapacityRule::Port,
                factor: self.router_capacity_factor_eval,
                minimum: self.router_min_capacity,
            }),
        }
    }

    fn attention(&self) -> Attention {
        Attention {
            heads: self.num_attention_heads,
            key_value_heads: self.num_key_value_heads,
            key_dim: self.head_dim,
            value_dim: self.head_dim,
            scale: 1.0,
            projection: Projection::Plain,
            input_bias: false,
            output_bias: false,
            query_key_norm: None,
            clip: None,
            rotary: Rotary { theta: 10_000.0, dim: self.head_dim, pairs: Pairs::Half, scaling: RotaryScaling::None },
            sinks: false,
        }
    }
}
