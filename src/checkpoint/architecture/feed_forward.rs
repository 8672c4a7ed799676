//! MLPs and experts as data.

use serde::{Deserialize, Serialize};

use crate::routing::RouterRule;

/// What follows attention in a decoder layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum FeedForward {
    /// A dense MLP.
    Dense,
    /// Experts.
    Moe,
    /// Experts, then a dense MLP with its own norm (OpenMoE).
    MoeThenDense,
}

impl FeedForward {
    /// Whether it has experts.
    pub fn routes(self) -> bool {
        self != Self::Dense
    }
}

/// An MLP with a gate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Mlp {
    /// Inner width, I.
    pub inner: usize,
    /// What is computed between the projections.
    pub activation: Activation,
    /// Whether biases are added to all projections.
    pub bias: bool,
}

impl Mlp {
    /// Outputs of the gate projection.
    pub fn gate_width(&self) -> usize {
        if self.activation == Activation::ThreeFactors { 2 * self.inner } else { self.inner }
    }

    /// Parameters without biases, for a hidden width.
    pub fn matrix_size(&self, hidden: usize) -> usize {
        hidden * (self.gate_width() + 2 * self.inner)
    }
}

/// What an MLP computes between its projections; silu(z) = z * sigmoid(z).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Activation {
    /// `silu(gate) * up`.
    Gated,
    /// `a * silu(b) * up`, where a and b are the halves of the gate (OpenMoE).
    ThreeFactors,
    /// `gate * sigmoid(alpha * gate) * (up + 1)`, with gate cut from above and up on both sides (gpt-oss).
    Clamped {
        /// Where gate and up are cut.
        limit: f64,
        /// Slope of the sigmoid.
        alpha: f64,
    },
}

/// The experts of a layer, and their router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Experts {
    /// Experts of a layer, E.
    pub number: usize,
    /// Choices per token, k.
    pub chosen: usize,
    /// From logits to choices and weights.
    pub router: RouterRule,
    /// Whether the router's logits have a bias.
    pub router_bias: bool,
    /// Whether a bias is added to the scores for the choice alone.
    pub correction_bias: bool,
    /// One expert.
    pub mlp: Mlp,
    /// What sees every token besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedExperts>,
}

/// Experts that see every token, as one MLP.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SharedExperts {
    /// How many experts the family says that it is.
    pub number: usize,
    /// All of them together.
    pub mlp: Mlp,
    /// Whether their output is multiplied by a sigmoid of the token.
    pub gated: bool,
}

impl Experts {
    /// Whether there is always an expert that was not chosen although it could have been, by which a choice has a margin.
    pub fn has_margin(&self) -> bool {
        let open = self.router.groups.map_or(self.number, |groups| groups.kept * (self.number / groups.number));
        open > self.chosen
    }
}
