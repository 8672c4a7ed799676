//! The traces of several checkpoints -> drift statistics, charts, summary, report.

use std::{borrow::Cow, time::Instant};

use serde_json::{Value, json};

use super::{
    analyse::{Analysis, chart_context, draw, finish, settings, summary_settings, write_tables},
    checkpoints::Spec,
    machine, terminal,
};
use crate::{
    cli::DriftArgs,
    error::Result,
    report,
    routing::{ExpertId, LayerId},
    run_dir::RunDir,
    stats::{DriftPoint, DriftSettings, DriftSource, Tables, drift_statistics, headline, merge},
    trace::{LayerTrace, RoutingTrace, SequenceTable},
};

/// A checkpoint with the folder that holds its trace.
pub(super) struct Point {
    pub(super) spec: Spec,
    pub(super) trace: RunDir,
}

/// Computes everything that follows from the traces, and completes the manifest.
pub(super) fn analyse(
    run: &RunDir,
    manifest: &mut Value,
    arguments: &DriftArgs,
    points: &[Point],
    clock: Instant,
) -> Result<Analysis> {
    let quiet = arguments.execution.quiet;
    let traces = points.iter().map(|point| RoutingTrace::open(&point.trace)).collect::<Result<Vec<_>>>()?;
    let sequences = traces[0].sequences()?;
    let drift = DriftSettings {
        statistics: settings(manifest),
        match_experts: arguments.match_experts,
        tokens_of_interest: arguments.tokens_of_interest.clone(),
        ..DriftSettings::default()
    };
    let tables = compute(points, &traces, &sequences, &drift, quiet)?;
    write_tables(run, &tables)?;
    let findings = headline(&tables);
    let summary = report::summary_bytes("drift", &findings, summary_settings(manifest))?;
    run.write("summary.json", &summary)?;
    let mut context = chart_context(manifest, &traces[0], &sequences);
    context.checkpoint = points.iter().map(|point| point.spec.label.as_str()).collect::<Vec<_>>().join(", ");
    let charts = draw(run, &tables, &context, quiet)?;

    let verdict = report::drift_verdict(&findings);
    manifest["wall_seconds"] = json!(clock.elapsed().as_secs_f64());
    manifest["peak_memory_bytes"] = json!(machine::peak_memory());
    finish(run, manifest, &findings, &verdict, &charts)?;
    Analysis::new(summary, verdict, findings, charts.len())
}

/// Layer by layer; within a layer checkpoint by checkpoint.
fn compute(
    points: &[Point],
    traces: &[RoutingTrace],
    sequences: &SequenceTable,
    settings: &DriftSettings,
    quiet: bool,
) -> Result<Tables> {
    let spinner = terminal::spinner("statistics", quiet);
    let names: Vec<DriftPoint> = points.iter().map(drift_point).collect();
    let mut tables = Tables::new();
    for &layer in traces[0].moe_layers() {
        machine::check_interrupt()?;
        let source = RecordedLayer { traces, layer };
        let progress = |what: &'static str| spinner.set_message(format!("layer {layer}: {what}"));
        merge(&mut tables, drift_statistics(sequences, &names, &source, settings, &progress)?);
    }
    spinner.finish_and_clear();
    Ok(tables)
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
        machine::check_interrupt()?;
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

fn drift_point(point: &Point) -> DriftPoint<'_> {
    DriftPoint { label: &point.spec.label, training_tokens: point.spec.training_tokens, off_axis: point.spec.off_axis }
}
