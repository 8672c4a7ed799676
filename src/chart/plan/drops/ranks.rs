//! How evenly the ranks of expert-parallel placements are loaded.

use super::{Specs, spec};
use crate::{
    chart::{
        ChartKind,
        bars::{BarFigure, BarGroup, BarPanel},
        plan::{
            context::{group, plain},
            many::{arrangement, bars_in_words, side_by_side, side_by_side_words},
            says,
            selection::Selection,
        },
    },
    routing::View,
    stats::Finding,
};

/// The largest over the mean load of each placement, batch by batch and over all tokens.
pub(in crate::chart::plan) fn rank_load(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let rows: Vec<&Finding> = selection.rows(kind.statistic, View::Chosen).collect();
    let mut placements: Vec<u32> = rows.iter().filter_map(|row| row.expert_parallel).collect();
    placements.sort_unstable();
    placements.dedup();
    let panel = |(is_batch, title): (bool, &str)| {
        let groups: Vec<BarGroup> = placements
            .iter()
            .filter_map(|ranks| {
                let is_own =
                    |row: &&&Finding| row.expert_parallel == Some(*ranks) && row.grouping.is_some() == is_batch;
                let own: Vec<&Finding> = rows.iter().filter(is_own).copied().collect();
                group(selection, &format!("{ranks} ranks"), &own, plain)
            })
            .collect();
        let y_label = "largest / mean load".to_owned();
        (!groups.is_empty()).then(|| BarPanel { title: title.to_owned(), y_label, groups, ..BarPanel::default() })
    };
    let panels: Vec<BarPanel> =
        [(true, "Batches of 4,096 tokens"), (false, "All tokens together")].into_iter().filter_map(panel).collect();
    if panels.is_empty() {
        return Specs::new();
    }
    let baseline_label = "batches: choices permuted across sequences; all: even load".to_owned();
    let figure = BarFigure { baseline_label, panels };
    let words = side_by_side_words(selection, &figure);
    let caption = format!(
        "If ranks share the experts of a layer in contiguous blocks, all wait for the one with the largest load: 1.5 means that the \
         layer takes half as long again as with an even load.{}{words} Batches of consecutive sequences of up to 4,096 tokens together, \
         weighted by their tokens; what stands above the baseline comes from texts that ask for the same experts at once. An engine forms other batches.",
        bars_in_words(selection)
    );
    let title = format!("Load of the ranks that share the experts, {}", arrangement(selection));
    let spec = spec(selection, kind, "", title, &caption, side_by_side(selection, figure));
    vec![spec.saying(says::most_loaded_rank(&rows))]
}
