//! The tokens of the experts, of many layers or many experts.

use crate::{
    chart::{
        ChartKind,
        plan::{
            ChartSpec,
            room::ShownLayers,
            says,
            selection::{Selection, view_words},
            token_table::{self, TOKENS},
        },
    },
    routing::{LayerId, View},
    stats::Finding,
};

/// Experts of each layer where several layers share a table.
const BUSIEST: usize = 4;
/// Tokens of each ranking there: the names of the rows are long, and more columns would cut the tokens.
const FEWER: u32 = 6;
/// Experts at either end of the order of load.
const ENDS: usize = 16;

/// The busiest experts of the layers that are shown.
pub(in crate::chart::plan) fn busiest_tokens(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    view: View,
    caption: &str,
) -> Vec<ChartSpec> {
    let measured = "load of the busiest expert in times an even load";
    let shown = ShownLayers::of(selection, kind.statistic, measured, |layer| selection.busiest(layer, view));
    let busiest =
        |layer: LayerId| &selection.load(layer, view).order[..BUSIEST.min(selection.load(layer, view).order.len())];
    let drawn = |row: &&Finding| row.expert.is_some_and(|expert| busiest(row.layer).contains(&usize::from(expert)));
    let all: Vec<&Finding> = shown
        .layers
        .iter()
        .flat_map(|layer| selection.layer_rows(kind.statistic, view, *layer))
        .filter(drawn)
        .collect();
    let named = says::most_characteristic(&all);
    let mut rows = Vec::new();
    for &layer in &shown.layers {
        let own: Vec<&Finding> = all.iter().copied().filter(|row| row.layer == layer).collect();
        let name = |expert: usize| format!("layer {layer}, expert {expert}");
        let row = |expert: &usize| token_table::row(name(*expert), &own, (*expert, FEWER), named.as_deref());
        rows.extend(busiest(layer).iter().filter(|_| !own.is_empty()).map(row));
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let caption = format!(
        "{caption} Of each layer its {BUSIEST} experts with the largest load, and of each the first {FEWER} tokens.{}",
        shown.rule()
    );
    let title = format!("Top tokens of the busiest experts, in layers of the model ({})", view_words(view));
    let spec = selection.spec(kind, view.name(), title, &caption, token_table::body(rows, FEWER));
    vec![spec.saying(says::top_tokens(named.as_deref(), &all, shown.layers.len() > 1))]
}

/// The experts of a layer at both ends of the order of load.
pub(in crate::chart::plan) fn busy_and_idle_tokens(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    (layer, view): (LayerId, View),
    rows: &[&Finding],
    caption: &str,
) -> ChartSpec {
    let order = &selection.load(layer, view).order;
    let (experts, last) = (order.len(), order.len().saturating_sub(ENDS).max(ENDS.min(order.len())));
    let drawn: Vec<usize> = order[..ENDS.min(experts)].iter().chain(&order[last..]).copied().collect();
    let is_drawn = |row: &&Finding| row.expert.is_some_and(|expert| drawn.contains(&usize::from(expert)));
    let named = says::most_characteristic(&rows.iter().copied().filter(is_drawn).collect::<Vec<_>>());
    let row = |expert: &usize| token_table::row(expert.to_string(), rows, (*expert, TOKENS), named.as_deref());
    let table = drawn.iter().map(row).collect();
    let caption = format!(
        "{caption} Drawn are the {ENDS} of the layer's {experts} experts with the largest load, the busiest first, and the {ENDS} \
         with the smallest; the tokens of all are in stats/top_tokens.parquet."
    );
    let title = format!("Top tokens of the busiest and the idlest experts, layer {layer} ({})", view_words(view));
    let body = token_table::body(table, TOKENS);
    let spec = selection.spec(kind, &format!("layer_{layer}_{}", view.name()), title, &caption, body);
    spec.saying(says::top_tokens(named.as_deref(), rows, false))
}
