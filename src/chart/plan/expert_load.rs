//! How the assignments of every layer are spread over its experts, and the order that this puts them in: counted once for all
//! charts.

use std::collections::HashMap;

use super::index::RowIndex;
use crate::{
    chart::ChartContext,
    routing::{LayerId, View},
    stats::{Finding, Statistic},
};

/// The load of the experts of one layer in one view.
pub(super) struct ExpertLoad {
    /// Share of each expert in all assignments of the layer, `[experts]`; none where it is not known.
    pub(super) share: Vec<Option<f64>>,
    /// The experts in order of load, `[experts]`.
    pub(super) order: Vec<usize>,
}

/// The load of a layer that a run does not have.
pub(super) static NO_LOAD: ExpertLoad = ExpertLoad { share: Vec::new(), order: Vec::new() };

impl ExpertLoad {
    fn of(index: &RowIndex<'_>, layer: LayerId, view: View, experts: usize) -> Self {
        let mut share = vec![None; experts];
        let rows = index.layer(Statistic::ExpertShare, view, layer);
        let is_of_all = |row: &&Finding| {
            row.checkpoint.is_none() && row.variable.is_none() && row.category.is_none() && row.estimate.is_some()
        };
        for row in rows.filter(is_of_all) {
            if let Some(share) = row.expert.and_then(|expert| share.get_mut(usize::from(expert))) {
                *share = row.estimate;
            }
        }
        Self { order: in_order(&share), share }
    }

    /// The share of the busiest expert.
    pub(super) fn largest(&self) -> Option<f64> {
        self.share.iter().flatten().copied().reduce(f64::max)
    }
}

/// The load of every layer of a run in both views.
pub(super) fn of_layers(index: &RowIndex<'_>, context: &ChartContext) -> HashMap<(LayerId, View), ExpertLoad> {
    let of_layer = |layer: LayerId| {
        let experts = context.shape.experts(layer);
        View::ALL.map(|view| ((layer, view), ExpertLoad::of(index, layer, view, experts)))
    };
    context.shape.moe_layers().iter().flat_map(|layer| of_layer(*layer)).collect()
}

/// Experts in order of their load, the busiest first; those of equal or unknown load by their number.
pub(super) fn in_order(load: &[Option<f64>]) -> Vec<usize> {
    let mut experts: Vec<usize> = (0..load.len()).collect();
    experts.sort_by(|a, b| load[*b].unwrap_or(0.0).total_cmp(&load[*a].unwrap_or(0.0)).then(a.cmp(b)));
    experts
}
