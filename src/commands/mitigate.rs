//! `mitigate`: the same text with other routers. What does it cost, and what would help?

use super::{
    checkpoint_places::CheckpointPlaces,
    dry_run::{Work, print_plan},
    out::out,
    progress::TerminalProgress,
    signals, threads,
};
use crate::{
    cli::MitigateArgs,
    pipeline::{mitigate::MitigateRun, options::MitigateOptions},
};

/// Runs `mitigate` and prints the result, or with `--dry-run` what it would do.
pub(super) fn run(arguments: &MitigateArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    threads::set_threads(arguments.common.execution.threads)?;
    let mut options = MitigateOptions::try_from(arguments)?;
    let places = CheckpointPlaces::of_run(&arguments.common, progress)?;
    places.resolve(&mut options.checkpoint)?;
    options
        .strategies
        .iter_mut()
        .filter_map(|option| option.routers.as_mut())
        .try_for_each(|spec| places.resolve(spec))?;
    let ready = MitigateRun::new(options, arguments.out.as_deref(), progress)?;
    if arguments.common.execution.dry_run {
        let pass = &ready.passes[0];
        return Ok(print_plan(&ready.prepared, &ready.options.run, pass.log_logits, &work(&ready))?);
    }
    let (run, analysis) = ready.run(out(arguments.out.as_deref())?, progress)?;
    Ok(analysis.print(&run, arguments.common.execution.json)?)
}

/// The forward passes that `--dry-run` lists.
fn work(ready: &MitigateRun) -> Work {
    let passes = ready.labels().map(|label| format!("  {label}"));
    let lines = std::iter::once("forward passes:".to_owned()).chain(passes).collect();
    Work { lines, passes: ready.forward_passes() }
}
