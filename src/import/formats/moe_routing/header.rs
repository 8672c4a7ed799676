//! `routing.json`.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    error::{Error, Result},
    import::{
        routes::{ABSENT, ChoiceOrder, Header, RecordedLayer, Weights},
        text_file,
    },
    routing::{CapacityPolicy, CapacityRule, ExpertId, LayerId},
};

/// What a recorder says about its record.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RoutingJson {
    format: String,
    version: u32,
    num_experts: usize,
    top_k: usize,
    moe_layers: Vec<LayerId>,
    engine: Option<String>,
    model: Option<String>,
    /// Whether the recorder ended as it should.
    #[serde(default = "yes")]
    complete: bool,
    #[serde(default)]
    choice_order: Order,
    /// Absent in records of layers that differ, which then say it each.
    weights: Option<WeightsName>,
    #[serde(default)]
    expert_ids: Ids,
    physical_to_logical: Option<Vec<Vec<ExpertId>>>,
    capacity: Option<Capacity>,
    #[serde(default)]
    layers: BTreeMap<LayerId, Layer>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Weight,
    #[default]
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WeightsName {
    None,
    SoftmaxAll,
    #[serde(alias = "as applied")]
    Applied,
    SelectionScore,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ids {
    #[default]
    Logical,
    Physical,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Capacity {
    rule: CapacityRule,
    factor: f64,
    #[serde(default)]
    minimum: u32,
}

/// One layer, where layers differ.
#[derive(Clone, Debug, Deserialize)]
struct Layer {
    num_experts: Option<usize>,
    top_k: Option<usize>,
    weights: Option<WeightsName>,
}

impl RoutingJson {
    /// Reads and checks it.
    ///
    /// # Errors
    /// [`Error::Corpus`] if it is another format or version, or says what cannot be.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = text_file::read(path)?;
        let refused = |what: String| {
            Error::corpus(format!("`{}` {what}", path.display()), "docs/import.md describes the keys of routing.json")
        };
        let read: Self = serde_json::from_str(&text).map_err(|error| refused(format!("cannot be read: {error}")))?;
        read.check().map_err(refused)?;
        Ok(read)
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.format != "moe-routing" || self.version != 1 {
            return Err(format!("is `{}`, version {}; expected `moe-routing`, version 1", self.format, self.version));
        }
        if self.moe_layers.is_empty() {
            return Err("names no layer that routes".to_owned());
        }
        let layers = self.header().layers;
        let wrong = |layer: &&RecordedLayer| {
            let experts = layer.num_experts.unwrap_or(0);
            !(1..usize::from(ABSENT)).contains(&experts) || !(1..=experts.min(255)).contains(&layer.top_k)
        };
        if let Some(RecordedLayer { layer, num_experts, top_k }) = layers.iter().find(wrong) {
            return Err(format!(
                "has {} experts and {top_k} choices a token in layer {layer}; expected 1 to {} experts, and 1 to 255 choices of them",
                num_experts.unwrap_or(0),
                ABSENT - 1
            ));
        }
        let descends = |pair: &[LayerId]| (pair[0] >= pair[1]).then(|| (pair[0], pair[1]));
        if let Some((first, second)) = self.moe_layers.windows(2).find_map(descends) {
            return Err(format!("has layer {first} before layer {second}; expected them to ascend"));
        }
        if let Some(capacity) = self.capacity.filter(|capacity| !(capacity.factor.is_finite() && capacity.factor > 0.0))
        {
            return Err(format!("has a capacity factor of {}; expected a number above 0", capacity.factor));
        }
        if self.expert_ids == Ids::Physical && self.physical_to_logical.is_none() {
            return Err("has physical expert ids, and no `physical_to_logical` to map them".to_owned());
        }
        if let Some(map) = self.physical_to_logical.as_ref().filter(|map| map.len() != self.moe_layers.len()) {
            return Err(format!(
                "maps the experts of {} layers in `physical_to_logical`; expected {}",
                map.len(),
                self.moe_layers.len()
            ));
        }
        Ok(())
    }

    /// What every carrier has in common.
    pub(super) fn header(&self) -> Header {
        let layer = |&layer: &LayerId| {
            let own = self.layers.get(&layer);
            RecordedLayer {
                layer,
                num_experts: Some(own.and_then(|own| own.num_experts).unwrap_or(self.num_experts)),
                top_k: own.and_then(|own| own.top_k).unwrap_or(self.top_k),
            }
        };
        let remark = "the recorder did not end as it should: the record may be cut";
        Header {
            format: "moe-routing",
            engine: self.engine.clone(),
            model: self.model.clone(),
            layers: self.moe_layers.iter().map(layer).collect(),
            may_hold_dense_layers: false,
            order: match self.choice_order {
                Order::Weight => ChoiceOrder::Weight,
                Order::Unknown => ChoiceOrder::Unknown,
            },
            weights: self.weights(),
            has_logits: false,
            physical_to_logical: self.physical_to_logical.clone().filter(|_| self.expert_ids == Ids::Physical),
            capacity: self.capacity.map(|Capacity { rule, factor, minimum }| CapacityPolicy { rule, factor, minimum }),
            remarks: if self.complete { Vec::new() } else { vec![remark.to_owned()] },
        }
    }

    /// What the weights are, where all layers say the same.
    fn weights(&self) -> Weights {
        let mut of_layers = self.layers.values().filter_map(|layer| layer.weights);
        let first = self.weights.or_else(|| of_layers.next());
        let name = first.filter(|first| of_layers.all(|other| other == *first)).unwrap_or(WeightsName::None);
        match name {
            WeightsName::None => Weights::None,
            WeightsName::SoftmaxAll => Weights::SoftmaxAll,
            WeightsName::Applied => Weights::Applied,
            WeightsName::SelectionScore => Weights::SelectionScore,
        }
    }
}
