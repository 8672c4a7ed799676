//! `import`: routes that another engine recorded -> checks, trace, statistics, charts, report.

use super::{out::out, progress::TerminalProgress, signals, terminal, threads};
use crate::{
    cli::ImportArgs,
    import::{CheckResult, Outcome},
    pipeline::import_run::ImportRun,
};

/// Looks at the record, prints what every check says, and makes a run of it.
pub(super) fn run(arguments: &ImportArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    threads::set_threads(arguments.threads)?;
    let ready = ImportRun::new(arguments.into(), arguments.out.as_deref(), progress)?;
    if !arguments.json {
        print_checks(&ready)?;
    }
    ready.check_gate()?;
    if arguments.check {
        return Ok(());
    }
    let (run, analysis) = ready.run(out(arguments.out.as_deref())?, progress)?;
    Ok(analysis.print(&run, arguments.json)?)
}

/// One line for every check that had something to look at, and for every remark on the record.
fn print_checks(ready: &ImportRun) -> anyhow::Result<()> {
    let word = |outcome: Outcome| match outcome {
        Outcome::Passed => "passed",
        Outcome::Warned => "warned",
        Outcome::Failed => "FAILED",
        Outcome::NotApplicable => "-",
    };
    let line = |check: &CheckResult| format!("  {:7} {}: {}\n", word(check.outcome), check.check, check.says);
    let applicable = ready.gate.checks.iter().filter(|check| check.outcome != Outcome::NotApplicable);
    let remarks = ready.remarks().iter().map(|remark| format!("  remark  {remark}\n"));
    let lines: String = applicable.map(line).chain(remarks).collect();
    terminal::print_text(&format!("{}\n{lines}\n", ready.size()))?;
    Ok(())
}
