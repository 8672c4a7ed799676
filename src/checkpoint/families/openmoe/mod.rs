//! OpenMoE (model.md): its configuration has keys of its own, and its `model_type` says "llama".

mod config;
mod config_json;
mod ignored_keys;

pub use config::OpenMoeConfig;
pub(super) use config_json::recognise;

use super::{
    family::{Description, Family, IgnoredTensors},
    keys::ConfigKeys,
};
use crate::checkpoint::{
    architecture::OPENMOE,
    tensor_map::{ExpertNames, TensorNames},
};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: OPENMOE,
    classes: &[config_json::CLASS],
    model_types: &[],
    read,
    ignored: &[IgnoredTensors::RotaryFrequencies],
};

const NAMES: TensorNames = TensorNames {
    router: "mlp.gate_weight",
    experts: ExpertNames::Stacked { projections: ["mlp.experts.wi_gate", "mlp.experts.wi_up", "mlp.experts.wo"] },
    needs_head: false,
    ..TensorNames::COMMON
};

fn read(keys: &mut ConfigKeys) -> Description {
    let config = config_json::read(keys);
    Description {
        notes: ignored_keys::notes(keys.object()),
        openmoe: Some(config.clone()),
        ..Description::new(config.architecture(), NAMES)
    }
}
