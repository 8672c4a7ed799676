//! The configuration of an OpenMoE checkpoint, with the names that config.json uses.

use crate::routing::{CapacityRule, RouterSettings, RoutingShape};

/// The contents of config.json; the field names are its keys.
///
/// A `Config` that comes from a checkpoint has been checked: the sizes are positive, `router_topk` is 1 or 2, there are
/// at least as many experts, `head_dim` is even and the query heads are a multiple of the key heads.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
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

impl Config {
    /// Whether decoder layer `layer` (counted from 0) routes its tokens: `(layer + 1) % moe_layer_interval == 0`.
    pub fn is_moe_layer(&self, layer: usize) -> bool {
        (layer + 1).is_multiple_of(self.moe_layer_interval)
    }

    /// The decoder layers that route, ascending: 3, 7, 11 for the base model.
    pub fn moe_layers(&self) -> Vec<u16> {
        (0..self.num_hidden_layers).filter(|&layer| self.is_moe_layer(layer)).map(|layer| layer as u16).collect()
    }

    /// The routed layers of this model under a capacity rule; all are alike.
    pub fn routing_shape(&self, rule: CapacityRule, factor: Option<f64>) -> RoutingShape {
        RoutingShape::uniform(self.moe_layers(), self.router_settings(rule, factor))
    }

    /// The router of this model under a capacity rule; without a factor, with the capacity factor of the evaluation.
    pub fn router_settings(&self, rule: CapacityRule, factor: Option<f64>) -> RouterSettings {
        RouterSettings {
            num_experts: self.num_experts,
            top_k: self.router_topk,
            capacity_rule: rule,
            capacity_factor: factor.unwrap_or(self.router_capacity_factor_eval),
            min_capacity: self.router_min_capacity,
        }
    }
}
