//! Computes the statistics of a drift run from its traces.

use std::borrow::Cow;

use crate::{
    error::Result,
    pipeline::{progress::RunningStage, recorded_settings::recorded_settings},
    routing::{ExpertId, LayerId},
    run::{RecordedCheckpoint, RunDir, RunRecord, recorded_checkpoints},
    stats::{DriftPoint, DriftSettings, DriftSource, TableBuilders, append, drift_statistics},
    trace::{LayerTrace, RoutingTrace},
};

/// Computes layer by layer, and within a layer checkpoint by checkpoint.
pub(crate) fn compute(run: &RunDir, record: &RunRecord, stage: &RunningStage<'_>) -> Result<TableBuilders> {
    let checkpoints = recorded_checkpoints(run, record)?;
    let traces = checkpoints.iter().map(|(_, trace)| RoutingTrace::open(trace)).collect::<Result<Vec<_>>>()?;
    let points: Vec<DriftPoint> = record.identity.checkpoints.iter().map(point).collect();
    let sequences = traces[0].sequences()?;
    let mut settings = drift_settings(record);
    settings.statistics.share_rows /= (traces[0].moe_layers().len() * points.len()).max(1);
    let mut tables = TableBuilders::new();
    for &layer in traces[0].moe_layers() {
        stage.check()?;
        let source = RecordedLayer { traces: &traces, layer, stage };
        let at = |what: &'static str| stage.working_on_layer(layer, traces[0].moe_layers(), what);
        append(&mut tables, drift_statistics(&sequences, &points, &source, &settings, &at)?)?;
        stage.advance(1);
    }
    Ok(tables)
}

fn drift_settings(record: &RunRecord) -> DriftSettings {
    DriftSettings {
        statistics: recorded_settings(record),
        match_experts: record.drift.as_ref().is_some_and(|drift| drift.match_experts),
        tokens_of_interest: record.tokens_of_interest().to_vec(),
        ..DriftSettings::default()
    }
}

fn point(recorded: &RecordedCheckpoint) -> DriftPoint<'_> {
    DriftPoint { label: &recorded.label, training_tokens: recorded.training_tokens, off_axis: recorded.off_axis }
}

/// One layer of the recorded traces.
struct RecordedLayer<'a> {
    traces: &'a [RoutingTrace],
    layer: LayerId,
    stage: &'a RunningStage<'a>,
}

impl DriftSource for RecordedLayer<'_> {
    fn checkpoints(&self) -> usize {
        self.traces.len()
    }

    fn layer(&self, at: usize) -> Result<Cow<'_, LayerTrace>> {
        self.stage.check()?;
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
