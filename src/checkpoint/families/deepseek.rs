//! DeepSeek-MoE, the first: dense layers first, shared experts.

use super::{
    common::{Defaults, USUALLY_IGNORED},
    family::{Description, Family},
    keys::ConfigKeys,
};
use crate::{checkpoint::tensor_map::TensorNames, routing::CombineRule};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: "DeepSeek-MoE",
    classes: &["DeepseekForCausalLM"],
    model_types: &["deepseek"],
    read,
    ignored: USUALLY_IGNORED,
};

fn read(keys: &mut ConfigKeys) -> Description {
    let mut architecture = keys.base(&Defaults::default());
    let score = keys.text(&["scoring_func"], "softmax");
    keys.expect(score == "softmax", "scoring_func", &score, "softmax");
    keys.dense_first(&mut architecture, 0);
    keys.shared_experts(&mut architecture);
    let divides = keys.truth(&["norm_topk_prob"], false) && architecture.experts.chosen > 1;
    if divides {
        architecture.experts.router.weight = CombineRule::ScoreOverSum { epsilon: 1e-20 };
    }
    keys.finish(architecture, TensorNames::COMMON)
}
