//! Bad input never panics, never loses a result, never passes silently: message, hint and exit code of each.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::support::{
    files::{copy_folder, fixture, read_json},
    program::{Outcome, openmoe_with},
};

/// A folder with a checkpoint that may be damaged and a corpus of three good lines.
struct Bench {
    folder: TempDir,
}

impl Bench {
    /// A copy of a bundled checkpoint.
    fn new(checkpoint: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&fixture(checkpoint), &folder.path().join("checkpoint"));
        let lines = "{\"text\": \"One line of text.\"}\n{\"text\": \"A second line.\"}\n{\"text\": \"And a third.\"}\n";
        fs::write(folder.path().join("corpus.jsonl"), lines).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Changes a key of config.json.
    fn configure(&self, key: &str, value: serde_json::Value) {
        let mut config = read_json(&self.path("checkpoint/config.json"));
        config[key] = value;
        self.write("checkpoint/config.json", config.to_string());
    }

    /// Runs route with more arguments.
    fn route(&self, arguments: &[&str]) -> Outcome {
        let (checkpoint, corpus, out) = (self.path("checkpoint"), self.path("corpus.jsonl"), self.path("out"));
        let mut all = vec!["route", checkpoint.to_str().unwrap()];
        if !arguments.contains(&"--corpus") {
            all.extend(["--corpus", corpus.to_str().unwrap()]);
        }
        if !arguments.contains(&"--out") {
            all.extend(["--out", out.to_str().unwrap()]);
        }
        all.extend(["--resamples", "40", "--permutations", "10"]);
        all.extend(arguments);
        let outcome = openmoe_with(&all);
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        outcome
    }

    /// The run is refused with exit code 2 and this message, and nothing was left behind.
    #[track_caller]
    fn refused(&self, arguments: &[&str], message: &Expect) {
        self.route(arguments).refused(message);
        assert!(!self.path("out").join("manifest.json").exists());
    }
}

const TINY: &str = "checkpoints/openmoe-tiny-12.3M";
const SHARDED: &str = "goldens/A_wide_32e";

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

/// Overwrites the first weights of a tensor with bf16 NaN.
fn poison(file: &Path, tensor: &str) {
    let mut file = fs::File::options().read(true).write(true).open(file).unwrap();
    let mut length = [0; 8];
    file.read_exact(&mut length).unwrap();
    let mut header = vec![0; u64::from_le_bytes(length) as usize];
    file.read_exact(&mut header).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    let offset = header[tensor]["data_offsets"][0].as_u64().unwrap();
    file.seek(SeekFrom::Start(8 + u64::from_le_bytes(length) + offset)).unwrap();
    file.write_all(&[0xc0, 0x7f]).unwrap();
}

