//! Qwen1.5-MoE and Qwen2-MoE: biases on queries, keys and values, a gated shared expert, layers without experts.

use super::{
    common::{Defaults, USUALLY_IGNORED},
    family::{Description, Family},
    keys::ConfigKeys,
};
use crate::checkpoint::{
    architecture::{Mlp, SharedExperts},
    tensor_map::TensorNames,
};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: "Qwen2-MoE",
    classes: &["Qwen2MoeForCausalLM"],
    model_types: &["qwen2_moe"],
    read,
    ignored: USUALLY_IGNORED,
};

const NAMES: TensorNames = TensorNames { shared: "mlp.shared_expert", ..TensorNames::COMMON };

fn read(keys: &mut ConfigKeys) -> Description {
    let mut architecture = keys.base(&Defaults::default());
    architecture.attention.input_bias = keys.truth(&["qkv_bias"], true);
    architecture.attention.output_bias = false;
    let windows = keys.truth(&["use_sliding_window"], false);
    keys.expect(
        !windows,
        "use_sliding_window",
        true,
        "false: versions of transformers disagree on which layers it means",
    );
    keys.sparse_steps(&mut architecture);
    let inner = keys.size(&["shared_expert_intermediate_size"], None);
    let experts = &mut architecture.experts;
    experts.shared = Some(SharedExperts { number: 1, mlp: Mlp { inner, ..experts.mlp }, gated: true });
    experts.router.weight = keys.normed_softmax();
    keys.finish(architecture, NAMES)
}
