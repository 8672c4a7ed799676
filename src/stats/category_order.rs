//! The order of categories: those that are routed alike stand beside each other.

use std::collections::HashMap;

use super::{Finding, Statistic, Tables};
use crate::routing::View;

/// The distance of two categories that were not compared: beyond any divergence.
const UNKNOWN: f64 = 1e6;
/// The most items that are clustered, which takes the cube of their number; more stay in their order.
const MOST_CLUSTERED: usize = 200;

/// The categories of each data set in an order in which those that are routed alike stand beside each other: average linkage by
/// the Jensen-Shannon divergence of their chosen experts, mean over the layers; the cheaper ends of two clusters meet. Categories
/// that were not compared keep their order. The data sets keep theirs.
pub fn in_clusters(tables: &Tables, sets: &[Vec<String>]) -> Vec<Vec<String>> {
    let divergence = divergences(tables);
    let order = |names: &Vec<String>| {
        let between = |a: usize, b: usize| {
            let of = |a: usize, b: usize| divergence.get(&(names[a].as_str(), names[b].as_str())).copied();
            of(a, b).or_else(|| of(b, a)).unwrap_or(UNKNOWN)
        };
        clustered(names.len(), &between).into_iter().map(|at| names[at].clone()).collect()
    };
    sets.iter().map(order).collect()
}

/// The mean divergence over the layers of every pair of categories that were compared.
fn divergences(tables: &Tables) -> HashMap<(&str, &str), f64> {
    let mut sums: HashMap<(&str, &str), (f64, f64)> = HashMap::new();
    let is_pair = |row: &&Finding| {
        row.statistic == Statistic::JensenShannon && row.view == View::Chosen && row.checkpoint.is_none()
    };
    for row in tables.get(Statistic::JensenShannon.table()).iter().flat_map(|table| &table.rows).filter(is_pair) {
        let pair = row.category.as_deref().zip(row.other_category.as_deref());
        if let Some((pair, estimate)) = pair.zip(row.estimate) {
            let sum = sums.entry(pair).or_default();
            *sum = (sum.0 + estimate, sum.1 + 1.0);
        }
    }
    sums.into_iter().map(|(pair, (sum, layers))| (pair, sum / layers)).collect()
}

/// The places `0..items` in the order of the leaves of an average-linkage tree; of equal distances the first counts. More than 200
/// stay in their order.
pub fn clustered(items: usize, distance: &dyn Fn(usize, usize) -> f64) -> Vec<usize> {
    if items > MOST_CLUSTERED {
        return (0..items).collect();
    }
    let mut clusters: Vec<Vec<usize>> = (0..items).map(|item| vec![item]).collect();
    let linkage = |a: &[usize], b: &[usize]| {
        let sum: f64 = a.iter().flat_map(|a| b.iter().map(|b| distance(*a, *b))).sum();
        sum / (a.len() * b.len()) as f64
    };
    while clusters.len() > 1 {
        let pairs = (0..clusters.len()).flat_map(|a| (a + 1..clusters.len()).map(move |b| (a, b)));
        let nearest = pairs.map(|(a, b)| (linkage(&clusters[a], &clusters[b]), a, b));
        let Some((_, a, b)) = nearest.min_by(|x, y| x.0.total_cmp(&y.0)) else { break };
        let second = clusters.remove(b);
        clusters[a] = joined(&clusters[a], &second, distance);
    }
    clusters.into_iter().flatten().collect()
}

/// Two clusters one after the other, each turned so that the nearest of their ends meet.
fn joined(first: &[usize], second: &[usize], distance: &dyn Fn(usize, usize) -> f64) -> Vec<usize> {
    let turned = |cluster: &[usize]| cluster.iter().rev().copied().collect::<Vec<usize>>();
    let ways = [first.to_vec(), turned(first)]
        .into_iter()
        .flat_map(|first| [second.to_vec(), turned(second)].map(|second| (first.clone(), second)));
    let meeting = |(first, second): &(Vec<usize>, Vec<usize>)| {
        first.last().zip(second.first()).map_or(0.0, |(a, b)| distance(*a, *b))
    };
    let best = ways.min_by(|a, b| meeting(a).total_cmp(&meeting(b)));
    best.map(|(first, second)| [first, second].concat()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{StatisticTable, Subject};

    #[test]
    fn what_is_near_stands_beside_each_other() {
        // Places on a line: 0 and 4 are neighbours, so are 1 and 3; 2 lies between the pairs, nearer to 4.
        let place = [0.0, 10.0, 4.0, 9.0, 1.0_f64];
        let order = clustered(5, &|a, b| (place[a] - place[b]).abs());
        assert_eq!(order, [0, 4, 2, 3, 1]);
        assert_eq!(clustered(3, &|_, _| 1.0), [0, 1, 2]);
        let many: Vec<usize> = (0..=MOST_CLUSTERED).collect();
        assert_eq!(clustered(many.len(), &|a, b| -((a + b) as f64)), many, "left as they are");
        assert_eq!((clustered(0, &|_, _| 1.0), clustered(1, &|_, _| 1.0)), (vec![], vec![0]));
    }

    #[test]
    fn data_sets_keep_their_order_and_categories_without_pairs_theirs() {
        let row = |layer, a: &str, b: &str, estimate| Finding {
            estimate: Some(estimate),
            ..Finding::new(Statistic::JensenShannon, layer, View::Chosen).about(|subject| Subject {
                category: Some(a.to_owned()),
                other_category: Some(b.to_owned()),
                ..subject
            })
        };
        let mut table = StatisticTable::new(Statistic::JensenShannon.table());
        table.rows = vec![row(1, "a", "b", 0.9), row(1, "a", "c", 0.1), row(1, "b", "c", 0.8), row(3, "a", "b", 0.7)];
        let tables: Tables = [(table.name.clone(), table)].into();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let ordered = in_clusters(&tables, &[names(&["x", "w"]), names(&["a", "b", "c"])]);
        assert_eq!(ordered, [names(&["x", "w"]), names(&["a", "c", "b"])]);
    }
}
