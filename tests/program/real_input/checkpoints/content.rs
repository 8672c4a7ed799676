//! What weights, caches, labels and tokenizers hold.

use openmoe_analyze::{
    checkpoint::{OddityKind, describe_oddities, repository_name, snapshot},
    corpus::Tokenizer,
};
use serde_json::json;

use super::*;
use crate::support::{
    planted_checkpoint::{planted, zeros},
    program::openmoe_with,
};

#[test]
fn a_router_that_cannot_choose_is_refused_unless_it_is_wanted() {
    for (pattern, message, notes) in [
        (
            [0, 0],
            expect![[r#"
            error: checkpoint `TEMP` cannot be used: 1 problem
              - all 16 rows of `model.layers.3.mlp.gate_weight` are equal (zero): this router cannot choose

            hint: every token gets the same experts; --allow-constant-router routes it all the same
        "#]],
            expect![[r#"
            warning: all 16 rows of `model.layers.3.mlp.gate_weight` are equal (zero): this router cannot choose
            categories: 1 by `domain`
            --max-sequences left out 56 documents, in whole or in part
            warning: TEMP: weights are zero throughout: `model.layers.3.mlp.gate_weight`
            TEMP: 5,206 tokens in 12 sequences of 12 documents; MoE layers [1, 3, 5], 16 experts, top-2
        "#]],
        ),
        (
            [0x80, 0x3c],
            expect![[r#"
            error: checkpoint `TEMP` cannot be used: 1 problem
              - all 16 rows of `model.layers.3.mlp.gate_weight` are equal: this router cannot choose

            hint: every token gets the same experts; --allow-constant-router routes it all the same
        "#]],
            expect![[r#"
            warning: all 16 rows of `model.layers.3.mlp.gate_weight` are equal: this router cannot choose
            categories: 1 by `domain`
            --max-sequences left out 56 documents, in whole or in part
            warning: TEMP: weights are of one number throughout: `model.layers.3.mlp.gate_weight` (0.015625)
            TEMP: 5,206 tokens in 12 sequences of 12 documents; MoE layers [1, 3, 5], 16 experts, top-2
        "#]],
        ),
    ] {
        let bench = Bench::new();
        fill(&bench.file(WEIGHTS), GATE, 0, 16, pattern);
        bench.route(&["--dry-run"]).refused(&message);
        bench.route(&["--dry-run", "--allow-constant-router"]).done_saying(&notes);
    }
    let bench = Bench::new();
    fill(&bench.file(WEIGHTS), "model.layers.3.post_attention_layernorm.weight", 0, 16, [0, 0]);
    expect!["`model.layers.3.post_attention_layernorm.weight` is zero throughout: the router behind it sees no token"]
        .assert_eq(&bench.open().constant_routers().unwrap().join("\n"));
    // Half of the rows of one kind is a router that chooses.
    let bench = Bench::new();
    fill(&bench.file(WEIGHTS), GATE, 0, 8, [0, 0]);
    assert!(bench.open().constant_routers().unwrap().is_empty());
}

/// The norm before the router may be zero as well, and the whole way to the terminal.
#[test]
fn the_program_says_that_a_router_is_constant() {
    let folder = tempfile::tempdir().unwrap();
    let [checkpoint, out] = ["model", "run"].map(|name| folder.path().join(name));
    planted(&checkpoint, 2, &mut zeros(|name| name.ends_with("gate_weight")));
    let [checkpoint, out] = [checkpoint, out].map(|path| path.display().to_string());
    let more = ["--context", "64", "--truncate", "--allow-constant-router", "--quiet", "--out", &out];
    let outcome = twelve_documents(&["route", &checkpoint], &more);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let parts: Vec<&str> = outcome.stdout.trim_end().split("\n\n").collect();
    let [answer, details, _, places] = parts[..] else { panic!("{}", outcome.stdout) };
    expect![[r#"
        Overall: the router is constant in every layer, so there is nothing to explain (every token gets the experts 0, 1).
        layer 1: the router is constant: every token gets the experts 0, 1; there is nothing to explain
        14 charts in TEMP/run/charts, the report in TEMP/run/report.html
    "#]]
    .assert_eq(&settled(&format!("{answer}\n{details}\n{places}\n")));
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
    outcome.done_saying(&expect![[r#"
        warning: TEMP: weights are zero throughout: `model.layers.1.self_attn.o_proj.weight`
    "#]]);
    let notes = read_json(&Path::new(out).join("manifest.json"))["notes"].clone();
    assert_eq!(notes[0]["reason"], "weights are zero throughout: `model.layers.1.self_attn.o_proj.weight`");
}

#[test]
fn a_model_that_guesses_is_said_to_guess() {
    let bench = Bench::new();
    fill(&bench.file(WEIGHTS), "lm_head.weight", 0, 16, [0, 0]);
    let path = bench.dir().to_str().unwrap();
    let outcome = openmoe_with(&["inspect", path, "--text", "It is a truth", "--continuation", "1"]);
    outcome.done_saying(&expect![[r#"
        warning: weights are zero throughout: `lm_head.weight`
    "#]]);
    let perplexity = outcome.stdout.lines().find(|line| line.starts_with("perplexity"));
    expect!["perplexity      4096.0 over 6 tokens (nll 8.318 per token; a uniform guess has 4,096): that of guessing: this model has learnt nothing, or its weights are damaged"].assert_eq(perplexity.unwrap());
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
    twelve_documents(&["route", root.to_str().unwrap()], &["--dry-run"]).done_saying(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        b: 5,206 tokens in 12 sequences of 12 documents; MoE layers [1, 3, 5], 16 experts, top-2
    "#]]);
    // Of two snapshots that of the main branch.
    fs::create_dir_all(root.join("snapshots").join("1".repeat(40))).unwrap();
    fs::create_dir_all(root.join("refs")).unwrap();
    fs::write(root.join("refs/main"), "0".repeat(40)).unwrap();
    assert_eq!(snapshot(&root), found);
    let (_folder, root) = hub(&right.replace('4', "5"));
    twelve_documents(&["route", root.to_str().unwrap()], &["--dry-run"]).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: checkpoint `TEMP/models--a--b/snapshots/0000000000000000000000000000000000000000` cannot be used: 1 problem
          - `model.safetensors` has SHA-256 420752708eabb4c869170cae6dc0ab0f9664275852aafffa2d37c4757d0768b2; the cache of the hub calls it 520752708eabb5c869170cae6dc0ab0f9665275852aafffa2d37c5757d0768b2: it is not the file that was fetched

        hint: remove the file and what the cache holds of it, and fetch it again
    "#]]);
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
    // The file was changed after the download, so it is not the downloaded file any more.
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
    twelve_documents(&["route", model.to_str().unwrap()], &["--dry-run"]).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: checkpoint `TEMP/sub/model` cannot be used: 1 problem
          - `model.safetensors` has SHA-256 420752708eabb4c869170cae6dc0ab0f9664275852aafffa2d37c4757d0768b2; the cache of the hub calls it 0000000000000000000000000000000000000000000000000000000000000000: it is not the file that was fetched

        hint: remove the file and what the cache holds of it, and fetch it again
    "#]]);
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
    expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `model.safetensors` changed while the run read it: its size, times or bytes are not those it had
        hint: what was written since the last check may be of mixed weights and is not kept: when nothing writes to the files any more, run the same command with `Occupied::Replace`; `Occupied::Resume` goes on only if the files are again what they were"#]].assert_eq(&settled(&format!("{error}\nhint: {}", error.hint().unwrap())));
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
    twelve_documents(&["drift", &late, &early], &["--dry-run"]).refused(&expect![[r#"
        error: the checkpoints are not in the order of training:
          - `checkpoint-1000` (step 1000) stands before `checkpoint-200` (step 200)

        hint: give the checkpoints in the order of training (a shell sorts checkpoint-1000 before checkpoint-200), or say with --tokens how far each was trained
    "#]]);
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
    expect!["tokenizer `TEMP/tokenizer.json` is saved with truncation to 4 tokens, padding to 8 tokens; switched off, so that every text is taken whole and as it is"].assert_eq(&settled(&saved.warnings().join("\n")));

    let bpe = |dropout: Value| {
        json!({"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
            "decoder": null, "model": {"type": "BPE", "dropout": dropout, "vocab": {"a": 0, "b": 1, "ab": 2, "\n": 3},
            "merges": ["a b"]}})
        .to_string()
    };
    let chance = tokenizer(bpe(1.0.into()).as_bytes());
    assert_eq!(chance.encode("ab").unwrap(), tokenizer(bpe(Value::Null).as_bytes()).encode("ab").unwrap());
    expect!["tokenizer `TEMP/tokenizer.json` is saved with dropout 1 of merges; switched off, so that every text is taken whole and as it is"].assert_eq(&settled(&chance.warnings().join("\n")));
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
    assert!(json.file().ends_with("tokenizer.json"));
    expect!["tokenizer `TEMP/tokenizer.model` is not a SentencePiece model: failed to decode Protobuf message: invalid wire type value: 6; `tokenizer.json` is used instead"].assert_eq(&settled(&json.warnings().join("\n")));
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
