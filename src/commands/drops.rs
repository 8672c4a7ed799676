//! `drops`: conversations through one or two checkpoints -> where tokens lose their experts, why, and what prevents it.

use std::time::Instant;

use super::{
    dry_run::{Work, print_plan},
    out::out,
    signals, threads,
};
use crate::{
    cli::DropsArgs,
    error::Result,
    pipeline::{drops_run::DropsRun, pass::Pass, statistics::Analysis},
    run::RunDir,
};

/// Runs `drops` and prints the result.
pub(super) fn run(arguments: &DropsArgs) -> anyhow::Result<()> {
    let Some((run, analysis)) = drops(arguments)? else { return Ok(()) };
    analysis.print(&run, arguments.common.execution.json)?;
    Ok(())
}

/// The whole run; `None` after `--dry-run`.
pub(super) fn drops(arguments: &DropsArgs) -> Result<Option<(RunDir, Analysis)>> {
    let clock = Instant::now();
    signals::watch_for_interrupts();
    threads::set_threads(arguments.common.execution.threads)?;
    let ready = DropsRun::new(arguments)?;
    if arguments.common.execution.dry_run {
        print_plan(&ready.prepared, &ready.passes[0].request, &work(&ready.passes))?;
        return Ok(None);
    }
    ready.run(arguments, out(arguments.out.as_deref())?, clock).map(Some)
}

/// What `--dry-run` says about the passes, if there are several.
fn work(passes: &[Pass]) -> Work {
    if passes.len() == 1 {
        return Work::one();
    }
    let line = |pass: &Pass| match pass.request.common.routing.capacity_factor {
        Some(factor) => format!("  {}: forward pass at capacity factor {factor}", pass.spec.label),
        None => format!("  {}: forward pass", pass.spec.label),
    };
    let lines = std::iter::once("checkpoints:".to_owned()).chain(passes.iter().map(line)).collect();
    Work { lines, passes: passes.len() }
}
