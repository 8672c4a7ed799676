//! Capacity: how many assignments an expert accepts from one routing group. The authors' code has two rules; a run always
//! records which one it used.

use std::{fmt, str::FromStr};

use crate::error::{Error, Result};

/// Which formula turns the size of a routing group into slots per expert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum CapacityRule {
    /// The PyTorch port behind the released checkpoints: `floor(k * factor * tokens / experts)`, odd numbers rounded up
    /// to even, at least `min_capacity` (colossalai/moe/routers.py, `get_capacity`).
    #[default]
    Port,
    /// The T5X training code: `max(round(factor * tokens / experts), 4)`; no `k`, no evenness (flaxformer,
    /// `moe_layers.py`). With top-2 the port has twice the slots.
    T5x,
    /// No assignment is ever dropped.
    Unlimited,
}

impl CapacityRule {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Port, Self::T5x, Self::Unlimited];

    /// The name on the command line and in the manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::T5x => "t5x",
            Self::Unlimited => "unlimited",
        }
    }

    /// A factor of the rule in words, if the rule has one.
    pub fn factor_in_words(self, factor: impl fmt::Display) -> String {
        match self {
            Self::Unlimited => "nothing is dropped".to_owned(),
            Self::Port | Self::T5x => format!("factor {factor}"),
        }
    }
}

impl FromStr for CapacityRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "port" => Ok(Self::Port),
            "t5x" => Ok(Self::T5x),
            "unlimited" => Ok(Self::Unlimited),
            _ => Err(Error::usage(
                format!("capacity rule `{text}` is unknown; expected port, t5x or unlimited"),
                "port is what the released checkpoints run with",
            )),
        }
    }
}

impl fmt::Display for CapacityRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Everything besides the logits that decides how logits become assignments.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RouterSettings {
    /// Experts per MoE layer.
    pub num_experts: usize,
    /// Choices per token, 1 to [`super::RoutingShape::MOST_CHOICES`].
    pub top_k: usize,
    /// Formula for the slots per expert.
    pub capacity_rule: CapacityRule,
    /// Multiple of the average load that an expert accepts; 2.0 in the authors' evaluation configuration.
    pub capacity_factor: f64,
    /// Lower bound on the slots of an expert (port only).
    pub min_capacity: u32,
}

impl RouterSettings {
    /// Slots per expert for a routing group of `tokens` tokens; `u32::MAX` when unlimited, or when the factor is so large
    /// that it makes no difference.
    ///
    /// The port's formula is evaluated left to right in f64, as in Python.
    ///
    /// # Errors
    /// The capacity is zero, which the original refuses too.
    pub fn capacity(&self, tokens: usize) -> Result<u32> {
        let experts = self.num_experts as f64;
        let capacity = match self.capacity_rule {
            CapacityRule::Port => {
                let slots = (self.top_k as f64 * self.capacity_factor * tokens as f64 / experts).floor() as u32;
                slots.saturating_add(slots % 2).max(self.min_capacity)
            }
            CapacityRule::T5x => ((self.capacity_factor * tokens as f64 / experts).round_ties_even() as u32).max(4),
            CapacityRule::Unlimited => u32::MAX,
        };
        if capacity == 0 {
            return Err(Error::usage(
                format!(
                    "capacity is 0 for {tokens} tokens, {} experts, top-{}, factor {}; expected at least 1 slot",
                    self.num_experts, self.top_k, self.capacity_factor
                ),
                "raise the capacity factor or the configuration's router_min_capacity",
            ));
        }
        Ok(capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_factor_is_no_limit() {
        for capacity_rule in [CapacityRule::Port, CapacityRule::T5x] {
            let settings =
                RouterSettings { num_experts: 16, top_k: 2, capacity_rule, capacity_factor: 1e30, min_capacity: 4 };
            assert_eq!(settings.capacity(400).unwrap(), u32::MAX);
        }
    }
}
