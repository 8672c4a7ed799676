//! Figure 11: how the expert shares of a token move in training.

use super::{
    compare::{Compared, Row, Section},
    figures::{Paper, TokenCourse},
    measure::Measured,
    overlay::{Overlay, OverlayPanel, Series, Who},
    run::Run,
    words,
};
use crate::{
    routing::{LayerId, View},
    stats::Finding,
};

/// How far, in parts of the whole training, a checkpoint may be from the paper's.
const NEAR: f64 = 0.05;

/// The rows of one layer that have a place on the axis of training.
struct Course<'a> {
    layer: LayerId,
    /// Part of the training that is done, and the total variation to the last checkpoint.
    rows: Vec<(f64, &'a Finding)>,
}

impl<'a> Course<'a> {
    fn of(run: &'a Run, layer: LayerId) -> Self {
        let is = |row: &&Finding| row.layer == layer && row.variant.as_deref() == Some("total_variation");
        let rows = || run.rows("token_drift", View::Kept).filter(is);
        let all = rows().filter_map(|row| row.training_tokens).fold(0.0, f64::max);
        let placed = rows().filter_map(|row| Some((row.training_tokens? / all, row)));
        Self { layer, rows: placed.filter(|(part, _)| *part < 1.0).collect() }
    }

    /// The mean over token ids (`None`), or the token of a text.
    fn of_token(&self, text: Option<&str>) -> impl Iterator<Item = (f64, &'a Finding)> {
        let rows = self.rows.iter().copied();
        rows.filter(move |(_, row)| match text {
            Some(text) => row.text.as_deref() == Some(text),
            None => row.token_id.is_none() && row.text.is_none(),
        })
    }

    /// The same at the checkpoint nearest to a part of the training, if one is near.
    fn near(&self, text: Option<&str>, part: f64) -> Option<(Measured, u64)> {
        let distance = |(at, _): &(f64, &Finding)| (at - part).abs();
        let nearest = self.of_token(text).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let (_, row) = nearest.filter(|found| distance(found) <= NEAR)?;
        Some((Measured::of(row)?, row.n))
    }
}

/// The part of the training that is done at a point: the paper's are evenly spaced.
fn part(course: &TokenCourse, point: usize) -> f64 {
    (point + 1) as f64 / course.points.len() as f64
}

fn drift(course: &TokenCourse, point: usize) -> (Measured, Option<u64>) {
    let n = course.n(point);
    (Measured::wilson(course.drift(point), n as f64), Some(n))
}

/// Figure 11 beside a drift run.
pub(super) fn compare(paper: &Paper, run: &Run) -> Compared {
    let courses: Vec<Course<'_>> = run.layers.iter().map(|layer| Course::of(run, *layer)).collect();
    let rows: Vec<Row> = courses.iter().flat_map(|course| rows(paper, run, course)).collect();
    if rows.is_empty() {
        let reason = "no checkpoint of the run stands near 20, 40, 60 or 80 % of its training; the paper's stand at 200B, 400B, \
                      600B and 800B of 1.0T tokens";
        return Err(("11", reason.to_owned()));
    }
    let section = Section {
        figure: "11",
        title: "expert shares of a token over training (kept), total variation to the last checkpoint".to_owned(),
        run: run.name.clone(),
        sentence: sentence(&rows, run),
        rows,
    };
    Ok((section, overlay(paper, run, &courses)))
}

fn rows(paper: &Paper, run: &Run, course: &Course<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for of_token in &paper.courses {
        let text = run.token_text("token_drift", &of_token.token);
        let mut first = true;
        for point in 0..of_token.points.len() - 1 {
            let part = part(of_token, point);
            let item = format!("\"{}\" at {:.0} % of training", of_token.token, 100.0 * part);
            let row = |measure: &'static str, yours: (Measured, u64)| {
                let row = Row::difference(measure, &item, course.layer, "share", drift(of_token, point), yours);
                let row = row.intervals(
                    "Wilson of the net share that moves, as if assignments were independent",
                    "bootstrap over documents",
                );
                if first { row.summary() } else { row }
            };
            let mean = course.near(None, part).map(|yours| row("token_drift", yours));
            let same = text.as_deref().and_then(|text| course.near(Some(text), part));
            let found: Vec<Row> = mean.into_iter().chain(same.map(|yours| row("same_token_drift", yours))).collect();
            first &= found.is_empty();
            rows.extend(found);
        }
    }
    rows
}

fn sentence(rows: &[Row], run: &Run) -> String {
    let same = if rows.iter().any(|row| row.measure == "same_token_drift") {
        "same_token_drift is the run's token of the same text"
    } else {
        "the run has neither token often enough"
    };
    format!(
        "Total variation between the expert shares of a token at the first point and at the end of training: yours (mean over the \
         frequent token ids, weighted by n) is {}; {same}. Checkpoints are matched by the part of the training that is done. {}",
        words::direction(rows, "token_drift"),
        words::differs(
            run,
            "the paper's stand at 200B to 1.0T training tokens",
            "576 and 330 assignments of two tokens of RedPajama",
        )
    )
}

fn overlay(paper: &Paper, run: &Run, courses: &[Course<'_>]) -> Overlay {
    let theirs = |(index, course): (usize, &TokenCourse)| {
        let points = 0..course.points.len() - 1;
        let at = |point: usize| (part(course, point), drift(course, point).0);
        let spans = points.clone().map(at).filter_map(|(x, number)| number.interval.map(|(low, high)| (x, low, high)));
        Series {
            who: Who::Paper(index),
            label: format!("paper, \"{}\"", course.token),
            points: points.clone().map(at).map(|(x, number)| (x, number.value)).collect(),
            band: spans.collect(),
        }
    };
    let panel = |course: &Course<'_>| {
        let mut series: Vec<Series> = paper.courses.iter().enumerate().map(theirs).collect();
        let rows: Vec<_> = course.of_token(None).filter_map(|(x, row)| Some((x, Measured::of(row)?))).collect();
        series.push(Series {
            who: Who::Run(0, 1),
            label: "yours, mean over token ids".to_owned(),
            points: rows.iter().map(|(x, number)| (*x, number.value)).collect(),
            band: rows.iter().filter_map(|(x, number)| number.interval.map(|(low, high)| (*x, low, high))).collect(),
        });
        OverlayPanel { title: format!("layer {}", course.layer), series }
    };
    Overlay {
        name: "figure_11_drift".to_owned(),
        title: format!("Figure 11 beside {}: how far token shares are from the end of training", run.checkpoint),
        caption: "Total variation between the kept expert shares of a token at a checkpoint and at the last one, over the part of \
                  the training that is done. The paper shows two tokens from 20 % on; the run's curve is the mean over its frequent token ids. \
                  Bands: 95 % intervals."
            .to_owned(),
        x_label: "part of the training that is done",
        y_label: "total variation to the end",
        x_ticks: [0.0, 0.2, 0.4, 0.6, 0.8, 1.0].map(|at| (at, format!("{:.0} %", 100.0 * at))).to_vec(),
        logarithmic: false,
        percent: false,
        panels: courses.iter().map(panel).collect(),
    }
}
