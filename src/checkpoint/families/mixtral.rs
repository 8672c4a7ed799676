//! Mixtral: weights over their sum, in some releases a window; `w1`, `w3` and `w2` are gate, up and down.

use super::{
    common::{Defaults, USUALLY_IGNORED},
    family::{Description, Family},
    keys::ConfigKeys,
};
use crate::{
    checkpoint::tensor_map::{ExpertNames, TensorNames},
    routing::CombineRule,
};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: "Mixtral",
    classes: &["MixtralForCausalLM"],
    model_types: &["mixtral"],
    read,
    ignored: USUALLY_IGNORED,
};

/// Its names, which Phi-3.5-MoE took over.
pub(super) const NAMES: TensorNames = TensorNames {
    router: "block_sparse_moe.gate.weight",
    experts: ExpertNames::Separate { prefix: "block_sparse_moe.experts", projections: ["w1", "w3", "w2"] },
    ..TensorNames::COMMON
};

fn read(keys: &mut ConfigKeys) -> Description {
    let defaults = Defaults { epsilon: 1e-5, theta: 1e6, expert_inner: "intermediate_size", ..Defaults::default() };
    let mut architecture = keys.base(&defaults);
    keys.window_everywhere(&mut architecture);
    architecture.experts.router.weight = CombineRule::ScoreOverSum { epsilon: 0.0 };
    keys.finish(architecture, NAMES)
}
