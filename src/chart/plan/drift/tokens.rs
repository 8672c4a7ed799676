//! Token ids over the course of training.

use super::{Specs, TimeAxis, checkpoints};
use crate::{
    chart::{
        ChartKind,
        axis::{ceil_nice, count},
        canvas::Marker,
        curve::{AxisScale, CurveFigure, CurvePanel, Mark},
        font,
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            room::{ExpertColumns, ShownLayers, largest},
            says,
            selection::{Selection, interval, label, token_label, view_rule, view_words},
            share::by_expert,
        },
        radar::{RadarFigure, RadarPanel},
        theme::{ACCENT, Color, MEAN_LINE, MUTED, SMALL, VALUE},
    },
    routing::{LayerId, View},
    stats::{Finding, Statistic, Variant, evenly_spread},
};

/// How many token ids are drawn as radars.
const TOKENS: usize = 6;
/// Most checkpoints in a row of radars.
const CHECKPOINTS: usize = 6;
/// How many of the most frequent token ids are named.
const NAMED: usize = 14;
/// The colour of a token id whose drift is not told from noise.
const UNMOVED: Color = MUTED.with_alpha(0.45);
/// Widest label of a point, in pixels.
const LABEL_ROOM: f64 = 100.0;

/// Radars of the most frequent token ids, a column per checkpoint; a page per layer.
pub(in crate::chart::plan) fn radars(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let Some(axis) = TimeAxis::new(selection) else { return Specs::new() };
    let view = selection.drawn_view(Statistic::ExpertShare);
    let caption = format!(
        "Share of each expert in the {} assignments of one token id, experts clockwise from the top, at successive \
         checkpoints; behind it the share at the last one. Drawn: the ids that were asked for, then the most frequent ones; \
         ␣ is a space, ⏎ a line end.{}",
        view.name(),
        view_rule(view)
    );
    if selection.has_many_layers() {
        return many_radars(selection, kind, (&axis, view), &caption);
    }
    let mut specs = Specs::new();
    for &layer in selection.layers() {
        let rows = token_rows(selection, layer, view);
        let columns =
            evenly_spread(&axis.points.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), CHECKPOINTS);
        let experts = columns_of(selection, &axis, layer, view);
        let drawn = TOKENS.max(selection.context.tokens_of_interest.len());
        let panels =
            panels(selection, &rows, (&columns, axis.reference()), (&experts, selection.experts(layer)), drawn);
        if panels.is_empty() {
            continue;
        }
        let body = Body::Radar(RadarFigure {
            experts: selection.experts(layer),
            spokes: experts.names().len(),
            // A row per token id; with few checkpoints two ids share a row.
            columns: Some(if columns.len() > 3 { columns.len() } else { 2 * columns.len() }),
            overall_label: "share at the last checkpoint",
            panels,
        });
        let title = format!("Expert share by token id over training, layer {layer} ({})", view_words(view));
        let caption = format!("{caption}{}", experts.rule(Statistic::ExpertShare));
        specs.push(selection.spec(kind, &format!("layer_{layer}_{}", view.name()), title, &caption, body));
    }
    specs
}

/// The experts of a layer as spokes; if there are many, in order of their load at the last checkpoint.
fn columns_of(selection: &Selection<'_>, axis: &TimeAxis, layer: LayerId, view: View) -> ExpertColumns {
    let mut load = vec![None; selection.experts(layer)];
    let rows = selection.checkpoint_layer_rows(Statistic::ExpertShare, view, layer);
    for row in rows.filter(|row| row.variable.is_none() && row.checkpoint.as_deref() == Some(axis.reference())) {
        if let Some(cell) = row.expert.and_then(|expert| load.get_mut(usize::from(expert))) {
            *cell = row.estimate;
        }
    }
    ExpertColumns::of_load(load.len(), &load)
}

/// The rows of single token ids in a layer, at every checkpoint.
fn token_rows<'a>(selection: &Selection<'a>, layer: LayerId, view: View) -> Vec<&'a Finding> {
    let rows = selection.checkpoint_layer_rows(Statistic::ExpertShare, view, layer);
    rows.filter(|row| row.token_id.is_some()).collect()
}

