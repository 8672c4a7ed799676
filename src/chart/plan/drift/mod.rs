//! Charts of a layer over the course of training: when routing was learnt, and what still changes.

mod curves;
mod load;
mod tokens;

pub(super) use curves::{agreement, by_margin, last_change};
pub(super) use load::{beside, load, matrix};
pub(super) use tokens::{by_frequency, radars};

use super::{ChartSpec, selection::Selection};
use crate::{
    chart::{
        axis::percent,
        theme::{ACCENT, CORRECTED, Color, Dash, Stroke, TEXT, VALUE},
    },
    routing::View,
    stats::{Finding, Statistic},
};

/// Spans of training beyond this ratio are drawn on a logarithmic axis.
const LINEAR_UP_TO: f64 = 100.0;

/// The checkpoints of the time axis and where they stand.
struct TimeAxis {
    /// Label and place.
    points: Vec<(String, f64)>,
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
        (first < last).then(|| Self { points, label, linear: last / first <= LINEAR_UP_TO })
    }

    /// Where a checkpoint stands; `None` beside the axis.
    fn place(&self, row: &Finding) -> Option<f64> {
        let label = row.checkpoint.as_deref()?;
        self.points.iter().find(|(known, _)| known == label).map(|(_, place)| *place)
    }

    /// The last checkpoint, with which the others are compared.
    fn reference(&self) -> &str {
        self.points.last().map_or("", |(label, _)| label)
    }

    /// The ends of the axis, a little beyond the first and the last checkpoint.
    fn range(&self) -> (f64, f64) {
        let ends = self.points.first().zip(self.points.last()).map_or((0.0, 1.0), |(a, b)| (a.1, b.1));
        let gap = 0.03 * (ends.1 - ends.0);
        if self.linear { (ends.0 - gap, ends.1 + gap) } else { (ends.0 * 0.9, ends.1 * 1.1) }
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        self.points.iter().map(|(label, place)| (*place, label.clone())).collect()
    }
}

/// The checkpoints that are compared with the last one, in file order, itself and those beside the axis included.
fn checkpoints<'a>(rows: &[&'a Finding]) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for label in rows.iter().filter_map(|row| row.checkpoint.as_deref()) {
        if !found.contains(&label) {
            found.push(label);
        }
    }
    found
}

/// The line of one of several series: hue and dashes both tell them apart.
pub(super) fn series(index: usize, of: usize) -> Stroke {
    let dashes = [Dash::Solid, Dash::Dashed, Dash::Mixed, Dash::Dotted];
    let anchors: [Color; 4] = [VALUE, CORRECTED, ACCENT, TEXT];
    let place = index as f64 / of.saturating_sub(1).max(1) as f64 * (anchors.len() - 1) as f64;
    let from = (place as usize).min(anchors.len() - 2);
    let color = if of <= anchors.len() {
        anchors[index.min(anchors.len() - 1)]
    } else {
        anchors[from].towards(anchors[from + 1], place - from as f64)
    };
    Stroke::broken(color, 1.8, dashes[index % dashes.len()])
}

/// Ticks of an axis of shares, in percent.
fn percent_ticks() -> Vec<(f64, String)> {
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share, percent(share))).to_vec()
}

/// A chart about several layers or checkpoints.
type Specs = Vec<ChartSpec>;
