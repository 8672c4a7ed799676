//! `report`: writes one page about several finished runs.

use std::path::PathBuf;

use super::{progress::TerminalProgress, signals, terminal};
use crate::{
    cli::ReportArgs,
    error::{Error, Result},
    pipeline::{options::ReportOptions, paper_comparison::each_once, quantities, report_page},
    run::{RunDir, folder_of, names_beside, write_file},
};

/// Writes the report of the runs.
pub(super) fn run(arguments: &ReportArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    let out = destination(arguments)?;
    each_once(&arguments.runs)?;
    let runs = shown(arguments)?;
    let options = ReportOptions { show_command: arguments.show_command };
    let html = report_page::of_runs(&runs, folder_of(&out), options, progress)?;
    let _lock = RunDir::lock_around(&out)?;
    write_file(&out, html.as_bytes())?;
    let runs = quantities::count(runs.len() as u64, "run");
    terminal::print(&format!("{runs} in {}", out.display()))?;
    Ok(())
}

/// The runs as typed. For a single run whose report shows other runs too: that run and those others.
fn shown(arguments: &ReportArgs) -> Result<Vec<PathBuf>> {
    let mut runs = arguments.runs.clone();
    if let (None, [one]) = (&arguments.out, &arguments.runs[..]) {
        let run = RunDir::open(one)?;
        let record = run.loose_record()?;
        runs.extend(names_beside(record.report_runs()).into_iter().map(|name| one.join(name)));
    }
    Ok(runs)
}

/// Where the report goes.
fn destination(arguments: &ReportArgs) -> Result<PathBuf> {
    match (&arguments.out, &arguments.runs[..]) {
        (None, [one]) => Ok(one.join("report.html")),
        (None, several) => Err(Error::usage(
            format!("{} runs, but no file for their report", several.len()),
            "name one, such as --out report.html",
        )),
        (Some(out), _) if out.is_dir() => Err(Error::usage(
            format!("--out `{}` is a folder; expected the name of a file", out.display()),
            format!("write `{}`", out.join("report.html").display()),
        )),
        (Some(out), _) if out.extension().is_none_or(|extension| extension != "html") => Err(Error::usage(
            format!("--out `{}` is no name of a page; expected a file that ends in .html", out.display()),
            "for example --out report.html",
        )),
        (Some(out), _) if out.exists() && !arguments.force => {
            Err(Error::usage(format!("--out `{}` is there already", out.display()), "replace it with --force"))
        }
        (Some(out), _) => Ok(out.clone()),
    }
}
