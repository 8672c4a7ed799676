//! Time, memory and reading of `route` at the shapes of released models, within a memory limit, through sparse
//! checkpoints that hold numbers only where they matter: OpenMoE with 2 sequences of 2,048 tokens, other families with 4
//! of 1,024.
//!
//! `cargo bench --bench big_shapes` runs every case one after the other, `-- 8b mixtral-8x7b` these two. It fails when a
//! run takes more memory than it was given.
//! `-- --small` gives every case three layers of small matrices, to try the bench; `-- --prepare olmoe-4` writes a case
//! and prints where it and the program are, for `compare_transformers.py`.
//!
//! `GFLOP` are the floating point operations that routing needs (projections and scores of attention, chosen experts,
//! shared experts, dense MLPs, routers; nothing after the last router). `share` is their rate over that of `sgemm`: the
//! best product of large f32 matrices by the `gemm` crate before and after the run. The last column is what the process
//! read over what the routing needs of the weights, per wave: about 1 when no weight is read twice.
#![allow(clippy::print_stdout, clippy::unwrap_used)] // it prints what it measured, and stops with the reason

#[path = "support/forward_pass.rs"]
mod forward_pass;
#[path = "support/released.rs"]
mod released;
#[path = "../support/synthetic_checkpoint.rs"]
mod synthetic_checkpoint;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use candle_core::{DType, Device, Tensor};
use openmoe_analyze::{
    checkpoint::{Dtype, TensorGroup, TensorMap},
    model::{Cost, multiply_rate},
};
use released::Released;
use serde_json::{Value, json};
use synthetic_checkpoint::{IsFilled, is_router, stored_bytes, write_checkpoint};

/// Where things lie in the folder of a case; the run must not lie in what it reads.
const CHECKPOINT: &str = "checkpoint";
const ROWS: &str = "rows.jsonl";
const GIB: f64 = (1_u64 << 30) as f64;
/// Rows, inner dimension and columns of the product by which the machine is measured.
const SGEMM: [usize; 3] = [8192, 2048, 2048];

/// A model, how it is stored, what goes through it, and the memory that it gets.
struct Case {
    name: &'static str,
    model: fn() -> Released,
    dtype: Dtype,
    is_filled: IsFilled,
    sequences: usize,
    length: usize,
    limit_gib: f64,
}

/// A case of OpenMoE.
const OPENMOE: Case = Case {
    name: "8b",
    model: released::openmoe_8b,
    dtype: Dtype::Bf16,
    is_filled: is_router,
    sequences: 2,
    length: 2048,
    limit_gib: 3.0,
};
/// A case of another family.
const OTHER: Case =
    Case { name: "olmoe-1b-7b", model: released::olmoe, sequences: 4, length: 1024, limit_gib: 2.0, ..OPENMOE };
const CASES: [Case; 9] = [
    Case {
        name: "base",
        model: released::openmoe_base,
        dtype: Dtype::F32,
        is_filled: |_| true,
        limit_gib: 1.5,
        ..OPENMOE
    },
    OPENMOE,
    Case { name: "34b", model: released::openmoe_34b, limit_gib: 4.0, ..OPENMOE },
    Case { name: "olmoe-4", model: released::olmoe_of_four_layers, dtype: Dtype::F32, is_filled: |_| true, ..OTHER },
    OTHER,
    Case { name: "qwen3-30b-a3b", model: released::qwen3_30b, limit_gib: 3.0, ..OTHER },
    Case { name: "deepseek-v2-lite", model: released::deepseek_v2_lite, limit_gib: 3.0, ..OTHER },
    Case { name: "mixtral-8x7b", model: released::mixtral_8x7b, limit_gib: 4.0, ..OTHER },
    Case { name: "gpt-oss-20b", model: released::gpt_oss_20b, limit_gib: 4.0, ..OTHER },
];

/// The arguments.
#[derive(Default)]
struct Options {
    small: bool,
    prepare: bool,
    names: Vec<String>,
}

