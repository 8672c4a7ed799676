//! The router's assignment, logits to slots: router logits per second. One rate for every size says that the cost is
//! linear in tokens times experts; with masks over the slots of every expert it would fall with the number of tokens.
#![allow(clippy::unwrap_used)] // a bench stops with the reason

use divan::{Bencher, counter::ItemsCount};
use openmoe_analyze::routing::{CapacityRule, RouterSettings, route};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const TOP_K: usize = 2;

fn main() {
    divan::main();
}

#[divan::bench(consts = [8, 32, 128], args = [2048, 16_384], sample_count = 20)]
fn experts<const EXPERTS: usize>(bencher: Bencher, tokens: usize) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let logits: Vec<f32> = (0..tokens * EXPERTS).map(|_| random.random_range(-4.0..4.0)).collect();
    let capacity = settings(EXPERTS).capacity(tokens).unwrap();
    bencher
        .counter(ItemsCount::new(logits.len()))
        .with_inputs(|| logits.clone())
        .bench_values(|logits| route(logits, EXPERTS, TOP_K, capacity));
}

/// The released configurations' capacity.
fn settings(num_experts: usize) -> RouterSettings {
    RouterSettings {
        num_experts,
        top_k: TOP_K,
        capacity_rule: CapacityRule::Port,
        capacity_factor: 2.0,
        min_capacity: 4,
    }
}
