//! Memory is bounded by `--memory`, not by the size of the checkpoint.
use std::fs;

use openmoe_analyze::checkpoint::Dtype;
use serde_json::json;

use crate::support::{
    files::read_json,
    program::{openmoe_with, tiny},
    synthetic_checkpoint::{Shape, is_router},
};

/// 430 million numbers, nearly all of them holes: 0.9 GB that take a few MB of disk.
const SHAPE: Shape = Shape {
    hidden_size: 256,
    intermediate_size: 2048,
    layers: 12,
    heads: 4,
    head_dim: 64,
    vocabulary: 1024,
    experts: 32,
    moe_interval: 2,
};
const LIMIT: u64 = 320 << 20;

/// Routes the rows of token ids within `limit` bytes; the peak of the forward pass must be below. /proc tells it.
fn route_within(limit: u64, checkpoint: &str, rows: impl Iterator<Item = Vec<u32>>) {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = rows.map(|ids| json!({ "input_ids": ids }).to_string()).collect();
    let (corpus, out) = (folder.path().join("rows.jsonl"), folder.path().join("run"));
    fs::write(&corpus, rows.join("\n")).unwrap();
    let (corpus, memory) = (corpus.to_str().unwrap(), limit.to_string());
    let paths = ["route", checkpoint, "--corpus", corpus, "--out", out.to_str().unwrap()];
    let options = ["--memory", &memory, "--no-bos", "--no-hash", "--resamples", "0", "--permutations", "0", "-q"];
    let outcome = openmoe_with(&[&paths[..], &options].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let manifest = read_json(&out.join("manifest.json"));
    let peak = manifest["forward_peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < limit, "peak {peak} of {limit}");
    assert_eq!(manifest["memory_limit_bytes"], limit);
}

#[cfg(target_os = "linux")]
#[test]
fn a_checkpoint_twice_as_large_as_the_memory_runs_within_it() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<Vec<u32>> =
        (0..3_u32).map(|row| (0..256).map(|position| (row * 300 + position) % 1024).collect()).collect();
    SHAPE.write(folder.path(), Dtype::Bf16, is_router, &ids.concat());
    let bytes = fs::metadata(folder.path().join("model.safetensors")).unwrap().len();
    assert!(bytes > 2 * LIMIT, "{bytes}");
    route_within(LIMIT, folder.path().to_str().unwrap(), ids.into_iter());
}

/// A sequence takes whole panels of 64 keys: 4,000 of one token would take 250 MB in one wave.
#[cfg(target_os = "linux")]
#[test]
fn short_sequences_stay_within_the_memory_too() {
    route_within(260 << 20, &tiny("12.3M"), (0..4000).map(|row| vec![5 + row % 4000]));
}
