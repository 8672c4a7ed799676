//! Curves over the course of training and over the margin.

use super::{Specs, TimeAxis};
use crate::{
    chart::{
        ChartKind,
        axis::{ceil_nice, percent},
        canvas::Marker,
        curve::{AxisScale, CurveFigure, CurvePanel, Mark},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            many::{LayerMap, figure as map_figure},
            room::ShownLayers,
            says,
            selection::{Selection, interval, view_words},
            series::series,
        },
        theme::{CEILING_LINE, MUTED, Stroke, UNIFORM_LINE},
    },
    routing::{LayerId, View},
    stats::{Finding, Statistic},
};

/// The statistics of agreement and their titles.
const AGREEMENT: [(Statistic, &str); 4] = [
    (Statistic::RouterSaturation, "Router saturation: shared experts / k"),
    (Statistic::FirstChoiceAgreement, "First-choice agreement"),
    (Statistic::ExactSetAgreement, "Exact-set agreement"),
    (Statistic::Jaccard, "Jaccard index of the chosen sets"),
];

/// Half of the way from chance to full agreement.
const HALF: f64 = 0.5;

/// Agreement with the last checkpoint over training, one line per layer.
pub(in crate::chart::plan) fn agreement(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let Some(axis) = TimeAxis::new(selection) else { return Specs::new() };
    let shown = shown(selection, &axis, Statistic::RouterSaturation, "mean router saturation");
    let panels: Vec<CurvePanel> = AGREEMENT
        .into_iter()
        .map(|(statistic, title)| panel(selection, &shown.layers, &axis, statistic, title))
        .filter(|panel| !panel.lines.is_empty())
        .collect();
    let caption = "Agreement of each checkpoint with the last one over the same tokens, one line per layer; the last \
                   one agrees with itself. Bars: 95 % interval over documents. Grey: load-matched chance, from the lowest to \
                   the highest layer: what two routers with these loads would agree on if they chose independently.";
    let title = format!("Agreement with checkpoint {} ({})", axis.shown_reference(), view_words(View::Chosen));
    let Some(figure) = figure(&shown.layers, &axis, panels, "agreement", 1.0) else { return Specs::new() };
    let mut caption = format!("{caption}{}", shown.rule());
    let step = |(label, shown): (&(String, f64), &String)| {
        let rows = selection.checkpoint_rows(Statistic::RouterSaturation, View::Chosen);
        (shown.clone(), axis.against_last(rows, &label.0))
    };
    let before_last = axis.points.len().saturating_sub(1);
    let steps: Vec<_> = axis.points.iter().zip(&axis.shown).take(before_last).map(step).collect();
    let learnt = says::half_learnt(&steps).and_then(|(name, _)| axis.shown.iter().position(|shown| shown == name));
    let mut parts: Vec<(String, Body)> = Vec::new();
    if let Some(mut way) = way(selection, &shown.layers, &axis) {
        if let (Some(at), [panel]) = (learnt, &mut way.panels[..]) {
            panel.verticals.push((axis.points[at].1, String::new()));
            way.legend.push(LegendEntry::new(Sample::Line(CEILING_LINE), format!("checkpoint {}", axis.shown[at])));
        }
        parts.push(("The way from chance to full agreement".to_owned(), Body::Curve(way)));
        caption = format!(
            "On top the way that router saturation has gone from load-matched chance (0 %) to full agreement with the last \
             checkpoint (100 %). Below: {caption}"
        );
    }
    if let Some(map) = saturation_map(selection, &axis).filter(|_| selection.has_many_layers()) {
        parts.push(("Router saturation in every layer".to_owned(), map));
        parts.push(("Some layers with their intervals".to_owned(), Body::Curve(figure)));
        caption = format!("{caption} In the map: {}", selection.every_layer("a row each"));
    } else {
        parts.push(("As measured, with chance".to_owned(), Body::Curve(figure)));
    }
    let message = says::agreement(&steps, axis.shown_reference());
    vec![selection.spec(kind, "", title, &caption, Body::Stack(parts)).saying(message)]
}

