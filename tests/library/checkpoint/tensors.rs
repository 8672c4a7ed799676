//! Tensors that are missing, superfluous, of another shape or damaged.

use super::*;

#[test]
fn all_problems_of_all_kinds_stand_in_one_error() {
    let dir = copy("goldens/A_wide_32e");
    let shard = |number: usize| dir.path().join(format!("model-0000{number}-of-00003.safetensors"));
    let bytes = fs::read(shard(1)).unwrap();
    fs::write(shard(1), &bytes[..bytes.len() - 1]).unwrap();
    fs::remove_file(shard(2)).unwrap();
    edit_json(&dir.path().join("config.json"), |config| config["hidden_act"] = "gelu".into());
    assert_refused(
        dir.path(),
        &expect![[r#"
            checkpoint `TEMP` cannot be used: 3 problems
              - `config.json`: `hidden_act` is gelu; OpenMoE expects swiglu, the only one it runs
              - `model.safetensors.index.json` names `model-00002-of-00003.safetensors`, which does not exist; it should hold `model.layers.10.input_layernorm.weight`, `model.layers.10.mlp.down_proj.weight`, `model.layers.10.mlp.gate_proj.weight`, `model.layers.10.mlp.up_proj.weight`, `model.layers.10.post_attention_layernorm.weight`, `model.layers.10.self_attn.k_proj.weight`, `model.layers.10.self_attn.o_proj.weight`, `model.layers.10.self_attn.q_proj.weight`, `model.layers.10.self_attn.v_proj.weight`, `model.layers.11.input_layernorm.weight`, `model.layers.11.mlp.gate_weight`, `model.layers.11.post_attention_layernorm.weight`, `model.layers.11.self_attn.k_proj.weight`, `model.layers.11.self_attn.o_proj.weight`, `model.layers.11.self_attn.q_proj.weight`, `model.layers.11.self_attn.v_proj.weight`, `model.layers.5.extra_mlp.down_proj.weight`, `model.layers.5.extra_mlp.gate_proj.weight`, `model.layers.5.extra_mlp.up_proj.weight`, `model.layers.5.mlp.experts.wi_up` and 38 more
              - `model-00001-of-00003.safetensors` is truncated: its header describes 609200 bytes, the file has 609199; cut off: `model.layers.5.self_attn.v_proj.weight`

            hint: correct `config.json`, or fetch it again: it decides what is computed; if it is the original one, this checkpoint cannot be run
        "#]],
    );
}

#[test]
fn missing_extra_and_misshaped_tensors_are_named_with_file_and_shape() {
    let dir = copy("goldens/C_batch3");
    edit_header(&dir.path().join("model.safetensors"), |header| {
        let gate = header.remove("model.layers.2.mlp.gate_weight").unwrap();
        header.insert("model.layers.2.mlp.gate".into(), gate);
        header["model.layers.5.mlp.gate_weight"]["shape"] = serde_json::json!([40, 16]);
    });
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 3 problems
          - tensor `model.layers.5.mlp.gate_weight` in `model.safetensors` has shape [40, 16]; `config.json` implies [16, 40]
          - tensor `model.layers.2.mlp.gate` in `model.safetensors` is not implied by `config.json`
          - tensor `model.layers.2.mlp.gate_weight` is missing from `model.safetensors`; `config.json` implies shape [16, 40]

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
}

#[test]
fn many_missing_tensors_are_grouped_and_all_named() {
    let dir = copy("goldens/C_batch3");
    edit_json(&dir.path().join("config.json"), |config| config["num_hidden_layers"] = 8.into());
    // Layers 6 and 7 are dense: nine kinds of tensors, six of them norms or projections of one shape each.
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 9 problems
          - tensors `model.layers.6.input_layernorm.weight`, `model.layers.7.input_layernorm.weight` are missing from `model.safetensors`; `config.json` implies shape [40]
          - tensors `model.layers.6.mlp.down_proj.weight`, `model.layers.7.mlp.down_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [40, 56]
          - tensors `model.layers.6.mlp.gate_proj.weight`, `model.layers.7.mlp.gate_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [112, 40]
          - tensors `model.layers.6.mlp.up_proj.weight`, `model.layers.7.mlp.up_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [56, 40]
          - tensors `model.layers.6.post_attention_layernorm.weight`, `model.layers.7.post_attention_layernorm.weight` are missing from `model.safetensors`; `config.json` implies shape [40]
          - tensors `model.layers.6.self_attn.k_proj.weight`, `model.layers.7.self_attn.k_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [40, 40]
          - tensors `model.layers.6.self_attn.o_proj.weight`, `model.layers.7.self_attn.o_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [40, 40]
          - tensors `model.layers.6.self_attn.q_proj.weight`, `model.layers.7.self_attn.q_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [40, 40]
          - tensors `model.layers.6.self_attn.v_proj.weight`, `model.layers.7.self_attn.v_proj.weight` are missing from `model.safetensors`; `config.json` implies shape [40, 40]

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
}

#[test]
fn unsupported_types_and_wrong_sizes_are_named() {
    let dir = copy("goldens/C_batch3");
    edit_header(&dir.path().join("model.safetensors"), |header| {
        header["model.norm.weight"]["dtype"] = "I64".into();
        header["lm_head.weight"]["dtype"] = "BF16".into();
        header["model.embed_tokens.weight"] = "here".into();
    });
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 3 problems
          - tensor `model.embed_tokens.weight` in `model.safetensors` has a broken entry: expected an object
          - tensor `lm_head.weight` in `model.safetensors` takes 25600 bytes; shape [160, 40] of BF16 implies 12800
          - tensor `model.norm.weight` in `model.safetensors` has the unsupported type I64; expected BF16, F16 or F32

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
}

#[test]
fn truncation_at_every_place_is_seen() {
    let dir = copy("goldens/C_batch3");
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    for (length, message) in [
        (
            0,
            expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is empty

        hint: fetch the file again
    "#]],
        ),
        (
            7,
            expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` has 7 bytes; a safetensors file starts with 8 bytes of header length

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
        ),
        (
            100,
            expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is truncated: its header alone takes 6912 bytes, the file has 100

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
        ),
        (
            bytes.len() - 1,
            expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is truncated: its header describes 1581152 bytes, the file has 1581151; cut off: `model.norm.weight`

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
        ),
    ] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_refused(dir.path(), &message);
    }
    fs::write(&path, [bytes, vec![0]].concat()).unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` has 1581153 bytes; its header describes 1581152, so the last 1 belong to nothing

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
    fs::write(&path, [0xff; 64]).unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is not a safetensors file: it begins with no header length; expected one of at most 100000000 bytes

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
}

#[test]
fn the_index_is_held_against_the_shards() {
    let dir = copy("goldens/A_wide_32e");
    let index = dir.path().join("model.safetensors.index.json");
    edit_json(&index, |index| {
        let map = index["weight_map"].as_object_mut().unwrap();
        map["lm_head.weight"] = "model-00001-of-00003.safetensors".into();
    });
    let text: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("goldens/A_wide_32e/model.safetensors.index.json")).unwrap()).unwrap();
    let home = text["weight_map"]["lm_head.weight"].as_str().unwrap();
    assert_ne!(home, "model-00001-of-00003.safetensors", "the test must move it");
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 2 problems
          - `model.safetensors.index.json` says that tensor `lm_head.weight` is in `model-00001-of-00003.safetensors`; that file does not have it
          - tensor `lm_head.weight` in `model-00003-of-00003.safetensors` is not said to be there by `model.safetensors.index.json`; expected it under `weight_map`

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
    fs::write(&index, "{}").unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors.index.json` is not an index of shards: missing field `weight_map` at line 1 column 2; expected `weight_map`: tensor -> file

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
    fs::write(&index, r#"{"weight_map": {"a": "../x.safetensors"}}"#).unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 20 problems
          - `model.safetensors.index.json` names `../x.safetensors`, which is not a file name of this folder; it should hold `a`
          - tensors `model.layers.5.extra_mlp.down_proj.weight`, `model.layers.11.extra_mlp.down_proj.weight` are missing from the weight files; `config.json` implies shape [32, 40]
          - tensors `model.layers.5.extra_mlp.gate_proj.weight`, `model.layers.11.extra_mlp.gate_proj.weight` are missing from the weight files; `config.json` implies shape [80, 32]
          - tensors `model.layers.5.extra_mlp.up_proj.weight`, `model.layers.11.extra_mlp.up_proj.weight` are missing from the weight files; `config.json` implies shape [40, 32]
          - tensors `model.layers.0.input_layernorm.weight`, `model.layers.1.input_layernorm.weight`, `model.layers.2.input_layernorm.weight`, `model.layers.3.input_layernorm.weight`, `model.layers.4.input_layernorm.weight`, `model.layers.5.input_layernorm.weight`, `model.layers.6.input_layernorm.weight`, `model.layers.7.input_layernorm.weight`, `model.layers.8.input_layernorm.weight`, `model.layers.9.input_layernorm.weight`, `model.layers.10.input_layernorm.weight`, `model.layers.11.input_layernorm.weight` are missing from the weight files; `config.json` implies shape [32]
          - tensors `model.layers.0.mlp.down_proj.weight`, `model.layers.1.mlp.down_proj.weight`, `model.layers.2.mlp.down_proj.weight`, `model.layers.3.mlp.down_proj.weight`, `model.layers.4.mlp.down_proj.weight`, `model.layers.6.mlp.down_proj.weight`, `model.layers.7.mlp.down_proj.weight`, `model.layers.8.mlp.down_proj.weight`, `model.layers.9.mlp.down_proj.weight`, `model.layers.10.mlp.down_proj.weight` are missing from the weight files; `config.json` implies shape [32, 40]
          - tensors `model.layers.5.mlp.experts.wi_gate`, `model.layers.11.mlp.experts.wi_gate` are missing from the weight files; `config.json` implies shape [32, 32, 80]
          - tensors `model.layers.5.mlp.experts.wi_up`, `model.layers.11.mlp.experts.wi_up` are missing from the weight files; `config.json` implies shape [32, 32, 40]
          - tensors `model.layers.5.mlp.experts.wo`, `model.layers.11.mlp.experts.wo` are missing from the weight files; `config.json` implies shape [32, 40, 32]
          - tensors `model.layers.0.mlp.gate_proj.weight`, `model.layers.1.mlp.gate_proj.weight`, `model.layers.2.mlp.gate_proj.weight`, `model.layers.3.mlp.gate_proj.weight`, `model.layers.4.mlp.gate_proj.weight`, `model.layers.6.mlp.gate_proj.weight`, `model.layers.7.mlp.gate_proj.weight`, `model.layers.8.mlp.gate_proj.weight`, `model.layers.9.mlp.gate_proj.weight`, `model.layers.10.mlp.gate_proj.weight` are missing from the weight files; `config.json` implies shape [80, 32]
          - tensors `model.layers.5.mlp.gate_weight`, `model.layers.11.mlp.gate_weight` are missing from the weight files; `config.json` implies shape [32, 32]
          - tensors `model.layers.0.mlp.up_proj.weight`, `model.layers.1.mlp.up_proj.weight`, `model.layers.2.mlp.up_proj.weight`, `model.layers.3.mlp.up_proj.weight`, `model.layers.4.mlp.up_proj.weight`, `model.layers.6.mlp.up_proj.weight`, `model.layers.7.mlp.up_proj.weight`, `model.layers.8.mlp.up_proj.weight`, `model.layers.9.mlp.up_proj.weight`, `model.layers.10.mlp.up_proj.weight` are missing from the weight files; `config.json` implies shape [40, 32]
          - tensor `model.embed_tokens.weight` is missing from the weight files; `config.json` implies shape [160, 32]
          - tensor `model.norm.weight` is missing from the weight files; `config.json` implies shape [32]
          - tensors `model.layers.0.post_attention_layernorm.weight`, `model.layers.1.post_attention_layernorm.weight`, `model.layers.2.post_attention_layernorm.weight`, `model.layers.3.post_attention_layernorm.weight`, `model.layers.4.post_attention_layernorm.weight`, `model.layers.5.post_attention_layernorm.weight`, `model.layers.6.post_attention_layernorm.weight`, `model.layers.7.post_attention_layernorm.weight`, `model.layers.8.post_attention_layernorm.weight`, `model.layers.9.post_attention_layernorm.weight`, `model.layers.10.post_attention_layernorm.weight`, `model.layers.11.post_attention_layernorm.weight` are missing from the weight files; `config.json` implies shape [32]
          - tensors `model.layers.5.pre_extra_mlp_layernorm.weight`, `model.layers.11.pre_extra_mlp_layernorm.weight` are missing from the weight files; `config.json` implies shape [32]
          - tensors `model.layers.0.self_attn.k_proj.weight`, `model.layers.1.self_attn.k_proj.weight`, `model.layers.2.self_attn.k_proj.weight`, `model.layers.3.self_attn.k_proj.weight`, `model.layers.4.self_attn.k_proj.weight`, `model.layers.5.self_attn.k_proj.weight`, `model.layers.6.self_attn.k_proj.weight`, `model.layers.7.self_attn.k_proj.weight`, `model.layers.8.self_attn.k_proj.weight`, `model.layers.9.self_attn.k_proj.weight`, `model.layers.10.self_attn.k_proj.weight`, `model.layers.11.self_attn.k_proj.weight` are missing from the weight files; `config.json` implies shape [48, 32]
          - tensors `model.layers.0.self_attn.o_proj.weight`, `model.layers.1.self_attn.o_proj.weight`, `model.layers.2.self_attn.o_proj.weight`, `model.layers.3.self_attn.o_proj.weight`, `model.layers.4.self_attn.o_proj.weight`, `model.layers.5.self_attn.o_proj.weight`, `model.layers.6.self_attn.o_proj.weight`, `model.layers.7.self_attn.o_proj.weight`, `model.layers.8.self_attn.o_proj.weight`, `model.layers.9.self_attn.o_proj.weight`, `model.layers.10.self_attn.o_proj.weight`, `model.layers.11.self_attn.o_proj.weight` are missing from the weight files; `config.json` implies shape [32, 48]
          - tensors `model.layers.0.self_attn.q_proj.weight`, `model.layers.1.self_attn.q_proj.weight`, `model.layers.2.self_attn.q_proj.weight`, `model.layers.3.self_attn.q_proj.weight`, `model.layers.4.self_attn.q_proj.weight`, `model.layers.5.self_attn.q_proj.weight`, `model.layers.6.self_attn.q_proj.weight`, `model.layers.7.self_attn.q_proj.weight`, `model.layers.8.self_attn.q_proj.weight`, `model.layers.9.self_attn.q_proj.weight`, `model.layers.10.self_attn.q_proj.weight`, `model.layers.11.self_attn.q_proj.weight` are missing from the weight files; `config.json` implies shape [48, 32]
          - tensors `model.layers.0.self_attn.v_proj.weight`, `model.layers.1.self_attn.v_proj.weight`, `model.layers.2.self_attn.v_proj.weight`, `model.layers.3.self_attn.v_proj.weight`, `model.layers.4.self_attn.v_proj.weight`, `model.layers.5.self_attn.v_proj.weight`, `model.layers.6.self_attn.v_proj.weight`, `model.layers.7.self_attn.v_proj.weight`, `model.layers.8.self_attn.v_proj.weight`, `model.layers.9.self_attn.v_proj.weight`, `model.layers.10.self_attn.v_proj.weight`, `model.layers.11.self_attn.v_proj.weight` are missing from the weight files; `config.json` implies shape [48, 32]

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
}

#[test]
fn duplicates_in_one_file_and_across_shards_are_named() {
    let dir = copy("goldens/C_batch3");
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    let entry = &json[json.find("\"model.norm.weight\"").unwrap()..];
    let entry = &entry[..=entry.find('}').unwrap()];
    let json = json.replacen(entry, &format!("{entry},{entry}"), 1);
    fs::write(&path, [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &bytes[8 + length..]].concat()).unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 2 problems
          - tensors `model.norm.weight` and `model.norm.weight` in `model.safetensors` share bytes
          - tensor `model.norm.weight` is in `model.safetensors` twice; expected it once

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
}

#[test]
fn damaged_bytes_never_panic() {
    for name in ["goldens/B_top1_bin", "goldens/C_batch3", "goldens/A_wide_32e"] {
        let dir = copy(name);
        let mut files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| !path.ends_with("goldens.safetensors"));
        files.sort();
        for path in files {
            let bytes = fs::read(&path).unwrap();
            // Headers stand at the start (safetensors, JSON) or at the end (zip).
            for step in 0..60 {
                let at = if step % 2 == 0 {
                    (step * 37) % bytes.len().min(6000)
                } else {
                    bytes.len() - 1 - step * 17 % bytes.len()
                };
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << (step % 8);
                fs::write(&path, damaged).unwrap();
                if let Err(error) = Checkpoint::open(dir.path()) {
                    assert_eq!(error.exit_code(), 2, "{error}");
                }
            }
            fs::write(&path, bytes).unwrap();
        }
        Checkpoint::open(dir.path()).unwrap();
    }
}
