//! Figure 11: how the expert shares of a token change in training.

use super::{
    figures::{Paper, TokenCourse},
    measure::Measured,
    overlay::{Overlay, OverlayPanel, Series, Who},
    run::Run,
    section::{Compared, Row, Section},
    words,
};
use crate::{
    routing::{LayerId, View},
    stats::{Finding, Statistic, Variant},
};

/// The largest relative difference between training tokens that count as the same.
const SAME: f64 = 0.01;
/// How far a checkpoint may be from the paper's, as a fraction of the training up to the last checkpoint.
const NEAR: f64 = 0.05;

/// The axis on which the checkpoints of the paper and of the run are matched.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Axis {
    /// By training tokens: the run has checkpoints with the same training tokens as the paper's.
    Tokens,
    /// By the fraction of the training up to the last checkpoint, which in the run has these tokens; used if no checkpoint of the
    /// run has the paper's tokens.
    Part(f64),
}

impl Axis {
    /// Chooses one axis for all checkpoints: with both at once, one checkpoint of the run could match two of the paper's.
    fn of(paper: &Paper, run: &Run) -> Option<Self> {
        let last = last_tokens(run).filter(|last| *last > 0.0)?;
        let earlier = || {
            run.rows(Statistic::TokenDrift, View::Kept).filter_map(|row| row.training_tokens).filter(|at| *at < last)
        };
        let in_run = |wanted: f64| earlier().any(|at| Self::Tokens.is_near(at, wanted));
        let wanted = paper.courses.iter().flat_map(|course| (0..course.points.len() - 1).map(|at| course.tokens(at)));
        Some(if wanted.into_iter().any(in_run) { Self::Tokens } else { Self::Part(last) })
    }

    /// Place of a checkpoint of the run on the axis.
    fn place(self, tokens: f64) -> f64 {
        match self {
            Self::Tokens => tokens,
            Self::Part(last) => tokens / last,
        }
    }

    /// Place of a checkpoint of the paper on the axis.
    fn paper(self, course: &TokenCourse, point: usize) -> f64 {
        match self {
            Self::Tokens => course.tokens(point),
            Self::Part(_) => course.tokens(point) / course.tokens(course.points.len() - 1),
        }
    }

    fn is_near(self, at: f64, wanted: f64) -> bool {
        let most = if self == Self::Tokens { SAME * wanted } else { NEAR };
        (at - wanted).abs() <= most
    }

    /// "200B", "20 %".
    fn name(self, course: &TokenCourse, point: usize) -> String {
        match self {
            Self::Tokens => course.points[point].0.clone(),
            Self::Part(_) => format!("{:.0} %", 100.0 * self.paper(course, point)),
        }
    }

    fn item(self, course: &TokenCourse, point: usize) -> String {
        let way = if self == Self::Tokens { "" } else { " of the way" };
        format!("\"{}\" at {}{way}", course.token, self.name(course, point))
    }
}

/// Training tokens of the checkpoint that the run's distances are measured to.
fn last_tokens(run: &Run) -> Option<f64> {
    run.rows(Statistic::TokenDrift, View::Kept).filter_map(|row| row.training_tokens).reduce(f64::max)
}

/// The rows of one layer that have a place on the axis.
struct Course<'a> {
    layer: LayerId,
    axis: Axis,
    /// Place on the axis, and the total variation to the last checkpoint.
    rows: Vec<(f64, &'a Finding)>,
}

impl<'a> Course<'a> {
    fn of(run: &'a Run, layer: LayerId, axis: Axis) -> Self {
        let is = |row: &&Finding| row.layer == layer && row.variant == Some(Variant::TotalVariation);
        let last = last_tokens(run).unwrap_or_default();
        let placed =
            run.rows(Statistic::TokenDrift, View::Kept).filter(is).filter_map(|row| Some((row.training_tokens?, row)));
        let earlier = placed.filter(|(tokens, _)| *tokens < last);
        Self { layer, axis, rows: earlier.map(|(tokens, row)| (axis.place(tokens), row)).collect() }
    }

