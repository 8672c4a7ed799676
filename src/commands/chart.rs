//! `chart`: draws the charts of a finished run again, from its statistics; or some of them alone, for a paper.

use super::{progress::TerminalProgress, signals, terminal};
use crate::{
    chart::READABLE,
    cli::ChartArgs,
    pipeline::{
        options::ReportOptions,
        paper_figures::{FigureFormat, FigureOptions, WrittenFigure, write_figures},
        progress::Progress,
        quantities,
        statistics::redraw_run,
    },
    run::{RunDir, note_on_report_above, notes_on_statistics, open_finished, open_finished_to_write},
};

/// Points that the note on small text would not show.
const ROUNDING: f64 = 0.05;
/// Width of a figure in millimetres, if none is named: the text of a page.
const PAGE: f64 = 170.0;

/// Draws the charts of a run again, and its report; or some charts alone.
pub(super) fn run(arguments: &ChartArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    if arguments.only.is_empty() { redraw(arguments, progress) } else { draw_alone(arguments, progress) }
}

fn redraw(arguments: &ChartArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
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

/// Draws some charts alone. Nothing of the run changes.
fn draw_alone(arguments: &ChartArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    let (run, record) = open_finished(&arguments.run)?;
    for note in notes_on_statistics(&run, &record) {
        progress.note(&note);
    }
    let options = FigureOptions {
        names: arguments.only.clone(),
        format: arguments.format.unwrap_or(FigureFormat::Pdf),
        millimetres: arguments.width.unwrap_or(PAGE),
        out: arguments.out.clone(),
    };
    let inside = run.file("charts").join("figure");
    let _lock = options.out.is_none().then(|| RunDir::lock_around(&inside)).transpose()?;
    let written = write_figures(&run, &record, &options, progress)?;
    for WrittenFigure { file, figure } in &written {
        if figure.smallest_text < READABLE - ROUNDING {
            progress.note(&format!(
                "the smallest text of `{}` has {:.1} points; it has {READABLE} at a width of {:.0} mm",
                file.display(),
                figure.smallest_text,
                figure.readable_from.ceil()
            ));
        }
        terminal::print(&format!("{}, {}", file.display(), quantities::bytes(figure.bytes.len() as f64)))?;
    }
    Ok(())
}
