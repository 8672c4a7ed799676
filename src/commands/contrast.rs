//! `contrast`: which experts two conditions of a run, or two runs, use differently.

use super::{progress::TerminalProgress, signals, terminal, threads};
use crate::{
    cli::ContrastArgs,
    pipeline::{
        contrast_run::{ContrastOptions, ContrastRun, check_folder},
        quantities,
    },
    run::RunDir,
};

/// Differences that the terminal shows.
const SHOWN: usize = 10;

/// Compares, writes and prints.
pub(super) fn run(arguments: &ContrastArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    threads::set_threads(arguments.threads)?;
    let options: ContrastOptions = arguments.into();
    check_folder(&arguments.out, &options.runs, arguments.force)?;
    let result = ContrastRun::new(options, progress)?.compute(progress)?;
    let lock = RunDir::lock_around(&arguments.out)?;
    let charts = quantities::count(result.write(&arguments.out, progress)? as u64, "chart");
    drop(lock);
    let report = result.report();
    if arguments.json {
        return Ok(terminal::print_json(&format!("{:#}", report.json()))?);
    }
    let place = arguments.out.display();
    let lines = report.lines(SHOWN.min(arguments.top as usize)).into_iter().chain([String::new()]);
    lines.chain(report.verdict()).try_for_each(|line| terminal::print(&line))?;
    terminal::print(&format!("{charts} in {place}/charts, every expert in {place}/contrast.csv"))?;
    Ok(())
}

impl From<&ContrastArgs> for ContrastOptions {
    fn from(typed: &ContrastArgs) -> Self {
        Self {
            runs: std::iter::once(&typed.run).chain(&typed.second).cloned().collect(),
            a: typed.a.clone(),
            b: typed.b.clone(),
            top: typed.top as usize,
            seed: typed.seed,
            resamples: typed.resamples as usize,
            permutations: typed.permutations as usize,
        }
    }
}
