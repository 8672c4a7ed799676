//! How full the queues are along the text.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bins, Specs, spec};
use crate::{
    chart::{
        ChartKind,
        curve::{AxisScale, CurveFigure, CurvePanel, Span},
        heatmap::Scale,
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            many::{LayerMap, figure},
            says,
            selection::{Selection, words},
            series::series,
        },
        theme::{CEILING_LINE, MUTED},
    },
    routing::{ExpertId, LayerId, View},
    stats::{Finding, Variant},
};

/// Experts of a layer that have a line.
const FULLEST: usize = 3;
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

/// The queues of the fullest experts along the text, a panel per layer.
pub(in crate::chart::plan) fn map(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    if selection.has_many_layers() {
        return every_layer(selection, kind);
    }
    let all: Vec<&Finding> = selection.rows(kind.statistic, View::Chosen).filter(|row| row.expert.is_some()).collect();
    let (Some(bins), Some(last)) = (Bins::new(&all), choices(&all).pop()) else { return Specs::new() };
    let of_last: Vec<&Finding> = all.into_iter().filter(|row| row.variant == Some(last.0)).collect();
    let panel = |layer: &LayerId| {
        let own: Vec<&Finding> = of_last.iter().copied().filter(|row| row.layer == *layer).collect();
        panel(&own, bins, format!("layer {layer}"))
    };
    let panels: Vec<CurvePanel> = selection.layers().iter().filter_map(panel).collect();
    if panels.is_empty() {
        return Specs::new();
    }
    let body = Body::Curve(CurveFigure {
        x_label: "position in the sequence".to_owned(),
        y_label: "slots taken".to_owned(),
        x_range: (0.0, bins.end),
        x_linear: true,
        x_ticks: bins.ticks(),
        x_shift: 0.0,
        y: AxisScale::from_zero(1.0).percent(),
        strip: None,
        legend: vec![
            LegendEntry::new(Sample::Line(CEILING_LINE), "full: every further choice is dropped"),
            LegendEntry::new(Sample::Band(MUTED), "from the emptiest to the fullest of all experts"),
        ],
        panels,
    });
    let caption = format!(
        "How much of its capacity an expert has filled with the {} by the end of a bin of {} positions, as the next token would find \
         it: mean over the sequences that reach the bin's end; coloured bands: 95 % intervals over documents. Drawn are the \
         {FULLEST} experts of each layer whose queues are fullest in the last bin; every expert, and the queue of each choice, is in \
         stats/expert_occupancy.csv. A line that rises early is an expert that many tokens ask for.",
        last.1, bins.width
    );
    let title = "How full the queues are along the text".to_owned();
    let spec = spec(selection, kind, "", title, &caption, body);
    vec![spec.saying(says::filling(&of_last))]
}

/// The lines of the fullest experts of a layer over the range of all.
fn panel(rows: &[&Finding], bins: Bins, title: String) -> Option<CurvePanel> {
    let of = |expert: ExpertId| -> Vec<&Finding> {
        let mut own: Vec<&Finding> = rows.iter().copied().filter(|row| row.expert == Some(expert)).collect();
        own.sort_by_key(|row| row.position);
        own
    };
    let end = rows.iter().filter_map(|row| row.position).max()?;
    let mut fullest: Vec<(f64, ExpertId)> = rows
        .iter()
        .filter(|row| row.position == Some(end))
        .filter_map(|row| Some((row.estimate?, row.expert?)))
        .collect();
    fullest.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut panel = CurvePanel { title, bands: vec![(MUTED, range(rows, bins))], ..CurvePanel::default() };
    panel.lines.push((CEILING_LINE, vec![(0.0, 1.0), (bins.end, 1.0)]));
    for (index, (_, expert)) in fullest.iter().take(FULLEST).enumerate() {
        let (stroke, own) = (series(index, FULLEST), of(*expert));
        panel.legend.push(LegendEntry::new(Sample::Line(stroke), format!("expert {expert}")));
        panel.bands.push((stroke.color, bins.band(&own)));
        panel.lines.push((stroke, bins.line(&own, |row| row.estimate)));
    }
    (!fullest.is_empty()).then_some(panel)
}

/// The smallest and the largest share of any expert at each place.
fn range(rows: &[&Finding], bins: Bins) -> Vec<Span> {
    let mut ends: BTreeMap<u32, Span> = BTreeMap::new();
    for row in rows {
        let Some((position, share)) = row.position.zip(row.estimate) else { continue };
        let known = ends.entry(position).or_insert((bins.x(row), share, share));
        *known = (known.0, known.1.min(share), known.2.max(share));
    }
    ends.into_values().collect()
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
    let scale = |_: &[f64]| Scale::Sequential { max: 100.0 };
    let maps = choices.iter().map(map).collect();
    let Some(figure) = figure(maps, scale, "slots taken in %, of the fullest queue", &label) else {
        return Specs::new();
    };
    let caption = format!(
        "How much of its capacity the expert with the fullest queue has filled at the end of a bin of positions: mean over the \
         sequences that reach the bin's end. At 100 % every further choice of that expert is dropped in all of them. {} Every expert, n \
         and intervals are in stats/expert_occupancy.parquet.{}",
        selection.every_layer("a row each"),
        rule(&choices)
    );
    let title = "Occupancy of the fullest queue along the text, layer by layer".to_owned();
    let spec = spec(selection, kind, "", title, &caption, Body::Heat(figure));
    vec![spec.saying(says::filling(&all))]
}
