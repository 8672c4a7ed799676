//! Which rows of a table charts and pages show. The files have all rows, but in memory a row takes 0.9 KB.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use polars::prelude::*;

use super::positions::listing_priority;

/// Token ids whose expert shares are shown: more than any chart draws.
const TOKENS: usize = 64;

/// The rows of one layer that are shown; none = all of them.
///
/// Of the token ids with a row for every expert the 64 most frequent. If then more than `limit` rows are left, the rows
/// about single ranks, token ids and positions share what the others leave of it: the first ranks, the most frequent ids,
/// and positions from coarse to fine.
pub(super) fn shown_rows(layer: &DataFrame, limit: usize) -> PolarsResult<Option<DataFrame>> {
    let keys = KeyColumns::of(layer)?;
    let mut keep = vec![true; layer.height()];
    keys.keep_first(
        &mut keep,
        |row| keys.shares_of_token(row).then(|| keys.by_frequency(row)),
        Most::KeyColumns(TOKENS),
    );
    keys.cut(&mut keep, limit);
    if keep.iter().all(|keep| *keep) {
        return Ok(None);
    }
    layer.filter(&keep.into_iter().collect()).map(Some)
}

/// The columns that decide.
struct KeyColumns {
    rank: Vec<Option<u32>>,
    token: Vec<Option<u32>>,
    position: Vec<Option<u32>>,
    last: Option<u32>,
    expert: Vec<bool>,
    checkpoint: Vec<bool>,
    n: Vec<u64>,
}

/// The order in which keys are kept.
type Order = (Reverse<u64>, u64);

/// The limit on what is kept.
#[derive(Clone, Copy)]
enum Most {
    KeyColumns(usize),
    Rows(usize),
}

impl KeyColumns {
    fn of(layer: &DataFrame) -> PolarsResult<Self> {
        let numbers = |name: &str| match layer.column(name) {
            Ok(column) => Ok::<Vec<Option<u32>>, PolarsError>(column.u32()?.iter().collect()),
            Err(_) => Ok(vec![None; layer.height()]),
        };
        let given = |name: &str| match layer.column(name) {
            Ok(column) => column.is_not_null().iter().map(|given| given == Some(true)).collect(),
            Err(_) => vec![false; layer.height()],
        };
        let variable: Vec<Option<&str>> = match layer.column("variable") {
            Ok(column) => column.str()?.iter().collect(),
            Err(_) => vec![None; layer.height()],
        };
        // A bin of positions is no single position.
        let about = |name: &str, column: &str| {
            let of = |(value, variable): (Option<u32>, Option<&str>)| value.filter(|_| variable == Some(name));
            Ok::<Vec<Option<u32>>, PolarsError>(
                numbers(column)?.into_iter().zip(variable.iter().copied()).map(of).collect(),
            )
        };
        let position = about("position", "position")?;
        Ok(Self {
            rank: numbers("rank")?,
            token: about("token", "token_id")?,
            last: position.iter().flatten().max().copied(),
            position,
            expert: given("expert"),
            checkpoint: given("checkpoint"),
            n: layer.column("n")?.u64()?.iter().map(Option::unwrap_or_default).collect(),
        })
    }

    fn shares_of_token(&self, row: usize) -> bool {
        self.token[row].is_some() && self.expert[row] && self.rank[row].is_none() && !self.checkpoint[row]
    }

    /// Frequent token ids first, ties by id.
    fn by_frequency(&self, row: usize) -> Order {
        (Reverse(self.n[row]), self.token[row].unwrap_or_default().into())
    }

    /// The key of a row in its class: rank, token id or position; none of a row that is always shown.
    fn key(&self, class: usize, row: usize) -> Option<Order> {
        match (self.rank[row], self.token[row], self.position[row]) {
            (Some(rank), ..) => (class == 0).then_some((Reverse(0), rank.into())),
            (None, Some(_), _) => (class == 1).then(|| self.by_frequency(row)),
            (None, None, Some(position)) => {
                let importance = listing_priority(position, self.last == Some(position));
                (class == 2).then_some((Reverse(importance), position.into()))
            }
            _ => None,
        }
    }

