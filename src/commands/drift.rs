//! `drift`: the same tokens go through several checkpoints of one training run. When was routing learnt, and what still changes?

use super::{
    checkpoint_places::CheckpointPlaces,
    dry_run::{Work, nothing_written, print_plan},
    out::out,
    progress::TerminalProgress,
    signals, terminal, threads,
};
use crate::{
    cli::DriftArgs,
    error::Result,
    model::Arithmetic,
    pipeline::{checkpoint_spec::CheckpointSpec, drift_run::DriftRun, options::DriftOptions, quantities},
};

/// Runs `drift` and prints the result; with `--dry-run`, prints what it would do.
pub(super) fn run(arguments: &DriftArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    threads::set_threads(arguments.common.execution.threads)?;
    let mut options = DriftOptions::try_from(arguments)?;
    let places = CheckpointPlaces::of_run(&arguments.common, progress)?;
    if let Some(pattern) = &arguments.revisions {
        options.checkpoints = places.revisions(&options.checkpoints, pattern, arguments.every)?;
    }
    let mut specs = options.checkpoints.iter_mut().chain(&mut options.off_axis);
    specs.try_for_each(|spec| places.resolve(spec))?;
    let ready = DriftRun::new(options, arguments.out.as_deref(), progress)?;
    if arguments.common.execution.dry_run {
        return Ok(print(&ready)?);
    }
    let (run, analysis) = ready.run(out(arguments.out.as_deref())?, progress)?;
    Ok(analysis.print(&run, arguments.common.execution.json)?)
}

/// What `--dry-run` shows.
fn print(ready: &DriftRun) -> Result<()> {
    let lines = std::iter::once("checkpoints:".to_owned()).chain(ready.specs.iter().map(plan_line)).collect();
    let work = Work { lines, passes: ready.passes.len() };
    if let (Some(prepared), Some(pass)) = (&ready.prepared, ready.passes.first()) {
        return print_plan(prepared, ready.run_options(), pass.log_logits, &work);
    }
    work.lines.iter().try_for_each(|line| terminal::print(line))?;
    let text = &ready.record.text;
    let (tokens, sequences) =
        (quantities::count(text.tokens, "token"), quantities::count(text.sequences as u64, "sequence"));
    terminal::print(&format!("0 forward passes: the traces of {tokens} in {sequences} are there"))?;
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
