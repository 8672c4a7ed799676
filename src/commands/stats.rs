//! `stats`: the statistics of a finished run again, without a forward pass.

use serde_json::json;

use super::{signals, terminal, threads};
use crate::{
    cli::StatsArgs,
    pipeline::statistics::analyse,
    run::{RunDir, note_on_report_above, notes_on_version},
};

/// Computes the statistics of a run again, then its summary, charts and report.
pub(super) fn run(arguments: &StatsArgs) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    threads::set_threads(arguments.threads)?;
    let run = RunDir::open_to_write(&arguments.run)?;
    let mut manifest = run.manifest()?;
    let tell = |note: &String| terminal::note(note);
    notes_on_version(&run, &manifest, "version").iter().filter(|_| !arguments.quiet).for_each(tell);
    if let Some(seed) = arguments.seed {
        manifest["seed"] = json!(seed);
    }
    if let Some(resamples) = arguments.resamples {
        manifest["resamples"] = json!(resamples);
    }
    if let Some(permutations) = arguments.permutations {
        manifest["permutations"] = json!(permutations);
    }
    if arguments.exclude_bos || arguments.include_bos {
        manifest["exclude_bos"] = json!(arguments.exclude_bos);
    }
    let analysis = analyse(&run, &mut manifest, arguments.quiet, None)?;
    note_on_report_above(&run).iter().filter(|_| !arguments.quiet).for_each(tell);
    analysis.print(&run, arguments.json)?;
    Ok(())
}
