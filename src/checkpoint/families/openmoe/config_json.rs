//! Reads config.json into an [`OpenMoeConfig`], and reports all problems together.

use serde_json::{Map, Value};

use super::OpenMoeConfig;
use crate::checkpoint::families::keys::{ConfigKeys, has};

/// The class that the authors' checkpoints name in `architectures`; their `model_type` is "llama" and is ignored.
pub(super) const CLASS: &str = "OpenMoeForCausalLM";

/// Recognizes an OpenMoE by `architectures` and the MoE keys.
///
/// # Errors
/// It names the class and lacks the keys.
pub(in crate::checkpoint::families) fn recognise(object: &Map<String, Value>) -> Result<bool, String> {
    let named = object.get("architectures").filter(|value| !value.is_null());
    let missing: Vec<_> = ["num_experts", "moe_layer_interval"].into_iter().filter(|&key| !has(object, key)).collect();
    let is_named = match named {
        Some(Value::Array(names)) => names.iter().any(|name| name == CLASS),
        Some(_) => false,
        None => missing.is_empty(),
    };
    if !is_named || missing.is_empty() {
        return Ok(is_named);
    }
    let missing = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    Err(format!(
        "`config.json` does not describe an OpenMoE: found `architectures` {} and without the keys {missing}; expected \
         [\"{CLASS}\"] with `num_experts` and `moe_layer_interval`",
        named.unwrap_or(&Value::Null)
    ))
}

/// Reads both spellings of the router's keys; missing keys have the defaults of the authors' models.
pub(super) fn read(keys: &mut ConfigKeys) -> OpenMoeConfig {
    let heads = keys.size(&["num_attention_heads"], None);
    let config = OpenMoeConfig {
        vocab_size: keys.size(&["vocab_size"], Some(256_384)),
        hidden_size: keys.size(&["hidden_size"], None),
        intermediate_size: keys.size(&["intermediate_size"], None),
        num_hidden_layers: keys.size(&["num_hidden_layers"], None),
        moe_layer_interval: keys.size(&["moe_layer_interval"], None),
        num_attention_heads: heads,
        num_key_value_heads: keys.size(&["num_key_value_heads"], Some(heads)),
        head_dim: keys.size(&["head_dim"], None),
        max_position_embeddings: keys.size(&["max_position_embeddings"], Some(2048)),
        rms_norm_eps: keys.positive(&["rms_norm_eps"], 1e-6),
        num_experts: keys.size(&["num_experts"], None),
        router_topk: keys.size(&["router_topk", "topk"], Some(2)),
        router_capacity_factor_eval: keys.positive(&["router_capacity_factor_eval", "capacity_factor_eval"], 2.0),
        router_capacity_factor_train: keys.positive(&["router_capacity_factor_train", "capacity_factor_train"], 1.25),
        router_min_capacity: keys.id(&["router_min_capacity", "min_capacity"], 4),
        bos_token_id: keys.id(&["bos_token_id"], 0),
        eos_token_id: keys.id(&["eos_token_id"], 1),
        pad_token_id: keys.id(&["pad_token_id"], 0),
        hidden_act: keys.text(&["hidden_act"], "swiglu"),
        mlp_gated: keys.truth(&["mlp_gated", "gated"], true),
        // New versions of transformers write `dtype`; if both keys are there, the authors wrote the older one.
        torch_dtype: keys
            .text(if has(keys.object(), "torch_dtype") { &["torch_dtype"] } else { &["dtype"] }, "float32"),
        tie_word_embeddings: keys.truth(&["tie_word_embeddings"], false),
    };
    check(keys, &config);
    config
}

