//! What a model computes, as data: one description for all families, without a key of any config.json.
//!
//! Symbols of the shapes: H hidden, D dimensions of a head, I inner width of an MLP, E experts.

mod attention;
mod feed_forward;
mod words;

pub use attention::{Attention, Latent, Pairs, Projection, QueryKeyNorm, Rotary, RotaryScaling};
pub use feed_forward::{Activation, Experts, FeedForward, Mlp, SharedExperts};

use serde::{Deserialize, Serialize};

use crate::routing::{CapacityPolicy, CapacityRule, LayerShape, RouterSettings, RoutingShape};

/// A decoder with experts.
///
/// One that comes from a checkpoint has been checked: its sizes are positive and fit together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Architecture {
    /// The family, as its authors write it.
    pub family: String,
    /// Rows of the embedding matrix and of the head.
    pub vocabulary: usize,
    /// Width of the residual stream, H.
    pub hidden: usize,
    /// The longest sequence in tokens; the originals refuse longer ones.
    pub longest_sequence: usize,
    /// Every norm but those of a latent.
    pub norm: Norm,
    /// Attention of every layer.
    pub attention: Attention,
    /// The decoder layers in order, as far as they differ.
    pub layers: Vec<DecoderLayer>,
    /// The dense MLP of the layers that have one.
    pub dense: Mlp,
    /// The experts of the layers that route.
    pub experts: Experts,
    /// What the embedding is multiplied by.
    pub embedding_multiplier: f64,
    /// What the output of attention, and that of MLP or experts, is multiplied by.
    pub residual_multiplier: f64,
    /// From hidden states to logits.
    pub head: Head,
    /// Special token ids.
    pub special_tokens: SpecialTokens,
    /// The capacity that the model was made for; `None`: it never drops an assignment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacityPolicy>,
}

/// What distinguishes a decoder layer from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DecoderLayer {
    /// Keys that a query sees, its own included; `None`: all before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// What follows attention.
    pub feed_forward: FeedForward,
}

/// Norms of rows of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Norm {
    /// The formula.
    pub kind: NormKind,
    /// Added to the mean square or the variance before the root.
    pub epsilon: f64,
}

/// The formula of a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum NormKind {
    /// Divided by the root of the mean square; a weight.
    RootMeanSquare,
    /// The mean subtracted, divided by the standard deviation; a weight and a bias.
    Layer,
}

/// From hidden states to logits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Head {
    /// Whether the embedding is its matrix.
    pub tied: bool,
    /// Whether a bias is added.
    pub bias: bool,
    /// What the logits are divided by.
    pub divisor: f64,
}

/// Special token ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SpecialTokens {
    /// The id at position 0 of every sequence; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bos: Option<u32>,
    /// The ids that end a text.
    pub eos: Vec<u32>,
}

/// More layers than this are refused, and not laid out before.
pub(super) const MOST_LAYERS: usize = 1 << 16;
/// The name of the family that this program began with, whose runs record its own configuration.
pub(super) const OPENMOE: &str = "OpenMoE";

impl Architecture {
    /// Whether it is an OpenMoE.
    pub fn is_openmoe(&self) -> bool {
        self.family == OPENMOE
    }

    /// Whether a decoder layer routes its tokens.
    pub fn routes(&self, layer: usize) -> bool {
        self.layers[layer].feed_forward.routes()
    }

    /// The decoder layers that route, ascending.
    pub fn moe_layers(&self) -> Vec<u16> {
        (0..self.layers.len()).filter(|&layer| self.routes(layer)).map(|layer| layer as u16).collect()
    }

    /// The routed layers under a capacity rule; all are alike.
    pub fn routing_shape(&self, rule: Option<CapacityRule>, factor: Option<f64>) -> RoutingShape {
        self.routing_shape_of(self.router_settings(rule, factor))
    }

    /// The routed layers with such a router; all are alike.
    pub fn routing_shape_of(&self, router: RouterSettings) -> RoutingShape {
        let shared_experts = self.experts.shared.map_or(0, |shared| shared.number);
        RoutingShape::uniform(self.moe_layers(), LayerShape { shared_experts, ..router.into() })
    }

    /// The router under a capacity rule and factor; `None`: those of the model. Without any capacity of its own a model is
    /// unlimited unless a rule is given; the factor is then 1, and an expert has at least one slot.
    pub fn router_settings(&self, rule: Option<CapacityRule>, factor: Option<f64>) -> RouterSettings {
        let own = self.capacity.unwrap_or(CapacityPolicy { minimum: 1, ..CapacityPolicy::UNLIMITED });
        RouterSettings {
            num_experts: self.experts.number,
            top_k: self.experts.chosen,
            capacity_rule: rule.unwrap_or(own.rule),
            capacity_factor: factor.unwrap_or(own.factor),
            min_capacity: own.minimum,
        }
    }
}
