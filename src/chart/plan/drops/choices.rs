//! The five drop ratios, which are easily confused, side by side.

use super::{Bins, RATIOS, Specs, curve, of_layer, shown, spec, top};
use crate::{
    chart::{
        ChartKind,
        bars::{BarFigure, BarGroup, BarPanel},
        curve::{AxisScale, CurveFigure, CurvePanel},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            context::{group, plain},
            many::{side_by_side as layers_side_by_side, side_by_side_words},
            room::ShownLayers,
            selection::Selection,
            series::series,
        },
    },
    routing::{LayerId, View},
    stats::{Finding, Statistic},
};

/// The five ratios: bars over the layers, and curves by position.
pub(in crate::chart::plan) fn side_by_side(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let groups: Vec<BarGroup> = RATIOS
        .into_iter()
        .filter_map(|(statistic, words)| {
            let rows: Vec<&Finding> = selection.rows(statistic, View::Chosen).filter(|row| row.is_over_all()).collect();
            group(selection, words, &rows, plain)
        })
        .collect();
    if groups.is_empty() {
        return Specs::new();
    }
    let panel = BarPanel { y_label: "lost".to_owned(), percent: true, groups, ..BarPanel::default() };
    let bars = BarFigure { baseline_label: "choices permuted across sequences".to_owned(), panels: vec![panel] };
    let mut parts = vec![("Over all positions, layers side by side".to_owned(), layers_side_by_side(selection, bars))];
    let shown = shown(selection, kind);
    parts.extend(curves(selection, &shown).map(|figure| ("By position".to_owned(), Body::Curve(figure))));
    let caption = "Five numbers that are easily taken for one another: the lost share of all assignments, of the first choices, of the \
                   second choices (which queue behind all first choices of the group), of the tokens (every choice lost), and of the \
                   gate probability of the choices. Orange: what the popularity of the experts alone would lose; what stands above it comes from texts that ask \
                   for the same experts at once. Intervals of the curves are in stats/*.csv.";
    let caption = format!("{caption}{}{}", side_by_side_words(selection), shown.rule());
    vec![spec(selection, kind, "", "First choices, second choices, tokens".to_owned(), &caption, Body::Stack(parts))]
}

fn curves(selection: &Selection<'_>, shown: &ShownLayers) -> Option<CurveFigure> {
    let rows = |layer: LayerId| RATIOS.map(|(statistic, _)| of_layer(selection, statistic, layer));
    let by_layer: Vec<(LayerId, [Vec<&Finding>; 5])> =
        shown.layers.iter().map(|layer| (*layer, rows(*layer))).collect();
    let all: Vec<&Finding> = by_layer.iter().flat_map(|(_, rows)| rows.iter().flatten().copied()).collect();
    let bins = Bins::new(&all)?;
    let panel = |(layer, rows): &(LayerId, [Vec<&Finding>; 5])| {
        let line = |(index, rows): (usize, &Vec<&Finding>)| {
            (series(index, RATIOS.len()), bins.line(&curve(rows, None, false), |row| row.estimate))
        };
        let lines = rows.iter().enumerate().map(line).collect();
        CurvePanel { title: format!("layer {layer}"), lines, ..CurvePanel::default() }
    };
    let panels: Vec<CurvePanel> = by_layer.iter().map(panel).collect();
    let points = panels.iter().flat_map(|panel| &panel.lines).flat_map(|(_, points)| points);
    let high = top(points.map(|point| point.1), std::iter::empty());
    let entry = |(index, (_, words)): (usize, &(Statistic, &str))| {
        LegendEntry::new(Sample::Line(series(index, RATIOS.len())), *words)
    };
    Some(CurveFigure {
        x_label: "position in the sequence".to_owned(),
        y_label: "lost".to_owned(),
        x_range: (0.0, bins.end),
        x_linear: true,
        x_ticks: bins.ticks(),
        x_shift: 0.0,
        y: AxisScale::from_zero(high).percent(),
        strip: None,
        legend: RATIOS.iter().enumerate().map(entry).collect(),
        panels,
    })
}
