//! Figures of the page, as data; one script for each kind draws them. The keys of a statistic's rows decide its kind of figure, so
//! a new statistic needs no code here.

mod capacity;
mod data;
mod dimension;
mod hero;
mod hero_mark;
mod hero_picks;
mod keys;
mod layout;
mod moved;
mod order;
mod row;
mod shape;
mod text;
mod thin;

use serde_json::Value;

use crate::stats::StatisticInfo;
pub(super) use dimension::subject_words;
pub(super) use hero::{HEROES, hero};
pub(super) use order::CategoryOrder;
pub(super) use row::FigureRow;
pub(super) use shape::{Figure, FigureKind};

impl Figure {
    /// Whether its numbers differ from each other.
    fn varies(&self) -> bool {
        let mut told =
            self.data.get("estimate").and_then(Value::as_array).into_iter().flatten().filter(|v| !v.is_null());
        let first = told.next();
        matches!(self.kind, FigureKind::Words | FigureKind::Text) || told.any(|value| Some(value) != first)
    }

    /// Whether there is anything to draw.
    pub(super) fn has_numbers(&self) -> bool {
        self.data.get("estimate").and_then(Value::as_array).is_some_and(|values| !values.is_empty())
    }

    /// Adds a remark on what is not shown.
    pub(super) fn leave_out(&mut self, remark: &str) {
        self.left_out = Some(self.left_out.take().map_or(remark.to_owned(), |before| format!("{before}; {remark}")));
    }
}

/// The most figures of one statistic: nobody looks through more.
const MOST_FIGURES: usize = 60;

/// The figures of a statistic over all runs of the report; the one that summarises most comes first.
pub(super) fn figures(info: &StatisticInfo, rows: &[FigureRow<'_>]) -> Vec<Figure> {
    let commands = keys::in_order(rows.iter().map(|row| row.command.name().to_owned()));
    let mut figures: Vec<Figure> =
        layout::explained(rows).into_iter().chain(moved::figure_of_moved(info, rows)).collect();
    for command in &commands {
        // Runs of different kinds have the same statistic with other keys.
        let own: Vec<FigureRow<'_>> = rows.iter().copied().filter(|row| row.command.name() == command).collect();
        let mut found = capacity::figures(info, &own)
            .or_else(|| text::figures(info, &own))
            .unwrap_or_else(|| layout::by_keys(info, &own));
        if commands.len() > 1 {
            for figure in &mut found {
                figure.label = format!("{command}: {}", figure.label);
            }
        }
        figures.extend(found);
    }
    if figures.len() > MOST_FIGURES {
        // Figures whose numbers are all the same go last.
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

/// Adds the unit to the names of figures that have the same name.
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
