//! An index of the rows of all tables by statistic, view and layer, built in one pass for all charts.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
};

use crate::{
    routing::{LayerId, View},
    stats::{Finding, Statistic, Tables},
};

/// The places of the rows of every statistic.
#[derive(Default)]
pub(super) struct RowIndex<'a> {
    parts: HashMap<(Statistic, View), Part<'a>>,
    /// The length of the common prefix of all checkpoint labels, in bytes.
    common: usize,
}

/// The rows of a statistic in one view.
#[derive(Default)]
struct Part<'a> {
    /// In file order.
    rows: Vec<&'a Finding>,
    /// The ranges of the rows of each layer.
    layers: BTreeMap<LayerId, Vec<Range<usize>>>,
}

impl<'a> RowIndex<'a> {
    /// The index of the tables of a run.
    pub(super) fn new(tables: &'a Tables) -> Self {
        let mut index = Self::default();
        let mut labels: BTreeSet<&str> = BTreeSet::new();
        for row in tables.values().flat_map(|table| &table.rows) {
            labels.extend(row.checkpoint.as_deref());
            index.parts.entry((row.statistic, row.view)).or_default().add(row);
        }
        index.common = common_prefix(&labels);
        index
    }

    /// The rows of a statistic in one view, in file order.
    pub(super) fn rows(&'a self, statistic: Statistic, view: View) -> impl Iterator<Item = &'a Finding> + use<'a> {
        self.parts.get(&(statistic, view)).into_iter().flat_map(|part| &part.rows).copied()
    }

    /// Those of one layer.
    pub(super) fn layer(
        &'a self,
        statistic: Statistic,
        view: View,
        layer: LayerId,
    ) -> impl Iterator<Item = &'a Finding> + use<'a> {
        let part = self.parts.get(&(statistic, view));
        let ranges = part.and_then(|part| Some((part, part.layers.get(&layer)?)));
        ranges.into_iter().flat_map(|(part, ranges)| ranges.iter().flat_map(|range| &part.rows[range.clone()])).copied()
    }

    /// A checkpoint's label without the common prefix: "0.25M" for "openmoe-tiny-0.25M" among others of that model. The subtitle
    /// of a chart has the full labels.
    pub(super) fn shortened<'b>(&self, label: &'b str) -> &'b str {
        label.get(self.common..).filter(|rest| !rest.is_empty()).unwrap_or(label)
    }
}

impl<'a> Part<'a> {
    fn add(&mut self, row: &'a Finding) {
        let at = self.rows.len();
        self.rows.push(row);
        let ranges = self.layers.entry(row.layer).or_default();
        match ranges.last_mut().filter(|range| range.end == at) {
            Some(range) => range.end = at + 1,
            None => ranges.push(at..at + 1),
        }
    }
}

/// Bytes up to and including the last separator before which all labels agree; 0 with fewer than two.
fn common_prefix(labels: &BTreeSet<&str>) -> usize {
    let (Some(first), Some(last)) = (labels.first(), labels.last()) else { return 0 };
    // A prefix that the first and the last label in sorted order share is common to all.
    let same = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b);
    // Different letters may begin with the same bytes, but a separator is a single byte.
    let bytes: Vec<u8> = same.map(|(byte, _)| byte).collect();
    if first == last { 0 } else { bytes.iter().rposition(|byte| b"-_".contains(byte)).map_or(0, |index| index + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::StatisticTable;

    #[test]
    fn labels_are_cut_where_they_differ() {
        let common = |labels: &[&str]| common_prefix(&labels.iter().copied().collect());
        assert_eq!(common(&["openmoe-8b-200B", "openmoe-8b-1T", "openmoe-8b-chat"]), "openmoe-8b-".len());
        assert_eq!(common(&["tiny-12.3M", "tiny-12.3M-chat"]), "tiny-".len());
        assert_eq!(common(&["a", "b"]), 0);
        assert_eq!((common(&["é", "è"]), common(&["m-é", "m-è"])), (0, 2), "two letters whose first byte is the same");
        assert_eq!(common(&["openmoe-8b"]), 0);
        let index = RowIndex { common: 5, ..RowIndex::default() };
        assert_eq!(["tiny-1M", "tiny-", "-é-é-"].map(|label| index.shortened(label)), ["1M", "tiny-", "-é-é-"]);
    }

    #[test]
    fn rows_of_a_layer_are_found_in_file_order_wherever_they_stand() {
        let row = |statistic, layer, view, n| Finding { n, ..Finding::new(statistic, layer, view) };
        let rows = vec![
            row(Statistic::LoadCv, 3, View::Chosen, 1),
            row(Statistic::LoadCv, 1, View::Chosen, 2),
            row(Statistic::LoadCv, 1, View::Kept, 3),
            row(Statistic::LoadGini, 1, View::Chosen, 4),
            row(Statistic::LoadCv, 3, View::Chosen, 5),
        ];
        let tables: Tables = [("expert_load".to_owned(), StatisticTable { name: "expert_load".into(), rows })].into();
        let index = RowIndex::new(&tables);
        let of = |layer| index.layer(Statistic::LoadCv, View::Chosen, layer).map(|row| row.n).collect::<Vec<_>>();
        assert_eq!((of(3), of(1), of(2)), (vec![1, 5], vec![2], vec![]));
        assert!(index.rows(Statistic::LoadCv, View::Chosen).map(|row| row.n).eq([1, 2, 5]));
    }
}