impl Options {
    fn parse() -> Self {
        let mut options = Self::default();
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                "--small" => options.small = true,
                "--prepare" => options.prepare = true,
                "--bench" => {} // cargo adds it
                _ => options.names.push(argument),
            }
        }
        let known: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        for name in &options.names {
            assert!(known.contains(&name.as_str()), "found {name}; expected some of {}", known.join(", "));
        }
        options
    }
}

fn main() {
    let options = Options::parse();
    let chosen = |case: &&Case| options.names.is_empty() || options.names.iter().any(|name| name == case.name);
    let cases: Vec<Prepared> = CASES.iter().filter(chosen).map(|case| Prepared::new(case, options.small)).collect();
    if options.prepare {
        for case in &cases {
            println!("{}", case.write());
        }
        return;
    }
    println!("{}", heading());
    cases.iter().for_each(Prepared::measure);
}

/// A case whose configuration has been read.
struct Prepared<'a> {
    case: &'a Case,
    config: Value,
    map: TensorMap,
    folder: PathBuf,
    sequences: Vec<Vec<u32>>,
}

/// What a run of `route` took.
struct Run {
    manifest: Value,
    /// Bytes that it read, where the system says so.
    read: Option<f64>,
    /// The best rate of a product of matrices before and after, in floating point operations per second.
    sgemm: f64,
    /// Whether the file was in memory before the run.
    is_warm: bool,
}

impl<'a> Prepared<'a> {
    fn new(case: &'a Case, small: bool) -> Self {
        let Released { config, parameters } = (case.model)();
        let config = if small { released::small(&config) } else { config };
        let map = TensorMap::parse(&config.to_string()).unwrap();
        assert!(
            small || map.parameter_count().total == parameters,
            "parameters of {}: {:?}",
            case.name,
            map.parameter_count()
        );
        let folder = forward_pass::folder(&format!("shape-{}", case.name));
        let vocabulary = map.architecture().vocabulary as u32;
        let sequences = forward_pass::random_sequences(case.sequences, case.length, vocabulary);
        Self { case, config, map, folder, sequences }
    }

    /// Writes checkpoint and token ids; says where they and the program are.
    fn write(&self) -> Value {
        let (checkpoint, rows) = (self.folder.join(CHECKPOINT), self.folder.join(ROWS));
        write_checkpoint(&self.config, &checkpoint, self.case.dtype, self.case.is_filled, &self.sequences.concat());
        write_rows(&rows, &self.sequences);
        let flop = Cost::new(&self.map, self.case.length).flop_per_token * self.tokens();
        json!({ "checkpoint": checkpoint, "rows": rows, "program": env!("CARGO_BIN_EXE_openmoe-analyze"), "flop": flop })
    }

    fn tokens(&self) -> f64 {
        self.sequences.iter().map(Vec::len).sum::<usize>() as f64
    }

    /// Writes the checkpoint, routes, prints what it took, removes everything and checks the limit.
    fn measure(&self) {
        self.write();
        let file = self.folder.join(CHECKPOINT).join("model.safetensors");
        let weights = fs::metadata(&file).unwrap();
        let is_warm = warm(&file, weights.len());
        let before = self.sgemm_rate();
        let (manifest, read) = route(&self.folder, self.case.limit_gib);
        let sgemm = before.max(self.sgemm_rate());
        fs::remove_dir_all(&self.folder).unwrap();
        self.print(&weights, &Run { manifest, read, sgemm, is_warm });
    }

