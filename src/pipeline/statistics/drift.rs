//! The traces of a drift run -> its statistics.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    commands::{signals, terminal},
    error::Result,
    pipeline::recorded_settings::{settings, tokens_of_interest},
    routing::{ExpertId, LayerId},
    run::{RunDir, recorded_checkpoints},
    stats::{DriftPoint, DriftSettings, DriftSource, Tables, drift_statistics, merge},
    trace::{LayerTrace, RoutingTrace},
};

/// Layer by layer; within a layer checkpoint by checkpoint.
pub(crate) fn compute(run: &RunDir, manifest: &Value, quiet: bool) -> Result<Tables> {
    let checkpoints = recorded_checkpoints(run, manifest)?;
    let traces = checkpoints.iter().map(|(_, trace)| RoutingTrace::open(trace)).collect::<Result<Vec<_>>>()?;
    let points: Vec<DriftPoint> =
        checkpoints.iter().zip(0..).map(|((label, _), at)| point(label, &manifest["checkpoints"][at])).collect();
    let sequences = traces[0].sequences()?;
    let settings = drift_settings(run, manifest)?;
    let spinner = terminal::spinner("statistics", quiet);
    let mut tables = Tables::new();
    for &layer in traces[0].moe_layers() {
        signals::check_interrupt()?;
        let source = RecordedLayer { traces: &traces, layer };
        let progress = |what: &'static str| spinner.set_message(format!("layer {layer}: {what}"));
        merge(&mut tables, drift_statistics(&sequences, &points, &source, &settings, &progress)?);
    }
    spinner.finish_and_clear();
    Ok(tables)
}

fn drift_settings(run: &RunDir, manifest: &Value) -> Result<DriftSettings> {
    Ok(DriftSettings {
        statistics: settings(run, manifest)?,
        match_experts: manifest["match_experts"] == true,
        tokens_of_interest: tokens_of_interest(manifest),
        ..DriftSettings::default()
    })
}

fn point<'a>(label: &'a str, recorded: &Value) -> DriftPoint<'a> {
    DriftPoint { label, training_tokens: recorded["training_tokens"].as_f64(), off_axis: recorded["off_axis"] == true }
}

/// One layer of the recorded traces.
struct RecordedLayer<'a> {
    traces: &'a [RoutingTrace],
    layer: LayerId,
}

impl DriftSource for RecordedLayer<'_> {
    fn checkpoints(&self) -> usize {
        self.traces.len()
    }

    fn layer(&self, at: usize) -> Result<Cow<'_, LayerTrace>> {
        signals::check_interrupt()?;
        self.traces[at].layer(self.layer).map(Cow::Owned)
    }

    fn gate(&self, at: usize) -> Result<Option<Cow<'_, [f32]>>> {
        Ok(self.traces[at].gate(self.layer)?.map(Cow::Owned))
    }

    fn segments(&self) -> usize {
        self.traces[0].segments()
    }

    fn choices(&self, at: usize, segment: usize) -> Result<Cow<'_, [ExpertId]>> {
        self.traces[at].choices(self.layer, segment).map(Cow::Owned)
    }
}
