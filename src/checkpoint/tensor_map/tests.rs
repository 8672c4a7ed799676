//! The tensors of the authors' OpenMoE configurations.

use super::TensorMap;

/// The authors' configurations (model.md, "Config").
fn released(hidden: usize, inner: usize, layers: usize, interval: usize, heads: usize, experts: usize) -> TensorMap {
    let head_dim = if heads == 12 { 64 } else { 128 };
    let json = serde_json::json!({
        "architectures": ["OpenMoeForCausalLM"], "model_type": "llama", "hidden_size": hidden,
        "intermediate_size": inner, "num_hidden_layers": layers, "moe_layer_interval": interval,
        "num_attention_heads": heads, "head_dim": head_dim, "num_experts": experts,
    });
    TensorMap::parse(&json.to_string()).unwrap()
}

#[test]
fn released_models_have_their_parameter_counts_and_moe_layers() {
    let base = released(768, 2048, 12, 4, 12, 16);
    assert_eq!(base.parameter_count().total, 799_663_104);
    assert_eq!(base.architecture().moe_layers(), [3, 7, 11]);
    let large = released(2048, 8192, 24, 6, 24, 32);
    assert_eq!(large.parameter_count().total, 11_855_046_656);
    assert_eq!(large.architecture().moe_layers(), [5, 11, 17, 23]);
    let largest = released(3072, 12288, 32, 4, 24, 32);
    assert_eq!(largest.parameter_count().total, 46_270_737_408);
    assert_eq!(largest.architecture().moe_layers(), [3, 7, 11, 15, 19, 23, 27, 31]);
}

#[test]
fn active_parameters_leave_out_the_experts_not_chosen() {
    // Base: an expert has 4 * 768 * 2048 = 6,291,456 parameters; 14 of 16 are idle in each of 3 layers.
    let count = released(768, 2048, 12, 4, 12, 16).parameter_count();
    assert_eq!(count.active_per_token, 799_663_104 - 3 * 14 * 6_291_456);
    assert_eq!((count.embedding, count.lm_head), (196_902_912, 196_902_912));
    assert_eq!((count.experts, count.routers), (3 * 16 * 6_291_456, 3 * 16 * 768));
    // Two norms a layer, one more in each MoE layer, one at the end.
    assert_eq!(count.norms, (12 * 2 + 3 + 1) * 768);
    assert_eq!((count.attention, count.dense_mlp), (12 * 4 * 768 * 768, 12 * 6_291_456));
}

#[test]
fn every_name_occurs_once() {
    let config = released(2048, 8192, 24, 6, 24, 32);
    let mut names: Vec<_> = config.expected().into_iter().map(|tensor| tensor.name).collect();
    // Dense layer 9, MoE layer 14 tensors; embedding, norm, lm_head.
    assert_eq!(names.len(), 20 * 9 + 4 * 14 + 3);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 239);
}
