//! Checkpoint against checkpoint, the load of the experts, and checkpoints beside the time axis.

use super::{Specs, TimeAxis, checkpoints};
use crate::{
    chart::{
        ChartKind, Message,
        bars::{BarFigure, BarGroup, BarPanel},
        heatmap::{HeatBlock, HeatFigure, Scale},
        page::Body,
        plan::{
            context::{group, plain},
            many::{
                LayerMap, arrangement, figure as map_figure, from_zero, multiples, side_by_side, side_by_side_words,
            },
            room::{ExpertColumns, ShownLayers},
            says,
            selection::{Selection, label, view_words},
            share::{by_cell, expert_columns},
        },
    },
    routing::{LayerId, View},
    stats::{Finding, Statistic, Variant},
};

/// Saturation of every two checkpoints, one block per layer.
pub(in crate::chart::plan) fn matrix(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let rows: Vec<&Finding> = selection.checkpoint_rows(kind.statistic, View::Chosen).collect();
    let names = checkpoints(&rows);
    let shown = ShownLayers::of(selection, kind.statistic, "mean saturation of two checkpoints", |layer| {
        let values: Vec<f64> = rows.iter().filter(|row| row.layer == layer).filter_map(|row| row.estimate).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    });
    let blocks: Vec<HeatBlock> = shown
        .layers
        .iter()
        .map(|layer| matrix_block(selection, *layer, &rows, &names))
        .filter(|block| block.cells.iter().flatten().any(Option::is_some))
        .collect();
    if blocks.is_empty() || names.len() < 2 {
        return Specs::new();
    }
    let caption = "Share of the experts that two checkpoints choose alike for the same token, averaged over the tokens: \
                   100 % on the diagonal. Chance and intervals are in stats/router_saturation.csv.";
    let body = Body::Heat(HeatFigure {
        scale: Scale::Sequential { max: 100.0 },
        scale_label: "router saturation in %".to_owned(),
        row_height: None,
        column_label: "checkpoint (rows and columns)".to_owned(),
        blocks,
    });
    let title = format!("Router saturation of every two checkpoints ({})", view_words(View::Chosen));
    let message = TimeAxis::new(selection).and_then(|axis| {
        let of = |label: &str| axis.against_last(rows.iter().copied(), label);
        let [first, before_last] = axis.first_and_before_last();
        says::matrix(&of(first), &of(before_last), axis.ends())
    });
    vec![selection.spec(kind, "", title, &format!("{caption}{}", shown.rule()), body).saying(message)]
}

fn matrix_block(selection: &Selection<'_>, layer: LayerId, rows: &[&Finding], names: &[&str]) -> HeatBlock {
    let mut cells = vec![vec![None; names.len()]; names.len()];
    let place = |name: &Option<String>| names.iter().position(|known| Some(*known) == name.as_deref());
    for row in rows.iter().filter(|row| row.layer == layer) {
        if let Some((at, to)) = place(&row.checkpoint).zip(place(&row.reference)) {
            cells[at][to] = row.estimate.map(|share| share * 100.0);
        }
    }
    let labels: Vec<String> = names.iter().map(|name| label(selection.shortened(name))).collect();
    HeatBlock { title: format!("layer {layer}"), rows: labels.clone(), columns: labels, cells, outlined: Vec::new() }
}

/// Load of every expert at every checkpoint, one block per layer, one chart per view.
pub(in crate::chart::plan) fn load(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    if selection.has_many_layers() {
        return View::ALL.into_iter().filter_map(|view| distance_map(selection, kind, view)).collect();
    }
    let mut specs = Specs::new();
    for view in View::ALL {
        let mut rule = String::new();
        let rows: Vec<&Finding> =
            selection.checkpoint_rows(Statistic::ExpertShare, view).filter(|row| row.variable.is_none()).collect();
        let names = checkpoints(&rows);
        let mut blocks = Vec::new();
        for layer in selection.layers() {
            let (experts, even) = (selection.experts(*layer), selection.even_share(*layer));
            let own = |name: &str| {
                let own = rows.iter().copied();
                let own = own.filter(|row| row.layer == *layer && row.checkpoint.as_deref() == Some(name));
                by_cell(own, experts, |row| Some(row.estimate? / even))
            };
            let cells: Vec<Vec<Option<f64>>> = names.iter().map(|name| own(name)).collect();
            if cells.iter().flatten().any(Option::is_some) {
                let labels: Vec<String> = names.iter().map(|name| label(selection.shortened(name))).collect();
                let columns = last_order(selection, *layer, cells.last());
                rule = columns.rule(Statistic::ExpertShare);
                let figure = expert_columns(&labels, &cells, "", &columns);
                blocks.extend(figure.blocks.into_iter().map(|block| titled(block, *layer)));
            }
        }
        if blocks.is_empty() {
            continue;
        }
        let values = blocks.iter().flat_map(|block| block.cells.iter().flatten().flatten().copied());
        let body = Body::Heat(HeatFigure {
            scale: multiples(values),
            scale_label: "times an even load".to_owned(),
            row_height: None,
            column_label: "expert".to_owned(),
            blocks,
        });
        let caption = "Share of each expert in the assignments of a layer at each checkpoint, in times an even load, \
                       on a logarithmic scale: 1 is even load, orange more, blue less; values beyond the ends of the scale have its darkest colour. Columns that keep their shade are experts that keep their load; cosine and \
                       total variation against the last checkpoint are in stats/load_drift.csv.";
        let title = format!("Expert load over training ({})", view_words(view));
        let spec = selection.spec(kind, view.name(), title, &format!("{caption}{rule}"), body);
        specs.push(spec.saying(moved_load(selection, view)));
    }
    specs
}

