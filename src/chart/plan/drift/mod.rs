//! Charts of a layer over the course of training: when routing was learnt, and what still changes.

mod curves;
mod load;
mod margin;
mod tokens;

pub(super) use curves::{agreement, last_change};
pub(super) use load::{beside, load, matrix};
pub(super) use margin::by_margin;
pub(super) use tokens::{by_frequency, radars};

use super::{ChartSpec, selection::Selection};
use crate::{
    routing::View,
    stats::{Finding, Statistic},
};

/// Spans of training beyond this ratio are drawn on a logarithmic axis.
const LINEAR_UP_TO: f64 = 100.0;

/// The checkpoints of the time axis and their places on it.
struct TimeAxis {
    /// Label and place.
    points: Vec<(String, f64)>,
    /// The labels as they are drawn.
    shown: Vec<String>,
    /// What the axis is.
    label: &'static str,
    linear: bool,
}

impl TimeAxis {
    /// The checkpoints with a last change, in order; spaced by their training tokens where all are known and ascend.
    /// `None` with fewer than two.
    fn new(selection: &Selection<'_>) -> Option<Self> {
        let mut found: Vec<(&str, Option<f64>)> = Vec::new();
        for row in selection.checkpoint_rows(Statistic::LastChange, View::Chosen) {
            let label = row.checkpoint.as_deref()?;
            if found.iter().all(|(known, _)| *known != label) {
                found.push((label, row.training_tokens));
            }
        }
        let tokens: Option<Vec<f64>> = found.iter().map(|(_, tokens)| *tokens).collect();
        let tokens = tokens.filter(|all| all.windows(2).all(|pair| pair[0] < pair[1]) && all.iter().all(|t| *t > 0.0));
        let (label, places) = match tokens {
            Some(tokens) => ("training tokens", tokens),
            None => ("checkpoint, in order of training", (1..=found.len()).map(|index| index as f64).collect()),
        };
        let (first, last) = (*places.first()?, *places.last()?);
        let points = found.iter().map(|(label, _)| (*label).to_owned()).zip(places).collect();
        let shown = found.iter().map(|(label, _)| selection.shortened(label).to_owned()).collect();
        (first < last).then(|| Self { points, shown, label, linear: last / first <= LINEAR_UP_TO })
    }

    /// The place of a checkpoint; `None` if it is beside the axis.
    fn place(&self, row: &Finding) -> Option<f64> {
        let label = row.checkpoint.as_deref()?;
        self.points.iter().find(|(known, _)| known == label).map(|(_, place)| *place)
    }

    /// The last checkpoint, with which the others are compared.
    fn reference(&self) -> &str {
        self.points.last().map_or("", |(label, _)| label)
    }

    /// The first checkpoint, the one before the last, and the last, as they are drawn.
    fn ends(&self) -> [&str; 3] {
        let at = |place: usize| self.shown.get(place).map_or("", String::as_str);
        [at(0), at(self.shown.len().saturating_sub(2)), self.shown_reference()]
    }

    /// The labels of the first checkpoint and of the one before the last.
    fn first_and_before_last(&self) -> [&str; 2] {
        let at = |place: usize| self.points.get(place).map_or("", |(label, _)| label.as_str());
        [at(0), at(self.points.len().saturating_sub(2))]
    }

    /// The rows about a checkpoint and the last one.
    fn against_last<'a>(&self, rows: impl Iterator<Item = &'a Finding>, label: &str) -> Vec<&'a Finding> {
        rows.filter(|row| {
            row.checkpoint.as_deref() == Some(label) && row.reference.as_deref() == Some(self.reference())
        })
        .collect()
    }

    /// The last checkpoint as it is drawn.
    fn shown_reference(&self) -> &str {
        self.shown.last().map_or("", String::as_str)
    }

    /// The ends of the axis, a little beyond the first and the last checkpoint.
    fn range(&self) -> (f64, f64) {
        let ends = self.points.first().zip(self.points.last()).map_or((0.0, 1.0), |(a, b)| (a.1, b.1));
        let gap = 0.03 * (ends.1 - ends.0);
        if self.linear { (ends.0 - gap, ends.1 + gap) } else { (ends.0 * 0.9, ends.1 * 1.1) }
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        self.points.iter().zip(&self.shown).map(|((_, place), label)| (*place, label.clone())).collect()
    }
}

/// The checkpoints that are compared with the last one, in file order; includes the last one and those beside the axis.
fn checkpoints<'a>(rows: &[&'a Finding]) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for label in rows.iter().filter_map(|row| row.checkpoint.as_deref()) {
        if !found.contains(&label) {
            found.push(label);
        }
    }
    found
}

/// A chart about several layers or checkpoints.
type Specs = Vec<ChartSpec>;
