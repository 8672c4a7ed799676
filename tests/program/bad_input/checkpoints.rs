//! Checkpoints that are damaged, or of another model.

use super::*;

#[test]
fn truncated_shard() {
    let bench = Bench::new(SHARDED);
    let shard = bench.path("checkpoint/model-00002-of-00003.safetensors");
    let length = fs::metadata(&shard).unwrap().len();
    fs::File::options().write(true).open(&shard).unwrap().set_len(length / 2).unwrap();
    bench.refused(&[], &expect![[r#"
        error: checkpoint `TEMP/checkpoint` cannot be used: 1 problem
          - `model-00002-of-00003.safetensors` is truncated: its header describes 609760 bytes, the file has 304880; cut off: `model.layers.5.mlp.experts.wo`, `model.layers.5.pre_extra_mlp_layernorm.weight`, `model.layers.6.input_layernorm.weight`, `model.layers.6.mlp.down_proj.weight`, `model.layers.6.mlp.gate_proj.weight`, `model.layers.6.mlp.up_proj.weight`, `model.layers.6.post_attention_layernorm.weight`, `model.layers.6.self_attn.k_proj.weight`, `model.layers.6.self_attn.o_proj.weight`, `model.layers.6.self_attn.q_proj.weight`, `model.layers.6.self_attn.v_proj.weight`, `model.layers.7.input_layernorm.weight`, `model.layers.7.mlp.down_proj.weight`, `model.layers.7.mlp.gate_proj.weight`, `model.layers.7.mlp.up_proj.weight`, `model.layers.7.post_attention_layernorm.weight`, `model.layers.7.self_attn.k_proj.weight`, `model.layers.7.self_attn.o_proj.weight`, `model.layers.7.self_attn.q_proj.weight`, `model.layers.7.self_attn.v_proj.weight` and 18 more

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]]);
}

#[test]
fn absent_shard() {
    let bench = Bench::new(SHARDED);
    fs::remove_file(bench.path("checkpoint/model-00003-of-00003.safetensors")).unwrap();
    bench.refused(&[], &expect![[r#"
        error: checkpoint `TEMP/checkpoint` cannot be used: 1 problem
          - `model.safetensors.index.json` names `model-00003-of-00003.safetensors`, which does not exist; it should hold `lm_head.weight`, `model.layers.11.extra_mlp.down_proj.weight`, `model.layers.11.extra_mlp.gate_proj.weight`, `model.layers.11.extra_mlp.up_proj.weight`, `model.layers.11.mlp.experts.wi_gate`, `model.layers.11.mlp.experts.wi_up`, `model.layers.11.mlp.experts.wo`, `model.layers.11.pre_extra_mlp_layernorm.weight`, `model.norm.weight`

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]]);
}

#[test]
fn wrong_shape() {
    let bench = Bench::new(TINY);
    bench.configure("num_experts", 8.into());
    bench.refused(&[], &expect![[r#"
        error: checkpoint `TEMP/checkpoint` cannot be used: 12 problems
          - tensor `model.layers.1.mlp.experts.wi_gate` in `model.safetensors` has shape [16, 64, 192]; `config.json` implies [8, 64, 192]
          - tensor `model.layers.1.mlp.experts.wi_up` in `model.safetensors` has shape [16, 64, 96]; `config.json` implies [8, 64, 96]
          - tensor `model.layers.1.mlp.experts.wo` in `model.safetensors` has shape [16, 96, 64]; `config.json` implies [8, 96, 64]
          - tensor `model.layers.1.mlp.gate_weight` in `model.safetensors` has shape [16, 64]; `config.json` implies [8, 64]
          - tensor `model.layers.3.mlp.experts.wi_gate` in `model.safetensors` has shape [16, 64, 192]; `config.json` implies [8, 64, 192]
          - tensor `model.layers.3.mlp.experts.wi_up` in `model.safetensors` has shape [16, 64, 96]; `config.json` implies [8, 64, 96]
          - tensor `model.layers.3.mlp.experts.wo` in `model.safetensors` has shape [16, 96, 64]; `config.json` implies [8, 96, 64]
          - tensor `model.layers.3.mlp.gate_weight` in `model.safetensors` has shape [16, 64]; `config.json` implies [8, 64]
          - tensor `model.layers.5.mlp.experts.wi_gate` in `model.safetensors` has shape [16, 64, 192]; `config.json` implies [8, 64, 192]
          - tensor `model.layers.5.mlp.experts.wi_up` in `model.safetensors` has shape [16, 64, 96]; `config.json` implies [8, 64, 96]
          - tensor `model.layers.5.mlp.experts.wo` in `model.safetensors` has shape [16, 96, 64]; `config.json` implies [8, 96, 64]
          - tensor `model.layers.5.mlp.gate_weight` in `model.safetensors` has shape [16, 64]; `config.json` implies [8, 64]

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]]);
}

