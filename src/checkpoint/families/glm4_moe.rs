//! GLM-4.5: the router of DeepSeek-V3, plain attention of which a part of each head is rotated.

use super::{
    common::Defaults,
    deepseek_v3,
    family::{Description, Family},
    keys::ConfigKeys,
};
use crate::checkpoint::{architecture::QueryKeyNorm, tensor_map::TensorNames};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: "GLM-4.5-MoE",
    classes: &["Glm4MoeForCausalLM"],
    model_types: &["glm4_moe"],
    read,
    ignored: deepseek_v3::IGNORED,
};

fn read(keys: &mut ConfigKeys) -> Description {
    let mut architecture = keys.base(&Defaults { epsilon: 1e-5, rotated: 0.5, ..Defaults::default() });
    let attention = &mut architecture.attention;
    attention.output_bias = false;
    attention.query_key_norm = keys.truth(&["use_qk_norm"], false).then_some(QueryKeyNorm::PerHead);
    keys.dense_first(&mut architecture, 1);
    keys.sigmoid_router(&mut architecture, [1, 1], 1.0);
    keys.finish(architecture, TensorNames::COMMON)
}