    fn print(&self, weights: &fs::Metadata, Run { manifest, read, sgemm, is_warm }: &Run) {
        let Case { name, limit_gib, .. } = self.case;
        let number = |key: &str| manifest[key].as_f64().unwrap_or_else(|| panic!("manifest.json has no {key}"));
        let (tokens, seconds) = (number("tokens"), number("forward_seconds"));
        assert_eq!(tokens, self.tokens());
        let waves = (tokens / number("wave_tokens")).ceil();
        let needed = waves * needed_bytes(&self.map, self.case.dtype, &self.sequences.concat()) as f64;
        let flop = Cost::new(&self.map, self.case.length).flop_per_token * tokens;
        let peak = number("peak_memory_bytes") / GIB;
        println!(
            "{name:>16} {:>8.2} {:>8} {tokens:>6} {waves:>5} {seconds:>9.2} {:>8.1} {:>9.0} {:>7.1} {:>7.1} {:>5.2} \
             {peak:>8.2} {limit_gib:>9.2} {:>8} {:>9.2} {:>11} {:>6}",
            weights.len() as f64 / 1e9,
            disk_gigabytes(weights),
            tokens / seconds,
            flop / 1e9,
            flop / seconds / 1e9,
            sgemm / 1e9,
            flop / seconds / sgemm,
            figure(read.map(|bytes| bytes / 1e9)),
            needed / 1e9,
            figure(read.map(|bytes| bytes / needed)),
            if *is_warm { "memory" } else { "disk" },
        );
        assert!(peak <= *limit_gib, "{name} took {peak:.2} GiB; its limit is {limit_gib} GiB");
    }

    /// The best rate of some products: of large matrices, and of the model's shape as the forward pass cuts them.
    fn sgemm_rate(&self) -> f64 {
        let architecture = self.map.architecture();
        let own = (0..2).map(|_| multiply_rate(architecture.hidden, architecture.experts.mlp.inner));
        own.fold(gemm_rate(), f64::max)
    }
}

/// The best rate of some products of large f32 matrices, which candle hands to the `gemm` crate on all threads.
fn gemm_rate() -> f64 {
    let [rows, inner, columns] = SGEMM;
    let matrix = |rows, columns| Tensor::ones((rows, columns), DType::F32, &Device::Cpu).unwrap();
    let (left, right) = (matrix(rows, inner), matrix(inner, columns));
    let product = |_| {
        let clock = Instant::now();
        left.matmul(&right).unwrap();
        2.0 * (rows * inner * columns) as f64 / clock.elapsed().as_secs_f64()
    };
    (0..5).map(product).fold(0.0, f64::max)
}

fn heading() -> String {
    format!(
        "{:>16} {:>8} {:>8} {:>6} {:>5} {:>9} {:>8} {:>9} {:>7} {:>7} {:>5} {:>8} {:>9} {:>8} {:>9} {:>11} {:>6}",
        "model",
        "file GB",
        "disk GB",
        "tokens",
        "waves",
        "forward s",
        "tokens/s",
        "GFLOP",
        "GFLOP/s",
        "sgemm",
        "share",
        "peak GiB",
        "limit GiB",
        "read GB",
        "needed GB",
        "read/needed",
        "from"
    )
}

/// Reads the file once, so that the run finds it in memory, where it leaves room for the run (Linux): the first reading of a hole
/// fills fresh pages with zeros, which takes a machine that must first be given these pages longer than a disk would.
fn warm(path: &Path, bytes: u64) -> bool {
    let Ok(text) = fs::read_to_string("/proc/meminfo") else { return false };
    let available = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB"));
    let available: f64 = available.and_then(|kibibytes| kibibytes.trim().parse().ok()).unwrap_or(0.0);
    let fits = bytes as f64 + 4.0 * GIB < available * 1024.0;
    if fits {
        std::io::copy(&mut fs::File::open(path).unwrap(), &mut std::io::sink()).unwrap();
    }
    fits
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
        .args(["--no-hash", "-q", "--force", "--memory", &format!("{limit_gib}GiB")])
        .args(["--threads", &rayon::current_num_threads().to_string(), "--corpus"])
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
    let after_router = [TensorGroup::DenseMlp, TensorGroup::Experts, TensorGroup::Scales];
    let tensors = map.expected();
    let needed = tensors.iter().filter(|tensor| {
        layer_and_part(&tensor.name).is_some_and(|(layer, part)| {
            let is_after = after_router.contains(&tensor.group) || part.contains("extra_mlp");
            layer < last || layer == last && !is_after
        })
    });
    let embedding = ids.iter().collect::<BTreeSet<_>>().len() * map.architecture().hidden * dtype.bytes();
    embedding as u64 + needed.map(|tensor| stored_bytes(tensor, dtype)).sum::<u64>()
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
