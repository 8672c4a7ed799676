//! Charts of `routing_std`: how unevenly positions and token ids are spread over the experts.

use super::{
    ChartSpec,
    room::ShownLayers,
    says,
    selection::{Selection, interval, token_label, view_words},
};
use crate::{
    chart::{
        ChartKind,
        axis::{ceil_nice, number},
        canvas::Marker,
        curve::{AxisScale, CurveFigure, CurvePanel, Mark},
        font,
        legend::{LegendEntry, Sample},
        page::Body,
        theme::{CEILING_LINE, CORRECTED_LINE, FLOOR_LINE, MEAN_LINE, SMALL, VALUE, VALUE_LINE},
    },
    routing::{LayerId, View},
    stats::{Finding, Statistic, Variable},
};

/// How many of the most frequent token ids are named.
const NAMED: usize = 14;
/// Widest label of a point, in pixels.
const LABEL_ROOM: f64 = 100.0;

/// `routing_std` by position, one panel per layer, one chart per view.
pub(super) fn by_position(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    View::ALL.into_iter().filter_map(|view| position_chart(selection, kind, view)).collect()
}

fn position_chart(selection: &Selection<'_>, kind: &'static ChartKind, view: View) -> Option<ChartSpec> {
    let (mut panels, mut top, mut bottom, mut last) = (Vec::new(), 0.0f64, 0.01f64, 1.0f64);
    let shown = shown(selection, view, Variable::Position);
    for &layer in &shown.layers {
        let rows =
            keyed(selection, Statistic::RoutingStd, layer, view, Variable::Position, |row| row.position.map(f64::from));
        if rows.is_empty() {
            continue;
        }
        let rows = thinned(rows);
        bottom = bottom.min(lowest(&rows));
        let corrected = corrected(selection, layer, view, Variable::Position, |row| row.position.map(f64::from));
        let mean = mean(selection, layer, view, Variable::Position);
        let ends = (rows[0].0, rows[rows.len() - 1].0);
        last = last.max(ends.1);
        top = top.max(highest(&rows));
        let mut panel = panel(layer, mean);
        panel.bands.push((VALUE, rows.iter().filter_map(|(x, row)| interval(row).map(|(l, h)| (*x, l, h))).collect()));
        panel.lines.push((FLOOR_LINE, rows.iter().filter_map(|(x, row)| Some((*x, row.noise_floor?))).collect()));
        panel.lines.push((VALUE_LINE, rows.iter().filter_map(|(x, row)| Some((*x, row.estimate?))).collect()));
        panel.lines.push((CORRECTED_LINE, corrected));
        add_levels(&mut panel, &rows, mean, ends);
        panels.push(panel);
    }
    let caption = "Standard deviation over the experts of the expert shares at each position. 0 is even routing; \
                   the noise floor is what so few occurrences add to it, the ceiling what routing \
                   every token of the position to the same experts would show. Both axes are logarithmic (horizontally \
                   in position + 1); of neighbouring positions one every 2 % is drawn; what lies below the axis (0 with the noise removed) stands on it.";
    let title = format!("Routing standard deviation by position ({})", view_words(view));
    let figure =
        figure(panels, ("position in the sequence", 0.0, last, 1.0), top, Some(bottom), Sample::Area(VALUE_LINE));
    let caption = format!("{caption}{}", shown.rule());
    Some(selection.spec(kind, view.name(), title, &caption, Body::Curve(figure?)))
}

/// `routing_std` by token id, one panel per layer, one chart per view; none where no noise floor says what a number means.
pub(super) fn by_token(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    View::ALL.into_iter().filter_map(|view| token_chart(selection, kind, view)).collect()
}

