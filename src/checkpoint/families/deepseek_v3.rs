//! DeepSeek-V3, R1, Moonlight and Kimi K2: latent attention, sigmoid scores, a bias that only decides, groups of experts.

use super::{
    common::Defaults,
    family::{Description, Family, IgnoredTensors},
    keys::ConfigKeys,
};
use crate::{
    checkpoint::{architecture::Architecture, tensor_map::TensorNames},
    routing::{CombineRule, ExpertGroups, GroupScore, RouterScore},
};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: "DeepSeek-V3",
    classes: &["DeepseekV3ForCausalLM"],
    model_types: &["deepseek_v3", "kimi_k2"],
    read,
    ignored: IGNORED,
};

/// Layers behind the last predict further tokens.
pub(super) const IGNORED: &[IgnoredTensors] = &[IgnoredTensors::RotaryFrequencies, IgnoredTensors::FurtherLayers];

fn read(keys: &mut ConfigKeys) -> Description {
    let defaults = Defaults::default();
    let mut architecture = keys.base(&defaults);
    keys.latent_attention(&mut architecture, &defaults);
    keys.dense_first(&mut architecture, 3);
    keys.sigmoid_router(&mut architecture, [8, 4], 2.5);
    keys.finish(architecture, TensorNames::COMMON)
}

impl ConfigKeys<'_> {
    /// The router and the shared experts, which GLM-4.5 has too, with other defaults of the number of groups, of those that are
    /// kept, and of the factor of the weights.
    pub(super) fn sigmoid_router(&mut self, architecture: &mut Architecture, groups: [usize; 2], scaling: f64) {
        self.shared_experts(architecture);
        let score = self.text(&["scoring_func"], "sigmoid");
        self.expect(score == "sigmoid", "scoring_func", &score, "sigmoid");
        let method = self.text(&["topk_method"], "noaux_tc");
        self.expect(method == "noaux_tc", "topk_method", &method, "noaux_tc");
        let [number, kept] = groups;
        let groups = ExpertGroups {
            number: self.size(&["n_group"], Some(number)),
            kept: self.size(&["topk_group"], Some(kept)),
            score: GroupScore::TwoLargest,
        };
        let experts = &mut architecture.experts;
        experts.correction_bias = true;
        experts.router.score = RouterScore::Sigmoid;
        experts.router.groups = Some(groups).filter(|groups| groups.number > 1);
        experts.router.scaling = self.positive(&["routed_scaling_factor"], scaling);
        experts.router.weight = if self.truth(&["norm_topk_prob"], true) {
            CombineRule::ScoreOverSum { epsilon: 1e-20 }
        } else {
            CombineRule::Score
        };
    }
}
