//! What the benches share: sizes from the environment, and a made-up run whose trace looks like a real one.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // every bench uses a part of this, and stops with the reason

pub mod synthetic;

/// A size from the environment, as in `BENCH_ROWS=10000000 cargo bench`; `default` keeps the bench short.
pub fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}
