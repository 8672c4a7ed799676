//! Memory and reading of `route` at the shapes of the released models, within a memory limit: 2 sequences of 2,048
//! tokens through sparse checkpoints that hold numbers only where they matter.
//!
//! `cargo bench --bench big_shapes` runs base, 8b and 34b one after the other, `-- 8b` one of them. It fails when a run
//! takes more memory than it was given. The last column is what the process read over what the routing needs of the
//! weights, per wave: about 1 when no weight is read twice.
#![allow(clippy::print_stdout, clippy::unwrap_used)] // it prints what it measured, and stops with the reason

#[path = "support/forward_pass.rs"]
mod forward_pass;
#[path = "../support/synthetic_checkpoint.rs"]
mod synthetic_checkpoint;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use forward_pass::BASE;
use openmoe_analyze::checkpoint::{Dtype, TensorMap};
use serde_json::{Value, json};
use synthetic_checkpoint::Shape;

const SEQUENCES: usize = 2;
const LENGTH: usize = 2048;
/// Where things lie in the folder of a case; the run must not lie in what it reads.
const CHECKPOINT: &str = "checkpoint";
const ROWS: &str = "rows.jsonl";
const GIB: f64 = (1_u64 << 30) as f64;

/// A model, how it is stored, and the memory that it gets.
struct Case {
    name: &'static str,
    shape: Shape,
    parameters: u64,
    dtype: Dtype,
    /// Which matrices hold numbers: all of them, or only the routers, so that every layer routes by the embedding and
    /// visits every expert.
    is_filled: fn(&str) -> bool,
    limit_gib: f64,
}

const CASES: [Case; 3] = [
    Case { name: "base", shape: BASE, parameters: 799_663_104, dtype: Dtype::F32, is_filled: |_| true, limit_gib: 1.5 },
    Case {
        name: "8b",
        shape: Shape {
            hidden_size: 2048,
            intermediate_size: 8192,
            layers: 24,
            heads: 24,
            head_dim: 128,
            vocabulary: 256_384,
            experts: 32,
            moe_interval: 6,
        },
        parameters: 11_855_046_656,
        dtype: Dtype::Bf16,
        is_filled: is_router,
        limit_gib: 3.0,
    },
    Case {
        name: "34b",
        shape: Shape {
            hidden_size: 3072,
            intermediate_size: 12_288,
            layers: 32,
            heads: 24,
            head_dim: 128,
            vocabulary: 256_384,
            experts: 32,
            moe_interval: 4,
        },
        parameters: 46_270_737_408,
        dtype: Dtype::Bf16,
        is_filled: is_router,
        limit_gib: 4.0,
    },
];

fn is_router(tensor: &str) -> bool {
    tensor.ends_with("gate_weight")
}

fn main() {
    let chosen = std::env::args().skip(1).find(|argument| argument != "--bench"); // cargo adds it
    let cases: Vec<&Case> =
        CASES.iter().filter(|case| chosen.as_ref().is_none_or(|chosen| chosen == case.name)).collect();
    assert!(!cases.is_empty(), "expected base, 8b or 34b; found {}", chosen.unwrap_or_default());
    println!(
        "{:>5} {:>9} {:>9} {:>7} {:>10} {:>9} {:>10} {:>9} {:>10} {:>12}",
        "model",
        "file GB",
        "disk GB",
        "tokens",
        "forward s",
        "peak GiB",
        "limit GiB",
        "read GB",
        "needed GB",
        "read/needed"
    );
    cases.into_iter().for_each(measure);
}

