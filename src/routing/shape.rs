//! The shape of a model's routing: which decoder layers route, and how. Layers may differ in every respect.

use super::{CapacityRule, ExpertId, LayerId, RouterSettings};
use crate::error::{Error, Result};

/// How many assignments an expert of a layer accepts from a routing group.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CapacityPolicy {
    /// Formula for the slots per expert.
    pub rule: CapacityRule,
    /// Multiple of the average load that an expert accepts; meaningless when unlimited.
    pub factor: f64,
    /// Lower bound on the slots of an expert (port only).
    pub minimum: u32,
}

impl CapacityPolicy {
    /// No assignment is ever dropped.
    pub const UNLIMITED: Self = Self { rule: CapacityRule::Unlimited, factor: 1.0, minimum: 0 };
}

/// What a record of another engine says about drops.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedDrops {
    /// Assignments that it says were dropped; null where it does not say what was dropped.
    #[serde(default)]
    pub dropped: Option<u64>,
    /// Assignments that it holds, in all layers together.
    pub assignments: u64,
    /// How capacity was set; null where it does not say it.
    #[serde(default)]
    pub capacity: Option<CapacityPolicy>,
}

impl RecordedDrops {
    /// The share of the assignments that were dropped, if the record says what was.
    pub fn share(&self) -> Option<f64> {
        self.dropped.map(|dropped| dropped as f64 / self.assignments.max(1) as f64)
    }
}

/// The shape of one routed layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerShape {
    /// Experts that the router chooses among.
    pub num_experts: usize,
    /// Choices per token.
    pub top_k: usize,
    /// Experts that see every token besides the chosen ones; they do not count as choices.
    pub shared_experts: usize,
    /// How many assignments an expert accepts; `None` if it was not recorded.
    pub capacity: Option<CapacityPolicy>,
}

impl From<RouterSettings> for LayerShape {
    fn from(router: RouterSettings) -> Self {
        let RouterSettings { num_experts, top_k, capacity_rule: rule, capacity_factor: factor, min_capacity: minimum } =
            router;
        Self { num_experts, top_k, shared_experts: 0, capacity: Some(CapacityPolicy { rule, factor, minimum }) }
    }
}

impl LayerShape {
    /// A layer of which only the choices are known.
    pub fn of_choices(num_experts: usize, top_k: usize) -> Self {
        Self { num_experts, top_k, shared_experts: 0, capacity: None }
    }

    /// Everything that decides how logits become assignments; `None` if the capacity is not known.
    pub fn router(&self) -> Option<RouterSettings> {
        self.capacity.map(|CapacityPolicy { rule, factor, minimum }| RouterSettings {
            num_experts: self.num_experts,
            top_k: self.top_k,
            capacity_rule: rule,
            capacity_factor: factor,
            min_capacity: minimum,
        })
    }

    /// Bytes that routing a wave takes for each token of a layer: logits, and choices with everything computed from them.
    pub fn routing_bytes(&self) -> usize {
        4 * (self.num_experts + 16 * self.top_k + 32)
    }

    /// Bytes that a trace keeps in memory for each token until its part is written.
    pub fn buffered_bytes(&self, log_logits: bool) -> usize {
        32 + 16 * self.top_k + self.logit_bytes(log_logits)
    }

    /// Bytes of a token in the files of a trace. Measured on the bundled texts: 7 for each choice, 12 for the columns that every
    /// token has, 4 for each logit.
    pub fn written_bytes(&self, log_logits: bool) -> usize {
        12 + 7 * self.top_k + self.logit_bytes(log_logits)
    }

    fn logit_bytes(&self, log_logits: bool) -> usize {
        if log_logits { 4 * self.num_experts } else { 0 }
    }

    /// Slots per expert for a routing group of `tokens` tokens; `u32::MAX` when unlimited or not known.
    ///
    /// # Errors
    /// As [`RouterSettings::capacity`].
    pub fn slots(&self, tokens: usize) -> Result<u32> {
        self.router().map_or(Ok(u32::MAX), |router| router.capacity(tokens))
    }
}

/// Which decoder layers route, ascending, and the shape of each of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutingShape {
    moe_layers: Vec<LayerId>,
    layers: Vec<LayerShape>,
}

impl RoutingShape {
    /// The most choices, more than any router has; a byte numbers them.
    pub const MOST_CHOICES: usize = u8::MAX as usize;
    /// The most experts that [`ExpertId`] can number.
    pub const MOST_EXPERTS: usize = ExpertId::MAX as usize + 1;

