//! A model's `config.json`, as far as it says which layers route.

use std::path::Path;

use serde_json::{Map, Value};

use super::{routes::RecordedLayer, text_file};
use crate::{
    error::{Error, Result},
    routing::LayerId,
};

/// Names of the number of experts, as the families of transformers have them.
const EXPERTS: [&str; 5] =
    ["num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts", "num_moe_experts"];
/// Names of the number of choices.
const CHOICES: [&str; 8] = [
    "num_experts_per_tok",
    "num_experts_per_token",
    "moe_topk",
    "moe_top_k",
    "moe_k",
    "top_k_experts",
    "moe_router_topk",
    "router_topk",
];
/// Names of the number of layers.
const LAYERS: [&str; 3] = ["num_hidden_layers", "n_layers", "num_layers"];

/// Which layers of a model route, among how many experts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelConfig {
    /// Decoder layers.
    pub layers: usize,
    /// Experts of a routed layer.
    pub num_experts: usize,
    /// Choices per token.
    pub top_k: usize,
    /// Decoder layer indices that route, ascending.
    pub moe_layers: Vec<LayerId>,
}

impl ModelConfig {
    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is no JSON object or does not say how many layers, experts and choices there are.
    pub fn read(path: &Path) -> Result<Self> {
        let text = text_file::read(path)?;
        let refused = |what: String| {
            let message = format!("model configuration `{}` {what}", path.display());
            Error::usage(message, "give the config.json that stands beside the weights of the model")
        };
        let value: Value = serde_json::from_str(&text).map_err(|error| refused(format!("is no JSON: {error}")))?;
        let object = value.as_object().ok_or_else(|| refused("is no JSON object".to_owned()))?;
        Self::of(object).map_err(refused)
    }

    /// The same from the parsed object. The text model of a model of several kinds of input stands in `text_config`.
    fn of(object: &Map<String, Value>) -> Result<Self, String> {
        let nested = |key: &str| object.get(key).and_then(Value::as_object);
        let text = nested("text_config").unwrap_or(object);
        let feed_forward = text.get("ffn_config").and_then(Value::as_object);
        let number = |names: &[&str]| {
            let of = |object: &Map<String, Value>| names.iter().find_map(|name| object.get(*name)?.as_u64());
            of(text).or_else(|| feed_forward.and_then(of)).map(|number| number as usize)
        };
        let needed = |names: &[&str]| number(names).ok_or_else(|| format!("has none of the keys {}", names.join(", ")));
        let (layers, num_experts, top_k) = (needed(&LAYERS)?, needed(&EXPERTS)?, needed(&CHOICES)?);
        if layers == 0 || layers > usize::from(LayerId::MAX) {
            return Err(format!("has {layers} layers; expected 1 to {}", LayerId::MAX));
        }
        if num_experts == 0 || num_experts >= usize::from(super::ABSENT) {
            return Err(format!("has {num_experts} experts; expected 1 to {}", super::ABSENT - 1));
        }
        if top_k == 0 || top_k > num_experts.min(255) {
            return Err(format!("has {top_k} choices a token; expected 1 to {}", num_experts.min(255)));
        }
        let moe_layers: Vec<LayerId> =
            (0..layers).filter(|layer| routes(text, *layer)).map(|layer| layer as LayerId).collect();
        if moe_layers.is_empty() {
            return Err("names no layer that routes".to_owned());
        }
        Ok(Self { layers, num_experts, top_k, moe_layers })
    }

    /// All decoder layers, or those that route alone: as the arrays of an engine have one or the other.
    pub fn recorded(&self, all: bool) -> Vec<RecordedLayer> {
        let of = |layer| RecordedLayer { layer, num_experts: Some(self.num_experts), top_k: self.top_k };
        if all {
            (0..self.layers as LayerId).map(of).collect()
        } else {
            self.moe_layers.iter().copied().map(of).collect()
        }
    }
}

