//! What a run has to do, with the seconds that its stages should take: what remaining times start from, before any stage is measured.
//!
//! The rates were measured on two cores of a cloud machine with AVX-512, with the demonstration and with made-up traces of up to 100 million
//! rows (docs/performance.md).

use super::{
    prepared_pass::PreparedPass,
    progress::{PlannedStage, Stage},
};
use crate::{routing::RunKind, run::RunRecord};

/// Seconds of one thread for a chosen expert of a token in a layer, without permutations.
const SECONDS_PER_CHOICE: f64 = 2.6e-6;
/// The same for each permutation of a route run.
const SECONDS_PER_PERMUTED_CHOICE: f64 = 7.4e-8;
/// Seconds of one thread for a chosen expert of a token in a layer at a checkpoint of a drift run.
const SECONDS_PER_DRIFT_CHOICE: f64 = 1.9e-6;
/// Seconds of one thread for a chosen expert of a token in a layer of a model of a drops run, without permutations.
const SECONDS_PER_DROP_CHOICE: f64 = 2.6e-6;
/// The same for each permutation.
const SECONDS_PER_PERMUTED_DROP: f64 = 4e-8;
/// Seconds of one thread for the charts of a run, and for its page.
const SECONDS_OF_CHARTS: f64 = 2.0;
const SECONDS_OF_REPORT: f64 = 0.4;
/// Floating point operations of one thread in a second, until the forward pass is measured.
const FLOP_PER_SECOND: f64 = 2e10;

/// A forward pass over all tokens.
pub(crate) fn forward_pass(prepared: &PreparedPass) -> PlannedStage {
    let tokens = prepared.corpus.tokens();
    let layers = prepared.layout.shape.moe_layers().last().map_or(0, |&last| u64::from(last) + 1);
    let seconds = prepared.cost.flop_per_token * tokens as f64 / FLOP_PER_SECOND / threads();
    PlannedStage { stage: Stage::ForwardPass, seconds, units: Some(tokens * layers) }
}

/// The whole of a run: its forward passes, and what follows from their traces.
pub(crate) fn of_run(prepared: Option<&PreparedPass>, passes: usize, record: &RunRecord) -> Vec<PlannedStage> {
    let passes = prepared.into_iter().flat_map(|prepared| vec![forward_pass(prepared); passes]);
    passes.chain(after_traces(record)).collect()
}

/// What follows from the traces of a run: statistics, charts, report.
pub(crate) fn after_traces(record: &RunRecord) -> [PlannedStage; 3] {
    let layout = &record.layout;
    let choices = (layout.moe_layers.len() * layout.top_k) as f64 * record.text.tokens as f64;
    let permutations = record.statistics.permutations as f64;
    let per_choice = match record.identity.command {
        RunKind::Route | RunKind::Import => SECONDS_PER_CHOICE + SECONDS_PER_PERMUTED_CHOICE * permutations,
        RunKind::Drift => SECONDS_PER_DRIFT_CHOICE * record.identity.checkpoints.len() as f64,
        RunKind::Drops => {
            let layers_of_traces = units_of_drop_layer(record) as f64 / UNITS_OF_LAYER as f64;
            (SECONDS_PER_DROP_CHOICE + SECONDS_PER_PERMUTED_DROP * permutations) * layers_of_traces
        }
    };
    let units = Some(statistics_units(record));
    [
        PlannedStage { stage: Stage::Statistics, seconds: per_choice * choices / threads(), units },
        PlannedStage { stage: Stage::Charts, seconds: SECONDS_OF_CHARTS / threads(), units: None },
        PlannedStage { stage: Stage::Report, seconds: SECONDS_OF_REPORT, units: None },
    ]
}

/// Units of work of a layer of a trace.
pub(crate) const UNITS_OF_LAYER: u64 = 10;
/// Units of work of a layer of an exact replay, of which little is computed.
pub(crate) const UNITS_OF_REPLAY: u64 = 2;

/// The units of the statistics of a run: those of its layers, and a tenth as many for writing the tables.
pub(crate) fn statistics_units(record: &RunRecord) -> u64 {
    let layer = if record.identity.command == RunKind::Drops { units_of_drop_layer(record) } else { UNITS_OF_LAYER };
    let layers = record.layout.moe_layers.len() as u64 * layer;
    layers + layers / 10
}

/// The units of a layer of a drops run: its models, and its exact replays.
fn units_of_drop_layer(record: &RunRecord) -> u64 {
    let models = record.identity.checkpoints.len().max(1) as u64;
    models * UNITS_OF_LAYER + record.identity.exact_replay.iter().flatten().count() as u64 * UNITS_OF_REPLAY
}

fn threads() -> f64 {
    rayon::current_num_threads().max(1) as f64
}

#[cfg(test)]
mod tests;
