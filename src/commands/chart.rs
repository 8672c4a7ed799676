//! `chart`: the charts of a finished run again, from its statistics.

use super::{analyse::redraw, machine, terminal};
use crate::{cli::ChartArgs, error::Error, run_dir::RunDir};

/// Draws the charts of a run again, and its report.
pub(super) fn run(arguments: &ChartArgs) -> anyhow::Result<()> {
    machine::watch_for_interrupts();
    let run = RunDir::open(&arguments.run)?;
    let mut manifest = run.manifest()?;
    if manifest["complete"] != true {
        return Err(Error::run_folder(
            format!(
                "run `{}` is not complete: its statistics may be missing or of other settings",
                run.path().display()
            ),
            "make them first with `openmoe-analyze stats RUN`",
        )
        .into());
    }
    let count = redraw(&run, &mut manifest, arguments.quiet)?;
    let root = run.path().display();
    terminal::print(&format!("{count} charts in {root}/charts, the report in {root}/report.html"))?;
    Ok(())
}