fn token_chart(selection: &Selection<'_>, kind: &'static ChartKind, view: View) -> Option<ChartSpec> {
    let count = |row: &Finding| row.token_id.map(|_| row.n as f64);
    let (mut panels, mut top, mut low, mut high) = (Vec::new(), 0.0f64, f64::INFINITY, 1.0f64);
    let shown = shown(selection, view, Variable::Token);
    for &layer in &shown.layers {
        let rows = keyed(selection, Statistic::RoutingStd, layer, view, Variable::Token, count);
        if rows.is_empty() {
            continue;
        }
        let mean = mean(selection, layer, view, Variable::Token);
        let ends = (rows[0].0, rows[rows.len() - 1].0);
        (low, high, top) = (low.min(ends.0 * 0.93), high.max(ends.1 * 1.07), top.max(highest(&rows)));
        let mut panel = panel(layer, mean);
        panel.lines.push((FLOOR_LINE, rows.iter().filter_map(|(x, row)| Some((*x, row.noise_floor?))).collect()));
        add_levels(&mut panel, &rows, mean, ends);
        panel.marks = marks(&rows);
        panels.push(panel);
    }
    let low = if low < high { low } else { high / 2.0 };
    let caption = "Standard deviation over the experts of the expert shares of each token id with at least 128 \
                   occurrences; the most frequent ids are named where there is room. The horizontal axis is how often the \
                   id occurs (the paper's figure has the id itself), because the noise floor falls with it.";
    let title = format!("Routing standard deviation by token id ({})", view_words(view));
    let figure =
        figure(panels, ("occurrences of the token id", low, high, 0.0), top, None, Sample::Point(Marker::Disc, VALUE));
    let caption = format!("{caption}{}", shown.rule());
    let all: Vec<&Finding> = selection.rows(kind.statistic, view).filter(|row| row.token_id.is_some()).collect();
    let message = says::spread(&all)?;
    Some(selection.spec(kind, view.name(), title, &caption, Body::Curve(figure?)).saying(message))
}

/// The layers that have a panel.
fn shown(selection: &Selection<'_>, view: View, variable: Variable) -> ShownLayers {
    let measured = "mean routing standard deviation";
    ShownLayers::of(selection, Statistic::RoutingStd, measured, |layer| mean(selection, layer, view, variable))
}

/// The rows of one variable with their place on the axis, ascending.
fn keyed<'a>(
    selection: &Selection<'a>,
    statistic: Statistic,
    layer: LayerId,
    view: View,
    variable: Variable,
    x: impl Fn(&Finding) -> Option<f64>,
) -> Vec<(f64, &'a Finding)> {
    let rows = selection.layer_rows(statistic, view, layer);
    let mut keyed: Vec<(f64, &Finding)> =
        rows.filter(|row| row.variable == Some(variable)).filter_map(|row| Some((x(row)?, row))).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed
}

fn corrected(
    selection: &Selection<'_>,
    layer: LayerId,
    view: View,
    variable: Variable,
    x: impl Fn(&Finding) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let rows = keyed(selection, Statistic::RoutingStdCorrected, layer, view, variable, x);
    thinned(rows).into_iter().filter_map(|(x, row)| Some((x, row.estimate?))).collect()
}

/// The layer's mean: the row of the variable without a key.
fn mean(selection: &Selection<'_>, layer: LayerId, view: View, variable: Variable) -> Option<f64> {
    let mut rows = selection.layer_rows(Statistic::RoutingStd, view, layer);
    rows.find(|row| {
        row.variable == Some(variable) && row.position.is_none() && row.token_id.is_none() && row.quantile.is_none()
    })?
    .estimate
}

/// Thins rows for a logarithmic axis: each is at least two percent further on than the one before.
fn thinned(rows: Vec<(f64, &Finding)>) -> Vec<(f64, &Finding)> {
    let mut kept: Vec<(f64, &Finding)> = Vec::new();
    for row in rows {
        if kept.last().is_none_or(|last| row.0 + 1.0 >= (last.0 + 1.0) * 1.02) {
            kept.push(row);
        }
    }
    kept
}

