//! `chart`: the charts of a finished run again, from its statistics.

use super::{analyse::redraw, finished, machine, terminal};
use crate::cli::ChartArgs;

/// Draws the charts of a run again, and its report.
pub(super) fn run(arguments: &ChartArgs) -> anyhow::Result<()> {
    machine::watch_for_interrupts();
    let (run, mut manifest) = finished::open_to_write(&arguments.run, arguments.quiet)?;
    let count = redraw(&run, &mut manifest, arguments.quiet)?;
    finished::note_joint(&run, arguments.quiet);
    let root = run.path().display();
    terminal::print(&format!("{count} charts in {root}/charts, the report in {root}/report.html"))?;
    Ok(())
}
