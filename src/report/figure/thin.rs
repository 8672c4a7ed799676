//! Removes rows from figures that are too large for a page.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    keys::in_order,
    shape::{Figure, FigureKind},
};
use crate::{
    report::some_of::some_of,
    stats::{StatisticInfo, evenly_spread},
};

impl Figure {
    /// Keeps the rows for which `wanted` is true.
    pub(in crate::report) fn keep(&mut self, wanted: impl Fn(&Map<String, Value>, usize) -> bool) {
        let rows = self.data.get("layer").and_then(Value::as_array).map_or(0, Vec::len);
        let kept: Vec<bool> = (0..rows).map(|at| wanted(&self.data, at)).collect();
        for values in self.data.values_mut().filter_map(Value::as_array_mut) {
            let mut at = kept.iter();
            values.retain(|_| at.next().copied().unwrap_or(false));
        }
    }

    /// Keeps every n-th of the places, labels, rows or columns, so that about `most` rows are left, and adds a remark on it.
    pub(in crate::report) fn thin(&mut self, most: usize, info: &StatisticInfo) {
        let rows = self.data.get("layer").and_then(Value::as_array).map_or(0, Vec::len);
        let share = most as f64 / rows.max(1) as f64;
        let (keys, share): (&[(&str, &str)], f64) = match self.kind {
            FigureKind::Matrix => (&[("row", "rows"), ("column", "columns")], share.sqrt()),
            FigureKind::Curve => (&[("x", "places")], share),
            FigureKind::Words => (&[("column", "experts")], share),
            FigureKind::Text => (&[], share),
            FigureKind::Intervals | FigureKind::Scatter => (&[("label", "labels")], share),
        };
        let mut chosen_rows: Option<Vec<String>> = None;
        for (key, what) in keys {
            let all = self.values(key);
            let least = ((all.len() as f64 * share) as usize).max(2);
            // In a square, rows and columns have the same names.
            let again = chosen_rows.clone().filter(|_| self.symmetric);
            let chosen = again.unwrap_or_else(|| evenly_spread(&all, least));
            let set: BTreeSet<&String> = chosen.iter().collect();
            self.keep(|data, at| set.contains(&text(&data[*key][at])));
            match *key {
                "row" | "label" if !self.rows.is_empty() => self.rows.retain(|name| set.contains(name)),
                "column" => self.columns_order.retain(|name| set.contains(name)),
                _ => {}
            }
            if chosen.len() < all.len() {
                self.leave_out(&some_of(info, chosen.len(), all.len(), what));
            }
            chosen_rows = Some(chosen);
        }
    }

    /// The different values of a column, in the order of the figure.
    fn values(&self, key: &str) -> Vec<String> {
        let given = match key {
            "row" | "label" => &self.rows,
            "column" => &self.columns_order,
            _ => &Vec::new(),
        };
        if !given.is_empty() {
            return given.clone();
        }
        let found = self.data.get(key).and_then(Value::as_array).into_iter().flatten();
        let mut values = in_order(found.map(text));
        if key == "x" {
            values.sort_by(|a, b| {
                let number = |text: &String| text.parse::<f64>().unwrap_or(f64::INFINITY);
                number(a).total_cmp(&number(b))
            });
        }
        values
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stats::Statistic;

    #[test]
    fn a_matrix_is_thinned_to_what_fits_and_says_so() {
        let names = |what: &str| (0..40).map(|at| format!("{what}{at}")).collect::<Vec<_>>();
        let cells: Vec<(usize, usize)> = (0..40).flat_map(|row| (0..40).map(move |column| (row, column))).collect();
        let column = |value: &dyn Fn(&(usize, usize)) -> Value| Value::Array(cells.iter().map(value).collect());
        let data: Map<String, Value> = [
            ("layer".to_owned(), column(&|_| json!(3))),
            ("row".to_owned(), column(&|cell| json!(format!("r{}", cell.0)))),
            ("column".to_owned(), column(&|cell| json!(format!("c{}", cell.1)))),
        ]
        .into_iter()
        .collect();
        let mut figure =
            Figure { kind: FigureKind::Matrix, rows: names("r"), columns_order: names("c"), data, ..Figure::default() };
        figure.thin(400, Statistic::DomainSpecialization.info());
        assert_eq!((figure.rows.len(), figure.columns_order.len()), (20, 20));
        assert_eq!(figure.data["row"].as_array().unwrap().len(), 400);
        assert_eq!([&figure.rows[0], &figure.rows[19]], ["r0", "r39"]);
        let told = figure.left_out.unwrap();
        assert!(told.contains("20 of 40 rows are shown") && told.contains("20 of 40 columns"), "{told}");
    }
}
