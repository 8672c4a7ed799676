//! The expert shares of many layers or many experts.

use std::collections::BTreeMap;

use super::maps::{LayerMap, figure, multiples};
use crate::{
    chart::{
        ChartKind,
        axis::count,
        page::Body,
        plan::{
            ChartSpec,
            room::{ExpertColumns, ShownLayers, largest},
            says,
            selection::{Selection, label, view_words},
        },
        radar::{RadarFigure, RadarPanel},
    },
    routing::{LayerId, View},
    stats::{Finding, Statistic, evenly_spread},
};

/// Radars of each layer where several layers share a picture.
const KEYS: usize = 6;

/// Makes the radars of a layer; the second argument chooses the keys, given their number.
pub(in crate::chart::plan) type RadarsOfLayer<'a> =
    dyn Fn(LayerId, &dyn Fn(usize) -> Vec<usize>) -> Vec<RadarPanel> + 'a;

/// What the radars of a chart are about.
pub(in crate::chart::plan) struct RadarKeys<'a> {
    /// "category", "position" or "token id".
    pub(in crate::chart::plan) noun: &'a str,
    /// What stands below the picture, but for which keys and layers are drawn.
    pub(in crate::chart::plan) caption: &'a str,
    /// Whether the first keys are drawn, else keys evenly spread over all.
    pub(in crate::chart::plan) first: bool,
    /// Makes the radars of a layer on demand.
    pub(in crate::chart::plan) of_layer: &'a RadarsOfLayer<'a>,
}

impl RadarKeys<'_> {
    /// Which of so many keys are drawn.
    fn chosen(&self, all: usize) -> Vec<usize> {
        let keys: Vec<usize> = (0..all).collect();
        if self.first { keys[..all.min(KEYS)].to_vec() } else { evenly_spread(&keys, KEYS) }
    }
}

/// A row of radars for each of the layers that are shown.
pub(in crate::chart::plan) fn radars(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    view: View,
    keys: &RadarKeys<'_>,
) -> Vec<ChartSpec> {
    let measured = "load of the busiest expert in times an even load";
    let shown = ShownLayers::of(selection, kind.statistic, measured, |layer| selection.busiest(layer, view));
    let mut by_size: BTreeMap<usize, (LayerId, Vec<RadarPanel>)> = BTreeMap::new();
    let mut columns_of_radars = 1;
    for &layer in &shown.layers {
        let panels = (keys.of_layer)(layer, &|all| keys.chosen(all));
        // A row is a layer.
        columns_of_radars = columns_of_radars.max(panels.len());
        let titled = panels.into_iter().map(|panel| RadarPanel { title: format!("L{layer} {}", panel.title), ..panel });
        by_size.entry(selection.experts(layer)).or_insert((layer, Vec::new())).1.extend(titled);
    }
    by_size.retain(|_, (_, panels)| !panels.is_empty());
    let several = by_size.len() > 1;
    let columns = ExpertColumns::of(selection, by_size.values().next_back().map_or(0, |(layer, _)| *layer), view);
    let part = |(experts, (layer, panels)): (usize, (LayerId, Vec<RadarPanel>))| {
        let spokes = ExpertColumns::of(selection, layer, view).names().len();
        let title = if several { format!("Layers of {experts} experts") } else { String::new() };
        let overall_label = "share over the whole corpus";
        (title, Body::Radar(RadarFigure { experts, spokes, columns: Some(columns_of_radars), overall_label, panels }))
    };
    let parts: Vec<(String, Body)> = by_size.into_iter().map(part).collect();
    if parts.is_empty() {
        return Vec::new();
    }
    let which = if keys.first { "the first" } else { "evenly spread over all" };
    let caption = format!(
        "{} Of each layer (L) at most {KEYS} are drawn, {which}.{}{}",
        keys.caption,
        shown.rule(),
        columns.rule(kind.statistic)
    );
    let title = format!("Expert share by {} in layers of the model ({})", keys.noun, view_words(view));
    vec![selection.spec(kind, view.name(), title, &caption, Body::Stack(parts))]
}

