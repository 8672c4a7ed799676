//! `route`: checkpoint and text -> trace, statistics, charts, report.

use std::time::Instant;

use super::{
    dry_run::{Work, print_plan},
    out::out,
    signals, threads,
};
use crate::{
    cli::RouteArgs,
    error::Result,
    pipeline::{route_run::RouteRun, statistics::Analysis},
    run::RunDir,
};

/// Runs `route` and prints the result.
pub(super) fn run(arguments: &RouteArgs) -> anyhow::Result<()> {
    let Some((run, analysis)) = route(arguments)? else { return Ok(()) };
    analysis.print(&run, arguments.common.execution.json)?;
    Ok(())
}

/// The whole run; `None` after `--dry-run`.
pub(super) fn route(arguments: &RouteArgs) -> Result<Option<(RunDir, Analysis)>> {
    let clock = Instant::now();
    signals::watch_for_interrupts();
    threads::set_threads(arguments.common.execution.threads)?;
    let ready = RouteRun::new(arguments)?;
    if arguments.common.execution.dry_run {
        print_plan(&ready.prepared, &ready.request, &Work::one())?;
        return Ok(None);
    }
    ready.run(out(arguments.out.as_deref())?, clock).map(Some)
}
