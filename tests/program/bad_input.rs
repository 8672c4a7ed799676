//! Bad input never panics, never loses a result, never passes silently: message, hint and exit code of each.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::support::{
    files::{copy_folder, fixture, read_json},
    program::openmoe_with,
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

    /// Runs route with more arguments; exit code and standard error.
    fn route(&self, arguments: &[&str]) -> (i32, String) {
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
        println!("exit code {}\n{}", outcome.code, outcome.stderr);
        (outcome.code, outcome.stderr)
    }

    /// The run is refused with exit code 2 and a message that holds every part, and nothing was left behind.
    fn refused(&self, arguments: &[&str], parts: &[&str]) {
        let (code, message) = self.route(arguments);
        assert_eq!(code, 2, "{message}");
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in:\n{message}");
        }
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
    bench.refused(&[], &["model-00002-of-00003.safetensors", "bytes", "hint:"]);
}

#[test]
fn absent_shard() {
    let bench = Bench::new(SHARDED);
    fs::remove_file(bench.path("checkpoint/model-00003-of-00003.safetensors")).unwrap();
    bench.refused(&[], &["model-00003-of-00003.safetensors", "model.safetensors.index.json"]);
}

#[test]
fn wrong_shape() {
    let bench = Bench::new(TINY);
    bench.configure("num_experts", 8.into());
    bench.refused(
        &[],
        &[
            "tensor `model.layers.1.mlp.gate_weight` in `model.safetensors` has shape [16, 64]; `config.json` implies [8, 64]",
            "model.layers.5.mlp.experts.wo",
        ],
    );
}

#[test]
fn missing_and_extra_tensors_are_named_together() {
    let bench = Bench::new(TINY);
    bench.configure("num_hidden_layers", 8.into());
    bench.refused(&[], &["model.layers.6.self_attn.q_proj.weight", "model.layers.7.mlp.gate_weight"]);
    bench.configure("num_hidden_layers", 4.into());
    bench.refused(&[], &["model.layers.5.mlp.experts.wi_gate"]);
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
    let (code, message) = bench.route(&[]);
    assert_eq!(code, 2);
    let expected = "router logits of decoder layer 3 are not finite: sequence 0, position 0, expert 0 is NaN";
    assert!(message.contains(expected), "{message}");
    assert_eq!(read_json(&bench.path("out/manifest.json"))["complete"], false);
}

#[test]
fn tokenizer_too_large() {
    let bench = Bench::new(TINY);
    fs::copy(fixture("tokenizers/umt5/spiece.model"), bench.path("checkpoint/spiece.model")).unwrap();
    bench.refused(&[], &["spiece.model", "4096", "hint:"]);
}

#[test]
fn empty_corpus() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", "");
    bench.refused(&[], &["corpus.jsonl", "hint:"]);
}

#[test]
fn broken_json_line_is_listed_and_strict_refuses_it() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", "{\"text\": \"good\"}\n{\"text\": \n{\"txt\": \"no text\"}\n");
    let (code, message) = bench.route(&[]);
    assert_eq!(code, 0, "{message}");
    assert!(message.contains("corpus.jsonl:2 left out:") && message.contains("corpus.jsonl:3 left out:"), "{message}");
    let skipped = &read_json(&bench.path("out/manifest.json"))["skipped"];
    assert_eq!(skipped.as_array().unwrap().len(), 2, "{skipped}");
    fs::remove_dir_all(bench.path("out")).unwrap();
    bench.refused(&["--strict"], &["corpus.jsonl:2", "corpus.jsonl:3"]);
}

#[test]
fn invalid_utf8() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", b"{\"text\": \"good\"}\n{\"text\": \"\xff\xfe\"}\n");
    let (code, message) = bench.route(&[]);
    assert_eq!(code, 0, "{message}");
    assert!(message.contains("corpus.jsonl:2 left out:") && message.contains("UTF-8"), "{message}");
}

#[test]
fn a_folder_as_a_file_and_a_file_as_a_folder() {
    let bench = Bench::new(TINY);
    let config = bench.path("checkpoint/config.json");
    fs::remove_file(&config).unwrap();
    fs::create_dir(&config).unwrap();
    bench.refused(&[], &["`config.json` in it is a folder; expected a file", "hint:"]);
    let file = bench.path("checkpoint/model.safetensors");
    let corpus = bench.path("corpus.jsonl");
    let outcome = openmoe_with(&["route", file.to_str().unwrap(), "--corpus", corpus.to_str().unwrap(), "--out", "x"]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("model.safetensors") && outcome.stderr.contains("folder"), "{}", outcome.stderr);
}

