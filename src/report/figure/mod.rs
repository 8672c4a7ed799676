//! Figures of the page, as data: one component per kind draws them. Which kind a statistic gets follows from the keys of its
//! rows, so that a new statistic needs no figure of its own.

mod data;
mod dimension;
mod layout;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::stats::{Finding, StatisticInfo};

/// A row of a run's table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// Index of the run in the report.
    pub(super) run: usize,
    /// What rows without a checkpoint are about.
    pub(super) model: &'a str,
    /// The numbers.
    pub(super) finding: &'a Finding,
}

/// What draws a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Estimates with intervals and baselines, one under the other.
    Intervals,
    /// Lines over a numeric axis, with bands.
    Curve,
    /// Coloured cells.
    Matrix,
    /// Points over n.
    Scatter,
    /// Words by rank.
    Words,
}

/// A figure with its numbers, in columns of equal length; the scripts of the page know nothing of statistics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figure {
    pub(super) kind: Kind,
    /// What the reader chooses it by.
    pub(super) label: String,
    pub(super) y_title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) x_title: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) row_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column_title: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) x_scale: Option<&'static str>,
    /// Rows of a matrix, or labels, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) rows: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) columns_order: Vec<String>,
    /// Whether the axis of the estimate starts at 0.
    pub(super) zero: bool,
    /// What is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_out: Option<String>,
    pub(super) data: Map<String, Value>,
}

/// Figures that one statistic may have: more are not looked through.
const MOST_FIGURES: usize = 40;

/// The figures of a statistic over all runs of the report, the one that sums up most first.
pub(super) fn figures(info: &StatisticInfo, rows: &[Row<'_>]) -> Vec<Figure> {
    let mut figures = layout::explained(rows).into_iter().chain(layout::by_keys(info, rows)).collect::<Vec<_>>();
    figures.truncate(MOST_FIGURES);
    figures
}

#[cfg(test)]
mod tests;
