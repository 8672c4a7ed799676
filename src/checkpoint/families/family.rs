//! A family of models: how it is told from others, how its configuration is read, what its tensors are called.

use serde_json::{Map, Value};

use super::{
    keys::{ConfigKeys, has},
    openmoe::OpenMoeConfig,
};
use crate::checkpoint::{architecture::Architecture, tensor_map::TensorNames};

/// A family of models.
pub(super) struct Family {
    /// Its name in words.
    pub(super) name: &'static str,
    /// The classes that its checkpoints name in `architectures`.
    pub(super) classes: &'static [&'static str],
    /// What its checkpoints call themselves where they name no class.
    pub(super) model_types: &'static [&'static str],
    /// Reads its configuration.
    pub(super) read: fn(&mut ConfigKeys) -> Description,
    /// Tensors that may be there and are not used.
    pub(super) ignored: &'static [IgnoredTensors],
}

/// Tensors that a checkpoint may hold and that the forward pass does not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) enum IgnoredTensors {
    /// Rotary frequencies, which follow from the configuration.
    RotaryFrequencies,
    /// Layers behind the last one, for the prediction of further tokens.
    FurtherLayers,
}

/// What a configuration says.
pub(in crate::checkpoint) struct Description {
    /// What the model computes.
    pub(in crate::checkpoint) architecture: Architecture,
    /// What its tensors are called.
    pub(in crate::checkpoint) names: TensorNames,
    /// Rows and columns of a block of 8-bit numbers with a common scale, if it has such.
    pub(in crate::checkpoint) scaled_block: Option<[usize; 2]>,
    /// OpenMoE's own keys, which manifests record.
    pub(in crate::checkpoint) openmoe: Option<OpenMoeConfig>,
    /// Keys that were not used, or not as they are written.
    pub(in crate::checkpoint) notes: Vec<String>,
}

impl Description {
    /// The plainest description of an architecture.
    pub(super) fn new(architecture: Architecture, names: TensorNames) -> Self {
        Self { architecture, names, scaled_block: None, openmoe: None, notes: Vec::new() }
    }
}

impl Family {
    /// Whether a configuration is of this family, by the first class that it names, else by its type.
    pub(super) fn is(&self, object: &Map<String, Value>) -> bool {
        if has(object, "architectures") {
            let first = object["architectures"].get(0).and_then(Value::as_str);
            return first.is_some_and(|class| self.classes.contains(&class));
        }
        let model_type = object.get("model_type").and_then(Value::as_str);
        model_type.is_some_and(|name| self.model_types.contains(&name))
    }
}

impl IgnoredTensors {
    /// Whether a tensor is one of these, in a model of so many layers.
    pub(in crate::checkpoint) fn holds(self, name: &str, layers: usize) -> bool {
        match self {
            Self::RotaryFrequencies => name.ends_with(".rotary_emb.inv_freq"),
            Self::FurtherLayers => {
                let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
                layer.and_then(|(layer, _)| layer.parse::<usize>().ok()).is_some_and(|layer| layer >= layers)
            }
        }
    }
}
