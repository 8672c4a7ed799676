//! Qwen3-MoE: a norm of each head's queries and keys, and heads whose width is their own.

use super::{
    common::{Defaults, USUALLY_IGNORED},
    family::{Description, Family},
    keys::ConfigKeys,
};
use crate::checkpoint::{architecture::QueryKeyNorm, tensor_map::TensorNames};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: "Qwen3-MoE",
    classes: &["Qwen3MoeForCausalLM"],
    model_types: &["qwen3_moe"],
    read,
    ignored: USUALLY_IGNORED,
};

fn read(keys: &mut ConfigKeys) -> Description {
    let mut architecture = keys.base(&Defaults::default());
    architecture.attention.query_key_norm = Some(QueryKeyNorm::PerHead);
    if keys.truth(&["use_sliding_window"], false) {
        keys.window_everywhere(&mut architecture);
    }
    keys.sparse_steps(&mut architecture);
    architecture.experts.router.weight = keys.normed_softmax();
    keys.finish(architecture, TensorNames::COMMON)
}
