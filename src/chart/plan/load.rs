//! Charts of the load: layer by expert, balance, co-activation, and how categories compare.

use super::{
    ChartSpec,
    context::{group, plain, variants},
    many::{self, multiples},
    room::EXPERTS_EACH,
    says,
    selection::{Selection, label, view_words, words},
    share::{by_cell, expert_blocks},
};
use crate::{
    chart::{
        ChartKind,
        axis::ceil_nice,
        bars::{BarFigure, BarPanel},
        heatmap::{HeatBlock, HeatFigure, Scale},
        page::Body,
    },
    routing::{DecidingScore, View},
    stats::{Finding, Statistic, Variant},
};

/// Layer by expert, each cell the load relative to even load.
pub(super) fn overall(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    // A row has as many cells as the layer with most experts; those of a smaller layer stay empty at its end.
    let experts = selection.context.shape.most_experts();
    if selection.has_many_layers() || selection.has_many_experts() {
        return View::ALL.into_iter().filter_map(|view| many::load(selection, kind, view)).collect();
    }
    let mut specs = Vec::new();
    for view in View::ALL {
        let rows: Vec<&Finding> = selection
            .rows(Statistic::ExpertShare, view)
            .filter(|row| row.variable.is_none() && row.category.is_none() && row.expert.is_some())
            .collect();
        let layers: Vec<_> = selection.layers().iter().filter(|l| rows.iter().any(|row| row.layer == **l)).collect();
        if layers.is_empty() {
            continue;
        }
        let cells: Vec<_> = layers
            .iter()
            .map(|layer| {
                let own = rows.iter().copied().filter(|row| row.layer == **layer);
                by_cell(own, experts, |row| Some(row.estimate? / selection.even_share(row.layer)))
            })
            .collect();
        let names: Vec<String> = layers.iter().map(|layer| format!("layer {layer}")).collect();
        let caption = "Share of each expert in the assignments of a layer in times an even load: 1 is even \
                       load. Intervals are in stats/expert_share.csv.";
        let title = format!("Expert load, layer by expert ({})", view_words(view));
        let mut figure = expert_blocks(&names, &cells, "times an even load", "expert");
        for (row, layer) in layers.iter().enumerate() {
            if let Some(busiest) = selection.load(**layer, view).order.first() {
                figure.outline((row, *busiest));
            }
        }
        let body = Body::Heat(figure);
        let busiest: Vec<Option<f64>> = layers.iter().map(|layer| selection.busiest(**layer, view)).collect();
        specs.push(selection.spec(kind, view.name(), title, caption, body).saying(says::busiest(&busiest)));
    }
    specs
}

/// The statistics of balance and the words for them.
const BALANCE: [(Statistic, &str); 4] = [
    (Statistic::MaxViolation, "max violation: busiest expert / mean \u{2212} 1"),
    (Statistic::LoadCv, "coefficient of variation of the load"),
    (Statistic::LoadGini, "Gini coefficient of the load"),
    (Statistic::EffectiveExperts, "effective experts: exp of the load entropy"),
];

/// How far the load is from even, per layer, before and after capacity.
pub(super) fn balance(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let panels: Vec<BarPanel> = BALANCE
        .into_iter()
        .filter_map(|(statistic, title)| {
            let groups: Vec<_> = View::ALL
                .into_iter()
                .filter_map(|view| {
                    let rows: Vec<&Finding> =
                        selection.rows(statistic, view).filter(|row| row.category.is_none()).collect();
                    group(selection, view_words(view), &rows, plain)
                })
                .collect();
            let panel = BarPanel {
                title: title.to_owned(),
                y_label: words(statistic.name()),
                percent: statistic == Statistic::MaxViolation,
                max: None,
                groups,
            };
            (!panel.groups.is_empty()).then_some(panel)
        })
        .collect();
    if panels.is_empty() {
        return Vec::new();
    }
    let figure = BarFigure { baseline_label: "even load".to_owned(), panels };
    let caption = format!(
        "Balance of the load over the experts, {}, before and after capacity. Even load is \
         0 in the first three panels and E effective experts.{}",
        many::arrangement(selection),
        many::side_by_side_words(selection, &figure)
    );
    let body = many::side_by_side(selection, figure);
    let rows: Vec<&Finding> = View::ALL
        .into_iter()
        .flat_map(|view| selection.rows(Statistic::MaxViolation, view))
        .filter(|row| row.category.is_none())
        .collect();
    let spec = selection.spec(kind, "", "Balance of the expert load".to_owned(), &caption, body);
    vec![spec.saying(says::balance(&rows))]
}

