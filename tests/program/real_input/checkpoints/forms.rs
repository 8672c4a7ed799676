//! In which form weights, configurations and tokenizers lie in a folder.

use openmoe_analyze::corpus::Tokenizer;
use serde_json::json;

use super::*;
use crate::support::program::openmoe_with;

#[test]
fn prefixes_that_all_names_share_are_taken_off() {
    let plain = Bench::tiny("plain.safetensors", WEIGHTS).open();
    for prefix in ["module.", "_orig_mod.", "base_model.model.", "_orig_mod.module.", "model."] {
        let bench = Bench::tiny("plain.safetensors", WEIGHTS);
        rename(&bench, |name| format!("{prefix}{name}"));
        let checkpoint = bench.open();
        assert_same(&checkpoint, &plain);
        let note = format!("the names of all 26 tensors begin with `{prefix}`; they are read without it");
        assert_eq!(checkpoint.notes(), [note]);
    }
    // What AutoModel saves.
    let bench = Bench::tiny("plain.safetensors", WEIGHTS);
    rename(&bench, |name| name.strip_prefix("model.").unwrap_or(name).to_owned());
    assert_same(&bench.open(), &plain);
    let bench = Bench::tiny("plain.safetensors", WEIGHTS);
    rename(&bench, |name| if name.contains("norm") { name.to_owned() } else { format!("module.{name}") });
    bench.refused(&expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - 20 of 26 names begin with `module.`; expected all of them or none

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]]);
}

fn rename(bench: &Bench, new: impl Fn(&str) -> String) {
    edit(
        &bench.file(WEIGHTS),
        |entries| *entries = entries.iter().map(|(name, entry)| (new(name), entry.clone())).collect(),
        |_, _| (),
    );
}

