//! The order of categories in figures: by the data set that they come from, and within one those side by side that are routed
//! alike.

use std::collections::BTreeMap;

use super::{
    keys::in_order,
    row::FigureRow,
    shape::{Figure, FigureKind, Group},
};
use crate::{chart::CategoryOrigin, report::text::readable, routing::View, stats::clustered};

/// The order of the categories of all runs of a page.
#[derive(Debug, Default)]
pub(in crate::report) struct CategoryOrder {
    /// Place and data set by category.
    places: BTreeMap<String, (usize, String)>,
}

impl CategoryOrder {
    /// The order by data set and by the divergence of pairs of categories (rows of [`crate::stats::Statistic::JensenShannon`]).
    pub(in crate::report) fn of(origins: impl Iterator<Item = CategoryOrigin>, divergence: &[FigureRow<'_>]) -> Self {
        let mut groups: Vec<(String, String)> =
            origins.map(|own| (readable(&own.dataset), readable(&own.category))).collect();
        let datasets = in_order(groups.iter().map(|(dataset, _)| dataset.clone())).len();
        if datasets == in_order(groups.iter().map(|(_, category)| category.clone())).len() {
            // Data sets of one category each say no more than the categories.
            for (dataset, _) in &mut groups {
                dataset.clear();
            }
        }
        let distances = distances(divergence);
        let mut places = BTreeMap::new();
        for dataset in in_order(groups.iter().map(|(dataset, _)| dataset.clone())) {
            let own = groups.iter().filter(|(other, name)| *other == dataset && !places.contains_key(name));
            let names = in_order(own.map(|(_, name)| name.clone()));
            for name in in_order_of_likeness(names, &distances) {
                let place = places.len();
                places.insert(name, (place, dataset.clone()));
            }
        }
        Self { places }
    }

    /// Puts the categories of a figure into this order, and names their data sets.
    pub(in crate::report) fn arrange(&self, figure: &mut Figure) {
        let square = figure.columns_order == figure.rows;
        let known = figure.rows.iter().all(|name| self.places.contains_key(name));
        if !known || figure.rows.len() < 2 {
            return;
        }
        figure.rows.sort_by_key(|name| self.places[name].0);
        if square {
            figure.columns_order.clone_from(&figure.rows);
        }
        let mut groups: Vec<Group> = Vec::new();
        for dataset in figure.rows.iter().map(|name| &self.places[name].1) {
            match groups.last_mut().filter(|group| group.name == *dataset) {
                Some(group) => group.count += 1,
                None => groups.push(Group { name: dataset.clone(), count: 1 }),
            }
        }
        if figure.kind == FigureKind::Matrix && groups.len() > 1 {
            figure.groups = groups;
        }
    }
}

/// Distances of pairs of categories, both ways: the mean over layers and runs.
type Distances = BTreeMap<(String, String), f64>;

fn distances(divergence: &[FigureRow<'_>]) -> Distances {
    let mut sums: BTreeMap<(String, String), (f64, f64)> = BTreeMap::new();
    for row in divergence.iter().map(|row| row.finding).filter(|row| row.view == View::Chosen) {
        let (Some(a), Some(b), Some(value)) = (&row.category, &row.other_category, row.estimate) else { continue };
        let (a, b) = (readable(a), readable(b));
        for pair in [(a.clone(), b.clone()), (b, a)] {
            let (sum, n) = sums.entry(pair).or_default();
            *sum += value;
            *n += 1.0;
        }
    }
    sums.into_iter().map(|(pair, (sum, n))| (pair, sum / n)).collect()
}

/// Names in the order in which those that are alike stand beside each other. Without all distances they stay as they are.
fn in_order_of_likeness(names: Vec<String>, distances: &Distances) -> Vec<String> {
    let distance =
        |a: &String, b: &String| if a == b { Some(0.0) } else { distances.get(&(a.clone(), b.clone())).copied() };
    let row = |a: &String| names.iter().map(|b| distance(a, b)).collect::<Option<Vec<f64>>>();
    let Some(between) = names.iter().map(row).collect::<Option<Vec<Vec<f64>>>>() else { return names };
    clustered(names.len(), &|a, b| between[a][b]).into_iter().map(|at| names[at].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        run::RunKind,
        stats::{Finding, Statistic, Subject},
    };

    fn pair(a: &str, b: &str, distance: f64) -> Finding {
        Finding { estimate: Some(distance), ..Finding::new(Statistic::JensenShannon, 1, View::Chosen) }
            .about(|subject| Subject { category: Some(a.to_owned()), other_category: Some(b.to_owned()), ..subject })
    }

    #[test]
    fn categories_stand_by_data_set_and_then_beside_those_that_are_routed_alike() {
        let group =
            |dataset: &str, category: &str| CategoryOrigin { category: category.into(), dataset: dataset.into() };
        let groups = [
            group("languages", "ar"),
            group("domains", "book"),
            group("languages", "de"),
            group("languages", "he"),
            group("languages", "nl"),
        ];
        let rows = [
            pair("ar", "de", 0.9),
            pair("ar", "he", 0.1),
            pair("ar", "nl", 0.8),
            pair("de", "he", 0.7),
            pair("de", "nl", 0.1),
            pair("he", "nl", 0.6),
        ];
        let rows: Vec<FigureRow<'_>> =
            rows.iter().map(|finding| FigureRow { run: 0, command: RunKind::Route, model: "base", finding }).collect();
        let order = CategoryOrder::of(groups.into_iter(), &rows);
        let names = ["ar", "book", "de", "he", "nl"].map(str::to_owned).to_vec();
        let mut figure = Figure { kind: FigureKind::Matrix, rows: names.clone(), ..Figure::default() };
        order.arrange(&mut figure);
        assert_eq!(figure.rows, ["ar", "he", "nl", "de", "book"]);
        let groups: Vec<(&str, usize)> = figure.groups.iter().map(|group| (group.name.as_str(), group.count)).collect();
        assert_eq!(groups, [("languages", 4), ("domains", 1)]);
        // Experts are no categories.
        let mut experts = Figure { rows: vec!["1".into(), "0".into()], ..Figure::default() };
        order.arrange(&mut experts);
        assert_eq!(experts.rows, ["1", "0"]);
        // Without distances the names stay as the data set has them.
        assert_eq!(in_order_of_likeness(names.clone(), &Distances::new()), names);
    }
}
