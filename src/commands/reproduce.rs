//! `reproduce`: the paper's figures beside finished runs, and the closed forms that its numbers must satisfy.

use std::path::{Path, PathBuf};

use super::{progress::TerminalProgress, signals, terminal};
use crate::{
    cli::ReproduceArgs,
    error::{Error, Result},
    paper::{self, Check, Comparison, Paper, Run},
    pipeline::{
        paper_comparison::{check_folder, compared_run, each_once, one_kind_of_model, write_comparison},
        quantities,
    },
    report::ComparisonReport,
    run::RunDir,
};

/// Compares, draws, writes and prints; a failed check ends the command with exit code 1.
pub(super) fn run(arguments: &ReproduceArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    if arguments.runs.is_empty() && !arguments.paper_only {
        return Err(Error::usage(
            "reproduce needs the folders of finished runs, or --paper-only",
            "for example: openmoe-analyze reproduce openmoe-out openmoe-out/drift openmoe-out/drops",
        )
        .into());
    }
    each_once(&arguments.runs)?;
    let runs: Vec<Run> = arguments.runs.iter().map(|folder| compared_run(folder, progress)).collect::<Result<_>>()?;
    one_kind_of_model(&runs)?;
    let out = out_folder(arguments)?;
    out.iter().try_for_each(|out| check_folder(out, arguments.force))?;
    let paper = Paper::load()?;
    let checks = paper::checks(&paper);
    let comparison = if runs.is_empty() { Comparison::default() } else { paper::compare(&paper, &runs) };
    let report = ComparisonReport { checks: &checks, comparison: &comparison, runs: &runs };
    let lock = out.as_deref().map(RunDir::lock_around).transpose()?;
    let charts = out.as_ref().map(|out| write_comparison(out, &report, progress)).transpose()?;
    drop(lock);
    print(&report, arguments.json)?;
    if let (Some(out), Some(charts), false) = (&out, charts, arguments.json) {
        terminal::print(&written(out, charts, &comparison))?;
    }
    Ok(verdict(&checks)?)
}

/// What was written where.
fn written(out: &Path, charts: usize, comparison: &Comparison) -> String {
    let root = out.display();
    if comparison.sections.is_empty() {
        return format!("no figure is compared; the checks are in {root}/comparison.json and {root}/comparison.md");
    }
    let charts = quantities::count(charts as u64, "chart");
    format!(
        "{charts} in {root}/charts, every table with what else differs in {root}/comparison.md, every number in {root}/comparison.csv"
    )
}

/// Fails if a check does.
fn verdict(checks: &[Check]) -> Result<()> {
    let failed: Vec<&str> = checks.iter().filter(|check| !check.holds).map(|check| check.claim.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::CheckFailed {
        message: format!("{} of {} checks fail: {}", failed.len(), checks.len(), failed.join("; ")),
    })
}

/// Where the files go: `--out`, else the folder `reproduce` of the first run; `None` if only the paper is checked.
fn out_folder(arguments: &ReproduceArgs) -> Result<Option<PathBuf>> {
    let first = arguments.runs.first();
    let Some(out) = arguments.out.clone().or_else(|| Some(first?.join("reproduce"))) else { return Ok(None) };
    let taken = |run: &PathBuf| RunDir::entry_holding(run, &out).filter(|entry| *entry != "reproduce");
    if let Some((run, entry)) = arguments.runs.iter().find_map(|run| Some((run, taken(run)?))) {
        return Err(Error::usage(
            format!("--out `{}` lies in `{entry}` of the run `{}`", out.display(), run.display()),
            "leave --out away to write to RUN/reproduce, or choose a folder of its own",
        ));
    }
    Ok(Some(out))
}

fn print(report: &ComparisonReport<'_>, json: bool) -> Result<()> {
    if json {
        return terminal::print_json(&format!("{:#}", report.json()?));
    }
    // The table of the checks is the result where only the paper is checked; else it is in the files, as those of the figures are.
    if report.runs.is_empty() {
        return report.check_lines().iter().try_for_each(|line| terminal::print_row(line));
    }
    let lines = report.check_verdict_lines().into_iter().chain(report.figure_lines());
    lines.into_iter().try_for_each(|line| terminal::print(&line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::Rule;

    #[test]
    fn a_check_that_fails_ends_with_exit_code_1() {
        let check = |found: f64| Check::new("5", "shares sum to 1", Rule::Near, 1.0, found, 0.1);
        assert!(verdict(&[check(1.0)]).is_ok());
        let error = verdict(&[check(1.0), check(2.0)]).unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().as_str()), (1, "1 of 2 checks fail: shares sum to 1"));
        assert!(error.hint().is_some());
    }
}