/// Share of tokens whose first choice still changes, one line per layer.
pub(in crate::chart::plan) fn last_change(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let Some(axis) = TimeAxis::new(selection) else { return Specs::new() };
    let shown = shown(selection, &axis, Statistic::LastChange, "mean share of tokens that still change");
    let before_last = axis.first_and_before_last()[1];
    let mut panel = panel(selection, &shown.layers, &axis, Statistic::LastChange, "");
    let place = axis.points.iter().find(|(name, _)| name == before_last).map(|(_, place)| *place);
    for mark in panel.marks.iter_mut().filter(|mark| Some(mark.at.0) == place) {
        mark.label = percent(mark.at.1);
    }
    let ends = selection
        .checkpoint_rows(Statistic::LastChange, View::Chosen)
        .flat_map(|row| [row.high, row.estimate, row.baseline]);
    let top = ceil_nice(ends.flatten().fold(0.01, f64::max)).min(1.0);
    let panels = if panel.lines.is_empty() { Vec::new() } else { vec![panel] };
    let caption = "Share of the occurrences whose first choice changes between two neighbouring checkpoints at or after \
                   the one shown; 0 at the last by definition. Bars: 95 % interval over documents. Grey: independent first \
                   choices with the same loads.";
    let title = format!("Tokens whose first choice still changes ({})", view_words(View::Chosen));
    let figure = figure(&shown.layers, &axis, panels, "share of tokens", top);
    let caption = format!("{caption}{}", shown.rule());
    let rows = axis.against_last(selection.checkpoint_rows(Statistic::LastChange, View::Chosen), before_last);
    let message = says::last_change(&rows, axis.ends()[1]);
    let spec = |figure| selection.spec(kind, "", title, &caption, Body::Curve(figure)).saying(message);
    figure.map(spec).into_iter().collect()
}

/// The layers that have a line or a panel. Their extremes are chosen by the mean over the checkpoints.
fn shown(selection: &Selection<'_>, axis: &TimeAxis, statistic: Statistic, measured: &str) -> ShownLayers {
    ShownLayers::of(selection, statistic, measured, |layer| {
        let rows = selection.checkpoint_layer_rows(statistic, View::Chosen, layer);
        let own = rows.filter(|row| row.reference.as_deref() == Some(axis.reference()));
        let values: Vec<f64> = own.filter_map(|row| row.estimate).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    })
}

/// The chance-corrected router saturation over the checkpoints with its numbers, and the line of half of the way.
fn way(selection: &Selection<'_>, layers: &[LayerId], axis: &TimeAxis) -> Option<CurveFigure> {
    let (from, to) = axis.range();
    let mut panel = CurvePanel { lines: vec![(UNIFORM_LINE, vec![(from, HALF), (to, HALF)])], ..CurvePanel::default() };
    let mut lowest = 0.0_f64;
    for (index, layer) in layers.iter().enumerate() {
        let stroke = series(index, layers.len());
        let rows = selection.checkpoint_layer_rows(Statistic::RouterSaturation, View::Chosen, *layer);
        let own = rows.filter(|row| row.reference.as_deref() == Some(axis.reference()));
        let points: Vec<(f64, f64, &Finding)> =
            own.filter_map(|row| Some((axis.place(row)?, row.corrected?, row))).collect();
        lowest = points.iter().map(|point| point.1).fold(lowest, f64::min);
        panel.marks.extend(points.iter().map(|(x, y, row)| Mark {
            at: (*x, *y),
            interval: row.corrected_low.zip(row.corrected_high),
            marker: marker(index),
            color: stroke.color,
            label: percent(*y),
        }));
        panel.lines.push((stroke, points.iter().map(|(x, y, _)| (*x, *y)).collect()));
    }
    if panel.marks.is_empty() {
        return None;
    }
    let mut figure = figure(layers, axis, vec![panel], "way to the last checkpoint", 1.0)?;
    figure.y = AxisScale::linear(if lowest < 0.0 { -ceil_nice(-lowest) } else { 0.0 }, 1.0).percent();
    figure.legend.pop();
    figure.legend.push(LegendEntry::new(Sample::Line(UNIFORM_LINE), "half of the way"));
    Some(figure)
}