/// How many experts of a layer have a cell for each pair, if the layer has more than 64 experts.
const MOST_COACTIVATED: usize = 48;

/// Observed over expected frequency of every pair of experts, one chart per layer.
pub(super) fn coactivation(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = "How often two experts are chosen by the same token, over what their loads alone would give \
                   (maximum-entropy baseline): 1 is as expected, orange more often, blue less often. Shares and intervals are in stats/coactivation.csv.";
    if selection.has_many_layers() {
        return many::coactivation(selection, kind, caption);
    }
    let mut specs = Vec::new();
    for &layer in selection.layers() {
        let rows: Vec<&Finding> = selection.layer_rows(kind.statistic, View::Chosen, layer).collect();
        let many_experts = selection.experts(layer) > EXPERTS_EACH;
        let block = if many_experts {
            many::most_coactivated(&rows, MOST_COACTIVATED, String::new())
        } else {
            every_pair(&rows, selection.experts(layer))
        };
        let values = || block.cells.iter().flatten().flatten().copied();
        if values().all(|ratio| ratio == 1.0) {
            continue;
        }
        let mut figure = HeatFigure {
            scale: multiples(values()),
            scale_label: "observed / expected".to_owned(),
            row_height: None,
            column_label: "expert (rows and columns)".to_owned(),
            blocks: vec![block],
        };
        // Where only some experts are drawn, their numbers are not their places.
        if let Some(pair) = says::closest(&rows).and_then(pair_of).filter(|_| !many_experts) {
            figure.outline_pair(pair);
        }
        let body = Body::Heat(figure);
        let rule = if many_experts {
            format!(
                " Drawn are {MOST_COACTIVATED} of the layer's {} experts: those of the pairs that are chosen together most above \
                 expectation, by the lower end of the interval.",
                selection.experts(layer)
            )
        } else {
            String::new()
        };
        let title = format!("Co-activation of experts, layer {layer} ({})", view_words(View::Chosen));
        let suffix = format!("layer_{layer}_{}", View::Chosen.name());
        let spec = selection.spec(kind, &suffix, title, &format!("{caption}{rule}"), body);
        specs.push(spec.saying(says::togetherness(&rows)));
    }
    specs
}

/// The two experts of a row.
fn pair_of(row: &Finding) -> Option<(usize, usize)> {
    row.expert.zip(row.other_expert).map(|(a, b)| (usize::from(a), usize::from(b)))
}

/// A cell for every pair of experts.
fn every_pair(rows: &[&Finding], experts: usize) -> HeatBlock {
    let mut cells = vec![vec![None; experts]; experts];
    for row in rows {
        let pair = pair_of(row).filter(|pair| pair.0.max(pair.1) < experts);
        if let (Some((a, b)), Some(ratio)) = (pair, says::ratio(row)) {
            (cells[a][b], cells[b][a]) = (Some(ratio), Some(ratio));
        }
    }
    let names: Vec<String> = (0..experts).map(|expert| expert.to_string()).collect();
    HeatBlock { title: String::new(), rows: names.clone(), columns: names, cells, outlined: Vec::new() }
}

