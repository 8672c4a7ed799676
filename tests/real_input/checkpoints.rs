//! Weights, configurations and tokenizers as they lie on disks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use openmoe_analyze::{
    checkpoint::{Checkpoint, OddityKind, describe_oddities, repository_name, snapshot},
    corpus::Tokenizer,
    error::Error,
};
use serde_json::{Map, Value, json};

use crate::common::{copy_folder, fixture, openmoe_with, read_json, twelve_documents};

/// A copy of a checkpoint that a test may change.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        copy_folder(&fixture("checkpoints/openmoe-tiny-12.3M"), bench.dir());
        bench
    }

    /// The tiny model of random numbers, its weights as one file of a given name.
    fn tiny(file: &str, name: &str) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::copy(case("config.json"), bench.file("config.json")).unwrap();
        fs::copy(case(file), bench.file(name)).unwrap();
        bench
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.file(name), bytes).unwrap();
        self
    }

    fn configure(&self, key: &str, value: Value) {
        let mut config = read_json(&self.file("config.json"));
        config[key] = value;
        self.write("config.json", config.to_string());
    }

    fn open(&self) -> Checkpoint {
        Checkpoint::open(self.dir()).unwrap()
    }

    fn problems(&self) -> (Vec<String>, String) {
        match Checkpoint::open(self.dir()) {
            Err(Error::Checkpoint { problems, hint, .. }) => (problems, hint.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    /// The only problem, which must hold this.
    fn refused(&self, part: &str) -> String {
        let (problems, hint) = self.problems();
        assert!(problems.len() == 1 && problems[0].contains(part), "`{part}` is not all of {problems:#?}");
        hint
    }

    /// Runs `route` over twelve documents: exit code and standard error.
    fn route(&self, more: &[&str]) -> (i32, String) {
        let outcome = twelve_documents(&["route", self.dir().to_str().unwrap()], more);
        (outcome.code, outcome.stderr)
    }
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/checkpoint").join(name)
}

/// Rewrites the header of a safetensors file and lets its data be changed: name of a tensor -> its bytes.
fn edit(path: &Path, header: impl Fn(&mut Map<String, Value>), data: impl Fn(&Map<String, Value>, &mut [u8])) {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut entries = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let mut numbers = bytes[8 + length..].to_vec();
    data(&entries, &mut numbers);
    header(&mut entries);
    let json = serde_json::to_vec(&entries).unwrap();
    fs::write(path, [&(json.len() as u64).to_le_bytes(), json.as_slice(), &numbers].concat()).unwrap();
}

/// Overwrites a tensor's bytes from `from` to `to` (in 16ths of it) with one pattern.
fn fill(path: &Path, tensor: &str, from: usize, to: usize, pattern: [u8; 2]) {
    edit(
        path,
        |_| (),
        |entries, numbers| {
            let offset = |end: usize| entries[tensor]["data_offsets"][end].as_u64().unwrap() as usize;
            let (begin, size) = (offset(0), offset(1) - offset(0));
            for pair in numbers[begin + size * from / 16..begin + size * to / 16].chunks_exact_mut(2) {
                pair.copy_from_slice(&pattern);
            }
        },
    );
}

const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
const WEIGHTS: &str = "model.safetensors";
const GATE: &str = "model.layers.3.mlp.gate_weight";

/// Same names and numbers.
fn assert_same(found: &Checkpoint, expected: &Checkpoint) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for tensor in expected.config().tensors() {
        found.read(&tensor.name, &mut a).unwrap();
        expected.read(&tensor.name, &mut b).unwrap();
        assert_eq!(a, b, "{}", tensor.name);
    }
}

#[test]
fn every_form_of_torch_save_gives_the_same_numbers() {
    let plain = Bench::tiny("plain.safetensors", WEIGHTS).open();
    for (file, notes) in [
        ("old_protocol_2.bin", &["the dict `model_state_dict` in it holds the 26 tensors", "begin with `module.`"][..]),
        ("old_protocol_4.bin", &[]),
        ("wrapped_protocol_5.bin", &["the dict `state_dict` in it holds", "begin with `module._orig_mod.`"]),
    ] {
        let checkpoint = Bench::tiny(file, "pytorch_model.bin").open();
        assert_same(&checkpoint, &plain);
        assert_eq!(checkpoint.notes().len(), notes.len(), "{file}: {:?}", checkpoint.notes());
        for (note, part) in checkpoint.notes().iter().zip(notes) {
            assert!(note.contains(part), "{file}: {note}");
        }
    }
    // Content decides, not the name.
    let misnamed = Bench::tiny("plain.safetensors", "pytorch_model.bin").open();
    assert_same(&misnamed, &plain);
    assert!(misnamed.notes()[0].contains("`pytorch_model.bin` holds safetensors"), "{:?}", misnamed.notes());
    let misnamed = Bench::tiny("old_protocol_4.bin", WEIGHTS).open();
    assert_same(&misnamed, &plain);
}

/// Dots in a key are no depth.
#[test]
fn a_state_dict_under_a_key_with_dots_is_found() {
    let mut bytes = fs::read(case("old_protocol_2.bin")).unwrap();
    let (key, dotted) = (b"model_state_dict", b"net.a.b.c.d.e.fg");
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap();
    bytes[at..at + key.len()].copy_from_slice(dotted);
    let bench = Bench::tiny("old_protocol_2.bin", "pytorch_model.bin");
    bench.write("pytorch_model.bin", bytes);
    let checkpoint = bench.open();
    assert_same(&checkpoint, &Bench::tiny("plain.safetensors", WEIGHTS).open());
    assert!(
        checkpoint.notes()[0].contains("the dict `net.a.b.c.d.e.fg` in it holds the 26 tensors"),
        "{:?}",
        checkpoint.notes()
    );
}

#[test]
fn an_old_file_that_is_cut_names_what_is_gone() {
    let bytes = fs::read(case("old_protocol_2.bin")).unwrap();
    for length in [3, 20, 200, 2000, bytes.len() - 100] {
        let bench = Bench::tiny("old_protocol_2.bin", "pytorch_model.bin");
        let (problems, _) = bench.write("pytorch_model.bin", &bytes[..length]).problems();
        assert!(problems.iter().all(|line| line.contains("`pytorch_model.bin`")), "{length}: {problems:#?}");
    }
    let bench = Bench::tiny("old_protocol_2.bin", "pytorch_model.bin");
    bench.write("pytorch_model.bin", b"\x80\x02]q\0.").refused("not one that torch.save wrote");
}

#[test]
fn pickles_of_any_depth_are_refused_in_words() {
    let deep = [&b"\x80\x02N"[..], &b"\x85q\0".repeat(1_000_000), b"."].concat();
    let mut doubling = b"\x80\x02]q\0".to_vec();
    (0..40).for_each(|n: u8| doubling.extend([b'(', b'h', n, b'h', n, b't', b'q', n + 1]));
    doubling.push(b'.');
    for pickle in [deep, doubling] {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file("archive/data.pkl", stored).unwrap();
        std::io::Write::write_all(&mut zip, &pickle).unwrap();
        let bench = Bench::tiny("old_protocol_2.bin", "pytorch_model.bin");
        bench.write("pytorch_model.bin", zip.finish().unwrap().into_inner()).refused("holds no state dict");
    }
}

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
    bench.refused("of 26 names begin with `module.`; expected all of them or none");
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
    assert!(checkpoint.notes()[0].contains("there is no `lm_head.weight`"), "{:?}", checkpoint.notes());
    assert_eq!(checkpoint.parameter_count().total, 2_052_096 - 4096 * 64);
    let (code, message) = bench.route(&["--dry-run"]);
    assert_eq!(code, 0, "{message}");
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

#[test]
fn what_is_something_else_is_named() {
    let web = b"<!DOCTYPE html><html>".as_slice();
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (file, bytes, part, hint) in [
        (WEIGHTS, LFS.as_bytes(), "`model.safetensors` is a git-lfs pointer to 9 bytes", "git lfs pull"),
        (WEIGHTS, web, "is a web page", "fetch it again"),
        (WEIGHTS, b"\x1f\x8b\x08\0\0\0\0\0\0".as_slice(), "is compressed with gzip", "decompress"),
        (WEIGHTS, b"", "`model.safetensors` is empty", "fetch"),
        (WEIGHTS, b"root:*:20000:0:99999:7:::\n", "begins with no header length", ""),
        ("config.json", LFS.as_bytes(), "`config.json` is a git-lfs pointer", "git lfs pull"),
        ("config.json", utf16.as_slice(), "`config.json` is not UTF-8 but UTF-16", "save it as UTF-8"),
        ("config.json", b"", "`config.json` is empty", "fetch"),
    ] {
        let found = Bench::tiny("plain.safetensors", WEIGHTS).write(file, bytes).refused(part);
        assert!(found.contains(hint), "{found}");
    }
    let bench = Bench::tiny("plain.safetensors", "model-00001-of-00001.safetensors");
    bench.write("model.safetensors.index.json", LFS).refused("`model.safetensors.index.json` is a git-lfs pointer");
    bench.write("model.safetensors.index.json", utf16).refused("is not UTF-8 but UTF-16");
    for name in ["spiece.model", "tokenizer.json"] {
        let bench = Bench::tiny("plain.safetensors", WEIGHTS);
        let error = Tokenizer::open(bench.write(name, LFS).dir()).unwrap_err();
        assert!(error.to_string().contains(&format!("{name}` is a git-lfs pointer to 9 bytes")), "{error}");
    }
}

#[test]
fn byte_order_marks_and_infinities_of_python_are_read_over() {
    let bench = Bench::new();
    let config = fs::read_to_string(bench.file("config.json")).unwrap();
    let infinite = config.replacen('{', "{\"unread\": [Infinity, -Infinity, NaN], ", 1);
    bench.write("config.json", format!("\u{feff}{infinite}"));
    assert_eq!(bench.open().config(), Checkpoint::open(&fixture("checkpoints/openmoe-tiny-12.3M")).unwrap().config());
    bench.write("config.json", config.replace("\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": NaN"));
    bench.refused("`rms_norm_eps` is \"NaN\"; expected a positive number");

    let bench = Bench::tiny("plain.safetensors", "model-00001-of-00001.safetensors");
    let tensors = Bench::tiny("plain.safetensors", WEIGHTS).open().config().tensors();
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
    let [note] = checkpoint.notes() else { panic!("{:?}", checkpoint.notes()) };
    assert!(note.contains("`rope_theta` 1000000.0, `rope_scaling` {\"type\""), "{note}");
    // transformers 5 writes `dtype`.
    let mut config = read_json(&bench.file("config.json"));
    config.as_object_mut().unwrap().remove("torch_dtype");
    config["dtype"] = "bfloat16".into();
    bench.write("config.json", config.to_string());
    assert_eq!(bench.open().config().torch_dtype, "bfloat16");
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
    let expected = "not used: `adapter_model.safetensors`, `model-00001-of-00001.safetensors`, `model.safetensors.index.json` \
                    (an index of 1 shard), `pytorch_model.bin`; the weights are those of `model.safetensors`";
    assert_eq!(bench.open().notes(), [expected]);
}

#[test]
fn folders_without_a_model_say_what_they_hold() {
    let bench = Bench::tiny("plain.safetensors", "adapter_model.safetensors");
    let hint = bench.refused("`adapter_model.safetensors`: it holds an adapter, not a model");
    assert!(hint.contains("merge"), "{hint}");
    // Another family is told before any weight is fetched.
    let bench = Bench::tiny("plain.safetensors", "model.gguf");
    bench.refused("there are no weights in it; expected `model.safetensors`");
    bench.configure("architectures", json!(["MixtralForCausalLM"]));
    bench.refused("`config.json` does not describe an OpenMoE: found `architectures` [\"MixtralForCausalLM\"]");
    let parent = tempfile::tempdir().unwrap();
    copy_folder(bench.dir(), &parent.path().join("checkpoint-200"));
    let error = Checkpoint::open(parent.path()).unwrap_err();
    assert!(error.to_string().contains("in its folders `checkpoint-200`"), "{error}");
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
    for name in [WEIGHTS, "config.json", "spiece.model"] {
        let bench = Bench::new();
        fs::remove_file(bench.file(name)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", bench.file(name)).unwrap();
        let path = bench.dir().to_str().unwrap().to_owned();
        let outcome = openmoe_with(&["inspect", &path]);
        assert_eq!(outcome.code, 2, "{name}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("is not a regular file"), "{name}: {}", outcome.stderr);
        fs::remove_file(bench.file(name)).unwrap();
        std::os::unix::fs::symlink("nowhere", bench.file(name)).unwrap();
        let outcome = openmoe_with(&["inspect", &path]);
        assert_eq!(outcome.code, 2, "{name}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("is a link to a file that is not there"), "{name}: {}", outcome.stderr);
    }
}

#[test]
fn a_router_that_cannot_choose_is_refused_unless_it_is_wanted() {
    for (pattern, zero) in [([0, 0], " (zero)"), ([0x80, 0x3c], "")] {
        let bench = Bench::new();
        fill(&bench.file(WEIGHTS), GATE, 0, 16, pattern);
        let (code, message) = bench.route(&["--dry-run"]);
        assert_eq!(code, 2, "{message}");
        let expected = format!("all 16 rows of `{GATE}` are equal{zero}: this router cannot choose");
        assert!(message.contains(&expected) && message.contains("--allow-constant-router"), "{message}");
        let (code, message) = bench.route(&["--dry-run", "--allow-constant-router"]);
        assert!(code == 0 && message.contains(&expected), "{message}");
    }
    let bench = Bench::new();
    fill(&bench.file(WEIGHTS), "model.layers.3.post_attention_layernorm.weight", 0, 16, [0, 0]);
    assert!(bench.open().constant_routers().unwrap()[0].contains("the router behind it sees no token"));
    // Half of the rows of one kind is a router that chooses.
    let bench = Bench::new();
    fill(&bench.file(WEIGHTS), GATE, 0, 8, [0, 0]);
    assert!(bench.open().constant_routers().unwrap().is_empty());
}

#[test]
fn numbers_that_no_training_leaves_are_warned_of() {
    let experts = "model.layers.1.mlp.experts.wo";
    for (tensor, from, to, pattern, place, kind) in [
        (experts, 0, 16, [0, 0], format!("`{experts}`"), OddityKind::Zero),
        (experts, 5, 6, [0, 0], format!("expert 5 of `{experts}`"), OddityKind::Zero),
        ("lm_head.weight", 0, 16, [0x80, 0x3f], "`lm_head.weight`".into(), OddityKind::Constant(1.0)),
        ("lm_head.weight", 15, 16, [0, 0], "`lm_head.weight`".into(), OddityKind::ZeroTail(4096 * 64 / 16)),
        ("lm_head.weight", 0, 1, [0xc0, 0x7f], "`lm_head.weight`".into(), OddityKind::NotFinite(4096 * 64 / 16)),
    ] {
        let bench = Bench::new();
        assert!(bench.open().read_whole(0, &mut |_| {}).unwrap().oddities.is_empty());
        fill(&bench.file(WEIGHTS), tensor, from, to, pattern);
        let reading = bench.open().read_whole(0, &mut |_| {}).unwrap();
        let [oddity] = &reading.oddities[..] else { panic!("{:?}", reading.oddities) };
        assert_eq!((&oddity.place, oddity.kind), (&place, kind));
        assert!(describe_oddities(&reading.oddities)[0].contains(&place));
    }
}

#[test]
fn a_zero_tensor_is_warned_of_and_kept_with_the_run() {
    let bench = Bench::new();
    fill(&bench.file(WEIGHTS), "model.layers.1.self_attn.o_proj.weight", 0, 16, [0, 0]);
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("run");
    let (checkpoint, out) = (bench.dir().to_str().unwrap(), out.to_str().unwrap());
    let corpus = fixture("corpora/domains/book.jsonl").display().to_string();
    let short = ["--corpus", &corpus, "--max-sequences", "1", "--context", "16", "--truncate"];
    let fast = ["--resamples", "0", "--permutations", "0", "--out", out, "--quiet"];
    let outcome = openmoe_with(&[&["route", checkpoint][..], &short, &fast].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let expected = "weights are zero throughout: `model.layers.1.self_attn.o_proj.weight`";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    let notes = read_json(&Path::new(out).join("manifest.json"))["notes"].clone();
    assert_eq!(notes[0]["reason"], expected);
}

#[test]
fn a_model_that_guesses_is_said_to_guess() {
    let bench = Bench::new();
    fill(&bench.file(WEIGHTS), "lm_head.weight", 0, 16, [0, 0]);
    let path = bench.dir().to_str().unwrap();
    let outcome = openmoe_with(&["inspect", path, "--text", "It is a truth", "--continuation", "1"]);
    assert!(
        outcome.stdout.contains("4096.0 over") && outcome.stdout.contains("that of guessing"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stderr.contains("weights are zero throughout: `lm_head.weight`"), "{}", outcome.stderr);
    let trained = fixture("checkpoints/openmoe-tiny-12.3M").display().to_string();
    let outcome = openmoe_with(&["inspect", &trained, "--text", "It is a truth", "--continuation", "1"]);
    assert!(!outcome.stdout.contains("guessing:"), "{}", outcome.stdout);
}

/// The cache of a hub: `models--a--b` with one snapshot, whose weights lie in a blob of the given name.
#[cfg(unix)]
fn hub(blob: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("models--a--b");
    let snapshot = root.join("snapshots").join("0".repeat(40));
    copy_folder(&fixture("checkpoints/openmoe-tiny-12.3M"), &snapshot);
    fs::create_dir_all(root.join("blobs")).unwrap();
    fs::rename(snapshot.join(WEIGHTS), root.join("blobs").join(blob)).unwrap();
    std::os::unix::fs::symlink(Path::new("../../blobs").join(blob), snapshot.join(WEIGHTS)).unwrap();
    (folder, root)
}

#[cfg(unix)]
#[test]
fn a_hub_cache_is_opened_by_its_root_and_held_against_its_hashes() {
    let right = "420752708eabb4c869170cae6dc0ab0f9664275852aafffa2d37c4757d0768b2";
    let (_folder, root) = hub(right);
    let found = snapshot(&root);
    assert!(found.ends_with("0".repeat(40)) && repository_name(&found).as_deref() == Some("b"));
    let outcome = twelve_documents(&["route", root.to_str().unwrap()], &["--dry-run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("b: "), "{}", outcome.stderr);
    // Of two snapshots that of the main branch.
    fs::create_dir_all(root.join("snapshots").join("1".repeat(40))).unwrap();
    fs::create_dir_all(root.join("refs")).unwrap();
    fs::write(root.join("refs/main"), "0".repeat(40)).unwrap();
    assert_eq!(snapshot(&root), found);
    let (_folder, root) = hub(&right.replace('4', "5"));
    let outcome = twelve_documents(&["route", root.to_str().unwrap()], &["--dry-run"]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("is not the file that was fetched"), "{}", outcome.stderr);
}

#[test]
fn a_download_into_a_folder_is_held_against_what_its_client_noted() {
    let bench = Bench::tiny("plain.safetensors", WEIGHTS);
    fs::create_dir_all(bench.file(".cache/huggingface/download")).unwrap();
    let sha256 = bench.open().read_whole(0, &mut |_| {}).unwrap().sha256;
    let note = |hash: &str, time: u64| {
        let text = format!("{}\n{hash}\n{time}.5\n", "0".repeat(40));
        bench.write(".cache/huggingface/download/model.safetensors.metadata", text);
        bench.open().read_whole(0, &mut |_| {})
    };
    let other = "0".repeat(64);
    assert!(note(&sha256, 1 << 40).is_ok() && note(&other, 1 << 40).is_err());
    // Changed after the download, by whoever: no longer that file.
    assert!(note(&other, 1).is_ok());
}

/// The client keeps its notes in the folder that it was given, also those of files in sub-folders.
#[test]
fn a_download_of_a_sub_folder_is_held_against_what_its_client_noted() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("sub/model");
    copy_folder(&fixture("checkpoints/openmoe-tiny-12.3M"), &model);
    let notes = folder.path().join(".cache/huggingface/download/sub/model");
    fs::create_dir_all(&notes).unwrap();
    let time = 1_u64 << 40;
    fs::write(notes.join("model.safetensors.metadata"), format!("{}\n{}\n{time}.5\n", "0".repeat(40), "0".repeat(64)))
        .unwrap();
    let outcome = twelve_documents(&["route", model.to_str().unwrap()], &["--dry-run"]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("is not the file that was fetched"), "{}", outcome.stderr);
}

#[test]
fn weights_that_change_under_a_run_end_it() {
    let bench = Bench::new();
    let checkpoint = bench.open();
    let state = checkpoint.state().unwrap();
    checkpoint.check_unchanged(&state).unwrap();
    // Behind what the clock of the file system tells apart.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let mut file = fs::File::options().write(true).open(bench.file(WEIGHTS)).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(-1)).unwrap();
    std::io::Write::write_all(&mut file, &[1]).unwrap();
    let error = checkpoint.check_unchanged(&state).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("`model.safetensors` changed while the run read it"), "{error}");
    assert!(error.hint().unwrap().contains("--force"));
    // A file put in its place is another one when the folder is opened again.
    let state = bench.open().state().unwrap();
    fs::copy(bench.file(WEIGHTS), bench.file("copy")).unwrap();
    fs::rename(bench.file("copy"), bench.file(WEIGHTS)).unwrap();
    assert!(bench.open().check_unchanged(&state).is_err());
}

#[test]
fn steps_of_a_training_are_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = |name: &str, of: &str| {
        let path = folder.path().join(name);
        copy_folder(&fixture(of), &path);
        path.to_str().unwrap().to_owned()
    };
    let late = checkpoint("checkpoint-1000", "checkpoints/openmoe-tiny-12.3M");
    let early = checkpoint("checkpoint-200", "checkpoints/openmoe-tiny-9.8M");
    let outcome = twelve_documents(&["drift", &late, &early], &["--dry-run"]);
    assert_eq!(outcome.code, 2);
    let expected = "`checkpoint-1000` (step 1000) stands before `checkpoint-200` (step 200)";
    assert!(outcome.stderr.contains(expected) && outcome.stderr.contains("--tokens"), "{}", outcome.stderr);
    let outcome = twelve_documents(&["drift", &early, &late], &["--dry-run"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn what_a_training_saved_with_its_tokenizer_is_switched_off() {
    let plain = fs::read(fixture("tokenizers/small4096/tokenizer.json")).unwrap();
    let mut saved: Value = serde_json::from_slice(&plain).unwrap();
    saved["truncation"] = json!({"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0});
    saved["padding"] = json!({"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "<pad>"});
    let tokenizer = |json: &[u8]| {
        let bench = Bench::tiny("plain.safetensors", WEIGHTS);
        Tokenizer::open(bench.write("tokenizer.json", json).dir()).unwrap().unwrap()
    };
    let (plain, saved) = (tokenizer(&plain), tokenizer(saved.to_string().as_bytes()));
    for text in ["It is a truth universally acknowledged, that a single man", "a", ""] {
        assert_eq!(saved.encode(text).unwrap(), plain.encode(text).unwrap());
        assert_eq!(saved.encode_with_offsets(text).unwrap(), plain.encode_with_offsets(text).unwrap());
    }
    assert!(saved.warnings()[0].contains("is saved with truncation to 4 tokens, padding to 8 tokens"));

    let bpe = |dropout: Value| {
        json!({"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
            "decoder": null, "model": {"type": "BPE", "dropout": dropout, "vocab": {"a": 0, "b": 1, "ab": 2, "\n": 3},
            "merges": ["a b"]}})
        .to_string()
    };
    let chance = tokenizer(bpe(1.0.into()).as_bytes());
    assert_eq!(chance.encode("ab").unwrap(), tokenizer(bpe(Value::Null).as_bytes()).encode("ab").unwrap());
    assert!(chance.warnings()[0].contains("dropout 1 of merges"), "{:?}", chance.warnings());
}

#[test]
fn sentencepiece_under_the_name_of_llama_is_read() {
    let bench = Bench::new();
    let own = Tokenizer::open(bench.dir()).unwrap().unwrap();
    fs::rename(bench.file("spiece.model"), bench.file("tokenizer.model")).unwrap();
    let renamed = Tokenizer::open(bench.dir()).unwrap().unwrap();
    assert!(renamed.file().ends_with("tokenizer.model"));
    assert_eq!(renamed.encode("one two\n").unwrap(), own.encode("one two\n").unwrap());
    // Something else under this name, with a tokenizer.json beside it.
    fs::copy(fixture("tokenizers/small4096/tokenizer.json"), bench.file("tokenizer.json")).unwrap();
    bench.write("tokenizer.model", "no model at all");
    let json = Tokenizer::open(bench.dir()).unwrap().unwrap();
    assert!(json.file().ends_with("tokenizer.json") && json.warnings()[0].contains("is used instead"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_checkpoint_whose_name_is_no_utf_8_is_described_and_routed() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"M69-\xe9"));
    copy_folder(&fixture("checkpoints/openmoe-tiny-12.3M"), &path);
    let run = |first: &str, more: &[&str]| {
        let command =
            std::process::Command::new(env!("CARGO_BIN_EXE_openmoe-analyze")).arg(first).arg(&path).args(more).output();
        command.unwrap()
    };
    assert!(run("inspect", &[]).status.success());
    let corpus = fixture("corpora/domains/book.jsonl").display().to_string();
    assert!(run("route", &["--corpus", &corpus, "--max-sequences", "1", "--dry-run"]).status.success());
}
