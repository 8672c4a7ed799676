//! The trace of a route run -> its statistics.

use crate::{
    error::Result,
    pipeline::{
        progress::{Progress, RunningStage, Stage},
        recorded_settings::settings,
    },
    run::{RunDir, RunRecord},
    stats::{Settings, TableBuilders, append, route_statistics},
    trace::RoutingTrace,
};

/// Layer by layer: one is in memory at a time.
pub(crate) fn compute(run: &RunDir, record: &RunRecord, progress: &dyn Progress) -> Result<TableBuilders> {
    let trace = RoutingTrace::of(run, record)?;
    let sequences = trace.sequences()?;
    let share_rows = Settings::SHARE_ROWS / trace.moe_layers().len().max(1);
    let settings = Settings { share_rows, ..settings(record) };
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
