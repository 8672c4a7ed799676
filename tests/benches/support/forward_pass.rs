//! What the benchmarks of the forward pass share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // every bench uses a part of this, and stops with the reason

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use openmoe_analyze::{
    checkpoint::{Checkpoint, TensorMap},
    error::Result,
    model::{Arithmetic, ForwardOptions, Model, Outputs, Wave, multiply_rate},
    routing::{LayerRouting, RoutingObserver},
};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::synthetic_checkpoint::Shape;

/// openmoe-base (650M).
pub const BASE: Shape = Shape {
    hidden_size: 768,
    intermediate_size: 2048,
    layers: 12,
    heads: 12,
    head_dim: 64,
    vocabulary: 256_384,
    experts: 16,
    moe_interval: 4,
};

/// The arguments after `cargo bench --bench NAME --`.
#[derive(Debug)]
pub struct Options {
    pub checkpoint: Option<PathBuf>,
    pub rounds: usize,
    pub prepare: bool,
    pub json: bool,
}

impl Options {
    pub fn parse() -> Self {
        let mut options = Self { checkpoint: None, rounds: 3, prepare: false, json: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--checkpoint" => options.checkpoint = arguments.next().map(PathBuf::from),
                "--rounds" => options.rounds = arguments.next().and_then(|n| n.parse().ok()).expect("--rounds N"),
                "--prepare" => options.prepare = true,
                "--json" => options.json = true,
                "--bench" => {} // cargo adds it
                other => panic!("unknown argument {other}"),
            }
        }
        options
    }
}

/// A folder for the data of benchmarks, below target/.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench").join(name)
}

/// Sequences of random token ids, BOS first.
pub fn random_sequences(count: usize, length: usize, vocabulary: u32) -> Vec<Vec<u32>> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
    let mut sequence =
        || -> Vec<u32> { std::iter::once(0).chain((1..length).map(|_| random.random_range(2..vocabulary))).collect() };
    (0..count).map(|_| sequence()).collect()
}

/// Leaves the token ids beside a checkpoint.
pub fn write_tokens(folder: &Path, sequences: &[Vec<u32>]) {
    fs::write(folder.join("tokens.json"), serde_json::to_vec(sequences).unwrap()).unwrap();
}

/// The token ids beside a checkpoint.
pub fn tokens_of(folder: &Path) -> Vec<Vec<u32>> {
    serde_json::from_slice(&fs::read(folder.join("tokens.json")).unwrap()).unwrap()
}

/// Counts what it observes, so that the compiler cannot remove any work.
#[derive(Default)]
struct Counter {
    assignments: usize,
}

impl RoutingObserver for Counter {
    fn observe_routing(&mut self, routing: &LayerRouting) -> Result<()> {
        self.assignments += routing.expert.len();
        Ok(())
    }
}

/// A measured forward pass.
pub struct Pass {
    pub map: TensorMap,
    pub seconds: f64,
    /// The best of the rates measured before and after, in floating point operations per second.
    pub multiply_rate: f64,
}

/// One routing-only forward pass over all sequences as one wave and one routing group, reading of the weights included.
pub fn measure_pass(folder: &Path, sequences: &[Vec<u32>]) -> Pass {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let architecture = checkpoint.architecture();
    let (hidden, inner) = (architecture.hidden, architecture.experts.mlp.inner);
    let rate = || (0..4).map(|_| multiply_rate(hidden, inner)).fold(0.0, f64::max);
    let before = rate();
    let options = ForwardOptions {
        shape: architecture.routing_shape(None, None),
        arithmetic: Arithmetic::F32,
        outputs: Outputs::default(),
    };
    let wave = Wave {
        sequences: sequences.iter().map(Vec::as_slice).collect(),
        groups: std::iter::once(0..sequences.len()).collect(),
        ..Wave::default()
    };
    let mut counter = Counter::default();
    let clock = Instant::now();
    Model::new(&checkpoint, options).forward(&wave, &mut counter).unwrap();
    let seconds = clock.elapsed().as_secs_f64();
    assert_eq!(counter.assignments, wave.tokens() * architecture.experts.chosen * architecture.moe_layers().len());
    Pass { seconds, multiply_rate: rate().max(before), map: checkpoint.map().clone() }
}
