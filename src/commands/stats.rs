//! `stats`: computes the statistics of a finished run again, without a forward pass.

use super::{progress::TerminalProgress, signals, threads};
use crate::{
    cli::StatsArgs,
    pipeline::{options::ReportOptions, progress::Progress, statistics::analyse},
    run::{RunDir, note_on_report_above, notes_on_run},
};

/// Computes the statistics of a run again, then its summary, charts and report.
pub(super) fn run(arguments: &StatsArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    threads::set_threads(arguments.threads)?;
    let run = RunDir::open_to_write(&arguments.run)?;
    let mut record = run.record()?;
    for note in notes_on_run(&run, &record) {
        progress.note(&note);
    }
    let recorded = &mut record.statistics;
    recorded.seed = arguments.seed.unwrap_or(recorded.seed);
    recorded.resamples = arguments.resamples.map_or(recorded.resamples, |resamples| resamples as usize);
    recorded.permutations = arguments.permutations.map_or(recorded.permutations, |permutations| permutations as usize);
    if arguments.exclude_bos || arguments.include_bos {
        recorded.exclude_bos = arguments.exclude_bos;
    }
    let report = ReportOptions { show_command: arguments.show_command };
    let analysis = analyse(&run, &mut record, report, progress)?;
    if let Some(note) = note_on_report_above(&run) {
        progress.note(&note);
    }
    analysis.print(&run, arguments.json)?;
    Ok(())
}
