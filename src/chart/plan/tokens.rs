//! Charts of what the token id decides: top tokens per expert, predictability, vocabulary specialization.

use super::{
    ChartSpec,
    context::{Single, group, variants},
    many::{self, bars_in_words},
    room::EXPERTS_EACH,
    says,
    selection::{Selection, interval, view_rule, view_words, words},
    token_table::{self, TOKENS},
};
use crate::{
    chart::ChartKind,
    routing::{LayerId, View},
    stats::Finding,
};

/// Experts on one page of the token table.
const EXPERTS_PER_PAGE: usize = 32;

/// The top tokens of every expert, raw count and log-odds side by side.
pub(super) fn top_tokens(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let view = selection.drawn_view(kind.statistic);
    let caption = format!(
        "The token ids with the most {} assignments of each expert, and those whose odds in the expert are highest \
         against the whole corpus (informative Dirichlet prior), at most ten of each. Coloured: the expert whose first five of the \
         latter are farthest from chance. Below a frequent id: how many times as often as its load explains the expert takes it. ␣ is a space, ⏎ a line end, ⇥ a tab, … cuts a long text; empty \
         cells: fewer ids. Counts and z-scores are in stats/top_tokens.csv.{}",
        view.name(),
        view_rule(view)
    );
    if selection.has_many_layers() {
        return many::busiest_tokens(selection, kind, view, &caption);
    }
    let mut specs = Vec::new();
    for &layer in selection.layers() {
        let rows: Vec<&Finding> = selection.layer_rows(kind.statistic, view, layer).collect();
        if rows.is_empty() {
            continue;
        }
        if selection.experts(layer) > EXPERTS_EACH {
            specs.push(many::busy_and_idle_tokens(selection, kind, (layer, view), &rows, &caption));
            continue;
        }
        for from in (0..selection.experts(layer)).step_by(EXPERTS_PER_PAGE) {
            let to = (from + EXPERTS_PER_PAGE).min(selection.experts(layer));
            specs.push(token_page(selection, kind, (layer, view, from..to), &rows, &caption));
        }
    }
    specs
}

fn token_page(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    (layer, view, experts): (LayerId, View, std::ops::Range<usize>),
    rows: &[&Finding],
    caption: &str,
) -> ChartSpec {
    let whole = experts.len() == selection.experts(layer);
    let suffix = if whole { String::new() } else { format!("_experts_{}_to_{}", experts.start, experts.end - 1) };
    let part = if whole { String::new() } else { format!(", experts {} to {}", experts.start, experts.end - 1) };
    let drawn = experts.clone();
    let own: Vec<&Finding> =
        rows.iter().copied().filter(|row| row.expert.is_some_and(|e| drawn.contains(&usize::from(e)))).collect();
    let named = says::most_characteristic(&own);
    let row = |expert: usize| token_table::row(expert.to_string(), rows, (expert, TOKENS), named.as_deref());
    let body = token_table::body(experts.map(row).collect(), TOKENS);
    let title = format!("Top tokens of each expert, layer {layer} ({}){part}", view_words(view));
    let spec = selection.spec(kind, &format!("layer_{layer}_{}{suffix}", view.name()), title, caption, body);
    spec.saying(says::top_tokens(named.as_deref(), &own, false))
}

/// Accuracy of predicting the first choice, against always guessing the busiest expert.
pub(super) fn predictability(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = format!(
        "Held-out accuracy of predicting the routing, five-fold cross-validation by document. The baseline \
         is always guessing the busiest expert (the k busiest for the overlap; 0 for the gain).{}",
        bars_in_words(selection)
    );
    let rows: Vec<&Finding> = selection.rows(kind.statistic, View::Chosen).collect();
    let groups = by_variant(selection, &rows);
    let single = Single {
        title: "Predictability of the expert from the token id",
        caption: &caption,
        y_label: "accuracy",
        percent: true,
        baseline: "always the busiest expert",
        message: says::predictability(&rows),
    };
    single.spec(selection, kind, groups)
}

/// Share of each token id that its favourite expert takes.
pub(super) fn vocabulary(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = format!(
        "Share of a token id's assignments that its most frequent expert takes, averaged over ids in three \
         ways; rare ids inflate the unweighted mean, which the permutation baseline shows. At most 1/k: a \
         token's choices differ.{}",
        bars_in_words(selection)
    );
    let rows: Vec<&Finding> = selection.rows(kind.statistic, View::Chosen).collect();
    let groups = by_variant(selection, &rows);
    let single = Single {
        title: "Vocabulary specialization (chosen, before capacity)",
        caption: &caption,
        y_label: "share of the favourite expert",
        percent: true,
        baseline: "choices shuffled over all occurrences",
        message: says::favourites(&rows),
    };
    single.spec(selection, kind, groups)
}

/// A group of bars for every variant of the rows.
fn by_variant(selection: &Selection<'_>, rows: &[&Finding]) -> Vec<crate::chart::bars::BarGroup> {
    variants(rows)
        .into_iter()
        .filter_map(|variant| {
            let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.variant == variant).collect();
            let numbers = |row: &Finding| (row.estimate, interval(row), row.baseline, row.ceiling);
            group(
                selection,
                &variant.map_or_else(|| "token id".to_owned(), |variant| words(variant.name())),
                &own,
                numbers,
            )
        })
        .collect()
}
