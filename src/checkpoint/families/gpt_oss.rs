//! gpt-oss: sinks, windows in some layers, biases everywhere, a gate that is cut, experts in one tensor, often in four bits.

use super::{
    common::{Defaults, USUALLY_IGNORED},
    family::{Description, Family},
    keys::ConfigKeys,
};
use crate::{
    checkpoint::{
        architecture::{Activation, Architecture},
        tensor_map::{ExpertNames, FusedForm, TensorNames},
    },
    routing::{CombineRule, RouterScore},
};

/// The family.
pub(super) const FAMILY: Family = Family {
    name: "gpt-oss",
    classes: &["GptOssForCausalLM"],
    model_types: &["gpt_oss"],
    read,
    ignored: USUALLY_IGNORED,
};

fn names(form: FusedForm) -> TensorNames {
    TensorNames {
        router: "mlp.router.weight",
        router_bias: "mlp.router.bias",
        experts: ExpertNames::Fused { gate_and_up: "mlp.experts.gate_up_proj", down: "mlp.experts.down_proj", form },
        ..TensorNames::COMMON
    }
}

fn read(keys: &mut ConfigKeys) -> Description {
    let defaults = Defaults {
        epsilon: 1e-5,
        theta: 150_000.0,
        attention_bias: true,
        expert_inner: "intermediate_size",
        ..Defaults::default()
    };
    let mut architecture = keys.base(&defaults);
    architecture.attention.sinks = true;
    windows(keys, &mut architecture);
    let experts = &mut architecture.experts;
    experts.router_bias = true;
    experts.router.score = RouterScore::Logit;
    experts.router.weight = CombineRule::SoftmaxOfChosen;
    experts.mlp.bias = true;
    experts.mlp.activation = Activation::Clamped {
        limit: keys.positive(&["swiglu_limit"], 7.0),
        alpha: keys.positive(&["swiglu_alpha"], 1.702),
    };
    if keys.has_four_bits() {
        keys.check_four_bits(&architecture);
        keys.finish(architecture, names(FusedForm::Mxfp4))
    } else {
        keys.finish(architecture, names(FusedForm::Alternating))
    }
}

/// The window of the layers that `layer_types` names; without it, of every second one from the first on.
fn windows(keys: &mut ConfigKeys, architecture: &mut Architecture) {
    let window = keys.optional_size(&["sliding_window"]);
    let count = architecture.layers.len();
    let slides: Vec<bool> = match keys.words(&["layer_types"]) {
        None => (0..count).map(|layer| layer.is_multiple_of(2)).collect(),
        Some(kinds) => {
            let expected = format!("one kind for each of {count} layers");
            keys.expect(kinds.len() == count, "layer_types", format_args!("{} kinds", kinds.len()), &expected);
            for kind in &kinds {
                let known = ["sliding_attention", "full_attention"].contains(kind);
                keys.expect(known, "layer_types", kind, "sliding_attention and full_attention");
            }
            kinds.iter().map(|kind| *kind == "sliding_attention").collect()
        }
    };
    keys.expect(window.is_some() || !slides.contains(&true), "sliding_window", "missing", "a number of keys");
    for (layer, slides) in architecture.layers.iter_mut().zip(slides) {
        layer.window = window.filter(|_| slides);
    }
}