/// Whether a layer routes, by the rules of the families: each reads the keys that its own configuration has.
fn routes(config: &Map<String, Value>, layer: usize) -> bool {
    let number = |key: &str| config.get(key).and_then(Value::as_u64).map(|number| number as usize);
    let list = |key: &str| config.get(key).and_then(Value::as_array);
    let is_in = |list: &Vec<Value>| list.iter().any(|value| value.as_u64() == Some(layer as u64));
    // Newer transformers write the kind of every layer.
    if let Some(kind) = list("mlp_layer_types").and_then(|kinds| kinds.get(layer)) {
        return kind == "sparse" || kind == "moe";
    }
    // Llama 4.
    if let Some(layers) = list("moe_layers") {
        return is_in(layers);
    }
    if number("interleave_moe_layer_step").is_some_and(|step| step > 0 && !(layer + 1).is_multiple_of(step)) {
        return false;
    }
    // Qwen.
    if list("mlp_only_layers").is_some_and(is_in) {
        return false;
    }
    if number("decoder_sparse_step").is_some_and(|step| step > 0 && !(layer + 1).is_multiple_of(step)) {
        return false;
    }
    // DeepSeek, GLM, Kimi; a list in Megatron's way has a 1 for every layer that routes.
    if number("first_k_dense_replace").is_some_and(|first| layer < first) {
        return false;
    }
    if let Some(frequency) = list("moe_layer_freq").and_then(|frequency| frequency.get(layer)) {
        return frequency.as_u64() == Some(1);
    }
    if number("moe_layer_freq").is_some_and(|step| step > 0 && !layer.is_multiple_of(step)) {
        return false;
    }
    // Jamba.
    if let (Some(period), Some(offset)) = (number("expert_layer_period"), number("expert_layer_offset")) {
        return period > 0 && layer % period == offset;
    }
    // Ernie.
    if number("moe_layer_start_index").is_some_and(|first| layer < first)
        || number("moe_layer_end_index").is_some_and(|last| layer > last)
    {
        return false;
    }
    // OpenMoE: every n-th layer, the last of each n.
    !number("moe_layer_interval").is_some_and(|step| step > 0 && !(layer + 1).is_multiple_of(step))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn layers(more: &Value) -> Vec<LayerId> {
        let mut config = json!({ "num_hidden_layers": 6, "num_experts": 8, "num_experts_per_tok": 2 });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ModelConfig::of(config.as_object().unwrap()).unwrap().moe_layers
    }

    #[test]
    fn the_layers_that_route_follow_from_the_keys_of_each_family() {
        assert_eq!(layers(&json!({})), [0, 1, 2, 3, 4, 5]);
        assert_eq!(layers(&json!({ "first_k_dense_replace": 3 })), [3, 4, 5]);
        assert_eq!(layers(&json!({ "first_k_dense_replace": 1, "moe_layer_freq": 2 })), [2, 4]);
        assert_eq!(layers(&json!({ "moe_layer_freq": [0, 1, 1, 0, 1, 1] })), [1, 2, 4, 5]);
        assert_eq!(layers(&json!({ "mlp_only_layers": [0, 5], "decoder_sparse_step": 1 })), [1, 2, 3, 4]);
        assert_eq!(layers(&json!({ "decoder_sparse_step": 2 })), [1, 3, 5]);
        assert_eq!(layers(&json!({ "interleave_moe_layer_step": 3 })), [2, 5]);
        assert_eq!(
            layers(&json!({ "mlp_layer_types": ["dense", "sparse", "dense", "sparse", "sparse", "dense"] })),
            [1, 3, 4]
        );
        assert_eq!(layers(&json!({ "expert_layer_period": 2, "expert_layer_offset": 1 })), [1, 3, 5]);
        assert_eq!(layers(&json!({ "moe_layer_interval": 2 })), [1, 3, 5]);
    }

    #[test]
    fn a_configuration_without_experts_is_refused() {
        let config = json!({ "num_hidden_layers": 6 });
        let refused = ModelConfig::of(config.as_object().unwrap()).unwrap_err();
        assert!(refused.starts_with("has none of the keys num_experts, n_routed_experts"), "{refused}");
    }
}
