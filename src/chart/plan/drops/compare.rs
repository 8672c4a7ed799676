//! Two models on the same sequences: the paper's Figure 12b.

use super::{ASSIGNMENT, Bins, Specs, curve, of_layer, shown, top};
use crate::{
    chart::{
        ChartKind,
        axis::ceil_nice,
        curve::{AxisScale, CurveFigure, CurvePanel, Strip},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            says,
            selection::{Selection, label},
        },
        theme::{ACCENT, CORRECTED, CORRECTED_LINE, Dash, Stroke, VALUE, VALUE_LINE},
    },
    routing::{LayerId, View},
    stats::{Finding, Variant},
};

/// The compared model.
const MODEL_LINE: Stroke = Stroke::broken(ACCENT, 1.8, Dash::Dashed);
const STRIP_HEIGHT: f64 = 104.0;
const CAPTION: &str = "Dropped share of the chosen assignments of two models that read the same sequences, by position; \
                       bands: 95 % intervals over documents, none where they are too few. Below: the second model less the first in \
                       percentage points, both with the same documents in every resample: where the band leaves 0, \
                       the models differ. The difference needs no overlap of the bands above, and does not follow from it.";

/// The rows of one layer that compare two models.
struct Compared<'a> {
    reference: Vec<&'a Finding>,
    model: Vec<&'a Finding>,
    difference: Vec<&'a Finding>,
    bins: Bins,
}

/// Drop ratio of two models by position over all data sets with their difference below, a panel per layer.
pub(in crate::chart::plan) fn difference(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let all: Vec<&Finding> = selection.checkpoint_rows(kind.statistic, View::Chosen).collect();
    let mut names: Vec<(&str, &str)> = Vec::new();
    for pair in all.iter().filter_map(|row| row.checkpoint.as_deref().zip(row.reference.as_deref())) {
        if !names.contains(&pair) {
            names.push(pair);
        }
    }
    let mut specs = Specs::new();
    for (index, (model, reference)) in names.iter().enumerate() {
        let first = if index == 0 { String::new() } else { format!("{}_", index + 1) };
        let labels = [model, reference].map(|name| label(selection.shortened(name)));
        let title = format!("Drop ratio of {} and {} by position", labels[1], labels[0]);
        let each = |layer: LayerId| compared(selection, &all, layer, model);
        let spec = layers_side_by_side(selection, kind, (first.trim_end_matches('_'), &title), each, &labels);
        let own: Vec<&Finding> = all
            .iter()
            .copied()
            .filter(|row| row.checkpoint.as_deref() == Some(*model) && row.variant == Some(Variant::Of(ASSIGNMENT)))
            .collect();
        specs.extend(spec.map(|spec| spec.saying(says::compared(&own, [&labels[0], &labels[1]]))));
    }
    specs
}

/// A panel for each of the layers that are shown, over all data sets.
fn layers_side_by_side<'a>(
    selection: &Selection<'a>,
    kind: &'static ChartKind,
    (suffix, title): (&str, &str),
    compared: impl Fn(LayerId) -> Option<Compared<'a>>,
    labels: &[String; 2],
) -> Option<super::ChartSpec> {
    let shown = shown(selection, kind);
    let each: Vec<(LayerId, Compared<'_>)> =
        shown.layers.iter().filter_map(|layer| Some((*layer, compared(*layer)?))).collect();
    let panel = |(layer, compared): &(LayerId, Compared<'_>)| CurvePanel {
        title: format!("layer {layer}"),
        ..compared.panel()
    };
    let bins = each.iter().map(|(_, compared)| compared.bins).max_by(|a, b| a.end.total_cmp(&b.end))?;
    let figure = figure(each.iter().map(panel).collect(), bins, labels)?;
    let caption = format!(
        "{CAPTION} Over all data sets; single ones are in stats/{}.parquet.{}",
        kind.statistic.table(),
        shown.rule()
    );
    let in_layers = if selection.has_many_layers() { ", in layers of the model" } else { "" };
    Some(selection.spec(kind, suffix, format!("{title}{in_layers}"), &caption, Body::Curve(figure)))
}

fn compared<'a>(selection: &Selection<'a>, all: &[&'a Finding], layer: LayerId, model: &str) -> Option<Compared<'a>> {
    let of_model = |row: &&Finding| row.layer == layer && row.checkpoint.as_deref() == Some(model);
    let difference = all.iter().copied().filter(|row| row.variant == Some(Variant::Of(ASSIGNMENT))).filter(of_model);
    let difference: Vec<&Finding> = difference.collect();
    let bins = Bins::new(&difference)?;
    Some(Compared {
        reference: of_layer(selection, ASSIGNMENT, layer),
        model: selection.checkpoint_rows(ASSIGNMENT, View::Chosen).filter(of_model).collect(),
        difference,
        bins,
    })
}

impl Compared<'_> {
    fn panel(&self) -> CurvePanel {
        let bins = self.bins;
        let rows = [&self.reference, &self.model, &self.difference].map(|rows| curve(rows, None, false));
        let line = |index: usize| bins.line(&rows[index], |row| row.estimate);
        let strip = CurvePanel {
            bands: vec![(CORRECTED, bins.band(&rows[2]))],
            lines: vec![(CORRECTED_LINE, line(2))],
            ..CurvePanel::default()
        };
        CurvePanel {
            bands: vec![(VALUE, bins.band(&rows[0])), (ACCENT, bins.band(&rows[1]))],
            lines: vec![(VALUE_LINE, line(0)), (MODEL_LINE, line(1))],
            strip: Some(Box::new(strip)),
            ..CurvePanel::default()
        }
    }
}

fn figure(panels: Vec<CurvePanel>, bins: Bins, [model, reference]: &[String; 2]) -> Option<CurveFigure> {
    let values = || panels.iter().flat_map(|panel| &panel.lines).flat_map(|(_, points)| points).map(|point| point.1);
    values().next()?;
    let high = top(values(), panels.iter().flat_map(|p| &p.bands).flat_map(|band| &band.1).map(|span| span.2));
    let strips = || panels.iter().flat_map(|panel| &panel.strip);
    let lines = strips().flat_map(|strip| &strip.lines).flat_map(|(_, points)| points).map(|point| point.1.abs());
    let ends = strips().flat_map(|strip| &strip.bands).flat_map(|band| &band.1);
    let largest = top(lines, ends.map(|(_, low, high)| low.abs().max(high.abs())));
    let difference = AxisScale::linear(-ceil_nice(largest), ceil_nice(largest)).percent();
    Some(CurveFigure {
        x_label: "position in the sequence".to_owned(),
        y_label: "dropped assignments".to_owned(),
        x_range: (0.0, bins.end),
        x_linear: true,
        x_ticks: bins.ticks(),
        x_shift: 0.0,
        y: AxisScale::from_zero(high).percent(),
        strip: Some(Strip { y_label: "difference".to_owned(), y: difference, height: STRIP_HEIGHT }),
        legend: vec![
            LegendEntry::new(Sample::Area(VALUE_LINE), reference.as_str()),
            LegendEntry::new(Sample::Area(MODEL_LINE), model.as_str()),
            LegendEntry::new(Sample::Area(CORRECTED_LINE), "difference with 95 % interval"),
        ],
        panels,
    })
}
