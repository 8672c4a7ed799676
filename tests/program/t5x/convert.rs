//! `convert`: what it writes, says and leaves behind.

use std::{fs, path::Path};

use expect_test::expect;
use safetensors::SafeTensors;

use crate::support::{
    files::{copy_folder, fixture, read_json},
    program::{contents, openmoe_with, tiny},
    t5x_store::Store,
};

fn convert(source: &str, out: &Path, more: &[&str]) -> crate::support::program::Outcome {
    openmoe_with(&[&["convert", source, "--out", out.to_str().unwrap()], more].concat())
}

#[test]
fn a_t5x_checkpoint_becomes_the_one_that_it_was_made_from() {
    let store = Store::new("tiny_f32");
    fs::copy(Path::new(&tiny("12.3M")).join("spiece.model"), store.root().join("spiece.model")).unwrap();
    let out = store.root().join("converted");
    let outcome = convert(store.path("").to_str().unwrap(), &out, &[]);
    outcome.done_saying(&expect![[r#"
        warning: TEMP/t5x/checkpoint_500/: the configuration is that of `TEMP/t5x/config.json`
        warning: TEMP/t5x/checkpoint_500/: the weights are those of training step 500
    "#]]);
    outcome.done_printing(&expect![[r#"
        26 tensors, 480 numbers, 1.9 KiB in 1 file
        every number is the one that was stored
        written to TEMP/t5x/converted
    "#]]);
    let (converted, original) = (
        fs::read(out.join("model.safetensors")).unwrap(),
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/checkpoint/plain.safetensors")).unwrap(),
    );
    let [converted, original] = [&converted, &original].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
    assert_eq!(converted.len(), original.len());
    for (name, tensor) in original.tensors() {
        let own = converted.tensor(&name).unwrap();
        assert_eq!((own.shape(), own.dtype()), (tensor.shape(), tensor.dtype()), "{name}");
        assert!(own.data() == tensor.data(), "{name}");
    }
    let names: Vec<String> = contents(&out).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["config.json", "conversion.json", "model.safetensors", "spiece.model"]);
    assert_eq!(fs::read(out.join("config.json")).unwrap(), fs::read(store.root().join("config.json")).unwrap());
    let record = read_json(&out.join("conversion.json"));
    assert_eq!((&record["rounding"]["changed"], record["files"].as_array().unwrap().len()), (&0.into(), 3));
}

#[test]
fn every_form_is_converted_and_rounding_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, narrow, wide) = (folder.path().join("kept"), folder.path().join("narrow"), folder.path().join("wide"));
    let pickled = fixture("goldens/B_top1_bin").display().to_string();
    convert(&pickled, &kept, &[]).done_printing(&expect![[r#"
        49 tensors, 299,280 numbers, 1.1 MiB in 1 file
        every number is the one that was stored
        written to TEMP/kept
    "#]]);
    convert(kept.to_str().unwrap(), &narrow, &["--dtype", "f16"]).done_printing(&expect![[r#"
        49 tensors, 299,280 numbers, 584.5 KiB in 1 file
        299,236 of these numbers were rounded to another; 0 of them became infinite, 0 became 0
        written to TEMP/narrow
    "#]]);
    assert_eq!(read_json(&narrow.join("config.json"))["torch_dtype"], "float16");
    convert(narrow.to_str().unwrap(), &wide, &["--dtype", "f32", "--max-shard-size", "300kB", "--quiet"])
        .done_printing(&expect![[r#"
            49 tensors, 299,280 numbers, 1.1 MiB in 5 files
            every number is the one that was stored
            written to TEMP/wide
        "#]]);
    let inspected = openmoe_with(&["inspect", wide.to_str().unwrap(), "--json"]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(inspected["dtypes"][0]["dtype"], "f32");
    assert!(inspected["files"].as_array().unwrap().len() > 3);
}

#[test]
fn a_dry_run_shows_what_would_be_written() {
    let store = Store::new("tiny_f32");
    let outcome = openmoe_with(&["convert", store.root().to_str().unwrap(), "--dry-run", "--dtype", "bf16", "--quiet"]);
    outcome.done_printing(&expect![[r#"
        source          TEMP/t5x: 26 tensors in f32
        weights         model.safetensors: 26 tensors, 960 B in bf16
        configuration   config.json
        tokenizer       none beside the checkpoint: put the model's spiece.model into the new folder
        dry run: nothing was written
    "#]]);
    assert_eq!(fs::read_dir(store.root()).unwrap().count(), 2);
}

#[test]
fn only_an_earlier_conversion_is_replaced() {
    let store = Store::new("tiny_f32");
    let (root, out) = (store.root().display().to_string(), store.root().parent().unwrap().join("out"));
    assert_eq!(convert(&root, &out, &["--quiet"]).code, 0);
    convert(&root, &out, &["--quiet"]).refused(&expect![[r#"
        error: --out `TEMP/out` holds an earlier conversion; expected a new or empty folder

        hint: add --force to replace it, or choose another --out
    "#]]);
    fs::write(out.join("notes.txt"), "mine").unwrap();
    convert(&root, &out, &["--quiet", "--force"]).refused(&expect![[r#"
        error: --out `TEMP/out` holds an earlier conversion and other files: `notes.txt`; expected nothing else, because it is replaced as a whole

        hint: move these files away, or choose another --out
    "#]]);
    fs::remove_file(out.join("notes.txt")).unwrap();
    assert_eq!(convert(&root, &out, &["--quiet", "--force", "--dtype", "bf16"]).code, 0);
    assert_eq!(contents(&out).len(), 3);
    convert(&root, &store.path("out"), &["--quiet"]).refused(&expect![[r#"
        warning: TEMP/t5x: the configuration is that of `TEMP/t5x/config.json`
        warning: TEMP/t5x: the weights are those of training step 500
        error: --out `TEMP/t5x/checkpoint_500/out` is within the checkpoint that is read

        hint: choose another --out
    "#]]);
    let hub = store.root().parent().unwrap().join("hub");
    copy_folder(&fixture("goldens/D_bf16"), &hub);
    convert(&root, &hub, &["--quiet", "--force"]).refused(&expect![[r#"
        error: --out `TEMP/hub` holds other files; expected a new or empty folder

        hint: choose another --out
    "#]]);
    convert(hub.to_str().unwrap(), &out, &["--quiet", "--force", "--config", "base"]).refused(&expect![[r#"
        error: --config is for checkpoints of T5X; `TEMP/hub` is none, and has its own `config.json`

        hint: leave --config out; beside others, a checkpoint of T5X takes the `config.json` that lies beside its step
    "#]]);
    convert(&root, &out, &["--quiet", "--force", "--config", "base"]).refused(&expect![[r#"
        error: checkpoint `TEMP/t5x` cannot be used: 36 problems
          - array `target.token_embedder.embedding` has shape [8, 4]; OpenMoE-base implies [8, 768]
          - array `target.decoder.layers_0.pre_self_attention_layer_norm.scale` has shape [4]; OpenMoE-base implies [768]
          - array `target.decoder.layers_0.self_attention.query.kernel` has shape [4, 4]; OpenMoE-base implies [768, 768]
          - array `target.decoder.layers_0.self_attention.key.kernel` has shape [4, 4]; OpenMoE-base implies [768, 768]
          - array `target.decoder.layers_0.self_attention.value.kernel` has shape [4, 4]; OpenMoE-base implies [768, 768]
          - array `target.decoder.layers_0.self_attention.out.kernel` has shape [4, 4]; OpenMoE-base implies [768, 768]
          - array `target.decoder.layers_0.pre_mlp_layer_norm.scale` has shape [4]; OpenMoE-base implies [768]
          - array `target.decoder.layers_0.mlp.wi_0.kernel` has shape [4, 8]; OpenMoE-base implies [768, 4096]
          - array `target.decoder.layers_0.mlp.wi_1.kernel` has shape [4, 4]; OpenMoE-base implies [768, 2048]
          - array `target.decoder.layers_0.mlp.wo.kernel` has shape [4, 4]; OpenMoE-base implies [2048, 768]
          - array `target.decoder.layers_1.pre_self_attention_layer_norm.scale` has shape [4]; OpenMoE-base implies [768]
          - array `target.decoder.layers_1.self_attention.query.kernel` has shape [4, 4]; OpenMoE-base implies [768, 768]
          - array `target.decoder.layers_1.self_attention.key.kernel` has shape [4, 4]; OpenMoE-base implies [768, 768]
          - array `target.decoder.layers_1.self_attention.value.kernel` has shape [4, 4]; OpenMoE-base implies [768, 768]
          - array `target.decoder.layers_1.self_attention.out.kernel` has shape [4, 4]; OpenMoE-base implies [768, 768]
          - array `target.decoder.layers_1.pre_mlp_layer_norm.scale` has shape [4]; OpenMoE-base implies [768]
          - array `target.decoder.decoder_norm.scale` has shape [4]; OpenMoE-base implies [768]
          - array `target.decoder.logits_dense.kernel` has shape [4, 8]; OpenMoE-base implies [768, 8]
          - arrays `target.decoder.layers_3.extra_mlp.wi_0.kernel`, `target.decoder.layers_7.extra_mlp.wi_0.kernel`, `target.decoder.layers_11.extra_mlp.wi_0.kernel` are missing; OpenMoE-base implies shape [768, 4096]
          - arrays `target.decoder.layers_3.extra_mlp.wi_1.kernel`, `target.decoder.layers_7.extra_mlp.wi_1.kernel`, `target.decoder.layers_11.extra_mlp.wi_1.kernel` are missing; OpenMoE-base implies shape [768, 2048]
          - and 16 more

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
    "#]]);
}

#[test]
fn what_was_left_is_named_and_sizes_and_places_must_be_possible() {
    let store = Store::new("tiny_f32");
    let (root, above) = (store.root().display().to_string(), store.root().parent().unwrap().to_owned());
    fs::create_dir(above.join(".conversion-killed")).unwrap();
    let outcome = convert(&root, &above.join("out"), &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains(".conversion-killed` is left of a conversion that was killed"),
        "{}",
        outcome.stderr
    );
    convert(&root, &above.join("none"), &["--max-shard-size", "0"]).refused(&expect![[r#"
        error: --max-shard-size 0 B; expected a size of at least 100 kB

        hint: files of 1 to 10 GB are usual
    "#]]);
    fs::write(above.join("file"), "").unwrap();
    let refused = convert(&root, &above.join("file/x"), &["--quiet"]).refusal();
    assert!(refused.contains("hint: a part of the path is a file: choose another path"), "{refused}");
}

#[test]
fn weights_with_scales_are_not_converted() {
    let folder = tempfile::tempdir().unwrap();
    let source = fixture("families/gpt_oss_mxfp4").display().to_string();
    convert(&source, &folder.path().join("out"), &[]).refused(&expect![[r#"
        error: checkpoint `fixtures/families/gpt_oss_mxfp4` cannot be converted: tensor `model.layers.0.mlp.experts.gate_up_proj_blocks` is stored as mxfp4, with scales; expected f32, f16 or bf16

        hint: use the checkpoint as it is: every command reads it
    "#]]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// An interrupt in the middle leaves nothing.
#[cfg(unix)]
#[test]
fn an_interrupted_conversion_leaves_nothing() {
    use std::{
        process::{Command, Stdio},
        time::Duration,
    };

    use openmoe_analyze::checkpoint::Dtype;

    use crate::support::synthetic_checkpoint::{Shape, is_router};

    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    fs::create_dir(&target).unwrap();
    let shape = Shape {
        hidden_size: 768,
        intermediate_size: 2048,
        layers: 4,
        heads: 12,
        head_dim: 64,
        vocabulary: 200_000,
        experts: 16,
        moe_interval: 4,
    };
    shape.write(&source, Dtype::F32, is_router, &[]);
    let [from, to] = [&source, &target.join("out")].map(|path| path.display().to_string());
    let mut child = Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"))
        .args(["convert", &from, "--out", &to, "--quiet"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while fs::read_dir(&target).unwrap().count() == 0 {
        std::thread::sleep(Duration::from_millis(2));
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}