/// A row of radars for each of the layers that are shown: one token id at successive checkpoints.
fn many_radars(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    (axis, view): (&TimeAxis, View),
    caption: &str,
) -> Specs {
    let all: Vec<&Finding> = selection.checkpoint_rows(kind.statistic, View::Chosen).collect();
    let shown = ShownLayers::of(selection, kind.statistic, "mean token drift", |layer| {
        let own = all.iter().filter(|row| row.layer == layer && row.token_id.is_none());
        largest(own.copied(), |row| row.estimate)
    });
    let columns = evenly_spread(&axis.points.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), CHECKPOINTS);
    let mut parts: Vec<(String, Body)> = Vec::new();
    let mut rule = String::new();
    for &layer in &shown.layers {
        let experts = columns_of(selection, axis, layer, view);
        let rows = token_rows(selection, layer, view);
        let panels = panels(selection, &rows, (&columns, axis.reference()), (&experts, selection.experts(layer)), 1);
        if panels.is_empty() {
            continue;
        }
        rule = experts.rule(Statistic::ExpertShare);
        let body = Body::Radar(RadarFigure {
            experts: selection.experts(layer),
            spokes: experts.names().len(),
            columns: Some(columns.len()),
            overall_label: "share at the last checkpoint",
            panels,
        });
        parts.push((format!("layer {layer}"), body));
    }
    if parts.is_empty() {
        return Specs::new();
    }
    let caption = format!("{caption} Of each layer the first of these ids.{}{rule}", shown.rule());
    let title = format!("Expert share of a token id over training, in layers of the model ({})", view_words(view));
    vec![selection.spec(kind, view.name(), title, &caption, Body::Stack(parts))]
}

/// Radars of the first `drawn` ids that every one of the `names` has.
fn panels(
    selection: &Selection<'_>,
    rows: &[&Finding],
    (names, reference): (&[&str], &str),
    (columns, experts): (&ExpertColumns, usize),
    drawn: usize,
) -> Vec<RadarPanel> {
    let of = |id: u32, name: &str| -> Vec<&Finding> {
        let own = rows.iter().copied();
        own.filter(|row| row.token_id == Some(id) && row.checkpoint.as_deref() == Some(name)).collect()
    };
    let ids = drawn_first(&selection.context.tokens_of_interest, rows);
    let panel = |id: u32, name: &str| {
        let own = of(id, name);
        let first = own.first()?;
        Some(RadarPanel {
            title: format!("{} · {}", token_label(first), label(selection.shortened(name))),
            note: format!("n = {}", count(first.n)),
            share: columns.means(by_expert(&own, experts, |row| row.estimate)),
            low: columns.ends(by_expert(&own, experts, |row| row.low)),
            high: columns.ends(by_expert(&own, experts, |row| row.high)),
            overall: if name == reference {
                Vec::new()
            } else {
                columns.means(by_expert(&of(id, reference), experts, |row| row.estimate))
            },
        })
    };
    let complete = |id: u32| names.iter().map(|name| panel(id, name)).collect::<Option<Vec<_>>>();
    ids.into_iter().filter_map(complete).take(drawn).flatten().collect()
}

