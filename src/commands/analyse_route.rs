//! The trace of a route run -> its statistics.

use serde_json::Value;

use super::{analyse::settings, machine, terminal};
use crate::{
    error::Result,
    run_dir::RunDir,
    stats::{Tables, merge, route_statistics},
    trace::RoutingTrace,
};

/// Layer by layer: one is in memory at a time.
pub(super) fn compute(run: &RunDir, manifest: &Value, quiet: bool) -> Result<Tables> {
    let trace = RoutingTrace::open(run)?;
    let sequences = trace.sequences()?;
    let settings = settings(manifest);
    let spinner = terminal::spinner("statistics", quiet);
    let mut tables = Tables::new();
    for &layer in trace.moe_layers() {
        machine::check_interrupt()?;
        let columns = trace.layer(layer)?;
        let progress = |what: &'static str| spinner.set_message(format!("layer {layer}: {what}"));
        merge(&mut tables, route_statistics(&sequences, &columns, &settings, &progress)?);
    }
    spinner.finish_and_clear();
    Ok(tables)
}