/// The experts of a layer as columns; if there are many, in order of their load at the last checkpoint.
fn last_order(selection: &Selection<'_>, layer: LayerId, last: Option<&Vec<Option<f64>>>) -> ExpertColumns {
    ExpertColumns::of_load(selection.experts(layer), last.map_or(&[], Vec::as_slice))
}

/// Total variation of the load against the last checkpoint: a row for every layer, a column for each checkpoint.
fn distance_map(selection: &Selection<'_>, kind: &'static ChartKind, view: View) -> Option<super::ChartSpec> {
    let all: Vec<&Finding> = selection
        .checkpoint_rows(kind.statistic, view)
        .filter(|row| row.variant == Some(Variant::TotalVariation))
        .collect();
    let names = checkpoints(&all);
    let cells = |layer: LayerId| {
        let own: Vec<&&Finding> = all.iter().filter(|row| row.layer == layer).collect();
        let at = |name: &&str| own.iter().find(|row| row.checkpoint.as_deref() == Some(*name))?.estimate;
        names.iter().map(at).collect()
    };
    let labels = names.iter().map(|name| label(selection.shortened(name))).collect();
    let map = LayerMap::of(selection, "", labels, cells);
    let figure = map_figure(vec![map], from_zero(0.01), "total variation of the load", "checkpoint")?;
    let caption = format!(
        "Total variation between the expert shares of a layer at each checkpoint and at the last one: 0 the same load, 1 no \
         expert in common. {} The load of every expert is in stats/expert_share.parquet, intervals and noise floors in \
         stats/load_drift.parquet.",
        selection.every_layer("a row each")
    );
    let title = format!("Expert load over training, against the last checkpoint ({})", view_words(view));
    let spec = selection.spec(kind, view.name(), title, &caption, Body::Heat(figure));
    Some(spec.saying(moved_load(selection, view)))
}

/// How much of the load moved since the first checkpoint, and since the one before the last.
fn moved_load(selection: &Selection<'_>, view: View) -> Option<Message> {
    let axis = TimeAxis::new(selection)?;
    let rows = || selection.checkpoint_rows(Statistic::LoadDrift, view);
    let [first, before_last] = axis.first_and_before_last().map(|label| axis.against_last(rows(), label));
    says::load_drift(&first, &before_last, axis.ends())
}

fn titled(block: HeatBlock, layer: LayerId) -> HeatBlock {
    let part = if block.title.is_empty() { String::new() } else { format!(", {}", block.title) };
    HeatBlock { title: format!("layer {layer}{part}"), ..block }
}

/// Statistics and their words.
const AGREEMENT: [(Statistic, &str); 4] = [
    (Statistic::RouterSaturation, "router saturation"),
    (Statistic::FirstChoiceAgreement, "first choice"),
    (Statistic::ExactSetAgreement, "exact set"),
    (Statistic::Jaccard, "Jaccard index"),
];

/// Checkpoints beside the time axis against the last one, layers side by side, one panel per checkpoint.
pub(in crate::chart::plan) fn beside(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let rows: Vec<&Finding> = selection.checkpoint_rows(kind.statistic, View::Chosen).collect();
    let axis: Vec<&Finding> = selection.checkpoint_rows(Statistic::LastChange, View::Chosen).collect();
    let on_axis = checkpoints(&axis);
    let names: Vec<&str> = checkpoints(&rows).into_iter().filter(|name| !on_axis.contains(name)).collect();
    let reference = rows.first().and_then(|row| row.reference.as_deref()).unwrap_or_default();
    let panels: Vec<BarPanel> = names
        .iter()
        .map(|name| BarPanel {
            title: format!("{} against {}", label(selection.shortened(name)), label(selection.shortened(reference))),
            y_label: "agreement".to_owned(),
            percent: true,
            max: Some(1.0),
            groups: beside_groups(selection, name, reference),
        })
        .collect();
    if panels.is_empty() || TimeAxis::new(selection).is_none() && on_axis.is_empty() {
        return Specs::new();
    }
    let caption = format!(
        "Agreement of a checkpoint that is no step of training with the last checkpoint, over the same tokens, \
         {}, against load-matched chance.",
        arrangement(selection)
    );
    let title = format!("Agreement of other models with the last checkpoint ({})", view_words(View::Chosen));
    let figure = BarFigure { baseline_label: "load-matched chance".to_owned(), panels };
    let caption = format!("{caption}{}", side_by_side_words(selection, &figure));
    let body = side_by_side(selection, figure);
    let kept: Vec<_> = names
        .iter()
        .map(|name| {
            let is_own = |row: &&&Finding| {
                row.checkpoint.as_deref() == Some(*name) && row.reference.as_deref() == Some(reference)
            };
            (label(selection.shortened(name)), rows.iter().filter(is_own).copied().collect::<Vec<&Finding>>())
        })
        .collect();
    vec![selection.spec(kind, "", title, &caption, body).saying(says::beside(&kept))]
}

fn beside_groups(selection: &Selection<'_>, name: &str, reference: &str) -> Vec<BarGroup> {
    AGREEMENT
        .into_iter()
        .filter_map(|(statistic, words)| {
            let rows: Vec<&Finding> = selection
                .checkpoint_rows(statistic, View::Chosen)
                .filter(|row| row.checkpoint.as_deref() == Some(name) && row.reference.as_deref() == Some(reference))
                .collect();
            group(selection, words, &rows, plain)
        })
        .collect()
}
