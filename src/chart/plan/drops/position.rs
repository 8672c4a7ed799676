//! Drops by position: the paper's Figure 12.

use super::{ASSIGNMENT, Bins, Specs, curve, of_layer, shown, spec, top};
use crate::{
    chart::{
        ChartKind,
        axis::{ceil_nice, count},
        curve::{AxisScale, CurveFigure, CurvePanel, Strip},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{says, selection::Selection},
        theme::{ACCENT, CORRECTED, Dash, MUTED, Stroke, VALUE, VALUE_LINE},
    },
    stats::{Finding, Variable},
};

/// Random order within each sequence.
const BASELINE: Stroke = Stroke::broken(ACCENT, 1.1, Dash::Dashed);
/// The fixed cohort.
const COHORT: Stroke = Stroke::broken(CORRECTED, 1.1, Dash::Mixed);

fn caption(bins: Bins) -> String {
    format!(
        "Dropped share of the chosen assignments in bins of {} positions; band: 95 % interval over documents, none where \
         they are too few, cut where it leaves the panel. Dashed: the same choices in random order within each sequence. \
         It rises too, because queues fill up from the start, so that only what stands above it is about \
         the order of the text. Thin dash-dotted: the fixed cohort, the same sequences from the first to the last position of \
         its curve: where only the thick curve rises, short sequences have left it. Below, on a logarithmic axis: \
         how many sequences reach a position.",
        count(bins.width as u64)
    )
}

/// Drop ratio by position over all data sets, a panel for each of the layers that are shown.
pub(in crate::chart::plan) fn by_position(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let shown = shown(selection, kind);
    let by_layer: Vec<(u16, Vec<&Finding>)> =
        shown.layers.iter().map(|layer| (*layer, of_layer(selection, ASSIGNMENT, *layer))).collect();
    let all: Vec<&Finding> = by_layer.iter().flat_map(|(_, rows)| rows).copied().collect();
    let Some(bins) = Bins::new(&all) else { return Specs::new() };
    let panels: Vec<CurvePanel> = by_layer
        .iter()
        .map(|(layer, rows)| CurvePanel { title: format!("layer {layer}"), ..panel(rows, bins) })
        .filter(|panel| panel.lines.iter().any(|(_, points)| !points.is_empty()))
        .collect();
    if panels.is_empty() {
        return Specs::new();
    }
    let caption = format!(
        "{} Over all data sets; single ones are in stats/{}.parquet.{}",
        caption(bins),
        ASSIGNMENT.table(),
        shown.rule()
    );
    let in_layers = if selection.has_many_layers() { ", in layers of the model" } else { "" };
    let title = format!("Drop ratio by position{in_layers}");
    let curves: Vec<Vec<&Finding>> = by_layer.iter().map(|(_, rows)| curve(rows, None, false)).collect();
    let spec = spec(selection, kind, "", title, &caption, Body::Curve(figure(panels, bins)));
    vec![spec.saying(says::positions(&curves))]
}

fn panel(rows: &[&Finding], bins: Bins) -> CurvePanel {
    let (all, fixed) = (curve(rows, None, false), curve(rows, None, true));
    let strip = CurvePanel { bands: vec![(MUTED, reach(rows, bins))], ..CurvePanel::default() };
    CurvePanel {
        legend: cohort_entry(&fixed, bins).into_iter().collect(),
        bands: vec![(VALUE, bins.band(&all))],
        lines: vec![
            (BASELINE, bins.line(&all, |row| row.baseline)),
            (COHORT, bins.line(&fixed, |row| row.estimate)),
            (VALUE_LINE, bins.line(&all, |row| row.estimate)),
        ],
        strip: Some(Box::new(strip)),
        ..CurvePanel::default()
    }
}

/// How many sequences are in the fixed cohort, where the first of several bins is full.
fn cohort_entry(fixed: &[&Finding], bins: Bins) -> Option<LegendEntry> {
    let first = fixed.first().filter(|_| fixed.len() > 1)?;
    let sequences = count((first.n as f64 / bins.width).round() as u64);
    Some(LegendEntry::new(Sample::Line(COHORT), format!("fixed cohort, sequences: {sequences}")))
}

/// How many sequences reach each position, in steps; without the raw curve the tokens of each bin per position.
fn reach(rows: &[&Finding], bins: Bins) -> Vec<(f64, f64, f64)> {
    let raw = rows.iter().filter(|row| row.variable == Some(Variable::Position));
    let raw = raw.filter(|row| row.dataset.is_none());
    let mut steps: Vec<(f64, f64)> = raw.filter_map(|row| Some((f64::from(row.position?), row.n as f64))).collect();
    let mut width = 1.0;
    if steps.is_empty() {
        width = bins.width;
        let binned = curve(rows, None, false);
        steps = binned.iter().map(|row| (bins.x(row) - width / 2.0, row.n as f64 / width)).collect();
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut area: Vec<(f64, f64, f64)> = Vec::new();
    for (x, n) in &steps {
        if area.last().is_none_or(|last| (last.2 - n).abs() > 1e-9) {
            let before = area.last().map(|last| (*x, 0.0, last.2));
            area.extend(before);
            area.push((*x, 0.0, *n));
        }
    }
    area.extend(steps.last().map(|(x, n)| (x + width, 0.0, *n)));
    area
}

fn figure(panels: Vec<CurvePanel>, bins: Bins) -> CurveFigure {
    let lines = || panels.iter().flat_map(|panel| &panel.lines);
    let values = lines().flat_map(|(_, points)| points).map(|point| point.1);
    let high = top(values, panels.iter().flat_map(|p| &p.bands).flat_map(|band| &band.1).map(|span| span.2));
    let strips = panels.iter().flat_map(|panel| &panel.strip).flat_map(|strip| &strip.bands);
    let reaching = strips.flat_map(|band| &band.1).map(|span| span.2).fold(1.0, f64::max);
    let shown = |stroke: Stroke| lines().any(|(line, points)| *line == stroke && !points.is_empty());
    let mut legend = vec![LegendEntry::new(Sample::Area(VALUE_LINE), "drop ratio with 95 % interval")];
    legend
        .extend(shown(BASELINE).then(|| LegendEntry::new(Sample::Line(BASELINE), "random order within each sequence")));
    legend.push(LegendEntry::new(Sample::Band(MUTED), "n: sequences that reach the position"));
    CurveFigure {
        x_label: "position in the sequence".to_owned(),
        y_label: "dropped assignments".to_owned(),
        x_range: (0.0, bins.end),
        x_linear: true,
        x_ticks: bins.ticks(),
        x_shift: 0.0,
        y: AxisScale::from_zero(high).percent(),
        strip: Some(Strip { y_label: "n (log)".to_owned(), y: AxisScale::log(0.8, ceil_nice(reaching)), height: 56.0 }),
        legend,
        panels,
    }
}
