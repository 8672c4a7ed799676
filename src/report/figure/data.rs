//! The numbers of a figure as columns.

use serde_json::{Map, Value, json};

use super::row::FigureRow;
use crate::{report::text::rounded, stats::Finding};

/// Builds the columns; a column that holds nothing but nulls is left out.
#[derive(Debug, Default)]
pub(super) struct Columns {
    columns: Vec<(&'static str, Vec<Value>)>,
}

impl Columns {
    /// The columns that every figure has.
    pub(super) fn of(rows: &[FigureRow<'_>]) -> Self {
        let mut columns = Self::default();
        columns.add("run", rows.iter().map(|row| json!(row.run)));
        columns.add("layer", rows.iter().map(|row| json!(row.finding.layer)));
        columns.add("view", rows.iter().map(|row| json!(row.finding.view)));
        columns.add("n", rows.iter().map(|row| json!(row.finding.n)));
        columns.add("note", rows.iter().map(|row| json!(row.finding.note)));
        columns
    }

    /// Estimate, interval, baseline and reference lines.
    #[must_use]
    pub(super) fn with_estimates(self, rows: &[FigureRow<'_>]) -> Self {
        self.with_estimates_times(1.0, rows)
    }

    /// The same, all numbers times a factor: 100 for shares in per cent.
    #[must_use]
    pub(super) fn with_estimates_times(mut self, factor: f64, rows: &[FigureRow<'_>]) -> Self {
        let mut column = |name, value: fn(&Finding) -> Option<f64>| {
            self.numbers(name, rows.iter().map(|row| value(row.finding).map(|value| value * factor)));
        };
        column("estimate", |row| row.estimate);
        column("low", |row| row.low);
        column("high", |row| row.high);
        column("baseline", |row| row.baseline);
        column("noise_floor", |row| row.noise_floor);
        column("ceiling", |row| row.ceiling);
        self
    }

    /// The share of what can be explained, in percent, instead of the estimate; the bits are in further columns.
    #[must_use]
    pub(super) fn with_explained(mut self, rows: &[FigureRow<'_>]) -> Self {
        let percent = |share: Option<f64>| share.map(|share| share * 100.0);
        self.numbers("estimate", rows.iter().map(|row| percent(row.finding.explained)));
        self.numbers("low", rows.iter().map(|row| percent(row.finding.explained_low)));
        // A symmetric interval may end above 100 %, but no share can.
        self.numbers("high", rows.iter().map(|row| percent(row.finding.explained_high).map(|high| high.min(100.0))));
        self.numbers("plain", rows.iter().map(|row| row.finding.estimate));
        self.numbers("plain_baseline", rows.iter().map(|row| row.finding.baseline));
        self.words("plain_unit", rows.iter().map(|row| row.finding.unit.to_string()));
        self
    }

    /// A column of numbers, rounded to what a figure can show.
    pub(super) fn numbers(&mut self, name: &'static str, values: impl Iterator<Item = Option<f64>>) {
        self.add(name, values.map(|value| json!(value.map(rounded))));
    }

    /// A column of words.
    pub(super) fn words(&mut self, name: &'static str, values: impl Iterator<Item = String>) {
        self.add(name, values.map(Value::from));
    }

    /// A column.
    pub(super) fn add(&mut self, name: &'static str, values: impl Iterator<Item = Value>) {
        self.columns.push((name, values.collect()));
    }

    /// The columns that are not empty.
    pub(super) fn finish(self) -> Map<String, Value> {
        let told = self.columns.into_iter().filter(|(_, values)| values.iter().any(|value| !value.is_null()));
        told.map(|(name, values)| (name.to_owned(), Value::Array(values))).collect()
    }
}