/// Refuses options that the original does not run, and sizes that contradict each other.
fn check(keys: &mut ConfigKeys, config: &OpenMoeConfig) {
    let OpenMoeConfig { router_topk: k, num_experts: experts, num_attention_heads: heads, .. } = *config;
    let OpenMoeConfig { num_key_value_heads: kv_heads, head_dim, moe_layer_interval: interval, .. } = *config;
    let layers = config.num_hidden_layers;
    keys.expect(config.hidden_act == "swiglu", "hidden_act", &config.hidden_act, "swiglu, the only one it runs");
    keys.expect(config.mlp_gated, "mlp_gated", false, "true, the only one it runs");
    keys.expect(k == 0 || k <= 2, "router_topk", k, "1 or 2");
    keys.expect(experts == 0 || experts >= k, "num_experts", experts, &format!("at least router_topk = {k}"));
    keys.expect(experts <= 65_536, "num_experts", experts, "at most 65536");
    keys.expect(head_dim.is_multiple_of(2), "head_dim", head_dim, "an even number, for the rotary halves");
    let divides = heads == 0 || kv_heads == 0 || heads.is_multiple_of(kv_heads);
    keys.expect(divides, "num_key_value_heads", kv_heads, &format!("a divisor of num_attention_heads = {heads}"));
    keys.expect(layers <= 65_536, "num_hidden_layers", layers, "at most 65536");
    let reached = layers == 0 || interval <= layers;
    keys.expect(reached, "moe_layer_interval", interval, &format!("at most num_hidden_layers = {layers}"));
    for (key, id) in [("bos_token_id", config.bos_token_id), ("eos_token_id", config.eos_token_id)] {
        let vocab_size = config.vocab_size;
        keys.expect(vocab_size == 0 || (id as usize) < vocab_size, key, id, &format!("an id below {vocab_size}"));
    }
    let bias = keys.truth(&["attention_bias"], false);
    keys.expect(!bias, "attention_bias", true, "false, the only one it runs");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::families;

    const TINY: &str = include_str!("../../../../fixtures/checkpoints/openmoe-tiny-12.3M/config.json");

    /// The small checkpoint's config.json with one key set (or, with `null`, unset).
    fn with(key: &str, value: Value) -> Result<OpenMoeConfig, Vec<String>> {
        let mut object: Map<String, Value> = serde_json::from_str(TINY).unwrap();
        object.insert(key.into(), value);
        parse(&Value::Object(object).to_string())
    }

    fn parse(text: &str) -> Result<OpenMoeConfig, Vec<String>> {
        let recognised = families::recognise(text).map_err(|unknown| vec![unknown.problem])?;
        recognised.describe().map(|description| description.openmoe.unwrap())
    }

    #[test]
    fn both_spellings_and_the_defaults_are_read() {
        let config = parse(TINY).unwrap();
        assert_eq!((config.hidden_size, config.num_experts, config.router_topk), (64, 16, 2));
        assert_eq!(config.architecture().moe_layers(), [1, 3, 5]);
        let short = r#"{"architectures": ["OpenMoeForCausalLM"], "hidden_size": 8, "intermediate_size": 8,
            "num_hidden_layers": 4, "moe_layer_interval": 2, "num_attention_heads": 2, "head_dim": 4, "num_experts": 4,
            "topk": 1, "capacity_factor_eval": 1.5, "capacity_factor_train": 3, "min_capacity": 3, "gated": true}"#;
        let config = parse(short).unwrap();
        assert_eq!((config.router_topk, config.router_min_capacity, config.num_key_value_heads), (1, 3, 2));
        assert_eq!((config.router_capacity_factor_eval, config.router_capacity_factor_train), (1.5, 3.0));
        assert_eq!((config.vocab_size, config.max_position_embeddings, config.rms_norm_eps), (256_384, 2048, 1e-6));
        assert_eq!((config.bos_token_id, config.eos_token_id, config.pad_token_id), (0, 1, 0));
    }

    #[test]
    fn every_unsupported_option_is_named_with_its_value() {
        for (key, value, found) in [
            ("hidden_act", "gelu".into(), "gelu"),
            ("mlp_gated", false.into(), "false"),
            ("router_topk", 3.into(), "3"),
            ("router_topk", 0.into(), "0"),
            ("num_experts", 1.into(), "1"),
            ("moe_layer_interval", 0.into(), "0"),
            ("moe_layer_interval", 7.into(), "7"),
            ("head_dim", 31.into(), "31"),
            ("num_key_value_heads", 3.into(), "3"),
            ("hidden_size", "64".into(), "\"64\""),
            ("hidden_size", Value::Null, "missing"),
            ("hidden_size", (-64).into(), "-64"),
            ("rms_norm_eps", "small".into(), "\"small\""),
            ("attention_bias", true.into(), "true"),
            ("rms_norm_eps", "Infinity".into(), "\"Infinity\""),
            ("bos_token_id", 4096.into(), "4096"),
            ("topk", 1.into(), "2 but `topk` is 1"),
        ] {
            let problems = with(key, value).unwrap_err();
            let named = |line: &String| line.contains(&format!("`{key}`")) && line.contains(found);
            assert!(problems.iter().any(named), "{key}: {problems:?}");
        }
    }

    #[test]
    fn all_problems_are_collected() {
        let mut object: Map<String, Value> = serde_json::from_str(TINY).unwrap();
        object.insert("hidden_act".into(), "gelu".into());
        object.insert("head_dim".into(), 31.into());
        object.remove("num_hidden_layers");
        assert_eq!(parse(&Value::Object(object).to_string()).unwrap_err().len(), 3);
    }

    #[test]
    fn other_models_are_refused_with_one_line() {
        let llama = with("architectures", serde_json::json!(["LlamaForCausalLM"])).unwrap_err();
        assert_eq!(llama.len(), 1);
        assert!(llama[0].contains("LlamaForCausalLM") && llama[0].contains(CLASS), "{llama:?}");
        let dense = with("num_experts", Value::Null).unwrap_err();
        assert!(dense.len() == 1 && dense[0].contains("without the keys `num_experts`"), "{dense:?}");
        with("architectures", Value::Null).unwrap();
        assert!(parse("[1]").unwrap_err()[0].contains("a list"));
        assert!(parse("{").unwrap_err()[0].contains("not valid JSON"));
    }
}
