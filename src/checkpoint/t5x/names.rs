//! What the PyTorch port calls an array of T5X, and whether it turns it: linear layers are `[inputs, outputs]` in JAX.

/// The name of the array that holds a tensor of OpenMoE, and whether the two are transposed; `None` for any other name.
pub(super) fn array_of(tensor: &str) -> Option<(String, bool)> {
    match tensor {
        "model.embed_tokens.weight" => return Some(("target.token_embedder.embedding".to_owned(), false)),
        "model.norm.weight" => return Some(("target.decoder.decoder_norm.scale".to_owned(), false)),
        "lm_head.weight" => return Some(("target.decoder.logits_dense.kernel".to_owned(), true)),
        _ => {}
    }
    let (layer, part) = tensor.strip_prefix("model.layers.")?.split_once('.')?;
    let (array, transposed) = match part {
        "input_layernorm.weight" => ("pre_self_attention_layer_norm.scale", false),
        "post_attention_layernorm.weight" => ("pre_mlp_layer_norm.scale", false),
        "pre_extra_mlp_layernorm.weight" => ("pre_extra_mlp_layer_norm.scale", false),
        "self_attn.q_proj.weight" => ("self_attention.query.kernel", true),
        "self_attn.k_proj.weight" => ("self_attention.key.kernel", true),
        "self_attn.v_proj.weight" => ("self_attention.value.kernel", true),
        "self_attn.o_proj.weight" => ("self_attention.out.kernel", true),
        "mlp.gate_proj.weight" => ("mlp.wi_0.kernel", true),
        "mlp.up_proj.weight" => ("mlp.wi_1.kernel", true),
        "mlp.down_proj.weight" => ("mlp.wo.kernel", true),
        "extra_mlp.gate_proj.weight" => ("extra_mlp.wi_0.kernel", true),
        "extra_mlp.up_proj.weight" => ("extra_mlp.wi_1.kernel", true),
        "extra_mlp.down_proj.weight" => ("extra_mlp.wo.kernel", true),
        "mlp.gate_weight" => ("mlp.router.router_weights.w.kernel", true),
        "mlp.experts.wi_gate" => ("mlp.expert.wi_0.kernel", false),
        "mlp.experts.wi_up" => ("mlp.expert.wi_1.kernel", false),
        "mlp.experts.wo" => ("mlp.expert.wo.kernel", false),
        _ => return None,
    };
    Some((format!("target.decoder.layers_{layer}.{array}"), transposed))
}

/// The layer of an array and the rest of its name.
pub(super) fn layer_of(array: &str) -> Option<(usize, &str)> {
    let (layer, part) = array.strip_prefix("target.decoder.layers_")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_linear_layers_are_turned() {
        let array = |name: &str| array_of(name).unwrap();
        assert_eq!(
            array("model.layers.3.mlp.experts.wi_gate"),
            ("target.decoder.layers_3.mlp.expert.wi_0.kernel".into(), false)
        );
        assert_eq!(
            array("model.layers.11.extra_mlp.down_proj.weight"),
            ("target.decoder.layers_11.extra_mlp.wo.kernel".into(), true)
        );
        assert_eq!(array_of("model.layers.3.mlp.experts.0.w1.weight"), None);
        assert_eq!(layer_of("target.decoder.layers_11.mlp.wo.kernel"), Some((11, "mlp.wo.kernel")));
        assert_eq!(layer_of("target.decoder.decoder_norm.scale"), None);
    }
}