/// Layer by expert, or by parts of the experts in order of load; each cell in times an even load.
pub(in crate::chart::plan) fn load(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    view: View,
) -> Option<ChartSpec> {
    let parted = selection.has_many_experts();
    let columns_of = |layer: LayerId| {
        if parted { ExpertColumns::by_load(selection, layer, view) } else { ExpertColumns::of(selection, layer, view) }
    };
    let cells = |layer: LayerId| {
        let even = selection.even_share(layer);
        let load: Vec<Option<f64>> =
            selection.load(layer, view).share.iter().map(|share| share.map(|share| share / even)).collect();
        columns_of(layer).cells(&load)
    };
    let widest = selection.layers().iter().copied().max_by_key(|layer| columns_of(*layer).names().len())?;
    let largest_layer = selection.layers().iter().copied().max_by_key(|layer| selection.experts(*layer))?;
    let columns = columns_of(if parted { largest_layer } else { widest });
    let map = LayerMap::of(selection, "", columns.names(), cells);
    let scale = |values: &[f64]| multiples(values.iter().copied());
    let body = Body::Heat(figure(vec![map], scale, "times an even load", columns.label())?);
    let own = if parted {
        " Each layer has an order of its own, so that a column is a rank and no expert; layers of fewer experts end earlier."
    } else {
        ""
    };
    let caption = format!(
        "Share of each expert in the assignments of a layer in times an even load: 1 is even load. {}{}{own} \
         Intervals are in stats/expert_share.csv.",
        selection.every_layer("a row each"),
        columns.rule(Statistic::ExpertShare)
    );
    let title = format!("Expert load, layer by expert ({})", view_words(view));
    let busiest: Vec<Option<f64>> = selection.layers().iter().map(|layer| selection.busiest(*layer, view)).collect();
    Some(selection.spec(kind, view.name(), title, &caption, body).saying(says::busiest(&busiest)))
}

/// The words of a map of categories and experts.
pub(in crate::chart::plan) struct CategoryWords<'a> {
    /// What it shows.
    pub(in crate::chart::plan) title: &'a str,
    /// How to read it.
    pub(in crate::chart::plan) caption: &'a str,
    /// What a value is.
    pub(in crate::chart::plan) scale: &'a str,
    /// What an expert takes.
    pub(in crate::chart::plan) taken: says::Taken,
}

/// Layer by category, each cell the value of the expert where it is largest.
pub(in crate::chart::plan) fn category_maps(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    view: View,
    words: &CategoryWords<'_>,
    baseline: impl Fn(&Finding) -> Option<f64> + Copy,
) -> Vec<ChartSpec> {
    let value = |row: &Finding| Some(row.estimate? / baseline(row)?);
    let (caption, scale_label) = (words.caption, words.scale);
    let title = format!("{}, layer by category ({})", words.title, view_words(view));
    let of = |layer: LayerId| selection.layer_rows(kind.statistic, view, layer).filter(|row| row.expert.is_some());
    let all: Vec<&Finding> = selection.layers().iter().flat_map(|layer| of(*layer)).collect();
    let names = selection.categories(&all);
    let cells = |layer: LayerId| {
        let largest_of = |name: &&str| largest(of(layer).filter(|row| row.category.as_deref() == Some(*name)), value);
        names.iter().map(largest_of).collect()
    };
    let map = LayerMap::of(selection, "", names.iter().map(|name| label(name)).collect(), cells);
    let scale = |values: &[f64]| multiples(values.iter().copied());
    let Some(figure) = figure(vec![map], scale, &format!("{scale_label}, of the expert where it is largest"), "")
    else {
        return Vec::new();
    };
    let caption = format!(
        "{caption}{} A cell is the largest value that any expert of the layer has in the category. {} All {} numbers of the experts \
         are in stats/{}.parquet.",
        selection.category_order(),
        selection.every_layer("a row each"),
        count(all.len() as u64),
        kind.statistic.table()
    );
    let spec = selection.spec(kind, view.name(), title, &caption, Body::Heat(figure));
    vec![spec.saying(says::largest_lift(&all, words.taken, baseline))]
}
