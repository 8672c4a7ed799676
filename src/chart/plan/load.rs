//! Charts of the load: layer by expert, balance, co-activation, and how categories compare.

use super::{
    ChartSpec,
    context::{group, plain, variants},
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
    routing::View,
    stats::{Finding, Statistic},
};

/// Layer by expert, each cell the load relative to even load.
pub(super) fn overall(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let uniform = 1.0 / selection.experts().max(1) as f64;
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
                by_cell(own, selection.experts(), |row| Some(row.estimate? / uniform))
            })
            .collect();
        let names: Vec<String> = layers.iter().map(|layer| format!("layer {layer}")).collect();
        let caption = "Share of each expert in the assignments of a layer as a multiple of the uniform share: 1 is even \
                       load. Intervals are in stats/expert_share.csv.";
        let title = format!("Expert load, layer by expert ({})", view_words(view));
        let body = Body::Heat(expert_blocks(&names, &cells, "multiple of even load", "expert"));
        specs.push(selection.spec(kind, view.name(), title, caption, body));
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
                percent: false,
                max: None,
                groups,
            };
            (!panel.groups.is_empty()).then_some(panel)
        })
        .collect();
    if panels.is_empty() {
        return Vec::new();
    }
    let caption = "Balance of the load over the experts, layers side by side, before and after capacity. Even load is \
                   0 in the first three panels and E effective experts.";
    let body = Body::Bars(BarFigure { baseline_label: "even load".to_owned(), panels });
    vec![selection.spec(kind, "", "Balance of the expert load".to_owned(), caption, body)]
}

/// Observed over expected frequency of every pair of experts, one chart per layer.
pub(super) fn coactivation(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let experts = selection.experts();
    let mut specs = Vec::new();
    for &layer in selection.layers() {
        let mut cells = vec![vec![None; experts]; experts];
        for row in selection.rows(kind.statistic, View::Chosen).filter(|row| row.layer == layer) {
            let pair = row.expert.zip(row.other_expert).map(|(a, b)| (usize::from(a), usize::from(b)));
            if let (Some((a, b)), Some(ratio)) = (pair.filter(|pair| pair.0.max(pair.1) < experts), ratio(row)) {
                (cells[a][b], cells[b][a]) = (Some(ratio), Some(ratio));
            }
        }
        let largest = cells.iter().flatten().flatten().map(|ratio| ratio.max(0.05).ln().abs()).fold(0.0, f64::max);
        if largest == 0.0 {
            continue;
        }
        let names: Vec<String> = (0..experts).map(|expert| expert.to_string()).collect();
        let block = HeatBlock { title: String::new(), rows: names.clone(), columns: names, cells };
        let body = Body::Heat(HeatFigure {
            scale: Scale::Ratio { limit: largest.exp().clamp(1.5, 8.0) },
            scale_label: "observed / expected".to_owned(),
            column_label: "expert (rows and columns)".to_owned(),
            blocks: vec![block],
        });
        let caption = "How often two experts are chosen by the same token, over what their loads alone would give \
                       (maximum-entropy baseline): 1 is as expected, blue more often, orange less. Shares and intervals are in stats/coactivation.csv.";
        let title = format!("Co-activation of experts, layer {layer} ({})", view_words(View::Chosen));
        specs.push(selection.spec(kind, &format!("layer_{layer}_{}", View::Chosen.name()), title, caption, body));
    }
    specs
}

fn ratio(row: &Finding) -> Option<f64> {
    let expected = row.baseline.filter(|baseline| *baseline > 0.0)?;
    Some(row.estimate? / expected)
}

/// Jensen-Shannon divergence between categories, one chart per layer.
pub(super) fn jensen_shannon(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let mut specs = Vec::new();
    for &layer in selection.layers() {
        let rows: Vec<&Finding> = selection
            .rows(kind.statistic, View::Chosen)
            .filter(|row| row.layer == layer && row.other_category.is_some())
            .collect();
        let mut names = selection.categories(&rows);
        for name in rows.iter().filter_map(|row| row.other_category.as_deref()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let mut cells = vec![vec![None; names.len()]; names.len()];
        for row in &rows {
            let place = |name: &Option<String>| names.iter().position(|known| Some(*known) == name.as_deref());
            if let Some((a, b)) = place(&row.category).zip(place(&row.other_category)) {
                (cells[a][b], cells[b][a]) = (row.estimate, row.estimate);
            }
        }
        let max = cells.iter().flatten().flatten().copied().fold(0.0, f64::max);
        if max == 0.0 {
            continue;
        }
        let labels: Vec<String> = names.iter().map(|name| label(name)).collect();
        let block = HeatBlock { title: String::new(), rows: labels.clone(), columns: labels, cells };
        let body = Body::Heat(HeatFigure {
            scale: Scale::Sequential { max: ceil_nice(max) },
            scale_label: "Jensen-Shannon divergence in bits".to_owned(),
            column_label: String::new(),
            blocks: vec![block],
        });
        let caption = "Jensen-Shannon divergence between the expert shares of two categories: 0 is the same routing, \
                       1 bit no expert in common. Permutation baselines and intervals are in \
                       stats/jensen_shannon.csv.";
        let title = format!("Divergence between categories, layer {layer} ({})", view_words(View::Chosen));
        specs.push(selection.spec(kind, &format!("layer_{layer}_{}", View::Chosen.name()), title, caption, body));
    }
    specs
}

/// Router entropy and margins: quantiles over the tokens, layers side by side.
pub(super) fn confidence(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let mut panels = Vec::new();
    for (statistic, title, y_label) in [
        (Statistic::RouterEntropy, "Entropy of the gate probabilities", "nats"),
        (Statistic::RouterMargin, "Margin", "probability"),
    ] {
        let rows: Vec<&Finding> = selection.rows(statistic, View::Chosen).collect();
        for variant in variants(&rows) {
            let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.variant.as_deref() == variant).collect();
            let groups = quantiles(&own)
                .into_iter()
                .filter_map(|quantile| {
                    let at: Vec<&Finding> = own.iter().copied().filter(|row| row.quantile == quantile).collect();
                    group(selection, &quantile_words(quantile), &at, plain)
                })
                .collect();
            let title =
                variant.map_or_else(|| title.to_owned(), |variant| format!("{title}: {}", margin_words(variant)));
            panels.push(BarPanel { title, y_label: y_label.to_owned(), percent: false, max: None, groups });
        }
    }
    if panels.is_empty() {
        return Vec::new();
    }
    let caption = "Distribution over the tokens of the router's entropy and margins: mean and quantiles (5 % to 95 %), layers side by side. \
                   A low entropy or a large margin means a sure router; the baseline of the entropy is log E, even gates.";
    let body = Body::Bars(BarFigure { baseline_label: "even gates".to_owned(), panels });
    vec![selection.spec(kind, "", "Confidence of the router".to_owned(), caption, body)]
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

fn margin_words(variant: &str) -> String {
    match variant {
        "margin_first" | "first" => "first minus second gate probability".to_owned(),
        "margin_k" | "k" => "last chosen minus first unchosen gate probability".to_owned(),
        other => words(other),
    }
}
