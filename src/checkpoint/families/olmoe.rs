//! OLMoE: one norm over all queries and one over all keys, values clipped too, weights that do not sum to 1.

use super::{
    common::{Defaults, USUALLY_IGNORED},
    family::{Description, Family},
    keys::ConfigKeys,
};
use crate::checkpoint::{architecture::QueryKeyNorm, tensor_map::TensorNames};

/// The family.
pub(super) const FAMILY: Family =
    Family { name: "OLMoE", classes: &["OlmoeForCausalLM"], model_types: &["olmoe"], read, ignored: USUALLY_IGNORED };

fn read(keys: &mut ConfigKeys) -> Description {
    let defaults = Defaults { epsilon: 1e-5, expert_inner: "intermediate_size", ..Defaults::default() };
    let mut architecture = keys.base(&defaults);
    architecture.attention.query_key_norm = Some(QueryKeyNorm::Whole);
    architecture.attention.clip = keys.optional_positive(&["clip_qkv"]);
    architecture.experts.router.weight = keys.normed_softmax();
    keys.finish(architecture, TensorNames::COMMON)
}