#[test]
fn missing_and_extra_tensors_are_named_together() {
    let bench = Bench::new(TINY);
    bench.configure("num_hidden_layers", 8.into());
    bench.refused(&[], &expect![[r#"
        error: checkpoint `TEMP/checkpoint` cannot be used: 17 problems
          - tensor `model.layers.7.extra_mlp.down_proj.weight` is missing from `model.safetensors`; `config.json` implies shape [64, 96]
          - tensor `model.layers.7.extra_mlp.gate_proj.weight` is missing from `model.safetensors`; `config.json` implies shape [192, 64]
          - tensor `model.layers.7.extra_mlp.up_proj.weight` is missing from `model.safetensors`; `config.json` implies shape [96, 64]
          - tensors `model.layers.6.input_layernorm.weight`, `model.layers.7.input_layernorm.weight` are missing from `model.safetensors`; `config.json` implies shape [64]
          - tensor `model.layers.6.mlp.down_proj.weight` is missing from `model.safetensors`; `config.json` implies shape [64, 96]
          - tensor `model.layers.7.mlp.experts.wi_gate` is missing from `model.safetensors`; `config.json` implies shape [16, 64, 192]
          - tensor `model.layers.7.mlp.experts.wi_up` is missing from `model.safetensors`; `config.json` implies shape [16, 64, 96]
          - tensor `model.layers.7.mlp.experts.wo` is missing from `model.safetensors`; `config.json` implies shape [16, 96, 64]
          - tensor `model.layers.6.mlp.gate_proj.weight` is missing from `model.safetensors`; `config.json` implies shape [192, 64]
          - tensor `model.layers.7.mlp.gate_weight` is missing from `model.safetensors`; `config.json` implies shape [16, 64]
          - tensor `model.layers.6.mlp.up_proj.weight` is missing from `model.safetensors`; `config.json` implies shape [96, 64]
          - tensors `model.layers.6.post_attention_layernorm.weight`, `model.layers.7.post_attention_layernorm.weight` are missing from `model.safetensors`; `config.json` implies shape [64]
          - tensor `model.layers.7.pre_extra_mlp_layernorm.weight` is missing from `model.safetensors`; `config.json` implies shape [64]
          - tensors `model.layers.6.self_attn.k_proj.weight`, `model.layers.7.self_attn.k_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [128, 64]
          - tensors `model.layers.6.self_attn.o_proj.weight`, `model.layers.7.self_attn.o_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [64, 128]
          - tensors `model.layers.6.self_attn.q_proj.weight`, `model.layers.7.self_attn.q_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [128, 64]
          - tensors `model.layers.6.self_attn.v_proj.weight`, `model.layers.7.self_attn.v_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [128, 64]

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]]);
    bench.configure("num_hidden_layers", 4.into());
    bench.refused(&[], &expect![[r#"
        error: checkpoint `TEMP/checkpoint` cannot be used: 1 problem
          - 23 tensors in `model.safetensors` are not implied by `config.json`: `model.layers.4.input_layernorm.weight`, `model.layers.4.mlp.down_proj.weight`, `model.layers.4.mlp.gate_proj.weight`, `model.layers.4.mlp.up_proj.weight`, `model.layers.4.post_attention_layernorm.weight`, `model.layers.4.self_attn.k_proj.weight`, `model.layers.4.self_attn.o_proj.weight`, `model.layers.4.self_attn.q_proj.weight`, `model.layers.4.self_attn.v_proj.weight`, `model.layers.5.extra_mlp.down_proj.weight`, `model.layers.5.extra_mlp.gate_proj.weight`, `model.layers.5.extra_mlp.up_proj.weight`, `model.layers.5.input_layernorm.weight`, `model.layers.5.mlp.experts.wi_gate`, `model.layers.5.mlp.experts.wi_up`, `model.layers.5.mlp.experts.wo`, `model.layers.5.mlp.gate_weight`, `model.layers.5.post_attention_layernorm.weight`, `model.layers.5.pre_extra_mlp_layernorm.weight`, `model.layers.5.self_attn.k_proj.weight` and 3 more

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]]);
}

/// Overwrites the first bytes of a tensor.
fn poison(file: &Path, tensor: &str, bytes: &[u8]) {
    let mut file = fs::File::options().read(true).write(true).open(file).unwrap();
    let mut length = [0; 8];
    file.read_exact(&mut length).unwrap();
    let mut header = vec![0; u64::from_le_bytes(length) as usize];
    file.read_exact(&mut header).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    let offset = header[tensor]["data_offsets"][0].as_u64().unwrap();
    file.seek(SeekFrom::Start(8 + u64::from_le_bytes(length) + offset)).unwrap();
    file.write_all(bytes).unwrap();
}

