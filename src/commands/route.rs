//! `route`: checkpoint and text -> trace, statistics, charts, report.

use super::{
    checkpoint_places::CheckpointPlaces,
    dry_run::{Work, print_plan},
    out::out,
    progress::TerminalProgress,
    signals, threads,
};
use crate::{
    cli::RouteArgs,
    pipeline::{options::RouteOptions, route_run::RouteRun},
};

/// Runs `route` and prints the result, or with `--dry-run` what it would do.
pub(super) fn run(arguments: &RouteArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    threads::set_threads(arguments.common.execution.threads)?;
    let mut options = RouteOptions::from(arguments);
    CheckpointPlaces::of_run(&arguments.common, progress)?.resolve(&mut options.checkpoint)?;
    let ready = RouteRun::new(options, arguments.out.as_deref(), progress)?;
    if arguments.common.execution.dry_run {
        return Ok(print_plan(&ready.prepared, &ready.options.run, ready.pass.log_logits, &Work::one())?);
    }
    let (run, analysis) = ready.run(out(arguments.out.as_deref())?, progress)?;
    Ok(analysis.print(&run, arguments.common.execution.json)?)
}
