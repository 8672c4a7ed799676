//! Computes the statistics of a route run from its trace.

use crate::{
    error::Result,
    pipeline::{progress::RunningStage, recorded_settings::recorded_settings},
    run::{RunDir, RunRecord},
    stats::{Settings, TableBuilders, append, count_statistics, route_statistics},
    trace::{AssignmentCounts, Provides, RoutingTrace},
};

/// Computes layer by layer: one layer is in memory at a time.
pub(crate) fn compute(run: &RunDir, record: &RunRecord, stage: &RunningStage<'_>) -> Result<TableBuilders> {
    if record.provides.is_some_and(Provides::is_counts) {
        return of_counts(run, record, stage);
    }
    let trace = RoutingTrace::of(run, record)?;
    let sequences = trace.sequences()?;
    let share_rows = Settings::SHARE_ROWS / trace.moe_layers().len().max(1);
    let settings = Settings { share_rows, ..recorded_settings(record) };
    let mut tables = TableBuilders::new();
    for &layer in trace.moe_layers() {
        stage.check()?;
        let at = |what: &'static str| stage.working_on_layer(layer, trace.moe_layers(), what);
        at("reading");
        let columns = trace.layer(layer)?;
        append(&mut tables, route_statistics(&sequences, &columns, &settings, &at)?)?;
        stage.advance(1);
    }
    Ok(tables)
}

/// The same of a run that has counts instead of a trace.
fn of_counts(run: &RunDir, record: &RunRecord, stage: &RunningStage<'_>) -> Result<TableBuilders> {
    let (counts, settings) = (AssignmentCounts::read(run, record)?, recorded_settings(record));
    let mut tables = TableBuilders::new();
    for &layer in counts.shape.moe_layers() {
        stage.check()?;
        append(&mut tables, count_statistics(&counts, layer, &settings)?)?;
        stage.advance(1);
    }
    Ok(tables)
}
