//! Figures of the page, as data: one component per kind draws them. Which kind a statistic gets follows from the keys of its
//! rows, so that a new statistic needs no figure of its own.

mod capacity;
mod data;
mod dimension;
mod hero;
mod keys;
mod layout;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::stats::{Finding, StatisticInfo};
pub(super) use hero::{HEROES, hero};

/// A row of a run's table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// Index of the run in the report.
    pub(super) run: usize,
    /// Its kind.
    pub(super) command: &'static str,
    /// What rows without a checkpoint are about.
    pub(super) model: &'a str,
    /// The numbers.
    pub(super) finding: &'a Finding,
}

/// What draws a figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Estimates with intervals and baselines, one under the other.
    #[default]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own for the scripts")]
pub(super) struct Figure {
    pub(super) kind: Kind,
    /// What the reader chooses it by.
    pub(super) label: String,
    pub(super) y_title: String,
    /// What stands behind a number in a tip.
    pub(super) unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) x_title: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) row_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column_title: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) x_scale: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) y_scale: Option<&'static str>,
    /// Rows of a matrix, or labels, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) rows: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) columns_order: Vec<String>,
    /// Whether the axis of the estimate starts at 0.
    pub(super) zero: bool,
    /// Ends that the axis of the estimate has at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reach: Option<(f64, f64)>,
    /// Decimals of the values that are written beside their marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decimals: Option<u8>,
    /// Whether the panels that the data name have an axis each: they are measures that cannot be compared.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) apart: bool,
    /// Whether the cells of a matrix show the estimate as a multiple of its baseline.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) ratio: bool,
    /// Whether a matrix has each pair once, and shows it twice.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) symmetric: bool,
    /// What is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_out: Option<String>,
    pub(super) data: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Figure {
    /// Whether it shows that a number differs from another one.
    fn varies(&self) -> bool {
        let mut told =
            self.data.get("estimate").and_then(Value::as_array).into_iter().flatten().filter(|v| !v.is_null());
        let first = told.next();
        self.kind == Kind::Words || told.any(|value| Some(value) != first)
    }

    /// Adds a remark about what is not shown.
    fn leave_out(&mut self, remark: &str) {
        self.left_out = Some(self.left_out.take().map_or(remark.to_owned(), |before| format!("{before}; {remark}")));
    }
}

/// Figures that one statistic may have: more are not looked through.
const MOST_FIGURES: usize = 60;

/// The figures of a statistic over all runs of the report, the one that sums up most first.
pub(super) fn figures(info: &StatisticInfo, rows: &[Row<'_>]) -> Vec<Figure> {
    let commands = keys::in_order(rows.iter().map(|row| row.command.to_owned()));
    let mut figures: Vec<Figure> = layout::explained(rows).into_iter().collect();
    for command in &commands {
        // Runs of different kinds have the same statistic with other keys.
        let own: Vec<Row<'_>> = rows.iter().copied().filter(|row| row.command == *command).collect();
        let mut found = capacity::figures(info, &own).unwrap_or_else(|| layout::by_keys(info, &own));
        if commands.len() > 1 {
            for figure in &mut found {
                figure.label = format!("{command}: {}", figure.label);
            }
        }
        figures.extend(found);
    }
    if figures.len() > MOST_FIGURES {
        // What is the same everywhere goes first.
        figures.sort_by_key(|figure| !figure.varies());
        let further = figures.len() - MOST_FIGURES;
        figures.truncate(MOST_FIGURES);
        let remark =
            format!("{further} further figures are not in this page; their rows are in stats/{}.csv", info.table);
        for figure in &mut figures {
            figure.leave_out(&remark);
        }
    }
    name_units(&mut figures);
    figures
}

/// Figures of the same name are told apart by their units.
fn name_units(figures: &mut [Figure]) {
    let labels: Vec<String> = figures.iter().map(|figure| figure.label.clone()).collect();
    for figure in figures {
        if labels.iter().filter(|label| **label == figure.label).count() > 1 {
            figure.label = format!("{} ({})", figure.label, figure.y_title);
        }
    }
}

#[cfg(test)]
mod tests;
