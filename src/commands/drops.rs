//! `drops`: conversations go through one or two checkpoints. Where do tokens lose their experts, why, and what prevents it?

use super::{
    checkpoint_places::CheckpointPlaces,
    dry_run::{Work, nothing_written, print_plan},
    out::out,
    progress::TerminalProgress,
    signals, terminal, threads,
};
use crate::{
    cli::DropsArgs,
    pipeline::{drops_run::DropsRun, import_drops_run::ImportDropsRun, options::DropsOptions, pass::Pass},
};

/// Runs `drops` and prints the result; with `--dry-run`, prints what it would do.
pub(super) fn run(arguments: &DropsArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    threads::set_threads(arguments.common.execution.threads)?;
    let mut options = DropsOptions::from(arguments);
    let places = CheckpointPlaces::of_run(&arguments.common, progress)?;
    places.resolve(&mut options.checkpoint)?;
    options.compare.iter_mut().try_for_each(|spec| places.resolve(spec))?;
    if options.checkpoint.is_run() {
        return of_import(options, arguments, progress);
    }
    let ready = DropsRun::new(options, arguments.out.as_deref(), progress)?;
    if arguments.common.execution.dry_run {
        let factor = arguments.common.routing.capacity_factor;
        let work = work(&ready.passes, factor);
        return Ok(print_plan(&ready.prepared, &ready.options.run, ready.passes[0].log_logits, &work)?);
    }
    let (run, analysis) = ready.run(out(arguments.out.as_deref())?, progress)?;
    Ok(analysis.print(&run, arguments.common.execution.json)?)
}

/// The same of imported routes: nothing is routed again.
fn of_import(options: DropsOptions, arguments: &DropsArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    let ready = ImportDropsRun::new(options, arguments.out.as_deref())?;
    if arguments.common.execution.dry_run {
        terminal::print(&ready.plan())?;
        return Ok(nothing_written()?);
    }
    let (run, analysis) = ready.run(out(arguments.out.as_deref())?, progress)?;
    Ok(analysis.print(&run, arguments.common.execution.json)?)
}

/// The forward passes that `--dry-run` lists, if there are several.
fn work(passes: &[Pass], run_factor: Option<f64>) -> Work {
    if passes.len() == 1 {
        return Work::one();
    }
    let line = |pass: &Pass| match pass.capacity_factor.or(run_factor) {
        Some(factor) => format!("  {}: forward pass at capacity factor {factor}", pass.spec.label),
        None => format!("  {}: forward pass", pass.spec.label),
    };
    let lines = std::iter::once("checkpoints:".to_owned()).chain(passes.iter().map(line)).collect();
    Work { lines, passes: passes.len() }
}
