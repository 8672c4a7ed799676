//! The same weights give the same routing, wherever they lie.

use std::{fs, path::Path};

use expect_test::expect;

use crate::support::{
    files::fixture,
    program::{contents, openmoe_with},
    t5x_store::{Store, case},
};

/// Routes rows of token ids below `vocabulary`; the files of the trace.
fn traced(checkpoint: &Path, vocabulary: usize) -> Vec<(String, Vec<u8>)> {
    traced_with(checkpoint, vocabulary, &[])
}

fn traced_with(checkpoint: &Path, vocabulary: usize, more: &[&str]) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let rows = (0..4).map(|row| {
        let ids: Vec<usize> = (0..12).map(|place| (row * 7 + place * place + 3 * place) % vocabulary).collect();
        serde_json::json!({ "input_ids": ids }).to_string()
    });
    let corpus = folder.path().join("rows.jsonl");
    fs::write(&corpus, rows.collect::<Vec<_>>().join("\n")).unwrap();
    let out = folder.path().join("run");
    let [checkpoint, corpus, to] = [checkpoint, &corpus, &out].map(|path| path.to_str().unwrap());
    let options = ["--context", "12", "--log-logits", "--resamples", "40", "--permutations", "10", "--quiet"];
    let outcome = openmoe_with(&[&["route", checkpoint, "--corpus", corpus, "--out", to], &options[..], more].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    ["trace", "router", "logits"].into_iter().flat_map(|part| contents(&out.join(part))).collect()
}

fn convert(source: &Path, out: &Path, more: &[&str]) {
    let outcome = openmoe_with(
        &[&["convert", source.to_str().unwrap(), "--out", out.to_str().unwrap(), "--quiet"], more].concat(),
    );
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

/// A golden's folder with the configuration that its ZIP of a T5X checkpoint is read with.
fn archive(name: &str, folder: &Path) -> std::path::PathBuf {
    fs::copy(fixture("goldens").join(name).join("config.json"), folder.join("config.json")).unwrap();
    let zip = folder.join(format!("{name}.zip"));
    fs::copy(case(&format!("{name}.zip")), &zip).unwrap();
    zip
}

#[test]
fn original_and_t5x_and_its_conversion_are_routed_alike() {
    for name in ["C_batch3", "D_bf16"] {
        let folder = tempfile::tempdir().unwrap();
        let original = traced(&fixture("goldens").join(name), 160);
        assert!(original.len() >= 3 && original.iter().all(|(_, bytes)| !bytes.is_empty()));
        let zip = archive(name, folder.path());
        assert!(traced(&zip, 160) == original, "{name}: from the archive");
        assert!(traced(folder.path(), 160) == original, "{name}: from the folder of the archive");
        let converted = folder.path().join("converted");
        convert(&zip, &converted, &["--max-shard-size", "500kB"]);
        assert!(converted.join("model.safetensors.index.json").is_file());
        assert!(traced(&converted, 160) == original, "{name}: converted");
        let elsewhere = converted.join("config.json");
        fs::remove_file(folder.path().join("config.json")).unwrap();
        let config = ["--config", elsewhere.to_str().unwrap()];
        assert!(traced_with(&zip, 160, &config) == original, "{name}: with a configuration from elsewhere");
        let own = openmoe_with(&[&["inspect", converted.to_str().unwrap()], &config[..]].concat());
        assert!(own.code == 2 && own.stderr.contains("is none, and has its own `config.json`"), "{}", own.stderr);
    }
}

#[test]
fn rounding_to_bf16_gives_the_checkpoint_that_was_saved_in_bf16() {
    let folder = tempfile::tempdir().unwrap();
    let (narrow, rounded) = (folder.path().join("narrow"), folder.path().join("rounded"));
    let bf16 = Store::new("tiny_bf16");
    convert(&bf16.root(), &narrow, &[]);
    convert(&Store::new("tiny_f32").root(), &rounded, &["--dtype", "bf16"]);
    let weights = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert!(weights(&narrow) == weights(&rounded));
    assert!(traced(&bf16.path(""), 8) == traced(&narrow, 8));
}

#[test]
fn a_lost_description_and_a_chunk_of_one_number_are_read_and_told() {
    let store = Store::new("tiny_f32");
    let whole = traced(&store.root(), 8);
    fs::remove_file(store.query(".zarray")).unwrap();
    assert!(traced(&store.root(), 8) == whole);
    let zero = Store::new("tiny_f32");
    zero.pack("1.1", &[0; 16]);
    let zeros = traced(&zero.root(), 8);
    fs::remove_file(zero.query("1.1")).unwrap();
    zero.describe("fill_value", 0.into());
    assert!(traced(&zero.root(), 8) == zeros && zeros != whole);
    let notes = |store: &Store| openmoe_with(&["inspect", store.root().to_str().unwrap()]);
    notes(&store).done_saying(&expect![[r#"
        warning: the configuration is that of `TEMP/t5x/config.json`
        warning: `.zarray` is missing beside 1 of 26 arrays (`target.decoder.layers_0.self_attention.query.kernel`), and they are read by what the index says of them: row by row, `.` between the numbers in the names of chunks
        warning: the weights are those of training step 500
    "#]]);
    notes(&zero).done_saying(&expect![[r#"
        warning: the configuration is that of `TEMP/t5x/config.json`
        warning: 1 of 4 chunks of `target.decoder.layers_0.self_attention.query.kernel` have no file; by its `fill_value` they are of one number
        warning: the weights are those of training step 500
    "#]]);
}

/// Version 2 has the bits of bf16 as integers.
#[test]
fn the_integers_of_version_2_are_bf16() {
    let store = Store::new("tiny_bf16");
    let whole = traced(&store.root(), 8);
    store.at("version", |version| *version = 2.into());
    store.reference("dtype", "uint16".into());
    store.describe("dtype", "<u2".into());
    assert!(traced(&store.root(), 8) == whole);
}

#[test]
fn weights_that_change_while_they_are_read_are_noticed() {
    let store = Store::new("tiny_f32");
    let checkpoint = openmoe_analyze::checkpoint::Checkpoint::open(&store.root()).unwrap();
    let mut sums = Vec::new();
    for index in 0..checkpoint.files().len() {
        sums.push(checkpoint.read_whole(index, &mut |_| {}).unwrap().sha256);
    }
    let before = checkpoint.state().unwrap().with_sums(sums);
    checkpoint.check_unchanged(&before).unwrap();
    let bytes = fs::read(store.query("0.1")).unwrap();
    store.pack("0.1", &[1; 16]);
    let changed = checkpoint.check_unchanged(&before).unwrap_err().to_string();
    assert!(changed.contains("`target.decoder.layers_0.self_attention.query.kernel` changed"), "{changed}");
    fs::write(store.query("0.1"), bytes).unwrap();
}
