//! Agreement by the margin of the router: do only near-ties still flip?

use super::{Specs, TimeAxis, checkpoints, curves::add_line};
use crate::{
    chart::{
        ChartKind,
        axis::percent,
        curve::{AxisScale, CurveFigure, CurvePanel, Mark},
        legend::{LegendEntry, Sample},
        page::Body,
        plan::{
            room::ShownLayers,
            says,
            selection::{Selection, view_words},
            series::series,
        },
        theme::{PAPER, Stroke, TEXT, VALUE_LINE},
    },
    routing::{LayerId, View},
    stats::{Finding, Variant},
};

/// The measures, the one that is drawn first; another one where a trace does not have it.
const MEASURES: [Variant; 3] = [Variant::FirstChoice, Variant::Overlap, Variant::ExactSet];
/// How dark the first of the lines behind is.
const FAINTEST: f64 = 0.3;
/// The middles of the lowest, the fifth and the highest tenth.
const TENTHS: [(f64, &str); 3] = [(0.05, "narrowest"), (0.5, "median"), (0.95, "widest")];

/// Agreement with the last checkpoint in each tenth of the margin: the checkpoint before the last, the others grey behind it; a panel
/// per layer.
pub(in crate::chart::plan) fn by_margin(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let all: Vec<&Finding> = selection.checkpoint_rows(kind.statistic, View::Chosen).collect();
    let of = |variant: Variant| -> Vec<&Finding> {
        all.iter().copied().filter(|row| row.variant == Some(variant) && row.checkpoint != row.reference).collect()
    };
    let Some((variant, rows)) = MEASURES.into_iter().map(|v| (v, of(v))).find(|(_, rows)| !rows.is_empty()) else {
        return Specs::new();
    };
    let others = checkpoints(&rows);
    let axis = TimeAxis::new(selection);
    let before_last = axis.as_ref().map(|axis| axis.first_and_before_last()[1]);
    let subject = before_last.or(others.last().copied()).unwrap_or_default();
    let shown = ShownLayers::of(selection, kind.statistic, "mean agreement", |layer| {
        let values: Vec<f64> = rows.iter().filter(|row| row.layer == layer).filter_map(|row| row.estimate).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    });
    let panels: Vec<CurvePanel> = shown
        .layers
        .iter()
        .map(|layer| panel(*layer, &rows, &others, subject))
        .filter(|panel| !panel.lines.is_empty())
        .collect();
    if panels.is_empty() {
        return Specs::new();
    }
    let message = axis.as_ref().and_then(|axis| {
        let own = axis.against_last(rows.iter().copied(), subject);
        says::by_margin(&own, [axis.ends()[1], axis.ends()[2]], measure(variant))
    });
    vec![chart(selection, kind, (variant, shown.rule()), panels, (&others, subject)).saying(message)]
}

/// What two checkpoints share.
fn measure(variant: Variant) -> &'static str {
    match variant {
        Variant::FirstChoice => "first choices",
        Variant::ExactSet => "chosen sets",
        _ => "chosen experts",
    }
}

/// A checkpoint's line: the one that the line above is about stands out.
fn stroke(index: usize, others: &[&str], subject: &str) -> Stroke {
    if others[index] == subject {
        return Stroke { width: 2.6, ..VALUE_LINE };
    }
    // The later in the training, the darker.
    let place = index as f64 / others.len().saturating_sub(1).max(1) as f64;
    Stroke {
        color: PAPER.towards(TEXT, FAINTEST + (1.0 - FAINTEST) * 0.8 * place),
        width: 1.4,
        ..series(index, others.len())
    }
}

/// Writes its number beside a mark.
fn name(mark: &mut Mark) {
    mark.label = percent(mark.at.1);
}

fn panel(layer: LayerId, rows: &[&Finding], others: &[&str], subject: &str) -> CurvePanel {
    let mut panel = CurvePanel { title: format!("layer {layer}"), ..CurvePanel::default() };
    // Those behind come first.
    let mut order: Vec<usize> = (0..others.len()).collect();
    order.sort_by_key(|index| others[*index] == subject);
    for index in order {
        let own = rows.iter().filter(|row| row.layer == layer && row.checkpoint.as_deref() == Some(others[index]));
        let mut before = 0.0;
        let points: Vec<(f64, &Finding)> = own
            .filter_map(|row| {
                let upper = row.quantile?;
                let middle = f64::midpoint(before, upper);
                before = upper;
                Some((middle, *row))
            })
            .collect();
        let from = panel.marks.len();
        add_line(&mut panel, &points, stroke(index, others, subject), index);
        if others[index] == subject {
            if let [first, .., last] = &mut panel.marks[from..] {
                name(first);
                name(last);
            }
        } else {
            panel.marks.truncate(from);
        }
    }
    panel
}

fn chart(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    (variant, rule): (Variant, &str),
    panels: Vec<CurvePanel>,
    (others, subject): (&[&str], &str),
) -> super::ChartSpec {
    let which = if variant == Variant::FirstChoice { "first minus second" } else { "last chosen minus first unchosen" };
    let deciding = selection.context.deciding.in_words();
    let caption = format!(
        "Agreement with the last checkpoint of the tokens in each tenth of the margin ({which} {deciding}) that the last checkpoint \
         has. On the left near-ties, which another arithmetic may decide the other way; changes on the right are changes of \
         what was learnt. Bars: 95 % interval over documents, of the line that stands out; those of the others, chance, the margins \
         themselves and two more measures of agreement are in stats/agreement_by_margin.csv.{rule}"
    );
    let entry = |index: usize| {
        let name = format!("checkpoint {}", selection.shortened(others[index]));
        LegendEntry::new(Sample::Line(stroke(index, others, subject)), name)
    };
    let mut order: Vec<usize> = (0..others.len()).collect();
    order.sort_by_key(|index| others[*index] != subject);
    let figure = CurveFigure {
        x_label: "tokens, by the margin of their decision".to_owned(),
        y_label: format!("shared {}", measure(variant)),
        x_range: (0.0, 1.0),
        x_linear: true,
        x_ticks: TENTHS.map(|(place, name)| (place, name.to_owned())).to_vec(),
        x_shift: 0.0,
        y: AxisScale::from_zero(1.0).percent(),
        strip: None,
        legend: order.into_iter().map(entry).collect(),
        panels,
    };
    let title = format!("Do only near-ties still flip? Shared {} ({})", measure(variant), view_words(View::Chosen));
    selection.spec(kind, "", title, &caption, Body::Curve(figure))
}
