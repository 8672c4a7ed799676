//! DeepSeek-V2 and V2-Lite: latent attention, groups of experts ranked by their best, weights that are not divided.

use super::{
    common::{Defaults, USUALLY_IGNORED},
    family::{Description, Family},
    keys::ConfigKeys,
};
use crate::{
    checkpoint::tensor_map::TensorNames,
    routing::{ExpertGroups, GroupScore},
};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: "DeepSeek-V2",
    classes: &["DeepseekV2ForCausalLM"],
    model_types: &["deepseek_v2"],
    read,
    ignored: USUALLY_IGNORED,
};

fn read(keys: &mut ConfigKeys) -> Description {
    let defaults = Defaults::default();
    let mut architecture = keys.base(&defaults);
    keys.latent_attention(&mut architecture, &defaults);
    keys.dense_first(&mut architecture, 0);
    keys.shared_experts(&mut architecture);
    let score = keys.text(&["scoring_func"], "softmax");
    keys.expect(score == "softmax", "scoring_func", &score, "softmax");
    let divides = keys.truth(&["norm_topk_prob"], false);
    keys.expect(
        !divides,
        "norm_topk_prob",
        true,
        "false: the released code and transformers disagree on what true means",
    );
    architecture.experts.router.scaling = keys.positive(&["routed_scaling_factor"], 1.0);
    let groups = ExpertGroups {
        number: keys.size(&["n_group"], Some(1)),
        kept: keys.size(&["topk_group"], Some(1)),
        score: GroupScore::Largest,
    };
    match keys.text(&["topk_method"], "greedy").as_str() {
        "greedy" => {}
        "group_limited_greedy" => architecture.experts.router.groups = Some(groups).filter(|groups| groups.number > 1),
        other => keys.expect(false, "topk_method", other, "greedy or group_limited_greedy"),
    }
    keys.finish(architecture, TensorNames::COMMON)
}
