//! How a page says that it shows some of many.

use crate::stats::{StatisticInfo, thousands};

/// "12 of 512 experts are shown ...".
pub(super) fn some_of(info: &StatisticInfo, shown: usize, all: usize, what: &str) -> String {
    let (shown, all) = (thousands(shown as u64), thousands(all as u64));
    format!("{shown} of {all} {what} are shown; all are in stats/{}.csv", info.table)
}
