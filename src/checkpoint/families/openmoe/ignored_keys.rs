//! Notes on keys of config.json that OpenMoE's code ignores, but that would change the results of other models.

use serde_json::{Map, Value};

/// The most characters of a value that are shown.
const SHOWN: usize = 60;

/// The keys, each with the values that would change nothing, as JSON; null, false and an absent key never change anything.
const KEYS: [(&str, &[&str]); 37] = [
    ("rope_theta", &["10000", "10000.0"]),
    ("rope_scaling", &[]),
    ("rope_parameters", &[]),
    ("rotary_emb_base", &["10000", "10000.0"]),
    ("rotary_pct", &["1", "1.0"]),
    ("partial_rotary_factor", &["1", "1.0"]),
    ("sliding_window", &[]),
    ("use_sliding_window", &[]),
    ("mlp_bias", &[]),
    ("use_bias", &[]),
    ("qkv_bias", &[]),
    ("clip_qkv", &[]),
    ("qk_norm", &[]),
    ("use_qk_norm", &[]),
    ("query_pre_attn_scalar", &[]),
    ("attention_multiplier", &[]),
    ("attn_logit_softcapping", &[]),
    ("final_logit_softcapping", &[]),
    ("embedding_multiplier", &["1", "1.0"]),
    ("residual_multiplier", &["1", "1.0"]),
    ("logits_scaling", &["1", "1.0"]),
    ("scale_embeddings", &[]),
    ("num_experts_per_tok", &[]),
    ("num_local_experts", &[]),
    ("n_routed_experts", &[]),
    ("n_shared_experts", &["0"]),
    ("num_shared_experts", &["0"]),
    ("moe_intermediate_size", &[]),
    ("shared_expert_intermediate_size", &["0"]),
    ("decoder_sparse_step", &["1"]),
    ("first_k_dense_replace", &["0"]),
    ("mlp_only_layers", &["[]"]),
    ("norm_topk_prob", &[]),
    ("scoring_func", &["\"softmax\""]),
    ("routed_scaling_factor", &["1", "1.0"]),
    ("router_noisy_policy", &[]),
    ("quantization_config", &[]),
];

/// One note on all such keys, if there are any.
pub(super) fn notes(object: &Map<String, Value>) -> Vec<String> {
    let mut found: Vec<String> = KEYS.iter().filter_map(|(key, harmless)| unread(object, key, harmless)).collect();
    if object.get("router_drop_tks") == Some(&Value::Bool(false)) {
        // The original drops tokens even if this is false.
        found.push("`router_drop_tks` false".to_owned());
    }
    if found.is_empty() {
        return Vec::new();
    }
    vec![format!("`config.json`: OpenMoE's code does not read {}: the results are those without", found.join(", "))]
}

fn unread(object: &Map<String, Value>, key: &str, harmless: &[&str]) -> Option<String> {
    let value = object.get(key).filter(|value| !value.is_null() && **value != Value::Bool(false))?;
    let shown = value.to_string();
    let same_as = |other: &str| object.get(other).is_some_and(|known| known == value);
    // The same number under the name that another model family uses changes nothing.
    let repeats = match key {
        "num_experts_per_tok" => same_as("router_topk") || same_as("topk"),
        "num_local_experts" | "n_routed_experts" => same_as("num_experts"),
        "moe_intermediate_size" => same_as("intermediate_size"),
        _ => false,
    };
    if repeats || harmless.contains(&shown.as_str()) {
        return None;
    }
    let cut: String = shown.chars().take(SHOWN).collect();
    Some(format!("`{key}` {cut}{}", if cut.len() < shown.len() { "…" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_would_change_something_are_told_in_one_note() {
        let object = serde_json::json!({
            "rope_theta": 10000.0, "rope_scaling": null, "use_sliding_window": false, "num_experts": 8,
            "num_local_experts": 8, "router_drop_tks": true,
        });
        assert!(notes(object.as_object().unwrap()).is_empty());
        let object = serde_json::json!({"rope_theta": 1e6, "sliding_window": 512, "router_drop_tks": false});
        let found = notes(object.as_object().unwrap());
        assert_eq!(found.len(), 1);
        for part in ["`rope_theta` 1000000.0", "`sliding_window` 512", "`router_drop_tks` false"] {
            assert!(found[0].contains(part), "{found:?}");
        }
    }
}
