//! Curves over the course of training and over the margin.

use super::{Specs, TimeAxis, checkpoints, percent_ticks};
use crate::{
    chart::{
        ChartKind,
        axis::ceil_nice,
        canvas::Marker,
        curve::{AxisScale, CurveFigure, CurvePanel, Mark},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            many::{LayerMap, figure as map_figure},
            room::ShownLayers,
            says,
            selection::{Selection, interval, view_words, words},
            series::series,
        },
        theme::{MUTED, Stroke},
    },
    routing::{LayerId, View},
    stats::{Finding, Statistic, Variant},
};

/// The statistics of agreement and their titles.
const AGREEMENT: [(Statistic, &str); 4] = [
    (Statistic::RouterSaturation, "Router saturation: shared experts / k"),
    (Statistic::FirstChoiceAgreement, "First-choice agreement"),
    (Statistic::ExactSetAgreement, "Exact-set agreement"),
    (Statistic::Jaccard, "Jaccard index of the chosen sets"),
];

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
    let (mut body, mut caption) = (Body::Curve(figure), format!("{caption}{}", shown.rule()));
    if let Some(map) = saturation_map(selection, &axis).filter(|_| selection.has_many_layers()) {
        body = Body::Stack(vec![
            ("Router saturation in every layer".to_owned(), map),
            ("Some layers with their intervals".to_owned(), body),
        ]);
        caption = format!("{caption} Above: {}", selection.every_layer("a row each"));
    }
    let step = |(label, shown): (&(String, f64), &String)| {
        let rows = selection.checkpoint_rows(Statistic::RouterSaturation, View::Chosen);
        (shown.clone(), axis.against_last(rows, &label.0))
    };
    let before_last = axis.points.len().saturating_sub(1);
    let steps: Vec<_> = axis.points.iter().zip(&axis.shown).take(before_last).map(step).collect();
    let message = says::agreement(&steps, axis.shown_reference());
    vec![selection.spec(kind, "", title, &caption, body).saying(message)]
}

/// Share of tokens whose first choice still changes, one line per layer.
pub(in crate::chart::plan) fn last_change(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let Some(axis) = TimeAxis::new(selection) else { return Specs::new() };
    let shown = shown(selection, &axis, Statistic::LastChange, "mean share of tokens that still change");
    let panel = panel(selection, &shown.layers, &axis, Statistic::LastChange, "");
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
    let before_last = axis.first_and_before_last()[1];
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
fn add_line(panel: &mut CurvePanel, rows: &[(f64, &Finding)], stroke: Stroke, index: usize) {
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

/// Agreement by the margin at the last checkpoint, one panel per layer and variant, one line per checkpoint.
pub(in crate::chart::plan) fn by_margin(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let all: Vec<&Finding> = selection.checkpoint_rows(kind.statistic, View::Chosen).collect();
    let others: Vec<&str> =
        checkpoints(&all.iter().copied().filter(|row| row.checkpoint != row.reference).collect::<Vec<_>>());
    let shown = ShownLayers::of(selection, kind.statistic, "mean agreement", |layer| {
        let own = all.iter().filter(|row| row.layer == layer);
        let values: Vec<f64> = own.filter_map(|row| row.estimate).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    });
    let mut specs = Specs::new();
    for variant in [Variant::Overlap, Variant::ExactSet, Variant::FirstChoice] {
        let rows: Vec<&Finding> = all.iter().copied().filter(|row| row.variant == Some(variant)).collect();
        let panels: Vec<CurvePanel> = shown
            .layers
            .iter()
            .map(|layer| margin_panel(*layer, &rows, &others))
            .filter(|panel| !panel.lines.is_empty())
            .collect();
        if panels.is_empty() {
            continue;
        }
        let message = TimeAxis::new(selection).and_then(|axis| {
            let own = axis.against_last(rows.iter().copied(), axis.first_and_before_last()[1]);
            says::by_margin(&own, axis.ends()[1])
        });
        specs.push(margin_chart(selection, kind, (variant, shown.rule()), panels, &others).saying(message));
    }
    specs
}

fn margin_panel(layer: LayerId, rows: &[&Finding], others: &[&str]) -> CurvePanel {
    let mut panel = CurvePanel { title: format!("layer {layer}"), ..CurvePanel::default() };
    for (index, label) in others.iter().enumerate() {
        let own = rows.iter().filter(|row| row.layer == layer && row.checkpoint.as_deref() == Some(*label));
        let mut before = 0.0;
        let points: Vec<(f64, &Finding)> = own
            .filter_map(|row| {
                let upper = row.quantile?;
                let middle = f64::midpoint(before, upper);
                before = upper;
                Some((middle, *row))
            })
            .collect();
        add_line(&mut panel, &points, series(index, others.len()), index);
    }
    panel
}

fn margin_chart(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    (variant, rule): (Variant, &str),
    panels: Vec<CurvePanel>,
    others: &[&str],
) -> super::ChartSpec {
    let which = if variant == Variant::FirstChoice { "first minus second" } else { "last chosen minus first unchosen" };
    let deciding = selection.context.deciding.in_words();
    let caption = format!(
        "Agreement with the last checkpoint of the tokens in each tenth of the margin ({which} {deciding}) that the last checkpoint \
         has. On the left near-ties, which another arithmetic may decide the other way; changes on the right are changes of \
         what was learnt. Bars: 95 % interval over documents; chance and the margins themselves are in \
         stats/agreement_by_margin.csv.{rule}"
    );
    let entry = |(index, label): (usize, &&str)| {
        LegendEntry::new(
            Sample::Line(series(index, others.len())),
            format!("checkpoint {}", selection.shortened(label)),
        )
    };
    let figure = CurveFigure {
        x_label: "share of tokens with a smaller margin".to_owned(),
        y_label: format!("agreement ({})", words(variant.name())),
        x_range: (0.0, 1.0),
        x_linear: true,
        x_ticks: percent_ticks(),
        x_shift: 0.0,
        y: AxisScale::from_zero(1.0).percent(),
        strip: None,
        legend: others.iter().enumerate().map(entry).collect(),
        panels,
    };
    let title = format!("Agreement by router margin: {} ({})", words(variant.name()), view_words(View::Chosen));
    selection.spec(kind, variant.name(), title, &caption, Body::Curve(figure))
}
