//! The parameters of a notebook: the names of a run that a reader may want to shorten or replace.

use super::{
    document::NotebookCell,
    literal::{list, python},
    source::NotebookSource,
};
use crate::{
    routing::View,
    run::{RecordedLayout, RunKind, RunRecord},
    stats::{Finding, Statistic, Tables},
};

/// Names of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// Decoder layers with experts.
    pub(super) layers: Vec<String>,
    /// Experts of each of the layers; of all at once where they are alike.
    pub(super) num_experts: Vec<usize>,
    /// Whether a route run has numbers of what was kept; else only of what was chosen.
    pub(super) has_kept: bool,
    /// Categories of a route run.
    pub(super) categories: Vec<String>,
    /// Data sets of a drops run.
    pub(super) datasets: Vec<String>,
    /// Checkpoints of a drift run on its time axis, in order.
    pub(super) checkpoints: Vec<String>,
    /// Checkpoints of a drift run beside its time axis.
    pub(super) beside: Vec<String>,
}

impl Parameters {
    /// The names of a run, from its manifest and its tables.
    pub(super) fn of(source: &NotebookSource) -> Self {
        let layout = &source.record.layout;
        let (beside, checkpoints) = labels(source.record);
        Self {
            layers: layout.moe_layers.iter().map(ToString::to_string).collect(),
            num_experts: experts(layout),
            has_kept: has_kept(source.tables),
            categories: names(source.tables, Statistic::ExpertShare, |row| row.category.as_deref()),
            datasets: names(source.tables, Statistic::AssignmentDropRatio, |row| row.dataset.as_deref()),
            checkpoints,
            beside,
        }
    }

    /// The cell that defines them in Python.
    pub(super) fn cell(&self, folder: &str, kind: RunKind) -> NotebookCell {
        let middle = self.layers.get(self.layers.len() / 2).map_or("0", String::as_str);
        let mut lines = vec![
            "from pathlib import Path\n".to_owned(),
            format!("RUN = Path({})  # the folder of the run, seen from that of this notebook", python(folder)),
            format!("LAYERS = {}  # decoder layers with experts", list(&self.layers)),
            format!("LAYER = {middle}  # the one that is shown where there is room for one"),
        ];
        match kind {
            RunKind::Route | RunKind::Import => lines.extend(self.of_route()),
            RunKind::Drift => lines.extend(self.of_drift()),
            RunKind::Drops => lines.push(format!("DATASETS = {}", literals(&self.datasets))),
            RunKind::Mitigate => {
                // The first pass changes nothing.
                let first = self.checkpoints.get(1).map_or("random", String::as_str);
                lines.push(format!("LOOKED_AT = {}  # the strategy that is looked at token by token", python(first)));
            }
        }
        NotebookCell::Parameters(lines.join("\n"))
    }

    /// The experts of the layer that is shown, as Python has them: a number, or looked up where layers differ.
    fn num_experts(&self) -> String {
        match self.num_experts.as_slice() {
            [all] => all.to_string(),
            each => {
                let entries = self.layers.iter().zip(each).map(|(layer, experts)| format!("{layer}: {experts}"));
                format!("{{{}}}[LAYER]", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn of_route(&self) -> [String; 3] {
        [
            format!("NUM_EXPERTS = {}", self.num_experts()),
            format!(
                "VIEW = \"{}\"  # \"chosen\": what the router asked for; \"kept\": what is left after the capacity limit",
                if self.has_kept { View::Kept } else { View::Chosen }.name()
            ),
            format!("CATEGORIES = {}", literals(&self.categories)),
        ]
    }

    fn of_drift(&self) -> [String; 4] {
        let last = self.checkpoints.last().map_or("", String::as_str);
        // If there is one checkpoint on the axis, only a checkpoint beside the axis can be compared with it.
        let before = self.checkpoints.iter().rev().nth(1).or_else(|| self.beside.last());
        [
            format!("CHECKPOINTS = {}", literals(&self.checkpoints)),
            format!("BESIDE = {}  # not on the time axis", literals(&self.beside)),
            format!("LAST = {}  # all others are compared with it", python(last)),
            format!("COMPARED = {}  # the one that is looked at closely", python(before.map_or(last, String::as_str))),
        ]
    }
}

fn literals(names: &[String]) -> String {
    list(&names.iter().map(|name| python(name)).collect::<Vec<_>>())
}

/// Whether the tables have expert shares of the kept assignments.
fn has_kept(tables: &Tables) -> bool {
    let rows = tables.get(Statistic::ExpertShare.table()).into_iter().flat_map(|table| &table.rows);
    rows.filter(|row| row.view == View::Kept).any(|row| row.estimate.is_some())
}

/// Experts layer by layer, or one number for all.
fn experts(layout: &RecordedLayout) -> Vec<usize> {
    let each: Vec<usize> = layout.layers.iter().map(|layer| layer.num_experts).collect();
    if each.iter().all(|experts| *experts == layout.num_experts) { vec![layout.num_experts] } else { each }
}

/// Labels of the checkpoints: beside the time axis, and on it.
fn labels(record: &RunRecord) -> (Vec<String>, Vec<String>) {
    let of = |off_axis: bool| {
        let checkpoints = record.identity.checkpoints.iter().filter(move |entry| entry.off_axis == off_axis);
        checkpoints.map(|entry| entry.label.clone()).collect()
    };
    (of(true), of(false))
}

/// The names that a key has in a table, in the order of the rows.
fn names(tables: &Tables, statistic: Statistic, key: fn(&Finding) -> Option<&str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in tables.get(statistic.table()).into_iter().flat_map(|table| &table.rows).filter_map(key) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}
