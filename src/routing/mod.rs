//! The vocabulary of routing: experts, choices, capacity, routing groups. Pure Rust, no tensors, no tables.
//!
//! The model emits a [`LayerRouting`] for every MoE layer and routing group through a [`RoutingObserver`], which the trace or a
//! test implements.

mod assign;
mod capacity;
mod group;
mod policy;
mod provides;
mod queue_order;
mod reroute;
mod router_rule;
mod run_kind;
mod scores;
mod shape;
mod softmax;
mod strategy;
mod substitute;
mod token_table;

pub use assign::{entropy, queue_slots, route, route_by};
pub use capacity::{CapacityRule, RouterSettings};
pub use group::GroupRule;
pub use policy::{EarlyRouter, Gate, OnLayers, OtherGates, OwnRouter, RouterCall, RouterInput, RoutingPolicy};
pub use provides::{Block, Provides, RecordedBlocks, TRACE_SCHEMA};
pub use queue_order::{QueueIn, QueueOrder};
pub use reroute::Reroute;
pub use router_rule::{CombineRule, DecidingScore, ExpertGroups, GroupScore, RouterRule, RouterScore};
pub use run_kind::RunKind;
pub use shape::{CapacityPolicy, LayerShape, RecordedDrops, RoutingShape};
pub use softmax::softmax;
pub use strategy::{PriorityRule, RareRule, Strategy};
pub use substitute::Substitute;
pub use token_table::{LayerTable, RareIds, TableBuilder, TableIds, TokenTables};

use std::{ops::Range, str::FromStr};

use crate::error::{Error, Result};

/// Index of an expert within its MoE layer.
pub type ExpertId = u16;
/// Decoder layer index, as in `model.layers.N`. Never "the n-th MoE layer".
pub type LayerId = u16;
/// Index of a sequence in input order.
pub type SequenceId = u32;

/// Positions of a text end here: statistics by position keep a bin for every stretch up to the last.
pub const MAX_POSITION: u32 = 1 << 24;

/// Whether a position is that of the BOS, the first of every sequence, if the text has a BOS.
pub fn is_bos(position: u32) -> bool {
    position == 0
}

/// Which assignments a statistic counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// The router's choices, before capacity.
    Chosen,
    /// The choices that capacity left: slot < capacity. The paper's figures show this view.
    Kept,
}

impl View {
    /// Both views, in the order in which tables list them.
    pub const ALL: [Self; 2] = [Self::Chosen, Self::Kept];

    /// The name in files: "chosen" or "kept".
    pub fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Kept => "kept",
        }
    }

    /// The view of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.name() == name)
    }
}

impl FromStr for View {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::from_name(name).ok_or_else(|| {
            Error::usage(format!("view `{name}`; expected chosen or kept"), "chosen: before capacity; kept: after it")
        })
    }
}

/// What one MoE layer's router decided for one routing group.
///
/// Token-major: token `t` of the group, choice `c` stands at `t * top_k + c`; logits at `t * num_experts + e`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerRouting {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Index of the routing group in input order.
    pub group: u32,
    /// The sequences of the group, consecutive in input order.
    pub sequences: Range<SequenceId>,
    /// Tokens routed together.
    pub tokens: usize,
    /// Experts of the layer.
    pub num_experts: usize,
    /// Choices per token.
    pub top_k: usize,
    /// Gate output before softmax, `[tokens, num_experts]`.
    pub router_logits: Vec<f32>,
    /// Chosen experts, first choice first, `[tokens, top_k]`.
    pub expert: Vec<ExpertId>,
    /// The router's score as a share of ALL experts, taken at the chosen ones, not renormalised and not zeroed by a drop,
    /// `[tokens, top_k]`: the softmax of the logits, or each sigmoid over the sum of all sigmoids.
    pub probability: Vec<f32>,
    /// The factor of the chosen expert's output ([`CombineRule`]; OpenMoE: the probability), 0 if dropped, `[tokens, top_k]`. With
    /// activations in bf16 the model rounds it to bf16 too.
    pub combine_weight: Vec<f32>,
    /// Place in the expert's queue before dropping, from 0, `[tokens, top_k]`.
    pub slot: Vec<u32>,
    /// Whether the assignment found no slot (`slot >= capacity`), `[tokens, top_k]`.
    pub dropped: Vec<bool>,
    /// Slots per expert; `u32::MAX` when unlimited.
    pub capacity: u32,
    /// Kept assignments per expert, `min(count, capacity)`, `[num_experts]`.
    pub used_capacity: Vec<u32>,
    /// Entropy of the router probabilities in nats, `[tokens]`.
    pub entropy: Vec<f32>,
    /// g1 - g2: largest minus second largest deciding score (a probability, a biased sigmoid or a logit), `[tokens]`; NaN where
    /// the second is of a group that was left out.
    pub margin_first: Vec<f32>,
    /// `g_k - g_{k+1}`: smallest chosen minus largest rejected deciding score, `[tokens]`; equals `margin_first` for k = 1. NaN as
    /// there.
    pub margin_k: Vec<f32>,
    /// Tokens for which equal deciding scores decided the choice or its order: of two of the first k + 1 experts, or of the last
    /// group that stays and the first that is left out. The lower id wins.
    pub ties: u64,
}

/// Receives the routing of the forward pass.
pub trait RoutingObserver {
    /// Called once for every MoE layer and routing group; within a wave layer by layer, groups in input order.
    ///
    /// # Errors
    /// Those of the observer; any error stops the forward pass.
    fn observe_routing(&mut self, routing: &LayerRouting) -> Result<()>;

    /// Called after every decoder layer of a wave, when `layer` of `layers` layers are done. Meant for progress bars and for
    /// stopping; does nothing by default.
    ///
    /// # Errors
    /// Those of the observer; any error stops the forward pass.
    fn observe_layer(&mut self, layer: usize, layers: usize) -> Result<()> {
        let _ = (layer, layers);
        Ok(())
    }
}