const BF16_NAN: [u8; 2] = [0xc0, 0x7f];
const F32_NAN: [u8; 4] = [0, 0, 0xc0, 0x7f];

#[test]
fn nan_weight() {
    let bench = Bench::new(TINY);
    poison(&bench.path("checkpoint/model.safetensors"), "model.layers.3.mlp.gate_weight", &BF16_NAN);
    bench.route(&[]).refused(&expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        warning: TEMP/checkpoint: weights are not finite in places: `model.layers.3.mlp.gate_weight` (1 NaN or infinite)
        checkpoint: 22 tokens in 3 sequences of 3 documents; MoE layers [1, 3, 5], 16 experts, top-2
        error: router logits of decoder layer 3 are not finite: sequence 0, position 0, expert 0 is NaN

        hint: a weight is NaN or infinite, or the activations overflow; compare with another copy of the checkpoint
    "#]]);
    assert_eq!(read_json(&bench.path("out/manifest.json"))["complete"], false);
}

/// The bias acts after the logits: without a check of its own it would decide every choice and nothing would be said.
#[test]
fn nan_correction_bias() {
    let bench = Bench::new("families/glm4_moe");
    bench.write("corpus.jsonl", "{\"input_ids\": [1, 2, 3]}");
    let bias = "model.layers.2.mlp.gate.e_score_correction_bias";
    poison(&bench.path("checkpoint/model.safetensors"), bias, &F32_NAN);
    bench.route(&["--no-hash"]).refused(&expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        warning: TEMP/checkpoint: 25 tensors of layers behind the last one are not used: `model.layers.3.eh_proj.weight`
        checkpoint: 3 tokens in 1 sequence of 1 document; MoE layers [1, 2], 8 experts, top-3
        error: the correction bias of the router of decoder layer 2 is not finite: that of expert 0 is NaN

        hint: compare with another copy of the checkpoint
    "#]]);
}

#[test]
fn tokenizer_too_large() {
    let bench = Bench::new(TINY);
    fs::copy(fixture("tokenizers/umt5/spiece.model"), bench.path("checkpoint/spiece.model")).unwrap();
    bench.refused(&[], &expect![[r#"
        error: tokenizer `TEMP/checkpoint/spiece.model` has ids up to 255999; the model's vocab_size is 4096, so ids must be below it

        hint: the tokenizer belongs to another model; take the one that was released with the checkpoint
    "#]]);
}

#[test]
fn unsupported_options_of_the_configuration() {
    let bench = Bench::new(TINY);
    bench.configure("hidden_act", "gelu".into());
    bench.configure("mlp_gated", false.into());
    bench.configure("router_topk", 3.into());
    bench.refused(
        &[],
        &expect![[r#"
            error: checkpoint `TEMP/checkpoint` cannot be used: 3 problems
              - `config.json`: `hidden_act` is gelu; OpenMoE expects swiglu, the only one it runs
              - `config.json`: `mlp_gated` is false; OpenMoE expects true, the only one it runs
              - `config.json`: `router_topk` is 3; OpenMoE expects 1 or 2

            hint: correct `config.json`, or fetch it again: it decides what is computed; if it is the original one, this checkpoint cannot be run
        "#]],
    );
}

#[test]
fn another_model_is_not_taken_for_openmoe() {
    let bench = Bench::new(TINY);
    bench.write("checkpoint/config.json", "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\"}");
    bench.refused(&[], &expect![[r#"
        error: checkpoint `TEMP/checkpoint` cannot be used: 1 problem
          - `config.json` describes a model that is not supported: found `architectures` ["LlamaForCausalLM"]; expected one of OpenMoeForCausalLM, OlmoeForCausalLM, MixtralForCausalLM, Qwen2MoeForCausalLM, Qwen3MoeForCausalLM, GraniteMoeForCausalLM, PhiMoEForCausalLM, PhimoeForCausalLM, DeepseekForCausalLM, DeepseekV2ForCausalLM, DeepseekV3ForCausalLM, Glm4MoeForCausalLM, GptOssForCausalLM

        hint: the supported families are OpenMoE, OLMoE, Mixtral, Qwen2-MoE, Qwen3-MoE, GraniteMoE, Phi-3.5-MoE, DeepSeek-MoE, DeepSeek-V2, DeepSeek-V3, GLM-4.5-MoE, gpt-oss
    "#]]);
}