    /// The shape of a model whose layers may differ.
    ///
    /// # Errors
    /// [`Error::Usage`] if layers do not ascend, or one has no expert, no choice, more choices than experts, or more of either
    /// than can be numbered.
    pub fn new(layers: Vec<(LayerId, LayerShape)>) -> Result<Self> {
        let refused = |what: String| Err(Error::usage(what, "correct the shape of the layers"));
        if let Some(pair) = layers.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return refused(format!(
                "decoder layer {} stands before layer {}; expected ascending",
                pair[0].0, pair[1].0
            ));
        }
        for (layer, LayerShape { num_experts, top_k, .. }) in &layers {
            if !(1..=Self::MOST_EXPERTS).contains(num_experts) {
                return refused(format!(
                    "decoder layer {layer} has {num_experts} experts; expected 1 to {}",
                    Self::MOST_EXPERTS
                ));
            }
            let most = Self::MOST_CHOICES.min(*num_experts);
            if !(1..=most).contains(top_k) {
                return refused(format!("decoder layer {layer} has {top_k} choices a token; expected 1 to {most}"));
            }
        }
        let (moe_layers, layers) = layers.into_iter().unzip();
        Ok(Self { moe_layers, layers })
    }

    /// The shape of a model whose routed layers, which ascend, are all alike.
    pub fn uniform(moe_layers: Vec<LayerId>, layer: impl Into<LayerShape>) -> Self {
        Self { layers: vec![layer.into(); moe_layers.len()], moe_layers }
    }

    /// Decoder layer indices of the routed layers, ascending.
    pub fn moe_layers(&self) -> &[LayerId] {
        &self.moe_layers
    }

    /// Number of routed layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether no layer routes.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The index of a decoder layer among the routed layers; `None` if it does not route.
    pub fn index(&self, layer: LayerId) -> Option<usize> {
        self.moe_layers.binary_search(&layer).ok()
    }

    /// The shape of a decoder layer; `None` if it does not route.
    pub fn layer(&self, layer: LayerId) -> Option<&LayerShape> {
        self.index(layer).map(|index| &self.layers[index])
    }

    /// The routed layers in order.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = (LayerId, &LayerShape)> {
        self.moe_layers.iter().copied().zip(&self.layers)
    }

    /// The shape of every routed layer, if they are all alike.
    pub fn alike(&self) -> Option<&LayerShape> {
        self.layers.first().filter(|first| self.layers.iter().all(|layer| layer == *first))
    }

    /// Experts of a decoder layer; 0 if it does not route.
    pub fn experts(&self, layer: LayerId) -> usize {
        self.layer(layer).map_or(0, |shape| shape.num_experts)
    }

    /// Choices per token in a decoder layer; 0 if it does not route.
    pub fn choices(&self, layer: LayerId) -> usize {
        self.layer(layer).map_or(0, |shape| shape.top_k)
    }

    /// The largest number of experts of any layer.
    pub fn most_experts(&self) -> usize {
        self.layers.iter().map(|layer| layer.num_experts).max().unwrap_or(0)
    }

    /// The largest number of choices per token of any layer.
    pub fn most_choices(&self) -> usize {
        self.layers.iter().map(|layer| layer.top_k).max().unwrap_or(0)
    }

    /// "16 experts", or a range if layers differ: "4 to 8 experts".
    pub fn experts_in_words(&self) -> String {
        range(self.layers.iter().map(|layer| layer.num_experts))
    }

    /// Choices per token as a number, or as a range if layers differ.
    pub fn choices_in_words(&self) -> String {
        range(self.layers.iter().map(|layer| layer.top_k))
    }
}

fn range(values: impl Iterator<Item = usize> + Clone) -> String {
    let (least, most) = (values.clone().min().unwrap_or(0), values.max().unwrap_or(0));
    if least == most { most.to_string() } else { format!("{least} to {most}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_may_differ() {
        let few = LayerShape::of_choices(4, 2);
        let many = LayerShape { shared_experts: 1, ..LayerShape::of_choices(8, 3) };
        let shape = RoutingShape::new(vec![(1, few), (4, many)]).unwrap();
        assert_eq!((shape.index(4), shape.index(2)), (Some(1), None));
        assert_eq!((shape.experts(1), shape.experts(4), shape.choices(4)), (4, 8, 3));
        assert_eq!((shape.most_experts(), shape.most_choices(), shape.alike()), (8, 3, None));
        assert_eq!((shape.experts_in_words(), shape.choices_in_words()), ("4 to 8".to_owned(), "2 to 3".to_owned()));
        assert_eq!(RoutingShape::uniform(vec![1, 3], few).alike(), Some(&few));
    }

    #[test]
    fn impossible_layers_are_refused_by_name() {
        let of = |layer, experts, choices| (layer, LayerShape::of_choices(experts, choices));
        let refused = |layers: Vec<_>| RoutingShape::new(layers).unwrap_err().to_string();
        assert!(refused(vec![of(3, 4, 1), of(3, 4, 1)]).contains("layer 3 stands before layer 3"));
        assert!(refused(vec![of(0, 0, 1)]).contains("0 experts; expected 1 to 65536"));
        assert!(refused(vec![of(7, 4, 5)]).contains("layer 7 has 5 choices a token; expected 1 to 4"));
        assert!(refused(vec![of(7, 512, 256)]).contains("expected 1 to 255"));
        RoutingShape::new(vec![of(0, 1, 1), of(1, 512, 16)]).unwrap();
    }

    #[test]
    fn a_policy_gives_the_slots_of_a_group() {
        let router = RouterSettings {
            num_experts: 4,
            top_k: 2,
            capacity_rule: CapacityRule::Port,
            capacity_factor: 1.0,
            min_capacity: 4,
        };
        let shape = LayerShape::from(router);
        assert_eq!(shape.router(), Some(router));
        // 2 * 1.0 * 20 / 4.
        assert_eq!(shape.slots(20).unwrap(), 10);
        assert_eq!(LayerShape::of_choices(4, 2).slots(20).unwrap(), u32::MAX);
        assert_eq!(LayerShape { capacity: Some(CapacityPolicy::UNLIMITED), ..shape }.slots(0).unwrap(), u32::MAX);
    }
}
