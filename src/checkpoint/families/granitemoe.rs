//! `GraniteMoE`: four multipliers, a softmax over the chosen logits, gate and up in one tensor.

use super::{
    common::{Defaults, USUALLY_IGNORED},
    family::{Description, Family},
    keys::ConfigKeys,
};
use crate::{
    checkpoint::tensor_map::{ExpertNames, FusedForm, TensorNames},
    routing::{CombineRule, RouterScore},
};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: "GraniteMoE",
    classes: &["GraniteMoeForCausalLM"],
    model_types: &["granitemoe"],
    read,
    ignored: USUALLY_IGNORED,
};

const NAMES: TensorNames = TensorNames {
    router: "block_sparse_moe.router.layer.weight",
    experts: ExpertNames::Fused {
        gate_and_up: "block_sparse_moe.input_linear.weight",
        down: "block_sparse_moe.output_linear.weight",
        form: FusedForm::Halves,
    },
    ..TensorNames::COMMON
};

fn read(keys: &mut ConfigKeys) -> Description {
    let mut architecture = keys.base(&Defaults { expert_inner: "intermediate_size", ..Defaults::default() });
    architecture.attention.scale = keys.positive(&["attention_multiplier"], 1.0);
    architecture.embedding_multiplier = keys.positive(&["embedding_multiplier"], 1.0);
    architecture.residual_multiplier = keys.positive(&["residual_multiplier"], 1.0);
    architecture.head.divisor = keys.positive(&["logits_scaling"], 1.0);
    architecture.experts.router.score = RouterScore::Logit;
    architecture.experts.router.weight = CombineRule::SoftmaxOfChosen;
    keys.finish(architecture, NAMES)
}
