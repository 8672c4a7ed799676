//! Computes the statistics of a route run from its trace.

use crate::{
    error::Result,
    pipeline::{
        progress::{Progress, RunningStage, Stage},
        recorded_settings::recorded_settings,
    },
    run::{RunDir, RunRecord},
    stats::{Settings, TableBuilders, append, count_statistics, route_statistics},
    trace::{AssignmentCounts, Provides, RoutingTrace},
};

/// Computes layer by layer: one layer is in memory at a time.
pub(crate) fn compute(run: &RunDir, record: &RunRecord, progress: &dyn Progress) -> Result<TableBuilders> {
    if record.provides.is_some_and(Provides::is_counts) {
        return of_counts(run, record, progress);
    }
    let trace = RoutingTrace::of(run, record)?;
    let sequences = trace.sequences()?;
    let share_rows = Settings::SHARE_ROWS / trace.moe_layers().len().max(1);
    let settings = Settings { share_rows, ..recorded_settings(record) };
    let stage = RunningStage::begin(progress, Stage::Statistics, None);
    let mut tables = TableBuilders::new();
    for &layer in trace.moe_layers() {
        progress.check()?;
        let columns = trace.layer(layer)?;
        let at = |what: &'static str| stage.working_on(&format!("layer {layer}: {what}"));
        append(&mut tables, route_statistics(&sequences, &columns, &settings, &at)?)?;
    }
    Ok(tables)
}

/// The same of a run that has counts instead of a trace.
fn of_counts(run: &RunDir, record: &RunRecord, progress: &dyn Progress) -> Result<TableBuilders> {
    let (counts, settings) = (AssignmentCounts::read(run, record)?, recorded_settings(record));
    let _stage = RunningStage::begin(progress, Stage::Statistics, None);
    let mut tables = TableBuilders::new();
    for &layer in counts.shape.moe_layers() {
        progress.check()?;
        append(&mut tables, count_statistics(&counts, layer, &settings)?)?;
    }
    Ok(tables)
}
