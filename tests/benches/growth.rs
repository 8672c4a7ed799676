//! How the routing-only forward pass grows, one thing at a time: tokens, layers, experts. A small shape, so that every
//! pass is short.
//!
//! `cargo bench --bench growth` prints the best of some rounds (`-- --rounds N`). The last column compares the time
//! with the floating point operations that are needed: it stays near 1 when time grows as they do, and it doubles when
//! time grows twice as fast. More experts are more weights to read for the same arithmetic, which the MB explain.
#![allow(clippy::print_stdout, clippy::unwrap_used)] // it prints what it measured, and stops with the reason

#[path = "support/forward_pass.rs"]
mod forward_pass;
#[path = "../support/synthetic_checkpoint.rs"]
mod synthetic_checkpoint;

use std::fs;

use forward_pass::{Options, Pass, measure_pass};
use openmoe_analyze::{checkpoint::Dtype, model::Cost};
use synthetic_checkpoint::Shape;

const SMALL: Shape = Shape {
    hidden_size: 256,
    intermediate_size: 512,
    layers: 8,
    heads: 4,
    head_dim: 64,
    vocabulary: 1024,
    experts: 8,
    moe_interval: 2,
};
const LENGTH: usize = 1024;
/// Sequences where layers or experts grow.
const SEQUENCES: usize = 8;

/// A shape, a number of sequences, and what grows here.
struct Point {
    size: usize,
    shape: Shape,
    sequences: usize,
}

/// What was measured at a point.
struct Measured {
    seconds: f64,
    tokens: f64,
    /// Needed floating point operations.
    flop: f64,
    multiply_rate: f64,
    /// Bytes of the weight file.
    bytes: u64,
}

fn main() {
    let rounds = Options::parse().rounds;
    let point = |size, shape, sequences| Point { size, shape, sequences };
    let tokens = [2, 8, 32].map(|sequences| point(sequences * LENGTH, SMALL, sequences));
    let layers = [8, 16, 32].map(|layers| point(layers, Shape { layers, ..SMALL }, SEQUENCES));
    let experts = [8, 16, 32, 64, 128].map(|experts| point(experts, Shape { experts, ..SMALL }, SEQUENCES));
    println!(
        "{:>15} {:>9} {:>9} {:>9} {:>9} {:>9} {:>18}",
        "", "MB", "s", "us/token", "GFLOP/s", "of rate", "s/FLOP, first = 1"
    );
    series("tokens", &tokens, rounds);
    series("layers", &layers, rounds);
    series("experts", &experts, rounds);
}

/// Measures and prints the points of one thing that grows.
fn series(name: &str, points: &[Point], rounds: usize) {
    let mut first = None;
    for point in points {
        let measured = measure(point, rounds);
        let per_flop = measured.seconds / measured.flop;
        println!(
            "{:>15} {:>9.1} {:>9.3} {:>9.2} {:>9.1} {:>9.2} {:>18.2}",
            format!("{} {name}", point.size),
            measured.bytes as f64 / 1e6,
            measured.seconds,
            measured.seconds / measured.tokens * 1e6,
            1e-9 / per_flop,
            1.0 / per_flop / measured.multiply_rate,
            per_flop / *first.get_or_insert(per_flop)
        );
    }
}

/// Writes the checkpoint of a point, measures it and removes it.
fn measure(point: &Point, rounds: usize) -> Measured {
    let folder = forward_pass::folder("growth");
    let sequences = forward_pass::random_sequences(point.sequences, LENGTH, point.shape.vocabulary as u32);
    point.shape.write(&folder, Dtype::Bf16, |_| true, &sequences.concat());
    let bytes = fs::metadata(folder.join("model.safetensors")).unwrap().len();
    let passes = (0..rounds.max(1)).map(|_| measure_pass(&folder, &sequences));
    let Pass { map, seconds, multiply_rate } = passes.min_by(|a, b| a.seconds.total_cmp(&b.seconds)).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let tokens = (point.sequences * LENGTH) as f64;
    let flop = Cost::new(&map, LENGTH).flop_per_token * tokens;
    Measured { seconds, tokens, flop, multiply_rate, bytes }
}
