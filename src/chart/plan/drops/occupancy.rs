//! How full the queues are along the text.

use std::collections::BTreeSet;

use super::{Bins, Specs, of_layer, spec};
use crate::{
    chart::{
        ChartKind,
        heatmap::{HeatBlock, HeatFigure, Scale},
        page::Body,
        plan::{
            many::{LayerMap, figure},
            room::EXPERTS_EACH,
            selection::{Selection, words},
        },
    },
    routing::View,
    stats::{Finding, Variant},
};

/// Experts at either end, where a layer has too many for a row each.
const ENDS: usize = 24;
/// What a caption adds where tokens have more than two choices.
const LAST: &str = " Of more than two choices the first, the second and the last have a map each.";

/// The choices that have rows, in the order in which they queue, and how they are called.
fn choices(rows: &[&Finding]) -> Vec<(Variant, String)> {
    let found: BTreeSet<Variant> = rows.iter().filter_map(|row| row.variant).collect();
    let title = |variant: Variant| match variant {
        Variant::FirstChoice => "first choices".to_owned(),
        Variant::SecondChoice => "second choices, behind all first choices".to_owned(),
        later => format!("{}s, behind all earlier choices", words(later.name())),
    };
    found.into_iter().map(|variant| (variant, title(variant))).collect()
}

/// What a caption says of the choices.
fn rule(choices: &[(Variant, String)]) -> &'static str {
    if choices.len() > 2 { LAST } else { "" }
}

/// Occupancy by expert and position, one block per choice, a chart per layer.
pub(in crate::chart::plan) fn map(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    if selection.has_many_layers() {
        return every_layer(selection, kind);
    }
    let mut specs = Specs::new();
    for &layer in selection.layers() {
        let rows = of_layer(selection, kind.statistic, layer);
        let Some(bins) = Bins::new(&rows) else { continue };
        let choices = choices(&rows);
        let blocks: Vec<HeatBlock> = choices
            .iter()
            .map(|(variant, title)| block(selection.experts(layer), &rows, *variant, title, bins))
            .map(fullest_and_emptiest)
            .filter(|block| block.cells.iter().flatten().any(Option::is_some))
            .collect();
        if blocks.is_empty() {
            continue;
        }
        let body = Body::Heat(HeatFigure {
            scale: Scale::Sequential { max: 100.0 },
            scale_label: "slots taken in %".to_owned(),
            row_height: None,
            column_label: format!("columns: position at the start of a bin of {}; rows: expert", bins.width),
            blocks,
        });
        let caption = "How much of its capacity every expert has given away at the end of a bin of positions, as the next token would find it: mean over the \
                       sequences that reach the bin's end. At 100 % every further choice of the expert is dropped in all of them. Dark rows that begin early are \
                       experts that many tokens ask for; a map that darkens from left to right everywhere is a queue that fills up. n and intervals are in \
                       stats/expert_occupancy.csv.";
        let experts = if selection.experts(layer) > EXPERTS_EACH {
            format!(
                " Drawn are {ENDS} of the layer's {} experts whose queues are fullest in the last bin, the fullest first, and the {ENDS} \
                 whose queues are emptiest.",
                selection.experts(layer)
            )
        } else {
            String::new()
        };
        let title = format!("Occupancy of the experts along the text, layer {layer}");
        let caption = format!("{caption}{}{experts}", rule(&choices));
        specs.push(spec(selection, kind, &format!("layer_{layer}"), title, &caption, body));
    }
    specs
}

/// If there are more experts than a picture has rows, keeps those whose queues are fullest and emptiest in the last bin.
fn fullest_and_emptiest(block: HeatBlock) -> HeatBlock {
    if block.rows.len() <= EXPERTS_EACH {
        return block;
    }
    let last = |cells: &Vec<Option<f64>>| cells.iter().rev().flatten().next().copied().unwrap_or(0.0);
    let mut rows: Vec<(String, Vec<Option<f64>>)> = block.rows.into_iter().zip(block.cells).collect();
    rows.sort_by(|a, b| last(&b.1).total_cmp(&last(&a.1)));
    let tail = rows.split_off(rows.len() - ENDS);
    rows.truncate(ENDS);
    let (rows, cells) = rows.into_iter().chain(tail).unzip();
    HeatBlock { rows, cells, ..block }
}

/// A row for every layer: the expert whose queue is fullest, one block per choice.
fn every_layer(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let all: Vec<&Finding> = selection.rows(kind.statistic, View::Chosen).collect();
    let Some(bins) = Bins::new(&all) else { return Specs::new() };
    let choices = choices(&all);
    let map = |(variant, title): &(Variant, String)| {
        let columns = (0..bins.count()).map(|column| (column as f64 * bins.width).to_string()).collect();
        LayerMap::of(selection, title, columns, |layer| {
            let mut fullest: Vec<Option<f64>> = vec![None; bins.count()];
            let rows = selection.layer_rows(kind.statistic, View::Chosen, layer);
            for row in rows.filter(|row| row.variant == Some(*variant) && row.expert.is_some()) {
                let column = row.position.map(|position| (f64::from(position) / bins.width) as usize);
                if let Some(cell) = column.and_then(|column| fullest.get_mut(column)) {
                    let taken = row.estimate.map(|share| share * 100.0);
                    *cell = [*cell, taken].into_iter().flatten().reduce(f64::max);
                }
            }
            fullest
        })
    };
    let label = format!("position at the start of a bin of {}", bins.width);
    let scale = |_| Scale::Sequential { max: 100.0 };
    let maps = choices.iter().map(map).collect();
    let Some(figure) = figure(maps, scale, "slots taken in %, of the fullest queue", &label) else {
        return Specs::new();
    };
    let caption = format!(
        "How much of its capacity the expert with the fullest queue has given away at the end of a bin of positions: mean over the \
         sequences that reach the bin's end. At 100 % every further choice of that expert is dropped in all of them. {} Every expert, n \
         and intervals are in stats/expert_occupancy.parquet.{}",
        selection.every_layer("a row each"),
        rule(&choices)
    );
    let title = "Occupancy of the fullest queue along the text, layer by layer".to_owned();
    vec![spec(selection, kind, "", title, &caption, Body::Heat(figure))]
}

fn block(experts: usize, rows: &[&Finding], variant: Variant, title: &str, bins: Bins) -> HeatBlock {
    let columns = bins.count();
    let mut cells = vec![vec![None; columns]; experts];
    for row in rows.iter().filter(|row| row.variant == Some(variant)) {
        let Some((expert, position)) = row.expert.zip(row.position) else { continue };
        let column = (f64::from(position) / bins.width) as usize;
        if let Some(cell) = cells.get_mut(usize::from(expert)).and_then(|cells| cells.get_mut(column)) {
            *cell = row.estimate.map(|share| share * 100.0);
        }
    }
    HeatBlock {
        title: title.to_owned(),
        rows: (0..experts).map(|expert| expert.to_string()).collect(),
        columns: (0..columns).map(|column| (column as f64 * bins.width).to_string()).collect(),
        cells,
    }
}
