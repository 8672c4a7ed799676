//! Phi-3.5-MoE: `LayerNorm`, the sparse mixer, biases, two sets of rotary divisors.

use super::{
    common::{CHOICES, Defaults, USUALLY_IGNORED},
    family::{Description, Family},
    keys::ConfigKeys,
    mixtral,
};
use crate::{
    checkpoint::architecture::NormKind,
    routing::{CombineRule, RouterScore},
};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: "Phi-3.5-MoE",
    classes: &["PhiMoEForCausalLM", "PhimoeForCausalLM"],
    model_types: &["phimoe"],
    read,
    ignored: USUALLY_IGNORED,
};

fn read(keys: &mut ConfigKeys) -> Description {
    let defaults = Defaults {
        epsilon: 1e-5,
        theta: 1e6,
        expert_inner: "intermediate_size",
        longrope: true,
        ..Defaults::default()
    };
    let mut architecture = keys.base(&defaults);
    architecture.norm.kind = NormKind::Layer;
    architecture.head.bias = keys.truth(&["lm_head_bias"], false);
    keys.window_everywhere(&mut architecture);
    let chosen = architecture.experts.chosen;
    keys.expect(chosen == 0 || chosen == 2, keys.spelling(&CHOICES), chosen, "2, the only number of its sparse mixer");
    let noise = keys.number(&["router_jitter_noise"], 0.01);
    keys.expect(noise >= 0.0, "router_jitter_noise", noise, "a number from 0");
    architecture.experts.router.score = RouterScore::Logit;
    architecture.experts.router.weight = CombineRule::SparseMixer { window: 2.0 * noise };
    keys.finish(architecture, mixtral::NAMES)
}
