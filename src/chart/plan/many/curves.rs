//! Numbers of whole layers as curves from the first layer to the last.

use crate::{
    chart::{
        axis::{ceil_nice, short, ticks},
        bars::{BarFigure, BarPanel},
        curve::{AxisScale, CurveFigure, CurvePanel, Span},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{selection::Selection, series::series},
        theme::{Dash, MUTED, Stroke},
    },
    routing::LayerId,
    stats::Finding,
};

/// One line over the layers.
#[derive(Clone, Debug, Default)]
pub(in crate::chart::plan) struct Series {
    /// What it is about.
    pub(in crate::chart::plan) label: String,
    /// Layer, value, and what it is compared with.
    pub(in crate::chart::plan) points: Vec<(LayerId, f64, Option<f64>)>,
    /// Layer and ends of the interval.
    pub(in crate::chart::plan) intervals: Vec<(LayerId, f64, f64)>,
}

impl Series {
    /// The estimates of rows without what they are compared with.
    pub(in crate::chart::plan) fn of(label: &str, rows: &[&Finding]) -> Self {
        let points = rows.iter().filter_map(|row| Some((row.layer, row.estimate?, None)));
        let intervals = rows.iter().filter_map(|row| row.estimate.and(Some((row.layer, row.low?, row.high?))));
        Self { label: label.to_owned(), points: points.collect(), intervals: intervals.collect() }
    }
}

/// Bars of few layers, or a curve over the layers for each panel.
pub(in crate::chart::plan) fn side_by_side(selection: &Selection<'_>, figure: BarFigure) -> Body {
    if !selection.has_many_layers() {
        return Body::Bars(figure);
    }
    let baseline = figure.baseline_label;
    let drawn = |panel: BarPanel| {
        let all: Vec<Series> = panel.groups.iter().map(|group| of_bars(&group.label, &group.bars)).collect();
        Some((panel.title, Body::Curve(over_layers(&all, &panel.y_label, panel.percent, &baseline)?)))
    };
    Body::Stack(figure.panels.into_iter().filter_map(drawn).collect())
}

/// The addition to a caption if curves replace the bars of a figure.
pub(in crate::chart::plan) fn side_by_side_words(selection: &Selection<'_>, figure: &BarFigure) -> String {
    if !selection.has_many_layers() {
        return String::new();
    }
    let bars = || figure.panels.iter().flat_map(|panel| &panel.groups).flat_map(|group| &group.bars);
    let drawn = || bars().filter(|bar| bar.layer.is_some() && bar.value.is_some());
    let form = match (drawn().any(|bar| bar.interval.is_some()), drawn().any(|bar| bar.baseline.is_some())) {
        (true, true) => {
            ", each line with its 95 % interval as a band and what it is compared with dotted in its colour"
        }
        (true, false) => ", each line with its 95 % interval as a band",
        (false, true) => ", what a line is compared with dotted in its colour",
        (false, false) => "",
    };
    format!(" {}", selection.every_layer(&format!("from left to right{form}")))
}

/// How the layers of a figure stand, for its caption.
pub(in crate::chart::plan) fn arrangement(selection: &Selection<'_>) -> &'static str {
    if selection.has_many_layers() { "layer by layer" } else { "layers side by side" }
}

/// The sentence of a caption about bars; curves have their own.
pub(in crate::chart::plan) fn bars_in_words(selection: &Selection<'_>) -> &'static str {
    if selection.has_many_layers() { "" } else { " Layers side by side." }
}

fn of_bars(label: &str, bars: &[crate::chart::bars::Bar]) -> Series {
    let points = bars.iter().filter_map(|bar| Some((bar.layer?, bar.value?, bar.baseline)));
    let intervals = bars.iter().filter_map(|bar| {
        let (low, high) = bar.interval.filter(|_| bar.value.is_some())?;
        Some((bar.layer?, low, high))
    });
    Series { label: label.to_owned(), points: points.collect(), intervals: intervals.collect() }
}

/// A curve over the layers for each series; none without points.
pub(in crate::chart::plan) fn over_layers(
    all: &[Series],
    y_label: &str,
    percent: bool,
    baseline_label: &str,
) -> Option<CurveFigure> {
    let layers = || all.iter().flat_map(|series| &series.points).map(|point| f64::from(point.0));
    let (first, last) = (layers().reduce(f64::min)?, layers().reduce(f64::max)?);
    let mut panel = CurvePanel::default();
    let mut legend = Vec::new();
    for (index, line) in all.iter().enumerate().filter(|(_, line)| !line.points.is_empty()) {
        let stroke = series(index, all.len());
        let below = Stroke::broken(stroke.color, 1.1, Dash::Dotted);
        let baseline = line.points.iter().filter_map(|(layer, _, baseline)| Some((f64::from(*layer), (*baseline)?)));
        panel
            .bands
            .push((stroke.color, line.intervals.iter().map(|(x, low, high)| (f64::from(*x), *low, *high)).collect()));
        panel.lines.push((below, baseline.collect()));
        panel.lines.push((stroke, line.points.iter().map(|(layer, value, _)| (f64::from(*layer), *value)).collect()));
        legend.push(LegendEntry::new(Sample::Line(stroke), line.label.clone()));
    }
    if all.iter().any(|line| !line.intervals.is_empty()) {
        legend.push(LegendEntry::new(Sample::Band(MUTED), "95 % interval"));
    }
    if all.iter().flat_map(|line| &line.points).any(|point| point.2.is_some()) {
        legend.push(LegendEntry::new(Sample::Line(Stroke::broken(MUTED, 1.1, Dash::Dotted)), baseline_label));
    }
    let y = scale(&panel);
    Some(CurveFigure {
        x_label: "decoder layer".to_owned(),
        y_label: y_label.to_owned(),
        x_range: (first - 0.5, last + 0.5),
        x_linear: true,
        // No layer stands between two.
        x_ticks: ticks(first, last, 10).into_iter().filter(|at| at.fract() == 0.0).map(|at| (at, short(at))).collect(),
        x_shift: 0.0,
        y: if percent { y.percent() } else { y },
        strip: None,
        legend,
        panels: vec![panel],
    })
}

/// An axis from 0, or from below 0 if a value is negative, with room for all lines and bands.
fn scale(panel: &CurvePanel) -> AxisScale {
    let lines = panel.lines.iter().flat_map(|(_, points)| points).map(|point| point.1);
    let ends = panel.bands.iter().flat_map(|(_, spans)| spans).flat_map(|(_, low, high): &Span| [*low, *high]);
    let (low, high) = lines.chain(ends).fold((0.0_f64, 0.0_f64), |(low, high), at| (low.min(at), high.max(at)));
    let low = if low < 0.0 { -ceil_nice(-low) } else { 0.0 };
    AxisScale::linear(
        low,
        if high > 0.0 { ceil_nice(high) } else { low.abs().max(1.0) * f64::from(u8::from(low == 0.0)) },
    )
}
