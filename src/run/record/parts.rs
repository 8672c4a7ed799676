//! The parts of a record besides the identity: how the statistics were computed, what went through the model, how much time and
//! memory it took.

use std::{fmt, time::Instant};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use super::number::{at_least_one, between, layers};
use crate::{
    corpus::{Categories, LeftOut, Skipped},
    error::Result,
    routing::{CapacityPolicy, CapacityRule, LayerId, LayerShape, RecordedDrops, RoutingShape},
};

/// How the statistics were computed; the command `stats` may change these settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedSettings {
    /// Seed of all random numbers.
    pub seed: u64,
    /// Resamples of documents behind every interval; 0: none.
    #[serde(deserialize_with = "between::<_, 0, 100_000>")]
    #[cfg_attr(test, schemars(range(min = 0, max = 100_000)))]
    pub resamples: usize,
    /// Permutations behind every baseline that needs them; 0: none.
    #[serde(deserialize_with = "between::<_, 0, 100_000>")]
    #[cfg_attr(test, schemars(range(min = 0, max = 100_000)))]
    pub permutations: usize,
    /// Whether position 0 was left out.
    pub exclude_bos: bool,
}

impl RecordedSettings {
    /// Resamples unless settings say otherwise.
    pub const RESAMPLES: usize = 1000;
    /// Permutations unless settings say otherwise.
    pub const PERMUTATIONS: usize = 100;
}

impl Default for RecordedSettings {
    fn default() -> Self {
        Self { seed: 0, resamples: Self::RESAMPLES, permutations: Self::PERMUTATIONS, exclude_bos: false }
    }
}

/// Settings of the statistics of a drift run, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DriftSettings {
    /// Whether the experts of each checkpoint were matched with those of the last.
    #[serde(default)]
    pub match_experts: bool,
    /// Token ids whose shares are followed.
    #[serde(default)]
    pub tokens_of_interest: Vec<u32>,
}

/// Settings of the statistics of a drops run, as typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DropsSettings {
    /// Positions in a bin of the curves.
    #[serde(deserialize_with = "at_least_one")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub bin: u32,
    /// Numbers of ranks among which the experts are divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expert_parallel: Vec<u32>,
    /// Whether the routes were recorded without a capacity, so that the queues are those of a capacity that was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked_capacity: bool,
    /// What the record of imported routes says about its own drops; absent if it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_drops: Option<RecordedDrops>,
}

/// Which layers route, and into how many parts the trace is cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedLayout {
    /// Decoder layer indices of the MoE layers, ascending.
    #[serde(deserialize_with = "layers")]
    pub moe_layers: Vec<LayerId>,
    /// Experts per layer. The bound is far above that of any checkpoint; without it a wrong number would only exhaust the memory.
    #[serde(deserialize_with = "between::<_, 1, 65_536>")]
    #[cfg_attr(test, schemars(range(min = 1, max = 65_536)))]
    pub num_experts: usize,
    /// Choices per token; a byte numbers them.
    #[serde(deserialize_with = "between::<_, 1, 255>")]
    #[cfg_attr(test, schemars(range(min = 1, max = 255)))]
    pub top_k: usize,
    /// Experts of each layer that see every token besides; absent if there are none, or if layers differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_experts: Option<usize>,
    /// Segments of the trace. Each has 16,384 tokens, so the bound allows 160 billion tokens.
    #[serde(deserialize_with = "between::<_, 0, 10_000_000>")]
    #[cfg_attr(test, schemars(range(min = 0, max = 10_000_000)))]
    pub segments: usize,
    /// The number of routing groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Every routed layer, only if they differ; `num_experts` and `top_k` are then the largest of any layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<RecordedLayer>,
}

/// One routed layer of a model whose layers differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedLayer {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Experts that the router chooses among.
    pub num_experts: usize,
    /// Choices per token.
    pub top_k: usize,
    /// Experts that see every token; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_experts: Option<usize>,
    /// Formula for the slots of an expert; absent if it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_rule: Option<CapacityRule>,
    /// Multiple of the average load that an expert accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_factor: Option<f64>,
    /// Lower bound on the slots of an expert (rule `port` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_capacity: Option<u32>,
}

impl RecordedLayer {
    fn of(layer: LayerId, shape: &LayerShape) -> Self {
        let LayerShape { num_experts, top_k, shared_experts, capacity } = *shape;
        Self {
            layer,
            num_experts,
            top_k,
            shared_experts: Some(shared_experts).filter(|shared| *shared > 0),
            capacity_rule: capacity.map(|capacity| capacity.rule),
            capacity_factor: capacity.map(|capacity| capacity.factor),
            min_capacity: capacity.map(|capacity| capacity.minimum),
        }
    }

    fn shape(&self) -> LayerShape {
        let policy = self.capacity_rule.zip(self.capacity_factor).zip(self.min_capacity);
        LayerShape {
            num_experts: self.num_experts,
            top_k: self.top_k,
            shared_experts: self.shared_experts.unwrap_or(0),
            capacity: policy.map(|((rule, factor), minimum)| CapacityPolicy { rule, factor, minimum }),
        }
    }
}

