//! Memory is bounded by `--memory`, not by the size of the checkpoint.
#![allow(clippy::unwrap_used)] // a test stops with the reason

mod common;
#[path = "common/synthetic_checkpoint.rs"]
mod synthetic_checkpoint;

use std::fs;

use common::{openmoe_with, read_json, tiny};
use openmoe_analyze::checkpoint::Dtype;
use serde_json::json;
use synthetic_checkpoint::{Fill, Shape};

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

/// Resident memory is read from /proc.
#[cfg(target_os = "linux")]
#[test]
fn a_checkpoint_twice_as_large_as_the_memory_runs_within_it() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let ids: Vec<Vec<u32>> =
        (0..3_u32).map(|row| (0..256).map(|position| (row * 300 + position) % 1024).collect()).collect();
    SHAPE.write(&checkpoint, Dtype::Bf16, Fill::Holes, &ids.concat());
    let bytes = fs::metadata(checkpoint.join("model.safetensors")).unwrap().len();
    assert!(bytes > 2 * LIMIT, "{bytes}");
    let rows: Vec<String> = ids.iter().map(|ids| json!({ "input_ids": ids }).to_string()).collect();
    let corpus = folder.path().join("rows.jsonl");
    fs::write(&corpus, rows.join("\n")).unwrap();
    let out = folder.path().join("run");
    let paths = [&checkpoint, &corpus, &out].map(|path| path.to_str().unwrap());
    let limit = LIMIT.to_string();
    let outcome = openmoe_with(&[
        "route",
        paths[0],
        "--corpus",
        paths[1],
        "--out",
        paths[2],
        "--no-hash",
        "--memory",
        &limit,
        "-q",
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let manifest = read_json(&out.join("manifest.json"));
    let peak = manifest["forward_peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < LIMIT, "peak {peak} of {LIMIT}");
    assert_eq!(manifest["memory_limit_bytes"], LIMIT);
}

/// A sequence takes whole panels of 64 keys: 4,000 of one token would take 250 MB in one wave.
#[cfg(target_os = "linux")]
#[test]
fn short_sequences_stay_within_the_memory_too() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..4000).map(|row| json!({ "input_ids": [5 + row % 4000] }).to_string()).collect();
    let corpus = folder.path().join("rows.jsonl");
    fs::write(&corpus, rows.join("\n")).unwrap();
    let (checkpoint, out) = (tiny("12.3M"), folder.path().join("run"));
    let paths = [corpus.to_str().unwrap(), out.to_str().unwrap()];
    let limit = (260_u64 << 20).to_string();
    let options = ["--no-bos", "--memory", &limit, "--resamples", "0", "--permutations", "0", "-q"];
    let outcome =
        openmoe_with(&[&["route", &checkpoint, "--corpus", paths[0], "--out", paths[1]], &options[..]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let manifest = read_json(&out.join("manifest.json"));
    let peak = manifest["forward_peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < 260 << 20, "peak {peak}");
}
