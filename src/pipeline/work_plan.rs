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
/// Seconds of one thread for a chosen expert of a token in a layer of a pass of a mitigate run.
const SECONDS_PER_PASS_CHOICE: f64 = 2e-7;
/// The share of the time of the statistics that writing their tables takes.
const TABLES: f64 = 0.06;
/// Seconds of one thread for the charts of a run.
const SECONDS_OF_CHARTS: f64 = 2.2;
/// Seconds for its page.
const SECONDS_OF_REPORT: f64 = 1.0;
/// Floating point operations of one thread in a second, until the forward pass is measured.
const FLOP_PER_SECOND: f64 = 4e10;

/// A forward pass over all tokens.
pub(crate) fn forward_pass(prepared: &PreparedPass) -> PlannedStage {
    let tokens = prepared.corpus.tokens();
    let seconds = prepared.cost.flop_per_token * tokens as f64 / FLOP_PER_SECOND / threads();
    PlannedStage { stage: Stage::ForwardPass, seconds, units: Some(tokens * prepared.layers) }
}

/// The whole of a run: its forward passes, and what follows from their traces.
pub(crate) fn of_run(prepared: Option<&PreparedPass>, passes: usize, record: &RunRecord) -> Vec<PlannedStage> {
    let passes = prepared.into_iter().flat_map(|prepared| vec![forward_pass(prepared); passes]);
    passes.chain(after_traces(record)).collect()
}

/// What follows from the traces of a run: statistics, tables, charts, report.
pub(crate) fn after_traces(record: &RunRecord) -> [PlannedStage; 4] {
    let layout = &record.layout;
    let choices = (layout.moe_layers.len() * layout.top_k) as f64 * record.text.tokens as f64;
    let permutations = record.statistics.permutations as f64;
    let per_choice = match record.identity.command {
        RunKind::Route | RunKind::Import => SECONDS_PER_CHOICE + SECONDS_PER_PERMUTED_CHOICE * permutations,
        RunKind::Drift => SECONDS_PER_DRIFT_CHOICE * record.identity.checkpoints.len() as f64,
        RunKind::Mitigate => SECONDS_PER_PASS_CHOICE * record.identity.checkpoints.len() as f64,
        RunKind::Drops => {
            let traces = models(record) as f64 + replays(record) as f64 / UNITS_OF_MODEL as f64;
            (SECONDS_PER_DROP_CHOICE + SECONDS_PER_PERMUTED_DROP * permutations) * traces
        }
    };
    let (units, seconds) = (Some(statistics_units(record)), per_choice * choices / threads());
    [
        PlannedStage { stage: Stage::Statistics, seconds: seconds * (1.0 - TABLES), units },
        PlannedStage { stage: Stage::Tables, seconds: seconds * TABLES, units: None },
        PlannedStage { stage: Stage::Charts, seconds: SECONDS_OF_CHARTS / threads(), units: None },
        PlannedStage { stage: Stage::Report, seconds: SECONDS_OF_REPORT, units: None },
    ]
}

/// Units of a layer of a model in a drops run; a layer of an exact replay is one.
pub(crate) const UNITS_OF_MODEL: u64 = 5;

/// The units of the statistics of a run: its layers; of a drops run those of its models and of its exact replays; of a mitigate run its
/// passes.
pub(crate) fn statistics_units(record: &RunRecord) -> u64 {
    if record.identity.command == RunKind::Mitigate {
        return record.identity.checkpoints.len() as u64;
    }
    let of_layer = match record.identity.command {
        RunKind::Drops => UNITS_OF_MODEL * models(record) + replays(record),
        _ => 1,
    };
    record.layout.moe_layers.len() as u64 * of_layer
}

/// The models of a drops run.
fn models(record: &RunRecord) -> u64 {
    record.identity.checkpoints.len().max(1) as u64
}

/// The exact replays of a drops run.
fn replays(record: &RunRecord) -> u64 {
    record.identity.exact_replay.iter().flatten().count() as u64
}

fn threads() -> f64 {
    rayon::current_num_threads().max(1) as f64
}

#[cfg(test)]
mod tests;