#[test]
fn nan_weight() {
    let bench = Bench::new(TINY);
    poison(&bench.path("checkpoint/model.safetensors"), "model.layers.3.mlp.gate_weight");
    bench.route(&[]).refused(&expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        warning: TEMP/checkpoint: weights are not finite in places: `model.layers.3.mlp.gate_weight` (1 NaN or infinite)
        checkpoint: 22 tokens in 3 sequences of 3 documents; MoE layers [1, 3, 5], 16 experts, top-2
        error: router logits of decoder layer 3 are not finite: sequence 0, position 0, expert 0 is NaN

        hint: a weight is NaN or infinite, or the activations overflow; compare with another copy of the checkpoint
    "#]]);
    assert_eq!(read_json(&bench.path("out/manifest.json"))["complete"], false);
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
fn empty_corpus() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", "");
    bench.refused(
        &[],
        &expect![[r#"
        error: the corpus has no usable document: read `TEMP/corpus.jsonl`; places that cannot be used: 0

        hint: a row is a JSON object with the key `text`: {"text": "..."}; --text-key names another one
    "#]],
    );
}

#[test]
fn broken_json_line_is_listed_and_strict_refuses_it() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", "{\"text\": \"good\"}\n{\"text\": \n{\"txt\": \"no text\"}\n");
    bench.route(&[]).done_saying(&expect![[r#"
        warning: TEMP/corpus.jsonl:2 left out: broken JSON: EOF while parsing a value at column 8
        warning: TEMP/corpus.jsonl:3 left out: neither `text` nor `input_ids`; the row has txt: try --text-key txt
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        checkpoint: 2 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
        forward pass: 2 tokens in # s, # tokens/s
    "#]]);
    let skipped = &read_json(&bench.path("out/manifest.json"))["skipped"];
    assert_eq!(skipped.as_array().unwrap().len(), 2, "{skipped}");
    fs::remove_dir_all(bench.path("out")).unwrap();
    bench.refused(
        &["--strict"],
        &expect![[r#"
        error: 2 places cannot be used:
          - TEMP/corpus.jsonl:2: broken JSON: EOF while parsing a value at column 8
          - TEMP/corpus.jsonl:3: neither `text` nor `input_ids`; the row has txt: try --text-key txt

        hint: correct them, or leave out --strict to go on without them
    "#]],
    );
}

#[test]
fn invalid_utf8() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", b"{\"text\": \"good\"}\n{\"text\": \"\xff\xfe\"}\n");
    bench.route(&["--dry-run"]).done_saying(&expect![[r#"
        warning: TEMP/corpus.jsonl:2 left out: invalid UTF-8 at byte 10 of the line
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        checkpoint: 2 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
    "#]]);
}

#[test]
fn a_folder_as_a_file_and_a_file_as_a_folder() {
    let bench = Bench::new(TINY);
    let config = bench.path("checkpoint/config.json");
    fs::remove_file(&config).unwrap();
    fs::create_dir(&config).unwrap();
    bench.refused(
        &[],
        &expect![[r#"
        error: checkpoint `TEMP/checkpoint` cannot be used: 1 problem
          - `config.json` in it is a folder; expected a file

        hint: download `config.json` of the checkpoint again
    "#]],
    );
    let file = bench.path("checkpoint/model.safetensors");
    let corpus = bench.path("corpus.jsonl");
    openmoe_with(&["route", file.to_str().unwrap(), "--corpus", corpus.to_str().unwrap(), "--out", "x"]).refused(
        &expect![[r#"
            error: checkpoint `TEMP/checkpoint/model.safetensors` cannot be used: 1 problem
              - it is a file; expected a folder with `config.json` and weight files

            hint: give the folder that holds the file
        "#]],
    );
}

#[test]
fn unwritable_out() {
    let bench = Bench::new(TINY);
    let below_a_file = bench.path("corpus.jsonl").join("run");
    bench.refused(
        &["--out", below_a_file.to_str().unwrap()],
        &expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: cannot create `TEMP/corpus.jsonl/run`: Not a directory (os error 20)
    "#]],
    );
    let file = bench.path("corpus.jsonl");
    bench.refused(
        &["--out", file.to_str().unwrap()],
        &expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: --out `TEMP/corpus.jsonl` is a file; expected a folder or a path where one can be made

        hint: choose another --out
    "#]],
    );
}

#[test]
fn occupied_out() {
    let bench = Bench::new(TINY);
    fs::create_dir(bench.path("out")).unwrap();
    bench.write("out/thesis.tex", "mine");
    bench.refused(
        &[],
        &expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: --out `TEMP/out` holds other files; expected a new or empty folder

        hint: choose another --out, or add --force to replace the run, or --resume to go on with it
    "#]],
    );
    let outcome = bench.route(&["--force"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(fs::read(bench.path("out/thesis.tex")).unwrap(), b"mine", "foreign files stay");
    bench.route(&[]).refused(&expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: --out `TEMP/out` holds a complete run; expected a new or empty folder

        hint: choose another --out, or add --force to replace the run, or --resume to go on with it
    "#]]);
}

#[test]
fn sequence_longer_than_the_model() {
    let bench = Bench::new(TINY);
    bench.refused(
        &["--context", "4096"],
        &expect![[r#"
        error: --context 4096; the model takes at most max_position_embeddings = 2048 tokens

        hint: use --context 2048 or less; longer documents are cut into several sequences
    "#]],
    );
    let ids: Vec<u32> = vec![5; 2049];
    bench.write("corpus.jsonl", serde_json::json!({ "input_ids": ids }).to_string());
    bench.refused(
        &[],
        &expect![[r#"
        error: TEMP/corpus.jsonl:1: `input_ids` has 2049 ids; the context is 2048

        hint: ids are used as they are and never cut; shorten the row or raise --context
    "#]],
    );
}

#[test]
fn memory_that_holds_no_routing_group() {
    let bench = Bench::new(TINY);
    bench.refused(
        &["--memory", "1MiB"],
        &expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: --memory 1.0 MiB: the largest routing group has 64 rows and needs about # MiB

        hint: give more memory, shorter sequences (--context) or smaller routing groups (--group)
    "#]],
    );
    bench.refused(&["--memory", "much"], &expect![[r#"
        error: invalid value 'much' for '--memory <SIZE>': couldn't parse "much" into a ByteSize, cannot parse float from empty string

        For more information, try '--help'.
    "#]]);
}

#[test]
fn unknown_flag_values() {
    let bench = Bench::new(TINY);
    bench.refused(&["--group", "batch:0"], &expect![[r#"
        error: invalid value 'batch:0' for '--group <GROUP>': routing group `batch:0` is unknown; expected sequence, batch:N or tokens:N with N >= 1

        For more information, try '--help'.
    "#]]);
    bench.refused(
        &["--capacity-rule", "colossal"],
        &expect![[r#"
        error: invalid value 'colossal' for '--capacity-rule <RULE>'
          [possible values: port, t5x, unlimited]

        For more information, try '--help'.
    "#]],
    );
    bench.refused(
        &["--capacity-factor", "-1"],
        &expect![[r#"
        error: --capacity-factor -1; expected a positive number

        hint: for no drops at all use --capacity-rule unlimited
    "#]],
    );
    bench.refused(
        &["--capacity-factor", "nan"],
        &expect![[r#"
        error: --capacity-factor NaN; expected a positive number

        hint: for no drops at all use --capacity-rule unlimited
    "#]],
    );
    bench.refused(
        &["--frobnicate"],
        &expect![[r#"
        error: unexpected argument '--frobnicate' found

          tip: a similar argument exists: '--truncate'

        Usage: openmoe-analyze route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>

        For more information, try '--help'.
    "#]],
    );
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

        hint: the supported models are OpenMoE base, 8b and 34b and others of their form
    "#]],
    );
}

#[test]
fn ids_beyond_the_vocabulary() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", "{\"input_ids\": [0, 5, 4096]}\n");
    bench.refused(
        &[],
        &expect![[r#"
        error: TEMP/corpus.jsonl:1: `input_ids` holds 4096; the model's vocab_size is 4096

        hint: the ids were made with another tokenizer
    "#]],
    );
}

#[test]
fn another_model_is_not_taken_for_openmoe() {
    let bench = Bench::new(TINY);
    bench.write("checkpoint/config.json", "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\"}");
    bench.refused(&[], &expect![[r#"
        error: checkpoint `TEMP/checkpoint` cannot be used: 1 problem
          - `config.json` does not describe an OpenMoE: found `architectures` ["LlamaForCausalLM"] and without the keys `num_experts`, `moe_layer_interval`; expected ["OpenMoeForCausalLM"] with `num_experts` and `moe_layer_interval`

        hint: the supported models are OpenMoE base, 8b and 34b and others of their form
    "#]]);
}

#[test]
fn nothing_typed_says_what_is_missing_and_shows_an_example() {
    openmoe_with(&["route"]).refused(&expect![[r#"
        error: the following required arguments were not provided:
          --corpus <PATH>...
          --out <DIR>
          <CHECKPOINT>

        Usage: openmoe-analyze route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>

        For more information, try '--help'.

        Example:
          openmoe-analyze route path/to/openmoe-8b --corpus corpus/domains corpus/languages --out runs/8b

        Corpora: .jsonl, .json, .txt and .md, also as .gz or .zst, .parquet, folders of these, - for standard input. A row has `text` (or `input_ids`, or a prompt and its completion), and may have `id` and a category. If the text has another key, name it with --text-key.
    "#]]);
    openmoe_with(&[]).refused(&expect![[r#"
        Shows how a mixture-of-experts language model routes its tokens: exact OpenMoE forward pass, routing
        trace, statistics with intervals and baselines, charts

        Usage: openmoe-analyze <COMMAND>

        Commands:
          route        Is routing decided by the token id, whatever the context? Forward pass, trace,
                       statistics, charts
          stats        Compute the statistics of a finished run again, without a forward pass
          chart        Draw the charts of a finished run again from its statistics
          report       Write one report of several finished runs: route, drift and drops together, or two
                       runs of a kind side by side
          inspect      Show what a checkpoint is, what a run would cost, and whether the model is sane
          drift        When was routing learnt, and what still changes? The same tokens through several
                       checkpoints of one run
          drops        Are later tokens dropped more? Multi-turn transcripts: where tokens lose their
                       experts, why, and what prevents it
          demo         Run route, drift and drops on the bundled checkpoints, text and transcripts
          reproduce    How far are finished runs from the paper? Its Figures 5-14 beside yours, and the
                       closed forms they must satisfy
          notebook     Write a Jupyter notebook that loads a finished run and draws its main figures again,
                       ready to be changed
          completions  Print what makes a shell complete subcommands, options and values
          man          Print the manual page, or write one page for every subcommand
          help         Print this message or the help of the given subcommand(s)

        Options:
          -h, --help     Print help
          -V, --version  Print version

        Try it on the bundled model and text:  openmoe-analyze demo

        Exit codes: 0 done, 1 a check that was asked for failed, 2 bad input or usage, 3 a fault of the
        tool, 130 interrupted (resumable).
    "#]]);
}

#[test]
fn stats_of_a_folder_that_holds_no_run() {
    let folder = tempfile::tempdir().unwrap();
    openmoe_with(&["stats", folder.path().to_str().unwrap()]).refused(&expect![[r#"
        error: `TEMP` is not the folder of a run: manifest.json: No such file or directory (os error 2)

        hint: give the folder that --out named
    "#]]);
    openmoe_with(&["chart", folder.path().to_str().unwrap()]).refused(&expect![[r#"
        error: `TEMP` is not the folder of a run: manifest.json: No such file or directory (os error 2)

        hint: give the folder that --out named
    "#]]);
}