impl RecordedLayout {
    /// The layout of a trace with this many segments and routing groups.
    pub fn of(shape: &RoutingShape, segments: usize, groups: usize) -> Self {
        let layers = shape.layers().map(|(layer, shape)| RecordedLayer::of(layer, shape));
        Self {
            moe_layers: shape.moe_layers().to_vec(),
            num_experts: shape.most_experts(),
            top_k: shape.most_choices(),
            shared_experts: shape.alike().map(|layer| layer.shared_experts).filter(|shared| *shared > 0),
            segments,
            groups: Some(groups),
            layers: if shape.is_empty() || shape.alike().is_some() { Vec::new() } else { layers.collect() },
        }
    }

    /// The shape of every routed layer; `capacity` is used for layers that are all alike.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] if a layer cannot be as it is recorded.
    pub(super) fn shape(&self, capacity: Option<CapacityPolicy>) -> Result<RoutingShape> {
        if self.layers.is_empty() {
            let layer = LayerShape {
                capacity,
                shared_experts: self.shared_experts.unwrap_or(0),
                ..LayerShape::of_choices(self.num_experts, self.top_k)
            };
            return Ok(RoutingShape::uniform(self.moe_layers.clone(), layer));
        }
        RoutingShape::new(self.layers.iter().map(|layer| (layer.layer, layer.shape())).collect())
    }
}

/// What went through the model, and what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TextSummary {
    /// The number of sequences.
    pub sequences: usize,
    /// Documents of which at least one sequence was taken.
    pub documents: usize,
    /// The number of tokens, with the BOS of each sequence.
    pub tokens: u64,
    /// The first places that could not be used.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// The number of all such places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_total: Option<usize>,
    /// Documents that were left out wholly or partly, because enough sequences had been taken.
    #[serde(default)]
    pub documents_left_out: usize,
    /// Conversations that were longer than the context. Not in a drift run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversations_cut: Option<usize>,
    /// The first places that were used, but not unchanged.
    #[serde(default)]
    pub notes: Vec<Skipped>,
    /// The number of all such places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes_total: Option<usize>,
    /// Text that was used unchanged, but is hardly what was meant.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Where the categories of plain text come from; null without plain text.
    #[serde(default)]
    pub categories: Option<Categories>,
    /// Documents that have the same tokens as an earlier document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated_documents: Option<usize>,
}

impl TextSummary {
    /// Adds the places that could not be used.
    #[must_use]
    pub fn with_skipped(self, skipped: &LeftOut) -> Self {
        Self { skipped: skipped.to_vec(), skipped_total: Some(skipped.total()), ..self }
    }

    /// Adds the places that were used, but not unchanged.
    #[must_use]
    pub fn with_notes(self, notes: &LeftOut) -> Self {
        Self { notes: notes.to_vec(), notes_total: Some(notes.total()), ..self }
    }
}

/// How a forward pass was carried out; no result depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ForwardPassExecution {
    /// The most tokens that went through a layer together.
    pub wave_tokens: usize,
    /// Bytes of memory that the forward pass was allowed to take; null if no limit was asked for.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// Paths of the conversations as typed; null without any.
    #[serde(default)]
    pub transcripts: Option<Vec<String>>,
}

/// Time and memory that the forward pass took, in the execution that completed it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ForwardPassCost {
    /// Seconds.
    pub forward_seconds: f64,
    /// Tokens that went through the model in this execution, not in an earlier, interrupted one.
    pub forward_tokens: u64,
    /// Peak resident memory of the process at the end of the pass; null if the system does not say.
    #[serde(default)]
    pub forward_peak_memory_bytes: Option<u64>,
    /// Tokens per second; null if there was nothing left to compute.
    #[serde(default)]
    pub tokens_per_second: Option<f64>,
}

/// A layer in which the router had ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LayerTies {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Tokens for which equal deciding scores decided the choice or its order; the lower id wins.
    pub tokens: u64,
}

/// Which version made the statistics, and how long that took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StatisticCost {
    /// Seconds.
    pub statistics_seconds: f64,
    /// Version of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics_version: Option<String>,
}

impl StatisticCost {
    /// That of statistics which this version began at `clock`.
    pub fn since(clock: Instant) -> Self {
        Self {
            statistics_seconds: clock.elapsed().as_secs_f64(),
            statistics_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }
    }
}

/// Time and memory that the whole run took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunCost {
    /// Seconds.
    pub wall_seconds: f64,
    /// Peak resident memory of the process; null if the system does not say.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
}

/// Digests of the runs that hold the traces of a run with several forward passes, by label, in the order of the checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceDigests(pub Vec<(String, String)>);

impl TraceDigests {
    /// The digest of the trace of a checkpoint.
    pub fn of(&self, label: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == label).map(|(_, digest)| digest.as_str())
    }
}

impl Serialize for TraceDigests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(label, digest)| (label, digest)))
    }
}

impl<'de> Deserialize<'de> for TraceDigests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByLabel;

        impl<'de> Visitor<'de> for ByLabel {
            type Value = TraceDigests;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("digests by label")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut digests = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    digests.push(entry);
                }
                Ok(TraceDigests(digests))
            }
        }

        deserializer.deserialize_map(ByLabel)
    }
}
