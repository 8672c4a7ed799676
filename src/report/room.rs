//! Limits how much of a large run a page shows, so that it is small enough to be mailed and opens quickly.

use std::collections::BTreeSet;

use serde_json::Value;

use super::figure::{Figure, FigureRow};
use crate::stats::{LAYERS_EACH, StatisticInfo, evenly_spread};

/// Most bytes of a page.
const MOST_BYTES: usize = 8_000_000;
/// Rows of a figure of a run with more than [`LAYERS_EACH`] layers; of fewer every layer is in it, however many rows that takes.
const FIGURE_ROWS: usize = 12_000;
/// Up to this many rows about single experts, token ids or positions, all layers are used for figures; with more only some layers.
const SINGLE_ROWS: usize = 20_000;
/// A statistic with at most this many rows in a run is shown completely.
const TABLE_ROWS: usize = 8000;
/// How many rows of a longer statistic a page shows for each run, over all layers and views.
const TABLE_ROWS_KEPT: usize = 1500;
/// How often a page that is too large is made again with half the limits.
const MOST_TRIES: u32 = 6;

/// The limits of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Rows of a figure.
    figure_rows: usize,
    /// Rows of a table that is shown as a whole.
    pub(super) table_rows: usize,
    /// Rows of a longer table.
    pub(super) table_rows_kept: usize,
    halved: u32,
    many_layers: bool,
}

impl Room {
    /// The limits of a page about runs with at most this many layers.
    pub(super) fn of(layers: usize) -> Self {
        let many_layers = layers > LAYERS_EACH;
        let figure_rows = if many_layers { FIGURE_ROWS } else { usize::MAX };
        Self { figure_rows, table_rows: TABLE_ROWS, table_rows_kept: TABLE_ROWS_KEPT, halved: 0, many_layers }
    }

    /// Whether a page first shows one layer instead of all.
    pub(super) fn has_many_layers(self) -> bool {
        self.many_layers
    }

    /// Half the limits, for a page that is too large; none if the page is small enough or cannot become smaller.
    pub(super) fn tighter(self, bytes: usize) -> Option<Self> {
        (bytes > MOST_BYTES && self.halved < MOST_TRIES).then(|| Self {
            figure_rows: self.figure_rows.min(2 * FIGURE_ROWS) / 2,
            table_rows: self.table_rows / 2,
            table_rows_kept: self.table_rows_kept / 2,
            halved: self.halved + 1,
            ..self
        })
    }

    /// The rows that figures are made of: if there are many layers, rows about single experts, token ids and positions are taken only
    /// from some layers.
    pub(super) fn looked_through(rows: Vec<FigureRow<'_>>) -> Vec<FigureRow<'_>> {
        let layers: BTreeSet<u16> = rows.iter().map(|row| row.finding.layer).collect();
        let single = rows.iter().filter(|row| !row.finding.is_whole()).count();
        if layers.len() <= LAYERS_EACH || single <= SINGLE_ROWS {
            return rows;
        }
        let kept: BTreeSet<u16> =
            evenly_spread(&layers.into_iter().collect::<Vec<_>>(), LAYERS_EACH).into_iter().collect();
        rows.into_iter().filter(|row| row.finding.is_whole() || kept.contains(&row.finding.layer)).collect()
    }

    /// Removes rows from a figure until it fits, and adds a remark on it. `layers` are those of the statistic.
    pub(super) fn fit(self, figure: &mut Figure, layers: &BTreeSet<u16>, info: &StatisticInfo) {
        let own = |figure: &Figure| -> BTreeSet<u64> {
            figure.data.get("layer").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64).collect()
        };
        if rows_of(figure) > self.figure_rows {
            let own: Vec<u64> = own(figure).into_iter().collect();
            let kept: BTreeSet<u64> = evenly_spread(&own, LAYERS_EACH).into_iter().collect();
            figure.keep(|data, at| data["layer"][at].as_u64().is_some_and(|layer| kept.contains(&layer)));
        }
        if rows_of(figure) > self.figure_rows {
            figure.thin(self.figure_rows, info);
        }
        let shown = own(figure);
        if layers.len() > LAYERS_EACH && shown.len() < layers.len().min(LAYERS_EACH + 1) && !shown.is_empty() {
            let names: Vec<String> = shown.iter().map(u64::to_string).collect();
            figure.leave_out(&format!(
                "{} of {} layers are shown, evenly spread over all: {}; all are in stats/{}.csv",
                names.len(),
                layers.len(),
                names.join(", "),
                info.table
            ));
        }
    }
}

fn rows_of(figure: &Figure) -> usize {
    figure.data.get("layer").and_then(Value::as_array).map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_too_large_gets_half_the_room_until_it_fits_or_nothing_helps() {
        let few = Room::of(8);
        assert_eq!((few.figure_rows, few.has_many_layers()), (usize::MAX, false));
        assert_eq!(few.tighter(MOST_BYTES), None);
        assert_eq!(few.tighter(MOST_BYTES + 1).map(|room| room.figure_rows), Some(FIGURE_ROWS));
        let halves: Vec<Room> = std::iter::successors(Some(Room::of(60)), |room| room.tighter(usize::MAX)).collect();
        let rows: Vec<usize> = halves.iter().map(|room| room.figure_rows).collect();
        assert_eq!(rows, [12_000, 6000, 3000, 1500, 750, 375, 187]);
        assert_eq!((halves[1].table_rows, halves[1].table_rows_kept), (4000, 750));
    }
}
