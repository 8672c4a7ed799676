//! Configurations of released models, as their config.json has them, but for keys that decide nothing here.

use serde_json::{Value, json};

use crate::{forward_pass::BASE, synthetic_checkpoint::Shape};

/// A released model.
#[derive(Debug)]
pub(crate) struct Released {
    /// Its config.json.
    pub(crate) config: Value,
    /// Its parameters, as the authors count them.
    pub(crate) parameters: u64,
}

pub(crate) fn openmoe_base() -> Released {
    Released { config: BASE.config_json(), parameters: 799_663_104 }
}

pub(crate) fn openmoe_8b() -> Released {
    let shape = Shape {
        hidden_size: 2048,
        intermediate_size: 8192,
        layers: 24,
        heads: 24,
        head_dim: 128,
        vocabulary: 256_384,
        experts: 32,
        moe_interval: 6,
    };
    Released { config: shape.config_json(), parameters: 11_855_046_656 }
}

pub(crate) fn openmoe_34b() -> Released {
    let shape = Shape {
        hidden_size: 3072,
        intermediate_size: 12_288,
        layers: 32,
        heads: 24,
        head_dim: 128,
        vocabulary: 256_384,
        experts: 32,
        moe_interval: 4,
    };
    Released { config: shape.config_json(), parameters: 46_270_737_408 }
}

/// OLMoE-1B-7B-0924.
pub(crate) fn olmoe() -> Released {
    let config = json!({
        "architectures": ["OlmoeForCausalLM"],
        "attention_bias": false,
        "clip_qkv": null,
        "eos_token_id": 50279,
        "hidden_act": "silu",
        "hidden_size": 2048,
        "intermediate_size": 1024,
        "max_position_embeddings": 4096,
        "model_type": "olmoe",
        "norm_topk_prob": false,
        "num_attention_heads": 16,
        "num_experts": 64,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 16,
        "num_key_value_heads": 16,
        "pad_token_id": 1,
        "rms_norm_eps": 1e-5,
        "rope_scaling": null,
        "rope_theta": 10000.0,
        "tie_word_embeddings": false,
        "vocab_size": 50304
    });
    Released { config, parameters: 6_919_161_856 }
}

/// OLMoE-1B-7B with four of its layers.
pub(crate) fn olmoe_of_four_layers() -> Released {
    let Released { mut config, parameters } = olmoe();
    config["num_hidden_layers"] = json!(4);
    Released { config, parameters: parameters - 12 * 419_569_664 }
}

/// Qwen3-30B-A3B.
pub(crate) fn qwen3_30b() -> Released {
    let config = json!({
        "architectures": ["Qwen3MoeForCausalLM"],
        "attention_bias": false,
        "decoder_sparse_step": 1,
        "eos_token_id": 151_645,
        "head_dim": 128,
        "hidden_act": "silu",
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "max_position_embeddings": 40960,
        "mlp_only_layers": [],
        "model_type": "qwen3_moe",
        "moe_intermediate_size": 768,
        "norm_topk_prob": true,
        "num_attention_heads": 32,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 48,
        "num_key_value_heads": 4,
        "rms_norm_eps": 1e-6,
        "rope_scaling": null,
        "rope_theta": 1_000_000.0,
        "sliding_window": null,
        "tie_word_embeddings": false,
        "use_sliding_window": false,
        "vocab_size": 151_936
    });
    Released { config, parameters: 30_532_122_624 }
}

/// DeepSeek-V2-Lite.
pub(crate) fn deepseek_v2_lite() -> Released {
    let config = json!({
        "architectures": ["DeepseekV2ForCausalLM"],
        "attention_bias": false,
        "eos_token_id": 100_001,
        "first_k_dense_replace": 1,
        "hidden_act": "silu",
        "hidden_size": 2048,
        "intermediate_size": 10944,
        "kv_lora_rank": 512,
        "max_position_embeddings": 163_840,
        "model_type": "deepseek_v2",
        "moe_intermediate_size": 1408,
        "moe_layer_freq": 1,
        "n_group": 1,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "norm_topk_prob": false,
        "num_attention_heads": 16,
        "num_experts_per_tok": 6,
        "num_hidden_layers": 27,
        "num_key_value_heads": 16,
        "q_lora_rank": null,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "rms_norm_eps": 1e-6,
        "rope_scaling": {
            "beta_fast": 32,
            "beta_slow": 1,
            "factor": 40,
            "mscale": 0.707,
            "mscale_all_dim": 0.707,
            "original_max_position_embeddings": 4096,
            "type": "yarn"
        },
        "rope_theta": 10000,
        "routed_scaling_factor": 1.0,
        "scoring_func": "softmax",
        "tie_word_embeddings": false,
        "topk_group": 1,
        "topk_method": "greedy",
        "v_head_dim": 128,
        "vocab_size": 102_400
    });
    Released { config, parameters: 15_706_484_224 }
}

/// Mixtral-8x7B-v0.1.
pub(crate) fn mixtral_8x7b() -> Released {
    let config = json!({
        "architectures": ["MixtralForCausalLM"],
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "max_position_embeddings": 32768,
        "model_type": "mixtral",
        "num_attention_heads": 32,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1_000_000.0,
        "sliding_window": null,
        "tie_word_embeddings": false,
        "vocab_size": 32000
    });
    Released { config, parameters: 46_702_792_704 }
}

/// gpt-oss-20b, its experts in four bits.
pub(crate) fn gpt_oss_20b() -> Released {
    let kinds: Vec<&str> =
        (0..24).map(|layer| if layer % 2 == 0 { "sliding_attention" } else { "full_attention" }).collect();
    let config = json!({
        "architectures": ["GptOssForCausalLM"],
        "attention_bias": true,
        "eos_token_id": 200_002,
        "experts_per_token": 4,
        "head_dim": 64,
        "hidden_act": "silu",
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "layer_types": kinds,
        "max_position_embeddings": 131_072,
        "model_type": "gpt_oss",
        "num_attention_heads": 64,
        "num_experts_per_tok": 4,
        "num_hidden_layers": 24,
        "num_key_value_heads": 8,
        "num_local_experts": 32,
        "quantization_config": { "quant_method": "mxfp4" },
        "rms_norm_eps": 1e-5,
        "rope_scaling": {
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "factor": 32.0,
            "original_max_position_embeddings": 4096,
            "rope_type": "yarn",
            "truncate": false
        },
        "rope_theta": 150_000,
        "sliding_window": 128,
        "swiglu_limit": 7.0,
        "tie_word_embeddings": false,
        "vocab_size": 201_088
    });
    Released { config, parameters: 20_914_757_184 }
}

/// The same model with three layers of small matrices, to try a bench.
pub(crate) fn small(config: &Value) -> Value {
    let sizes = [
        ("hidden_size", 96),
        ("intermediate_size", 64),
        ("moe_intermediate_size", 64),
        ("num_attention_heads", 4),
        ("num_key_value_heads", 2),
        ("num_hidden_layers", 3),
        ("moe_layer_interval", 2),
        ("vocab_size", 1000),
    ];
    let mut config = config.clone();
    for (key, size) in sizes {
        if !config[key].is_null() {
            config[key] = json!(size);
        }
    }
    if let Some(kinds) = config["layer_types"].as_array_mut() {
        kinds.truncate(3);
    }
    config
}
