//! What a page shows of the charts of a run: their names, small pictures of them, and what they say.

use rayon::prelude::*;

use crate::{
    chart::{ChartContext, plan, plan_all, thumbnail},
    error::Result,
    report::{ChartMessage, ReportedChart},
    run::RunDir,
    stats::Tables,
};

/// Width of a small picture, in pixels.
const WIDTH: u16 = 150;
/// The most small pictures of a run, each of about 4 kB.
const MOST: usize = 160;

/// The charts that were drawn, or that the tables allow, with a small picture of each that lies in `charts/`.
///
/// # Errors
/// [`crate::error::Error::RunFolder`] if a chart cannot be read.
pub(super) fn reported_charts(
    run: &RunDir,
    drawn: Option<&[(String, &'static str)]>,
    (tables, context): (&Tables, &ChartContext),
) -> Result<Vec<ReportedChart>> {
    let charts = drawn.map_or_else(
        || plan(tables, context).into_iter().map(|chart| (chart.name, chart.kind)).collect(),
        <[_]>::to_vec,
    );
    let reported = |(at, (name, kind)): (usize, (String, &'static str))| {
        let file = format!("charts/{name}.svg");
        let is_shown = at < MOST && run.file(&file).is_file();
        // A file that somebody has replaced by another picture, or by none, is linked without one.
        let small = |svg: Vec<u8>| thumbnail(&String::from_utf8_lossy(&svg), WIDTH).ok();
        let thumbnail = if is_shown { small(run.read(&file)?) } else { None };
        Ok(ReportedChart { name, kind, thumbnail })
    };
    charts.into_par_iter().enumerate().map(reported).collect()
}

/// What the charts say that the tables allow, those included that are drawn on request.
pub(super) fn messages(tables: &Tables, context: &ChartContext) -> Vec<ChartMessage> {
    let charts = plan_all(tables, context).into_iter();
    charts
        .filter_map(|chart| {
            let text = chart.message()?.text.clone();
            Some(ChartMessage { name: chart.name, kind: chart.kind, text })
        })
        .collect()
}
