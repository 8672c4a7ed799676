//! Charts of what the token id decides: top tokens per expert, predictability, vocabulary specialization.

use super::{
    ChartSpec,
    context::{group, single, variants},
    selection::{Selection, interval, token_label, view_words, words},
};
use crate::{
    chart::{
        ChartKind,
        page::Body,
        table::{TableFigure, TableRow},
    },
    routing::{LayerId, View},
    stats::{Finding, Ranking},
};

/// Experts on one page of the token table.
const EXPERTS_PER_PAGE: usize = 32;
/// Tokens per expert and ranking.
const TOKENS: u32 = 10;

/// The top tokens of every expert, raw count and log-odds side by side.
pub(super) fn top_tokens(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let mut specs = Vec::new();
    for &layer in selection.layers() {
        let rows: Vec<&Finding> = selection.rows(kind.statistic, View::Kept).filter(|row| row.layer == layer).collect();
        if rows.is_empty() {
            continue;
        }
        for from in (0..selection.experts(layer)).step_by(EXPERTS_PER_PAGE) {
            let to = (from + EXPERTS_PER_PAGE).min(selection.experts(layer));
            specs.push(token_page(selection, kind, layer, &rows, from..to));
        }
    }
    specs
}

fn token_page(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    layer: LayerId,
    rows: &[&Finding],
    experts: std::ops::Range<usize>,
) -> ChartSpec {
    let whole = experts.len() == selection.experts(layer);
    let suffix = if whole { String::new() } else { format!("_experts_{}_to_{}", experts.start, experts.end - 1) };
    let part = if whole { String::new() } else { format!(", experts {} to {}", experts.start, experts.end - 1) };
    let rankings = [Ranking::Count, Ranking::LogOdds];
    let table = experts
        .map(|expert| TableRow {
            name: expert.to_string(),
            cells: rankings.iter().flat_map(|ranking| ranked(rows, expert, *ranking)).collect(),
        })
        .collect();
    let figure = TableFigure {
        row_label: "expert".to_owned(),
        groups: vec![
            ("most frequent (raw count)".to_owned(), TOKENS as usize),
            ("most characteristic (smoothed log-odds)".to_owned(), TOKENS as usize),
        ],
        headers: Vec::new(),
        rows: table,
    };
    let caption = "The ten token ids with the most kept assignments of each expert, and the ten whose odds in the expert \
                   are highest against the whole corpus (informative Dirichlet prior). ␣ is a space, \\n a line end, … \
                   cuts a long text; empty cells: fewer ids. Counts and z-scores are in stats/top_tokens.csv.";
    let title = format!("Top tokens of each expert, layer {layer} ({}){part}", view_words(View::Kept));
    selection.spec(kind, &format!("layer_{layer}_{}{suffix}", View::Kept.name()), title, caption, Body::Table(figure))
}

/// The tokens of one expert by one ranking, as many cells as the table has.
fn ranked(rows: &[&Finding], expert: usize, ranking: Ranking) -> Vec<String> {
    (1..=TOKENS)
        .map(|rank| {
            let own = rows.iter().find(|row| {
                row.rank == Some(rank) && row.expert.map(usize::from) == Some(expert) && row.ranking == Some(ranking)
            });
            own.map(|row| token_label(row)).unwrap_or_default()
        })
        .collect()
}

/// Accuracy of predicting the first choice, against always guessing the busiest expert.
pub(super) fn predictability(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = "Held-out accuracy of predicting the routing, five-fold cross-validation by document. The baseline \
                   is always guessing the busiest expert (the k busiest for the overlap; 0 for the gain). Layers side by side.";
    let groups = by_variant(selection, kind, View::Chosen);
    single(selection, kind, "Predictability of the expert from the token id", caption, "accuracy", groups)
}

/// Share of each token id that its favourite expert takes.
pub(super) fn vocabulary(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = "Share of a token id's assignments that its most frequent expert takes, averaged over ids in three \
                   ways; rare ids inflate the unweighted mean, which the permutation baseline shows. At most 1/k: a \
                   token's choices differ. Layers side by side.";
    let groups = by_variant(selection, kind, View::Chosen);
    single(
        selection,
        kind,
        "Vocabulary specialization (chosen, before capacity)",
        caption,
        "share of the favourite expert",
        groups,
    )
}

fn by_variant(selection: &Selection<'_>, kind: &'static ChartKind, view: View) -> Vec<crate::chart::bars::BarGroup> {
    let rows: Vec<&Finding> = selection.rows(kind.statistic, view).collect();
    variants(&rows)
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