    /// Cuts the three classes to what the limit leaves for them.
    fn cut(&self, keep: &mut [bool], limit: usize) {
        let shown = keep.iter().filter(|keep| **keep).count();
        if shown <= limit {
            return;
        }
        let of_class =
            |class: usize| (0..keep.len()).filter(|row| keep[*row] && self.key(class, *row).is_some()).count();
        let classes = [0, 1, 2].map(of_class);
        let others = shown - classes.iter().sum::<usize>();
        let parts = classes.iter().filter(|rows| **rows > 0).count().max(1);
        let most = Most::Rows(limit.saturating_sub(others) / parts);
        for class in 0..classes.len() {
            self.keep_first(keep, |row| self.key(class, row), most);
        }
    }

    /// Keeps the rows of the first keys: at least one key. Rows without a key stay.
    fn keep_first(&self, keep: &mut [bool], key: impl Fn(usize) -> Option<Order>, most: Most) {
        let mut rows: BTreeMap<Order, usize> = BTreeMap::new();
        for key in (0..self.n.len()).filter(|row| keep[*row]).filter_map(&key) {
            *rows.entry(key).or_default() += 1;
        }
        let mut sum = 0;
        let within = |(index, (_, rows)): &(usize, (&Order, &usize))| {
            sum += **rows;
            *index == 0
                || match most {
                    Most::KeyColumns(keys) => *index < keys,
                    Most::Rows(most) => sum <= most,
                }
        };
        let first: BTreeSet<Order> = rows.iter().enumerate().take_while(within).map(|(_, (key, _))| *key).collect();
        for (row, keep) in keep.iter_mut().enumerate() {
            *keep &= key(row).is_none_or(|key| first.contains(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        routing::View,
        stats::{Finding, Statistic, StatisticTable, Subject, Variable},
    };

    fn row(n: u64) -> Finding {
        Finding { n, ..Finding::new(Statistic::ExpertShare, 1, View::Kept) }
    }

    /// The rows that are shown of these.
    fn shown(rows: Vec<Finding>, limit: usize) -> StatisticTable {
        let table = StatisticTable { name: "expert_share".into(), rows };
        let frame = table.to_frame().unwrap();
        let shown = shown_rows(&frame, limit).unwrap().unwrap_or(frame);
        StatisticTable { rows: super::super::table::findings("expert_share", &shown).unwrap(), ..table }
    }

    #[test]
    fn shares_of_the_most_frequent_token_ids_are_shown() {
        let of = |id: u32| {
            row(u64::from(id / 2)).by(Variable::Token).about(|subject| Subject {
                token_id: Some(id),
                expert: Some(0),
                ..subject
            })
        };
        let mut rows = vec![row(1)];
        rows.extend((0..100).flat_map(|id| [of(id), of(id)]));
        let found = shown(rows, 1000);
        // Of the ids 36 and 37, alike in frequency, both are among the last 64.
        let expected = std::iter::once(None).chain((36..100).flat_map(|id| [Some(id); 2]));
        assert!(found.rows.iter().map(|row| row.token_id).eq(expected));
    }

    #[test]
    fn a_large_table_shows_first_ranks_frequent_ids_and_coarse_positions() {
        let position =
            |at: u32| row(9).by(Variable::Position).about(|subject| Subject { position: Some(at), ..subject });
        let bucket =
            |at: u32| row(9).by(Variable::PositionBucket).about(|subject| Subject { position: Some(at), ..subject });
        let token = |id: u32| {
            row(u64::from(100 - id)).by(Variable::Token).about(|subject| Subject { token_id: Some(id), ..subject })
        };
        let rank = |rank: u32| row(9).about(|subject| Subject { rank: Some(rank), token_id: Some(rank), ..subject });
        let mut rows: Vec<Finding> = (0..10).map(|bin| bucket(64 * bin)).collect();
        rows.extend((0..50).map(position));
        rows.extend((0..50).map(token));
        rows.extend((1..=50).map(rank));
        assert_eq!(shown(rows.clone(), 160).rows.len(), 160);
        // 10 bins stay; 27 rows are left for three classes.
        let found = shown(rows, 37);
        let numbers = |key: fn(&Finding) -> Option<u32>| found.rows.iter().filter_map(key).collect::<Vec<u32>>();
        assert_eq!(numbers(|row| row.rank), (1..=9).collect::<Vec<u32>>());
        assert_eq!(numbers(|row| row.token_id.filter(|_| row.rank.is_none())), (0..9).collect::<Vec<u32>>());
        let positions = numbers(|row| row.position.filter(|_| row.variable == Some(Variable::Position)));
        assert_eq!(positions, [0, 1, 2, 4, 8, 16, 32, 48, 49]);
        assert_eq!(found.rows.len(), 37);
    }
}