#[test]
fn a_model_without_a_head_routes_and_speaks_through_its_embedding() {
    let bench = Bench::new();
    // The head becomes a buffer that is ignored, so that the file stays whole.
    rename(&bench, |name| name.replace("lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"));
    let checkpoint = bench.open();
    assert_eq!(checkpoint.head(), "model.embed_tokens.weight");
    expect!["there is no `lm_head.weight`; the embedding stands for it, and routing needs neither"]
        .assert_eq(&settled(&checkpoint.notes().join("\n")));
    assert_eq!(checkpoint.parameter_count().total, 2_052_096 - 4096 * 64);
    // Where the configuration says so, there is nothing to note.
    let implied = Bench::new();
    implied.configure("tie_word_embeddings", true.into());
    rename(&implied, |name| name.replace("lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"));
    assert!(!implied.open().notes().iter().any(|note| note.contains("lm_head")), "{:?}", implied.open().notes());
    let outcome = bench.route(&["--dry-run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let path = bench.dir().to_str().unwrap().to_owned();
    let spoken = openmoe_with(&["inspect", &path, "--text", "It is a truth", "--continuation", "2", "--json"]);
    assert_eq!(spoken.code, 0, "{}", spoken.stderr);
    let tied = Bench::new();
    tied.configure("tie_word_embeddings", true.into());
    assert_eq!(tied.open().head(), "model.embed_tokens.weight");
    let path = tied.dir().to_str().unwrap().to_owned();
    let same = openmoe_with(&["inspect", &path, "--text", "It is a truth", "--continuation", "2", "--json"]);
    let text = |stdout: &str| serde_json::from_str::<Value>(stdout).unwrap()["text"].clone();
    assert_eq!(text(&spoken.stdout), text(&same.stdout));
}

/// An empty object with a byte order mark, as two bytes a letter.
fn utf16() -> Vec<u8> {
    "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn what_is_something_else_is_named() {
    let web = b"<!DOCTYPE html><html>".as_slice();
    let found = [
        (WEIGHTS, LFS.as_bytes()),
        (WEIGHTS, web),
        (WEIGHTS, b"\x1f\x8b\x08\0\0\0\0\0\0".as_slice()),
        (WEIGHTS, b""),
        (WEIGHTS, b"root:*:20000:0:99999:7:::\n"),
        ("config.json", LFS.as_bytes()),
        ("config.json", utf16().as_slice()),
        ("config.json", b""),
    ]
    .map(|(file, bytes)| Bench::tiny("plain.safetensors", WEIGHTS).write(file, bytes).refusal());
    expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is a git-lfs pointer to 9 bytes that were not fetched

        hint: fetch them: git lfs pull
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is a web page

        hint: the download gave a page of words instead of the file; fetch it again
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is compressed with gzip

        hint: decompress it
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is empty

        hint: fetch the file again
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is not a safetensors file: it begins with no header length; expected one of at most 100000000 bytes

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
        checkpoint `TEMP` cannot be used: 1 problem
          - `config.json` is a git-lfs pointer to 9 bytes that were not fetched

        hint: fetch them: git lfs pull
        checkpoint `TEMP` cannot be used: 1 problem
          - `config.json` is not UTF-8 but UTF-16

        hint: save it as UTF-8
        checkpoint `TEMP` cannot be used: 1 problem
          - `config.json` is empty

        hint: fetch the file again
    "#]].assert_eq(&found.concat());
}

#[test]
fn an_index_or_a_tokenizer_that_is_something_else_is_named() {
    let bench = Bench::tiny("plain.safetensors", "model-00001-of-00001.safetensors");
    bench.write("model.safetensors.index.json", LFS).refused(&expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors.index.json` is a git-lfs pointer to 9 bytes that were not fetched

        hint: fetch them: git lfs pull
    "#]]);
    bench.write("model.safetensors.index.json", utf16()).refused(&expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors.index.json` is not UTF-8 but UTF-16

        hint: save it as UTF-8
    "#]]);
    for (name, message) in [
        (
            "spiece.model",
            expect!["tokenizer `TEMP/spiece.model` is a git-lfs pointer to 9 bytes that were not fetched"],
        ),
        (
            "tokenizer.json",
            expect!["tokenizer `TEMP/tokenizer.json` is a git-lfs pointer to 9 bytes that were not fetched"],
        ),
    ] {
        let bench = Bench::tiny("plain.safetensors", WEIGHTS);
        let error = Tokenizer::open(bench.write(name, LFS).dir()).unwrap_err();
        message.assert_eq(&settled(&error.to_string()));
    }
}

#[test]
fn byte_order_marks_and_infinities_of_python_are_read_over() {
    let bench = Bench::new();
    let config = fs::read_to_string(bench.file("config.json")).unwrap();
    let infinite = config.replacen('{', "{\"unread\": [Infinity, -Infinity, NaN], ", 1);
    bench.write("config.json", format!("\u{feff}{infinite}"));
    assert_eq!(bench.open().openmoe(), Checkpoint::open(&fixture("checkpoints/openmoe-tiny-12.3M")).unwrap().openmoe());
    bench.write("config.json", config.replace("\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": NaN"));
    bench.refused(&expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `config.json`: `rms_norm_eps` is "NaN"; expected a positive number that f32 holds

        hint: correct `config.json`, or fetch it again: it decides what is computed; if it is the original one, this checkpoint cannot be run
    "#]]);

    let bench = Bench::tiny("plain.safetensors", "model-00001-of-00001.safetensors");
    let tensors = Bench::tiny("plain.safetensors", WEIGHTS).open().map().expected();
    let map: Map<String, Value> =
        tensors.into_iter().map(|tensor| (tensor.name, "model-00001-of-00001.safetensors".into())).collect();
    let index = json!({ "weight_map": map }).to_string().replacen('{', "{\"metadata\": {\"loss\": NaN}, ", 1);
    bench.write("model.safetensors.index.json", format!("\u{feff}{index}"));
    bench.open();

    let json = fs::read_to_string(fixture("tokenizers/small4096/tokenizer.json")).unwrap();
    let bench = Bench::tiny("plain.safetensors", WEIGHTS);
    bench.write("tokenizer.json", format!("\u{feff}{json}"));
    assert_eq!(Tokenizer::open(bench.dir()).unwrap().unwrap().vocab_size(), 4096);
}

#[test]
fn keys_that_another_model_would_read_are_told_in_one_note() {
    let bench = Bench::new();
    assert!(bench.open().notes().is_empty());
    bench.configure("rope_theta", 1e6.into());
    bench.configure("rope_scaling", json!({"type": "linear", "factor": 4.0}));
    let checkpoint = bench.open();
    expect![[r#"`config.json`: OpenMoE's code does not read `rope_theta` 1000000.0, `rope_scaling` {"type":"linear","factor":4.0}: the results are those without"#]].assert_eq(&settled(&checkpoint.notes().join("\n")));
    // transformers 5 writes `dtype`.
    let mut config = read_json(&bench.file("config.json"));
    config.as_object_mut().unwrap().remove("torch_dtype");
    config["dtype"] = "bfloat16".into();
    bench.write("config.json", config.to_string());
    assert_eq!(bench.open().openmoe().unwrap().torch_dtype, "bfloat16");
}

#[test]
fn weights_that_lie_there_unused_are_listed() {
    let bench = Bench::tiny("plain.safetensors", WEIGHTS);
    fs::copy(bench.file(WEIGHTS), bench.file("model-00001-of-00001.safetensors")).unwrap();
    bench.write("model.safetensors.index.json", r#"{"weight_map": {"a": "model-00001-of-00001.safetensors"}}"#);
    bench
        .write("pytorch_model.bin", "old")
        .write("adapter_model.safetensors", "one more")
        .write("training_args.bin", "");
    expect!["not used: `adapter_model.safetensors`, `model-00001-of-00001.safetensors`, `model.safetensors.index.json` (an index of 1 shard), `pytorch_model.bin`; the weights are those of `model.safetensors`"].assert_eq(&bench.open().notes().join("\n"));
}

#[test]
fn folders_without_a_model_say_what_they_hold() {
    let bench = Bench::tiny("plain.safetensors", "adapter_model.safetensors");
    bench.refused(&expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `adapter_model.safetensors`: it holds an adapter, not a model

        hint: merge the adapter into its base model first (peft: merge_and_unload), and give the merged model
    "#]]);
    // A model of another family is recognized before any weight is needed.
    let bench = Bench::tiny("plain.safetensors", "model.gguf");
    bench.refused(&expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - there are no weights in it; expected `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin` or `pytorch_model.bin.index.json`; found `model.gguf`

        hint: fetch or convert the checkpoint: only the files named above are read
    "#]]);
    bench.configure("architectures", json!(["LlamaForCausalLM"]));
    bench.refused(&expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `config.json` describes a model that is not supported: found `architectures` ["LlamaForCausalLM"]; expected one of OpenMoeForCausalLM, OlmoeForCausalLM, MixtralForCausalLM, Qwen2MoeForCausalLM, Qwen3MoeForCausalLM, GraniteMoeForCausalLM, PhiMoEForCausalLM, PhimoeForCausalLM, DeepseekForCausalLM, DeepseekV2ForCausalLM, DeepseekV3ForCausalLM, Glm4MoeForCausalLM, GptOssForCausalLM

        hint: the supported families are OpenMoE, OLMoE, Mixtral, Qwen2-MoE, Qwen3-MoE, GraniteMoE, Phi-3.5-MoE, DeepSeek-MoE, DeepSeek-V2, DeepSeek-V3, GLM-4.5-MoE, gpt-oss
    "#]]);
    let parent = tempfile::tempdir().unwrap();
    copy_folder(bench.dir(), &parent.path().join("checkpoint-200"));
    let error = Checkpoint::open(parent.path()).unwrap_err();
    expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - there is no `config.json` in it, but in its folders `checkpoint-200`"#]]
    .assert_eq(&settled(&error.to_string()));
}

#[test]
fn floods_are_twenty_lines_and_a_count() {
    let bench = Bench::tiny("plain.safetensors", WEIGHTS);
    let entries: Vec<String> = (0..100_000).map(|n| format!("\"{n}\": 0")).collect();
    let header = format!("{{{}, \"{}\": [{}0]}}", entries.join(","), "x".repeat(1_000_000), "0,".repeat(1_000_000));
    bench.write(WEIGHTS, [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat());
    let message = Checkpoint::open(bench.dir()).unwrap_err().to_string();
    assert!(message.lines().count() == 22 && message.len() < 10_000, "{message}");
    assert!(message.contains("cannot be used: 1000") && message.ends_with(" more"), "{message}");
    let bench = Bench::tiny("plain.safetensors", WEIGHTS);
    bench.configure("num_hidden_layers", 65_536.into());
    let message = Checkpoint::open(bench.dir()).unwrap_err().to_string();
    assert!(message.len() < 60_000 && message.contains("more are missing from"), "{message}");
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_without_waiting() {
    let mut refusals = String::new();
    for name in [WEIGHTS, "config.json", "spiece.model"] {
        let bench = Bench::new();
        let path = bench.dir().to_str().unwrap().to_owned();
        for target in ["/dev/zero", "nowhere"] {
            fs::remove_file(bench.file(name)).unwrap();
            std::os::unix::fs::symlink(target, bench.file(name)).unwrap();
            refusals += &openmoe_with(&["inspect", &path]).refusal();
        }
    }
    expect![[r#"
        error: checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is not a regular file

        hint: put the file itself in its place
        error: checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` is a link to a file that is not there

        hint: fetch the checkpoint again, or copy it with the files that its links name (cp -L)
        error: checkpoint `TEMP` cannot be used: 1 problem
          - `config.json` is not a regular file

        hint: put the file itself in its place
        error: checkpoint `TEMP` cannot be used: 1 problem
          - `config.json` is a link to a file that is not there

        hint: fetch the checkpoint again, or copy it with the files that its links name (cp -L)
        error: tokenizer `TEMP/spiece.model` is not a regular file

        hint: put the file itself in its place
        error: tokenizer `TEMP/spiece.model` is a link to a file that is not there

        hint: fetch the checkpoint again, or copy it with the files that its links name (cp -L)
    "#]]
    .assert_eq(&refusals);
}