/// Router saturation against the last checkpoint: a row for every layer, a column for each checkpoint.
fn saturation_map(selection: &Selection<'_>, axis: &TimeAxis) -> Option<Body> {
    let cells = |layer| {
        let rows: Vec<&Finding> = selection
            .checkpoint_layer_rows(Statistic::RouterSaturation, View::Chosen, layer)
            .filter(|row| row.reference.as_deref() == Some(axis.reference()))
            .collect();
        let at = |(label, _): &(String, f64)| {
            let row = rows.iter().find(|row| row.checkpoint.as_deref() == Some(label))?;
            row.estimate.map(|share| share * 100.0)
        };
        axis.points.iter().map(at).collect()
    };
    let map = LayerMap::of(selection, "", axis.shown.clone(), cells);
    let scale = |_: &[f64]| crate::chart::heatmap::Scale::Sequential { max: 100.0 };
    map_figure(vec![map], scale, "router saturation in %", "checkpoint").map(Body::Heat)
}

/// One statistic over the checkpoints of the axis: chance of all layers as a band, a line and marks per layer.
fn panel(
    selection: &Selection<'_>,
    layers: &[LayerId],
    axis: &TimeAxis,
    statistic: Statistic,
    title: &str,
) -> CurvePanel {
    let rows: Vec<(f64, &Finding)> = selection
        .checkpoint_rows(statistic, View::Chosen)
        .filter(|row| row.reference.as_deref() == Some(axis.reference()))
        .filter_map(|row| Some((axis.place(row)?, row)))
        .collect();
    let mut panel = CurvePanel { title: title.to_owned(), ..CurvePanel::default() };
    let chance = axis.points.iter().filter_map(|(_, place)| {
        let all = rows.iter().filter(|(x, _)| x == place).filter_map(|(_, row)| row.baseline);
        let (low, high) = all.fold((f64::INFINITY, 0.0_f64), |(low, high), b| (low.min(b), high.max(b)));
        // A single layer has a band of no width: it is drawn thick enough to be seen.
        (low <= high && high > 0.0).then(|| (*place, (low - 0.004).max(0.0), high + 0.004))
    });
    panel.bands.push((MUTED, chance.collect()));
    for (index, layer) in layers.iter().enumerate() {
        let stroke = series(index, layers.len());
        let own: Vec<(f64, &Finding)> = rows.iter().filter(|(_, row)| row.layer == *layer).copied().collect();
        add_line(&mut panel, &own, stroke, index);
    }
    panel
}

/// A line through the estimates with a mark and an interval at each.
pub(super) fn add_line(panel: &mut CurvePanel, rows: &[(f64, &Finding)], stroke: Stroke, index: usize) {
    let points: Vec<(f64, f64)> = rows.iter().filter_map(|(x, row)| Some((*x, row.estimate?))).collect();
    if points.is_empty() {
        return;
    }
    let marker = marker(index);
    let mark = |(at, (_, row)): (&(f64, f64), &(f64, &Finding))| Mark {
        at: *at,
        interval: interval(row),
        marker,
        color: stroke.color,
        label: String::new(),
    };
    panel.marks.extend(points.iter().zip(rows).map(mark));
    panel.lines.push((stroke, points));
}

fn marker(index: usize) -> Marker {
    if index.is_multiple_of(2) { Marker::Disc } else { Marker::Diamond }
}

fn figure(
    layers: &[LayerId],
    axis: &TimeAxis,
    panels: Vec<CurvePanel>,
    y_label: &str,
    y_max: f64,
) -> Option<CurveFigure> {
    let entry = |(index, layer): (usize, &LayerId)| {
        LegendEntry::new(Sample::Line(series(index, layers.len())), format!("layer {layer}"))
    };
    let chance = LegendEntry::new(Sample::Band(MUTED), "load-matched chance");
    (!panels.is_empty()).then(|| CurveFigure {
        x_label: axis.label.to_owned(),
        y_label: y_label.to_owned(),
        x_range: axis.range(),
        x_linear: axis.linear,
        x_ticks: axis.ticks(),
        x_shift: 0.0,
        y: AxisScale::from_zero(y_max).percent(),
        strip: None,
        legend: layers.iter().enumerate().map(entry).chain([chance]).collect(),
        panels,
    })
}
