//! The paper's figures and those of a run: overlays of curves, and bars of the distances between categories.

use super::ChartSpec;
use crate::{
    chart::{
        axis::ceil_nice,
        bars::{Bar, BarFigure, BarGroup, BarPanel},
        curve::{AxisScale, CurveFigure, CurvePanel},
        legend::{LegendEntry, Sample},
        page::{Body, Page},
        script,
        theme::{ACCENT, CORRECTED, Dash, LAYER_FILLS, MUTED, Stroke, TEXT, VALUE},
    },
    paper::{Comparison, Overlay, OverlayPanel, Row, Section, Series, Who},
    routing::LayerId,
};

const KIND: &str = "paper";
const BETWEEN: &str = "between_total_variation";
const SOURCE: &str = "paper: OpenMoE, arXiv 2402.01739, numbers read from the vector graphics of its PDF · the experts of two models have no common numbering";
/// Lower end of a logarithmic axis.
const LEAST: f64 = 0.01;

/// The charts of a comparison.
pub fn plan_comparison(comparison: &Comparison) -> Vec<ChartSpec> {
    comparison.overlays.iter().map(overlay).chain(between(&comparison.sections)).collect()
}

fn spec(name: &str, title: &str, caption: &str, body: Body) -> ChartSpec {
    let page = Page {
        message: None,
        title: script::printable(title),
        subtitle: SOURCE.to_owned(),
        caption: script::printable(caption),
        body,
    };
    ChartSpec { name: name.to_owned(), kind: KIND, page }
}

fn overlay(overlay: &Overlay) -> ChartSpec {
    let shared = overlay.panels.windows(2).all(|pair| labels(&pair[0]) == labels(&pair[1]));
    let all = || overlay.panels.iter().flat_map(|panel| &panel.series);
    let xs = all().flat_map(|series| &series.points).map(|point| point.0);
    let tops = all().flat_map(|s| s.points.iter().map(|p| p.1).chain(s.band.iter().map(|span| span.2)));
    let top = ceil_nice(tops.fold(0.0, f64::max));
    let ticks = overlay.x_ticks.iter().map(|tick| tick.0);
    let end = xs.chain(ticks).fold(1.0, f64::max);
    let y = if overlay.logarithmic { AxisScale::log(LEAST, top) } else { AxisScale::from_zero(top) };
    let panels: Vec<CurvePanel> = overlay.panels.iter().map(|panel| curves(panel, !shared)).collect();
    let figure = CurveFigure {
        x_label: overlay.x_label.to_owned(),
        y_label: overlay.y_label.to_owned(),
        x_range: (0.0, end),
        x_linear: !overlay.logarithmic,
        x_ticks: overlay.x_ticks.clone(),
        x_shift: if overlay.logarithmic { 1.0 } else { 0.0 },
        y: if overlay.percent { y.percent() } else { y },
        strip: None,
        legend: overlay.panels.first().filter(|_| shared).map(entries).unwrap_or_default(),
        panels,
    };
    spec(&overlay.name, &overlay.title, &overlay.caption, Body::Curve(figure))
}

fn labels(panel: &OverlayPanel) -> Vec<&str> {
    panel.series.iter().map(|series| series.label.as_str()).collect()
}

fn entries(panel: &OverlayPanel) -> Vec<LegendEntry> {
    let entry = |series: &Series| LegendEntry::new(Sample::Line(stroke(series.who)), script::printable(&series.label));
    panel.series.iter().map(entry).collect()
}

fn curves(panel: &OverlayPanel, own_legend: bool) -> CurvePanel {
    CurvePanel {
        title: script::printable(&panel.title),
        legend: if own_legend { entries(panel) } else { Vec::new() },
        bands: panel.series.iter().map(|series| (stroke(series.who).color, series.band.clone())).collect(),
        lines: panel.series.iter().map(|series| (stroke(series.who), series.points.clone())).collect(),
        ..CurvePanel::default()
    }
}

/// The paper in black, layers in colours; dashes tell them apart too.
fn stroke(who: Who) -> Stroke {
    match who {
        Who::Paper(0) => Stroke::solid(TEXT, 2.2),
        Who::Paper(_) => Stroke::broken(TEXT, 2.2, Dash::Dotted),
        Who::Run(place, of) => {
            let at = 2.0 * place as f64 / of.saturating_sub(1).max(1) as f64;
            let color = if at <= 1.0 { VALUE.towards(CORRECTED, at) } else { CORRECTED.towards(ACCENT, at - 1.0) };
            Stroke::broken(color, 1.8, [Dash::Solid, Dash::Dashed, Dash::Mixed][place % 3])
        }
    }
}

/// Mean total variation between the categories of a figure: the paper's, and those of each layer.
fn between(sections: &[Section]) -> Option<ChartSpec> {
    let groups: Vec<BarGroup> = sections.iter().filter_map(group).collect();
    let panels = vec![BarPanel { y_label: "mean total variation".to_owned(), groups, ..BarPanel::default() }];
    let caption = "Mean over pairs of categories (positions, tokens) of the total variation between their expert shares, within the \
                   paper and within each layer of the run (L1 = layer 1): it needs no common numbering of the experts. Whiskers: 95 % interval, a diamond: no interval. The paper's are too \
                   narrow: they take assignments as independent, and entries whose assignments are not known as exact (part of Figure 10). \
                   Few assignments make the distance larger (Figure 9).";
    let title = "How far apart categories are, in the paper and in your run";
    let body = Body::Bars(BarFigure { baseline_label: String::new(), panels: panels.clone() });
    (!panels[0].groups.is_empty()).then(|| spec("between_categories", title, caption, body))
}

fn group(section: &Section) -> Option<BarGroup> {
    let rows: Vec<&Row> = section.rows.iter().filter(|row| row.measure == BETWEEN).collect();
    let paper = rows.first()?;
    let bar = |label: String, value, interval, color| Bar {
        label,
        layer: None,
        value,
        interval,
        baseline: None,
        ceiling: None,
        color,
    };
    let mut bars = vec![bar("paper".to_owned(), paper.paper, paper.paper_low.zip(paper.paper_high), MUTED)];
    bars.extend(rows.iter().enumerate().map(|(place, row)| {
        let color = LAYER_FILLS[place * (LAYER_FILLS.len() - 1) / rows.len().saturating_sub(1).max(1)];
        bar(layer(row.layer), row.yours, row.yours_low.zip(row.yours_high), color)
    }));
    Some(BarGroup { label: format!("Figure {}", section.figure), bars })
}

fn layer(layer: LayerId) -> String {
    format!("L{layer}")
}
