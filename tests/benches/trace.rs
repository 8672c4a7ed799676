//! Trace: rows written and read per second. `BENCH_ROWS` chooses the size.
//!
//! With `BENCH_RUN=FOLDER` the run is left in that folder and nothing is measured.

#![allow(clippy::unwrap_used)] // a bench stops with the reason

mod support;

use std::path::Path;

use divan::{Bencher, counter::ItemsCount};
use openmoe_analyze::{
    routing::{LayerRouting, Provides, RoutingObserver},
    trace::TraceWriter,
};
use support::{size, synthetic::Synthetic};

fn main() {
    match std::env::var("BENCH_RUN") {
        Ok(folder) => {
            Synthetic::new(rows()).write(Path::new(&folder));
        }
        Err(_) => divan::main(),
    }
}

fn rows() -> usize {
    size("BENCH_ROWS", 1_000_000)
}

#[divan::bench(sample_count = 5)]
fn write(bencher: Bencher) {
    let synthetic = Synthetic::new(rows());
    let routing: Vec<LayerRouting> =
        (0..synthetic.layout.segments.len()).flat_map(|segment| synthetic.routing(segment)).collect();
    let folder = tempfile::tempdir().unwrap();
    let run = synthetic.prepare(folder.path());
    bencher.counter(ItemsCount::new(synthetic.rows())).bench_local(|| {
        let mut writer = TraceWriter::new(&run, &synthetic.layout, &synthetic.sequences, Provides::forward_pass(false));
        for routing in &routing {
            writer.observe_routing(routing).unwrap();
        }
    });
}

#[divan::bench(sample_count = 5)]
fn read(bencher: Bencher) {
    let synthetic = Synthetic::new(rows());
    let folder = tempfile::tempdir().unwrap();
    let trace = synthetic.trace(folder.path());
    bencher.counter(ItemsCount::new(synthetic.rows())).bench_local(|| {
        for &layer in trace.moe_layers() {
            divan::black_box(trace.layer(layer).unwrap());
        }
    });
}