/// The lower end of a logarithmic axis, a power of ten at or below the noise floor, but not below 0.0001.
fn lowest(rows: &[(f64, &Finding)]) -> f64 {
    let values =
        rows.iter().flat_map(|(_, row)| [row.estimate, row.noise_floor]).flatten().filter(|value| *value > 0.0);
    let low = values.fold(0.01, f64::min);
    10f64.powf(low.log10().floor()).max(1e-4)
}

fn highest(rows: &[(f64, &Finding)]) -> f64 {
    let ends = rows.iter().flat_map(|(_, row)| [row.estimate, row.high, row.ceiling, row.noise_floor]);
    ends.flatten().fold(0.0, f64::max)
}

fn panel(layer: LayerId, mean: Option<f64>) -> CurvePanel {
    let mean = mean.map(|mean| format!(": mean {}", number(mean))).unwrap_or_default();
    CurvePanel { title: format!("layer {layer}{mean}"), ..CurvePanel::default() }
}

/// The ceiling and the mean as lines from the first to the last row.
fn add_levels(panel: &mut CurvePanel, rows: &[(f64, &Finding)], mean: Option<f64>, ends: (f64, f64)) {
    let level = |value: f64| vec![(ends.0, value), (ends.1, value)];
    if let Some(ceiling) = rows.iter().find_map(|(_, row)| row.ceiling) {
        panel.lines.push((CEILING_LINE, level(ceiling)));
    }
    if let Some(mean) = mean {
        panel.lines.push((MEAN_LINE, level(mean)));
    }
}

/// One point per token id; the most frequent ones come first, so that they are named first.
fn marks(rows: &[(f64, &Finding)]) -> Vec<Mark> {
    let mark = |(rank, (x, row)): (usize, &(f64, &Finding))| {
        let label = if rank < NAMED { font::fit(&token_label(row), LABEL_ROOM, SMALL, false) } else { String::new() };
        let at = (*x, row.estimate?);
        Some(Mark { at, interval: interval(row), marker: Marker::Disc, color: VALUE, label })
    };
    rows.iter().rev().enumerate().filter_map(mark).collect()
}

fn figure(
    panels: Vec<CurvePanel>,
    x: (&str, f64, f64, f64),
    top: f64,
    y_log_from: Option<f64>,
    sample: Sample,
) -> Option<CurveFigure> {
    let uses = |stroke| {
        panels.iter().flat_map(|panel| &panel.lines).any(|(line, points)| *line == stroke && !points.is_empty())
    };
    let banded = panels.iter().any(|p| p.bands.iter().any(|band| !band.1.is_empty()));
    let whiskers = panels.iter().any(|panel| panel.marks.iter().any(|mark| mark.interval.is_some()));
    let mut legend = vec![LegendEntry::new(
        if matches!(sample, Sample::Area(_)) { Sample::Line(VALUE_LINE) } else { sample },
        "routing std",
    )];
    if banded || whiskers {
        legend.push(LegendEntry::new(Sample::Band(VALUE), "95 % interval"));
    }
    let lines = [
        (CORRECTED_LINE, "sampling noise removed"),
        (FLOOR_LINE, "noise floor"),
        (MEAN_LINE, "mean"),
        (CEILING_LINE, "ceiling"),
    ];
    legend.extend(
        lines
            .into_iter()
            .filter(|(stroke, _)| uses(*stroke))
            .map(|(s, label)| LegendEntry::new(Sample::Line(s), label)),
    );
    (!panels.is_empty()).then(|| CurveFigure {
        x_label: x.0.to_owned(),
        y_label: "routing std (0: all experts alike)".to_owned(),
        x_range: (x.1, x.2),
        x_linear: false,
        x_ticks: Vec::new(),
        x_shift: x.3,
        y: y_log_from.map_or_else(|| AxisScale::from_zero(ceil_nice(top)), |low| AxisScale::log(low, ceil_nice(top))),
        strip: None,
        legend,
        panels,
    })
}