/// Jensen-Shannon divergence between categories, one chart per layer.
pub(super) fn jensen_shannon(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = "Jensen-Shannon divergence between the expert shares of two categories: 0 is the same routing, \
                   1 bit no expert in common. Permutation baselines and intervals are in \
                   stats/jensen_shannon.csv.";
    if selection.has_many_layers() {
        return many::divergence(selection, kind, caption);
    }
    let mut specs = Vec::new();
    for &layer in selection.layers() {
        let rows = selection.layer_rows(kind.statistic, View::Chosen, layer);
        let rows: Vec<&Finding> = rows.filter(|row| row.other_category.is_some()).collect();
        let names = selection.compared_categories(&rows);
        let mut cells = vec![vec![None; names.len()]; names.len()];
        let place = |name: &Option<String>| names.iter().position(|known| Some(*known) == name.as_deref());
        let pair = |row: &Finding| place(&row.category).zip(place(&row.other_category));
        for row in &rows {
            if let Some((a, b)) = pair(row) {
                (cells[a][b], cells[b][a]) = (row.estimate, row.estimate);
            }
        }
        let max = cells.iter().flatten().flatten().copied().fold(0.0, f64::max);
        if max == 0.0 {
            continue;
        }
        let labels: Vec<String> = names.iter().map(|name| label(name)).collect();
        let block =
            HeatBlock { title: String::new(), rows: labels.clone(), columns: labels, cells, outlined: Vec::new() };
        let mut figure = HeatFigure {
            scale: Scale::Sequential { max: ceil_nice(max) },
            scale_label: "Jensen-Shannon divergence in bits".to_owned(),
            row_height: None,
            column_label: String::new(),
            blocks: vec![block],
        };
        for named in says::nearest_and_farthest(&rows).into_iter().flatten().filter_map(pair) {
            figure.outline_pair(named);
        }
        let body = Body::Heat(figure);
        let title = format!("Divergence between categories, layer {layer} ({})", view_words(View::Chosen));
        let caption = format!("{caption}{}", selection.category_order());
        let spec = selection.spec(kind, &format!("layer_{layer}_{}", View::Chosen.name()), title, &caption, body);
        specs.push(spec.saying(says::divergence(&rows)));
    }
    specs
}

/// Router entropy and margins: quantiles over the tokens, layers side by side.
pub(super) fn confidence(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let mut panels = Vec::new();
    let deciding = selection.context.deciding;
    for (statistic, title, y_label) in [
        (Statistic::RouterEntropy, "Entropy of the gate probabilities", "nats"),
        (Statistic::RouterMargin, "Margin", deciding.unit()),
    ] {
        let rows: Vec<&Finding> = selection.rows(statistic, View::Chosen).collect();
        for variant in variants(&rows) {
            let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.variant == variant).collect();
            let groups = quantiles(&own)
                .into_iter()
                .filter_map(|quantile| {
                    let at: Vec<&Finding> = own.iter().copied().filter(|row| row.quantile == quantile).collect();
                    group(selection, &quantile_words(quantile), &at, plain)
                })
                .collect();
            let title = variant
                .map_or_else(|| title.to_owned(), |variant| format!("{title}: {}", margin_words(variant, deciding)));
            panels.push(BarPanel { title, y_label: y_label.to_owned(), percent: false, max: None, groups });
        }
    }
    if panels.is_empty() {
        return Vec::new();
    }
    let figure = BarFigure { baseline_label: "even gates".to_owned(), panels };
    let caption = format!(
        "Distribution over the tokens of the router's entropy and margins: mean and quantiles (5 % to 95 %), {}. \
         A low entropy or a large margin means a sure router; the baseline of the entropy is log E, even gates.{}",
        many::arrangement(selection),
        many::side_by_side_words(selection, &figure)
    );
    let body = many::side_by_side(selection, figure);
    let rows: Vec<&Finding> = selection.rows(Statistic::RouterEntropy, View::Chosen).collect();
    let spec = selection.spec(kind, "", "Confidence of the router".to_owned(), &caption, body);
    vec![spec.saying(says::confidence(&rows))]
}

fn quantiles(rows: &[&Finding]) -> Vec<Option<f64>> {
    let mut found: Vec<Option<f64>> = Vec::new();
    for quantile in rows.iter().map(|row| row.quantile) {
        if !found.contains(&quantile) {
            found.push(quantile);
        }
    }
    found
}

fn quantile_words(quantile: Option<f64>) -> String {
    quantile.map_or_else(|| "mean".to_owned(), |quantile| format!("{:.0} %", quantile * 100.0))
}

fn margin_words(variant: Variant, deciding: DecidingScore) -> String {
    match variant {
        Variant::MarginFirst | Variant::First => format!("first minus second {}", deciding.in_words()),
        Variant::MarginK => format!("last chosen minus first unchosen {}", deciding.in_words()),
        other => words(other.name()),
    }
}
