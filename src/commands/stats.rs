//! `stats`: the statistics of a finished run again, without a forward pass.

use super::{signals, terminal, threads};
use crate::{
    cli::StatsArgs,
    pipeline::statistics::analyse,
    run::{RunDir, note_on_report_above, notes_on_run},
};

/// Computes the statistics of a run again, then its summary, charts and report.
pub(super) fn run(arguments: &StatsArgs) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    threads::set_threads(arguments.threads)?;
    let run = RunDir::open_to_write(&arguments.run)?;
    let mut record = run.record()?;
    let tell = |note: &String| terminal::note(note);
    notes_on_run(&run, &record).iter().filter(|_| !arguments.quiet).for_each(tell);
    let recorded = &mut record.statistics;
    recorded.seed = arguments.seed.unwrap_or(recorded.seed);
    recorded.resamples = arguments.resamples.map_or(recorded.resamples, |resamples| resamples as usize);
    recorded.permutations = arguments.permutations.map_or(recorded.permutations, |permutations| permutations as usize);
    if arguments.exclude_bos || arguments.include_bos {
        recorded.exclude_bos = arguments.exclude_bos;
    }
    let analysis = analyse(&run, &mut record, arguments.quiet, None)?;
    note_on_report_above(&run).iter().filter(|_| !arguments.quiet).for_each(tell);
    analysis.print(&run, arguments.json)?;
    Ok(())
}