    /// The mean over token ids (`None`), or the token of a text.
    fn of_token(&self, text: Option<&str>) -> impl Iterator<Item = (f64, &'a Finding)> {
        let rows = self.rows.iter().copied();
        rows.filter(move |(_, row)| match text {
            Some(text) => row.text.as_deref() == Some(text),
            None => row.token_id.is_none() && row.text.is_none(),
        })
    }

    /// The same at the checkpoint nearest to a place, if one is near.
    fn near(&self, text: Option<&str>, place: f64) -> Option<(Measured, u64)> {
        let distance = |(at, _): &(f64, &Finding)| (at - place).abs();
        let nearest = self.of_token(text).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let (_, row) = nearest.filter(|(at, _)| self.axis.is_near(*at, place))?;
        Some((Measured::of(row)?, row.n))
    }
}

fn drift(course: &TokenCourse, point: usize) -> (Measured, Option<u64>) {
    let n = course.n(point);
    (Measured::wilson(course.drift(point), n as f64), Some(n))
}

/// Figure 11 beside a drift run.
pub(super) fn compare(paper: &Paper, run: &Run) -> Compared {
    let axis = Axis::of(paper, run).ok_or(("11", "no checkpoint of the run has its training tokens".to_owned()))?;
    let courses: Vec<Course<'_>> = run.layers().iter().map(|layer| Course::of(run, *layer, axis)).collect();
    let rows: Vec<Row> = courses.iter().flat_map(|course| rows(paper, run, course)).collect();
    if rows.is_empty() {
        let reason = "no checkpoint of the run stands at 200B, 400B, 600B or 800B training tokens (within 1 %), or near 20, 40, 60 \
                      or 80 % of the way to its last checkpoint, where the paper's stand on their way to 1.0T";
        return Err(("11", reason.to_owned()));
    }
    let section = Section {
        figure: "11",
        title: "expert shares of a token over training (kept), total variation to the last checkpoint".to_owned(),
        run: run.name.clone(),
        sentence: sentence(paper, axis, &rows, run),
        rows,
    };
    Ok((section, overlay(paper, run, axis, &courses)))
}

fn rows(paper: &Paper, run: &Run, course: &Course<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for of_token in &paper.courses {
        let text = run.token_text(Statistic::TokenDrift, &of_token.token);
        let mut first = true;
        for point in 0..of_token.points.len() - 1 {
            let place = course.axis.paper(of_token, point);
            let item = course.axis.item(of_token, point);
            let row = |measure: &'static str, yours: (Measured, u64)| {
                let row = Row::difference(measure, &item, course.layer, "share", drift(of_token, point), yours);
                let row = row.counted("kept assignments", "occurrences").intervals(
                    "Wilson of the net share that moves, as if assignments were independent",
                    "bootstrap over documents",
                );
                if first { row.summary() } else { row }
            };
            let mean = course.near(None, place).map(|yours| row(Statistic::TokenDrift.name(), yours));
            let same = text.as_deref().and_then(|text| course.near(Some(text), place));
            let found: Vec<Row> = mean.into_iter().chain(same.map(|yours| row("same_token_drift", yours))).collect();
            first &= found.is_empty();
            rows.extend(found);
        }
    }
    rows
}

/// Says which points of the paper are matched, how, and which are not; and to which checkpoint both distances are measured.
fn matching(paper: &Paper, axis: Axis, rows: &[Row], run: &Run) -> String {
    let Some(course) = paper.courses.first() else { return String::new() };
    let has = |point: &usize| rows.iter().any(|row| row.item == axis.item(course, *point));
    let (found, missing): (Vec<usize>, Vec<usize>) = (0..course.points.len() - 1).partition(has);
    let names = |points: &[usize]| points.iter().map(|point| axis.name(course, *point)).collect::<Vec<_>>().join(", ");
    let how = match axis {
        Axis::Tokens => "Points are matched by training tokens, within 1 %",
        Axis::Part(_) => {
            "No checkpoint of the run has the paper's training tokens: points are matched by the part of the way to the last \
             checkpoint (the paper's last, 1.0T, is not the end of its training), within 5 points"
        }
    };
    let without = if missing.is_empty() {
        String::new()
    } else {
        format!("; without a checkpoint in the run: {}", names(&missing))
    };
    let last = last_tokens(run).map(short).unwrap_or_default();
    format!(
        "{how}: {}{without}. The paper's distances are to 1.0T, yours to your last checkpoint, {last}.",
        names(&found)
    )
}

