//! The charts of a run, drawn and staged.

use crate::{
    chart::{Chart, ChartSpec, draw},
    error::Result,
    pipeline::progress::{Progress, RunningStage, Stage},
    run::Staged,
};

/// Draws the charts and adds them to the files of the run.
///
/// # Errors
/// Those of drawing and writing; [`crate::error::Error::Interrupted`].
pub(super) fn stage_charts(
    staged: &mut Staged<'_>,
    specs: &[ChartSpec],
    progress: &dyn Progress,
) -> Result<Vec<Chart>> {
    progress.check()?;
    let stage = RunningStage::begin(progress, Stage::Charts, Some(specs.len() as u64));
    let charts = draw(specs, &|name: &str| {
        stage.working_on(name);
        stage.advance(1);
    })?;
    for chart in &charts {
        staged.add(&format!("charts/{}.svg", chart.name), chart.svg.as_bytes())?;
        staged.add(&format!("charts/{}.png", chart.name), &chart.png)?;
    }
    Ok(charts)
}