/// Writes the checkpoint, routes, prints what it took, removes everything and checks the limit.
fn measure(case: &Case) {
    let map = TensorMap::parse(&case.shape.config_json().to_string()).unwrap();
    assert_eq!(map.parameter_count().total, case.parameters, "parameters of {}", case.name);
    let folder = forward_pass::folder(&format!("shape-{}", case.name));
    let sequences = forward_pass::random_sequences(SEQUENCES, LENGTH, case.shape.vocabulary as u32);
    let ids = sequences.concat();
    case.shape.write(&folder.join(CHECKPOINT), case.dtype, case.is_filled, &ids);
    write_rows(&folder.join(ROWS), &sequences);
    let weights = fs::metadata(folder.join(CHECKPOINT).join("model.safetensors")).unwrap();
    let (manifest, read) = route(&folder, case.limit_gib);
    fs::remove_dir_all(&folder).unwrap();
    let number = |key: &str| manifest[key].as_f64().unwrap_or_else(|| panic!("manifest.json has no {key}"));
    let waves = (number("tokens") / number("wave_tokens")).ceil();
    let needed = waves * needed_bytes(&map, case.dtype, &ids) as f64;
    let peak = number("peak_memory_bytes") / GIB;
    println!(
        "{:>5} {:>9.2} {:>9} {:>7} {:>10.1} {:>9.2} {:>10.2} {:>9} {:>10.2} {:>12}",
        case.name,
        weights.len() as f64 / 1e9,
        disk_gigabytes(&weights),
        number("tokens"),
        number("forward_seconds"),
        peak,
        case.limit_gib,
        figure(read.map(|bytes| bytes / 1e9)),
        needed / 1e9,
        figure(read.map(|bytes| bytes / needed)),
    );
    assert!(peak <= case.limit_gib, "{} took {peak:.2} GiB; its limit is {} GiB", case.name, case.limit_gib);
}

/// A corpus of token ids, one row per sequence.
fn write_rows(path: &Path, sequences: &[Vec<u32>]) {
    let row = |(index, ids): (usize, &Vec<u32>)| json!({ "id": format!("row {index}"), "input_ids": ids }).to_string();
    let rows: Vec<String> = sequences.iter().enumerate().map(row).collect();
    fs::write(path, rows.join("\n")).unwrap();
}

/// Runs the built binary; its manifest, and the bytes that it read where the system says so.
fn route(folder: &Path, limit_gib: f64) -> (Value, Option<f64>) {
    let out = folder.join("run");
    let before = bytes_read();
    let output = Command::new(env!("CARGO_BIN_EXE_openmoe-analyze"))
        .arg("route")
        .arg(folder.join(CHECKPOINT))
        .args(["--no-hash", "-q", "--force", "--memory", &format!("{limit_gib}GiB"), "--corpus"])
        .arg(folder.join(ROWS))
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    let after = bytes_read();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let manifest = fs::read(out.join("manifest.json")).unwrap();
    (serde_json::from_slice(&manifest).unwrap(), after.zip(before).map(|(after, before)| after - before))
}

/// What this process and the children that it has waited for have read so far (Linux).
fn bytes_read() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("rchar: "))?.trim().parse().ok()
}

/// Bytes of the weights that one routing-only wave needs: everything up to the last router, of the embedding the rows
/// that occur.
fn needed_bytes(map: &TensorMap, dtype: Dtype, ids: &[u32]) -> u64 {
    let last = map.architecture().moe_layers().last().map_or(0, |&layer| usize::from(layer));
    let needed = |name: &str| {
        layer_and_part(name).is_some_and(|(layer, part)| {
            layer < last || layer == last && !part.starts_with("mlp.experts.") && !part.contains("extra_mlp")
        })
    };
    let tensors = map.expected();
    let layers = tensors.iter().filter(|tensor| needed(&tensor.name));
    let embedding = ids.iter().collect::<BTreeSet<_>>().len() * map.architecture().hidden;
    let numbers = embedding + layers.map(|tensor| tensor.shape.iter().product::<usize>()).sum::<usize>();
    (numbers * dtype.bytes()) as u64
}

/// The layer of a tensor, and what it is there.
fn layer_and_part(name: &str) -> Option<(usize, &str)> {
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

/// GB that a file takes on the disk, where the system says so; holes take none.
fn disk_gigabytes(file: &fs::Metadata) -> String {
    #[cfg(unix)]
    return figure(Some(std::os::unix::fs::MetadataExt::blocks(file) as f64 * 512.0 / 1e9));
    #[cfg(not(unix))]
    return figure(None);
}

/// Two decimals, or a dash for what the system does not say.
fn figure(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"))
}