/// 1.1e12 as "1.1T", 12_300_000 as "12.3M".
fn short(tokens: f64) -> String {
    let units = [(1e12, "T"), (1e9, "B"), (1e6, "M")];
    let (unit, letter) = units.into_iter().find(|(unit, _)| tokens >= *unit).unwrap_or((1.0, ""));
    let number = format!("{:.2}", tokens / unit);
    format!("{}{letter}", number.trim_end_matches('0').trim_end_matches('.'))
}

fn sentence(paper: &Paper, axis: Axis, rows: &[Row], run: &Run) -> String {
    let same = if rows.iter().any(|row| row.measure == "same_token_drift") {
        "same_token_drift is the run's token of the same text"
    } else {
        "the run has neither token often enough"
    };
    let beside = |course: &TokenCourse| {
        let of_token = format!("\"{}\" ", course.token);
        let own: Vec<Row> = rows.iter().filter(|row| row.item.starts_with(&of_token)).cloned().collect();
        format!("beside {of_token}{}", words::direction(&own, Statistic::TokenDrift.name()))
    };
    format!(
        "Total variation between the expert shares of a token at the first matched point and at the last checkpoint: yours (mean over \
         the frequent token ids, weighted by n) is {}; {same}. {} {}",
        paper.courses.iter().map(beside).collect::<Vec<_>>().join(", "),
        matching(paper, axis, rows, run),
        words::differs(
            run,
            "the paper's stand at 200B to 1.0T training tokens",
            "576 and 330 assignments of two tokens of RedPajama",
        )
    )
}

fn overlay(paper: &Paper, run: &Run, axis: Axis, courses: &[Course<'_>]) -> Overlay {
    let theirs = |(index, course): (usize, &TokenCourse)| {
        let points = 0..course.points.len() - 1;
        let at = |point: usize| (axis.paper(course, point), drift(course, point).0);
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
        title: format!("Figure 11 beside {}: how far token shares are from the last checkpoint", run.checkpoint),
        caption: "Total variation between the kept expert shares of a token at a checkpoint and at the last one (the paper's: 1.0T \
                  training tokens). The paper shows two tokens from 200B on; the run's curve is the mean over its frequent token ids. \
                  Bands: 95 % intervals."
            .to_owned(),
        x_label: match axis {
            Axis::Tokens => "training tokens",
            Axis::Part(_) => "part of the way to the last checkpoint",
        },
        y_label: "total variation to the last checkpoint",
        x_ticks: match axis {
            Axis::Tokens => [0.0, 2e11, 4e11, 6e11, 8e11, 1e12].map(|at| (at, short(at))).to_vec(),
            Axis::Part(_) => [0.0, 0.2, 0.4, 0.6, 0.8, 1.0].map(|at| (at, format!("{:.0} %", 100.0 * at))).to_vec(),
        },
        logarithmic: false,
        percent: false,
        panels: courses.iter().map(panel).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_written_shortly() {
        assert_eq!([1.1e12, 2e11, 12.3e6, 0.0].map(short), ["1.1T", "200B", "12.3M", "0"]);
    }

    #[test]
    fn the_papers_points_have_their_tokens() {
        let paper = Paper::load().unwrap();
        let course = &paper.courses[0];
        let tokens: Vec<f64> = (0..5).map(|point| course.tokens(point)).collect();
        assert_eq!(tokens, [2e11, 4e11, 6e11, 8e11, 1e12]);
        assert_eq!(Axis::Part(2e12).paper(course, 1), 0.4);
        assert_eq!(Axis::Tokens.item(course, 1), "\"ed\" at 400B");
        assert!(Axis::Tokens.is_near(198e9, 2e11) && !Axis::Tokens.is_near(190e9, 2e11));
    }
}
