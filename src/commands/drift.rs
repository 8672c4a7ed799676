//! `drift`: the same tokens through several checkpoints of one run -> when was routing learnt, and what still changes?

use std::time::Instant;

use super::{
    dry_run::{Work, nothing_written, print_plan},
    out::out,
    signals, terminal, threads,
};
use crate::{
    cli::DriftArgs,
    error::Result,
    model::Arithmetic,
    pipeline::{checkpoint_spec::CheckpointSpec, drift_run::DriftRun, quantities, statistics::Analysis},
    run::RunDir,
};

/// Runs `drift` and prints the result.
pub(super) fn run(arguments: &DriftArgs) -> anyhow::Result<()> {
    let Some((run, analysis)) = drift(arguments)? else { return Ok(()) };
    analysis.print(&run, arguments.common.execution.json)?;
    Ok(())
}

/// The whole run; `None` after `--dry-run`.
pub(super) fn drift(arguments: &DriftArgs) -> Result<Option<(RunDir, Analysis)>> {
    let clock = Instant::now();
    signals::watch_for_interrupts();
    threads::set_threads(arguments.common.execution.threads)?;
    let ready = DriftRun::new(arguments)?;
    if arguments.common.execution.dry_run {
        print(&ready)?;
        return Ok(None);
    }
    ready.run(arguments, out(arguments.out.as_deref())?, clock).map(Some)
}

/// What `--dry-run` shows.
fn print(ready: &DriftRun) -> Result<()> {
    let lines = std::iter::once("checkpoints:".to_owned()).chain(ready.specs.iter().map(plan_line)).collect();
    let work = Work { lines, passes: ready.passes.len() };
    if let (Some(prepared), Some(pass)) = (&ready.prepared, ready.passes.first()) {
        return print_plan(prepared, &pass.request, &work);
    }
    work.lines.iter().try_for_each(|line| terminal::print(line))?;
    let count = |key: &str| quantities::grouped(ready.expected[key].as_u64().unwrap_or_default());
    let (tokens, sequences) = (count("tokens"), count("sequences"));
    terminal::print(&format!("0 forward passes: the traces of {tokens} tokens in {sequences} sequences are there"))?;
    nothing_written()
}

/// One checkpoint in the plan.
fn plan_line(spec: &CheckpointSpec) -> String {
    let how = match (spec.is_run(), spec.arithmetic) {
        (true, _) => format!("reused, `{}`", spec.folder.display()),
        (false, Arithmetic::F32) => "forward pass".to_owned(),
        (false, Arithmetic::Bf16) => "forward pass with bf16 activations".to_owned(),
    };
    format!("  {}{}: {how}", spec.label, spec.trained())
}
