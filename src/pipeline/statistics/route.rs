//! The trace of a route run -> its statistics.

use crate::{
    commands::{signals, terminal},
    error::Result,
    pipeline::recorded_settings::settings,
    run::{RunDir, RunRecord},
    stats::{Settings, TableBuilders, append, route_statistics},
    trace::RoutingTrace,
};

/// Layer by layer: one is in memory at a time.
pub(crate) fn compute(run: &RunDir, record: &RunRecord, quiet: bool) -> Result<TableBuilders> {
    let trace = RoutingTrace::open(run)?;
    let sequences = trace.sequences()?;
    let share_rows = Settings::SHARE_ROWS / trace.moe_layers().len().max(1);
    let settings = Settings { share_rows, ..settings(record) };
    let spinner = terminal::spinner("statistics", quiet);
    let mut tables = TableBuilders::new();
    for &layer in trace.moe_layers() {
        signals::check_interrupt()?;
        let columns = trace.layer(layer)?;
        let progress = |what: &'static str| spinner.set_message(format!("layer {layer}: {what}"));
        append(&mut tables, route_statistics(&sequences, &columns, &settings, &progress)?)?;
    }
    spinner.finish_and_clear();
    Ok(tables)
}
