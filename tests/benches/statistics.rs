//! Every table of the route statistics on one layer of a made-up run, with and without resampling, and the statistics of
//! drift and drops once. `BENCH_ROWS` chooses the rows of the whole run, which has 4 layers.

#![allow(clippy::unwrap_used)] // a bench stops with the reason

mod support;

use std::sync::LazyLock;

use divan::{Bencher, counter::ItemsCount};
use openmoe_analyze::{
    stats::{
        DriftLayer, DriftPoint, DriftSettings, DropLayer, DropSettings, DropStudy, Settings, Statistic,
        drift_statistics, drop_statistics, route_statistic, route_statistics,
    },
    trace::{GroupTable, LayerTrace, SequenceTable, SpanTable},
};
use support::{
    size,
    synthetic::{ROUTER, Synthetic},
};

/// One name of every group of tables that are computed together; each time the layer is counted first.
const ONE_BY_ONE: [Statistic; 12] = [
    Statistic::ExpertShare,
    Statistic::TopTokens,
    Statistic::MutualInformation,
    Statistic::ConditionalMutualInformation,
    Statistic::TokenPredictability,
    Statistic::VocabularySpecialization,
    Statistic::JensenShannon,
    Statistic::ExpertRepetition,
    Statistic::Coactivation,
    Statistic::MaxViolation,
    Statistic::RouterEntropy,
    Statistic::RouterMargin,
];

/// Everything that statistics read of one layer.
struct Input {
    sequences: SequenceTable,
    groups: GroupTable,
    /// The same tokens in the first and the last layer: as if one layer at two checkpoints.
    layers: [LayerTrace; 2],
}

static INPUT: LazyLock<Input> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let trace = Synthetic::new(size("BENCH_ROWS", 400_000)).trace(folder.path());
    let first = trace.layer(trace.moe_layers()[0]).unwrap();
    let last = trace.layer(trace.moe_layers()[3]).unwrap();
    let last = LayerTrace { layer: first.layer, ..last };
    Input {
        sequences: trace.sequences().unwrap(),
        groups: trace.groups(trace.moe_layers()[0]).unwrap(),
        layers: [first, last],
    }
});

fn main() {
    divan::main();
}

fn settings(resamples: usize) -> Settings {
    Settings { resamples, permutations: 0, ..Settings::default() }
}

fn rows() -> ItemsCount {
    ItemsCount::new(INPUT.layers[0].expert.len())
}

#[divan::bench(args = ONE_BY_ONE, sample_count = 3)]
fn plain(bencher: Bencher, statistic: Statistic) {
    let settings = settings(0);
    bencher
        .counter(rows())
        .bench(|| route_statistic(&INPUT.sequences, &INPUT.layers[0], &settings, statistic).unwrap());
}

#[divan::bench(args = ONE_BY_ONE, sample_count = 3)]
fn resampled(bencher: Bencher, statistic: Statistic) {
    let settings = settings(1000);
    bencher
        .counter(rows())
        .bench(|| route_statistic(&INPUT.sequences, &INPUT.layers[0], &settings, statistic).unwrap());
}

#[divan::bench(args = [0, 1000], sample_count = 3)]
fn route(bencher: Bencher, resamples: usize) {
    let settings = settings(resamples);
    bencher.counter(rows()).bench(|| route_statistics(&INPUT.sequences, &INPUT.layers[0], &settings, &|_| ()).unwrap());
}

#[divan::bench(sample_count = 3)]
fn drift(bencher: Bencher) {
    let point = |label| DriftPoint { label, training_tokens: None, off_axis: false };
    let source: Vec<DriftLayer> = INPUT.layers.iter().map(|trace| DriftLayer { trace, gate: None }).collect();
    let settings = DriftSettings { statistics: settings(0), ..DriftSettings::default() };
    bencher.counter(rows()).bench(|| {
        let points = [point("early"), point("late")];
        drift_statistics(&INPUT.sequences, &points, source.as_slice(), &settings, &|_| ()).unwrap()
    });
}

#[divan::bench(sample_count = 3)]
fn drops(bencher: Bencher) {
    let (spans, settings) = (SpanTable::default(), DropSettings { statistics: settings(0), ..DropSettings::default() });
    let Input { sequences, groups, layers } = &*INPUT;
    let layer = DropLayer { sequences, spans: &spans, groups, router: ROUTER, trace: &layers[0] };
    bencher.counter(rows()).bench(|| drop_statistics(&DropStudy::new(&layer, &settings).unwrap(), &|_| ()).unwrap());
}
