//! `stats`: the statistics of a finished run again, without a forward pass.

use serde_json::json;

use super::{analyse::analyse, finished, machine};
use crate::{cli::StatsArgs, run_dir::RunDir};

/// Computes the statistics of a run again, then its summary, charts and report.
pub(super) fn run(arguments: &StatsArgs) -> anyhow::Result<()> {
    machine::watch_for_interrupts();
    machine::set_threads(arguments.threads)?;
    let run = RunDir::open_to_write(&arguments.run)?;
    let mut manifest = run.manifest()?;
    finished::note_version(&run, &manifest, "version", arguments.quiet);
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
    finished::note_joint(&run, arguments.quiet);
    analysis.print(&run, arguments.json)?;
    Ok(())
}