#[test]
fn unwritable_out() {
    let bench = Bench::new(TINY);
    let below_a_file = bench.path("corpus.jsonl").join("run");
    bench.refused(&["--out", below_a_file.to_str().unwrap()], &["corpus.jsonl/run", "cannot create"]);
    let file = bench.path("corpus.jsonl");
    bench.refused(&["--out", file.to_str().unwrap()], &["is a file; expected a folder", "hint:"]);
}

#[test]
fn occupied_out() {
    let bench = Bench::new(TINY);
    fs::create_dir(bench.path("out")).unwrap();
    bench.write("out/thesis.tex", "mine");
    bench.refused(&[], &["holds other files; expected a new or empty folder", "--force"]);
    let (code, message) = bench.route(&["--force"]);
    assert_eq!(code, 0, "{message}");
    assert_eq!(fs::read(bench.path("out/thesis.tex")).unwrap(), b"mine", "foreign files stay");
    let (code, message) = bench.route(&[]);
    assert!(code == 2 && message.contains("holds a complete run"), "{message}");
}

#[test]
fn sequence_longer_than_the_model() {
    let bench = Bench::new(TINY);
    bench.refused(&["--context", "4096"], &["--context 4096", "max_position_embeddings = 2048"]);
    let ids: Vec<u32> = vec![5; 2049];
    bench.write("corpus.jsonl", serde_json::json!({ "input_ids": ids }).to_string());
    bench.refused(&[], &["corpus.jsonl:1", "2049", "2048"]);
}

#[test]
fn memory_that_holds_no_routing_group() {
    let bench = Bench::new(TINY);
    let parts = ["--memory 1.0 MiB: the largest routing group has", "and needs about", "hint: give more memory"];
    bench.refused(&["--memory", "1MiB"], &parts);
    bench.refused(&["--memory", "much"], &["invalid value 'much' for '--memory <SIZE>'"]);
}

#[test]
fn unknown_flag_values() {
    let bench = Bench::new(TINY);
    bench.refused(&["--group", "batch:0"], &["batch:0", "sequence, batch:N or tokens:N"]);
    bench.refused(&["--capacity-rule", "colossal"], &["colossal", "[possible values: port, t5x, unlimited]"]);
    bench.refused(&["--capacity-factor", "-1"], &["-1"]);
    bench.refused(&["--capacity-factor", "nan"], &["--capacity-factor NaN"]);
    bench.refused(&["--frobnicate"], &["--frobnicate"]);
}

#[test]
fn unsupported_options_of_the_configuration() {
    let bench = Bench::new(TINY);
    bench.configure("hidden_act", "gelu".into());
    bench.configure("mlp_gated", false.into());
    bench.configure("router_topk", 3.into());
    bench.refused(&[], &["hidden_act", "mlp_gated", "router_topk"]);
}

#[test]
fn ids_beyond_the_vocabulary() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", "{\"input_ids\": [0, 5, 4096]}\n");
    bench.refused(&[], &["corpus.jsonl:1", "4096"]);
}

#[test]
fn another_model_is_not_taken_for_openmoe() {
    let bench = Bench::new(TINY);
    bench.write("checkpoint/config.json", "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\"}");
    bench.refused(&[], &["OpenMoE"]);
}

#[test]
fn nothing_typed_says_what_is_missing_and_shows_an_example() {
    let outcome = openmoe_with(&["route"]);
    assert_eq!(outcome.code, 2);
    for part in ["<CHECKPOINT>", "--corpus", "--out", "Example:", "openmoe-analyze route path/to/"] {
        assert!(outcome.stderr.contains(part), "`{part}` is not in:\n{}", outcome.stderr);
    }
    let outcome = openmoe_with(&[]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("openmoe-analyze demo"), "{}", outcome.stderr);
}

#[test]
fn stats_of_a_folder_that_holds_no_run() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["stats", "chart"] {
        let outcome = openmoe_with(&[command, folder.path().to_str().unwrap()]);
        assert_eq!(outcome.code, 2);
        assert!(outcome.stderr.contains("is not the folder of a run"), "{}", outcome.stderr);
    }
}