/// Every token id once: first those of interest, then the most frequent ones.
fn drawn_first(wanted: &[u32], rows: &[&Finding]) -> Vec<u32> {
    let mut counted: Vec<(u64, u32)> = rows.iter().filter_map(|row| Some((row.n, row.token_id?))).collect();
    counted.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut ids: Vec<u32> = Vec::new();
    for id in wanted.iter().copied().chain(counted.into_iter().map(|(_, id)| id)) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// Drift of every token id over its frequency: the first checkpoint and the one before the last against the last.
pub(in crate::chart::plan) fn by_frequency(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let rows: Vec<&Finding> = selection
        .checkpoint_rows(kind.statistic, View::Chosen)
        .filter(|row| row.variant == Some(Variant::TotalVariation) && row.checkpoint != row.reference)
        .collect();
    let Some(axis) = TimeAxis::new(selection) else { return Specs::new() };
    let names: Vec<&str> =
        checkpoints(&rows).into_iter().filter(|name| axis.points.iter().any(|(known, _)| known == name)).collect();
    let mut drawn: Vec<(&str, &str)> = names.first().map(|name| ("first", *name)).into_iter().collect();
    drawn.extend(names.last().filter(|_| names.len() > 1).map(|name| ("before_last", *name)));
    drawn.into_iter().filter_map(|(suffix, name)| frequency_chart(selection, kind, suffix, name, &rows)).collect()
}

fn frequency_chart(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    suffix: &str,
    name: &str,
    rows: &[&Finding],
) -> Option<super::ChartSpec> {
    let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.checkpoint.as_deref() == Some(name)).collect();
    let shown = ShownLayers::of(selection, kind.statistic, "mean token drift", |layer| {
        let means = own.iter().copied().filter(|row| row.layer == layer && row.token_id.is_none());
        largest(means, |row| row.estimate)
    });
    let panels: Vec<CurvePanel> = shown.layers.iter().filter_map(|layer| frequency_panel(*layer, &own)).collect();
    let ids = || own.iter().filter(|row| row.token_id.is_some());
    let low = ids().map(|row| row.n as f64 * 0.93).fold(f64::INFINITY, f64::min);
    let high = ids().map(|row| row.n as f64 * 1.07).fold(1.0, f64::max);
    let top = ids().flat_map(|row| [row.estimate, row.high, row.noise_floor]).flatten().fold(0.01, f64::max);
    if panels.is_empty() {
        return None;
    }
    let caption = "Total variation between the expert shares of each token id with at least 128 occurrences and its shares \
                   at the last checkpoint: 0 % no change, 100 % no expert in common; the most frequent ids are named where there is \
                   room. A diamond is the id's noise floor: the distance that another corpus of this size would show at the \
                   last checkpoint alone. Line: mean, weighted by occurrences.";
    let legend = vec![
        LegendEntry::new(Sample::Point(Marker::Disc, VALUE), "moved by more than noise"),
        LegendEntry::new(Sample::Point(Marker::Disc, UNMOVED), "not told from noise"),
        LegendEntry::new(Sample::Band(VALUE), "95 % interval"),
        LegendEntry::new(Sample::Point(Marker::Diamond, ACCENT.with_alpha(0.45)), "noise floor"),
        LegendEntry::new(Sample::Line(MEAN_LINE), "mean"),
    ];
    let figure = CurveFigure {
        x_label: "occurrences of the token id".to_owned(),
        y_label: "total variation: share of its choices".to_owned(),
        x_range: (low, high),
        x_linear: false,
        x_ticks: Vec::new(),
        x_shift: 0.0,
        y: AxisScale::from_zero(ceil_nice(top).min(1.0)).percent(),
        strip: None,
        legend,
        panels,
    };
    let reference = own.first().and_then(|row| row.reference.as_deref()).unwrap_or_default();
    let [from, to] = [name, reference].map(|name| label(selection.shortened(name)));
    let title = format!("Token drift from {from} to {to} ({})", view_words(View::Chosen));
    let spec = selection.spec(kind, suffix, title, &format!("{caption}{}", shown.rule()), Body::Curve(figure));
    Some(spec.saying(says::moved(&own)))
}

fn frequency_panel(layer: LayerId, rows: &[&Finding]) -> Option<CurvePanel> {
    let own = || rows.iter().filter(|row| row.layer == layer);
    let mean = own().find(|row| row.token_id.is_none()).and_then(|row| row.estimate);
    let mut ids: Vec<&&Finding> = own().filter(|row| row.token_id.is_some()).collect();
    ids.sort_by(|a, b| b.n.cmp(&a.n).then(a.token_id.cmp(&b.token_id)));
    let ends = ids.last().map(|row| row.n as f64).zip(ids.first().map(|row| row.n as f64))?;
    let told: Vec<bool> = ids.iter().filter_map(|row| says::exceeds_noise(row)).collect();
    let (judged, moved) = (told.len(), told.iter().filter(|moved| **moved).count());
    let mut panel = CurvePanel { title: format!("layer {layer}: {moved} of {judged} moved"), ..CurvePanel::default() };
    if let Some(mean) = mean {
        panel.lines.push((MEAN_LINE, vec![(ends.0, mean), (ends.1, mean)]));
    }
    let mark = |(rank, row): (usize, &&&Finding)| {
        let label = if rank < NAMED { font::fit(&token_label(row), LABEL_ROOM, SMALL, false) } else { String::new() };
        let at = (row.n as f64, row.estimate?);
        let color = if says::exceeds_noise(row) == Some(true) { VALUE } else { UNMOVED };
        Some(Mark { at, interval: interval(row), marker: Marker::Disc, color, label })
    };
    let floor = |row: &&&Finding| Mark {
        at: (row.n as f64, row.noise_floor.unwrap_or(0.0)),
        interval: None,
        marker: Marker::Diamond,
        color: ACCENT.with_alpha(0.45),
        label: String::new(),
    };
    panel.marks.extend(ids.iter().enumerate().filter_map(mark));
    panel.marks.extend(ids.iter().filter(|row| row.noise_floor.is_some()).map(floor));
    Some(panel)
}
