//! What of many numbers a page shows, and how it says so.

use crate::stats::{StatisticInfo, thousands};

/// At most `most` of the values, evenly spread, the first and the last among them.
pub(super) fn spread<T: Clone>(values: &[T], most: usize) -> Vec<T> {
    if values.len() <= most {
        return values.to_vec();
    }
    (0..most).map(|at| values[at * (values.len() - 1) / most.saturating_sub(1).max(1)].clone()).collect()
}

/// "12 of 512 experts are shown ...".
pub(super) fn some_of(info: &StatisticInfo, shown: usize, all: usize, what: &str) -> String {
    let (shown, all) = (thousands(shown as u64), thousands(all as u64));
    format!("{shown} of {all} {what} are shown; all are in stats/{}.csv", info.table)
}
