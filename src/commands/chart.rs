//! `chart`: the charts of a finished run again, from its statistics.

use super::{signals, terminal};
use crate::{
    cli::ChartArgs,
    pipeline::statistics::redraw,
    run::{note_on_report_above, notes_on_statistics, open_finished_to_write},
};

/// Draws the charts of a run again, and its report.
pub(super) fn run(arguments: &ChartArgs) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    let (run, mut manifest) = open_finished_to_write(&arguments.run)?;
    let tell = |note: &String| terminal::note(note);
    notes_on_statistics(&run, &manifest).iter().filter(|_| !arguments.quiet).for_each(tell);
    let count = redraw(&run, &mut manifest, arguments.quiet)?;
    note_on_report_above(&run).iter().filter(|_| !arguments.quiet).for_each(tell);
    let root = run.path().display();
    terminal::print(&format!("{count} charts in {root}/charts, the report in {root}/report.html"))?;
    Ok(())
}
