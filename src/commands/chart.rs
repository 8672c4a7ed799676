//! `chart`: draws the charts of a finished run again, from its statistics.

use super::{progress::TerminalProgress, signals, terminal};
use crate::{
    cli::ChartArgs,
    pipeline::{options::ReportOptions, progress::Progress, quantities, statistics::redraw_run},
    run::{note_on_report_above, notes_on_statistics, open_finished_to_write},
};

/// Draws the charts of a run again, and its report.
pub(super) fn run(arguments: &ChartArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    let (run, mut record) = open_finished_to_write(&arguments.run)?;
    for note in notes_on_statistics(&run, &record) {
        progress.note(&note);
    }
    let report = ReportOptions { show_command: arguments.show_command };
    let count = redraw_run(&run, &mut record, report, progress)?;
    if let Some(note) = note_on_report_above(&run) {
        progress.note(&note);
    }
    let root = run.path().display();
    terminal::print(&format!(
        "{} in {root}/charts, the report in {root}/report.html",
        quantities::count(count as u64, "chart")
    ))?;
    Ok(())
}
