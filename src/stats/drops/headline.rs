//! Which rows of the long tables about replays, queues and causes belong into `summary.json`.

use std::collections::BTreeSet;

use crate::stats::{Finding, Tables};

/// Ranks of `drop_causes` in the summary.
const CAUSES: u32 = 3;

/// The rules that the runs in the tables were routed with: the curve by position is given for these alone.
pub(in crate::stats) struct OwnRules<'a>(BTreeSet<&'a str>);

impl<'a> OwnRules<'a> {
    /// Looks for the curves.
    pub(in crate::stats) fn new(tables: &'a Tables) -> Self {
        let rows = tables.get("capacity_replay").into_iter().flat_map(|table| &table.rows);
        Self(rows.filter(|row| row.variable.is_some()).filter_map(|row| row.rule.as_deref()).collect())
    }

    /// Whether a row belongs into the summary; none for tables that have no rule of their own.
    pub(in crate::stats) fn summarised(&self, row: &Finding) -> Option<bool> {
        match row.statistic.as_ref() {
            "capacity_replay" => Some(self.replay(row)),
            "burstiness" => Some(row.expert.is_none()),
            "drop_causes" => Some(row.expert.is_none() || row.rank.is_some_and(|rank| rank <= CAUSES)),
            "exact_replay" => Some(true),
            _ => None,
        }
    }

    /// The smallest factors, and the run's own rule, groups and order over all factors.
    fn replay(&self, row: &Finding) -> bool {
        let smallest = row.priority.is_none();
        let own = row.rule.as_deref().is_some_and(|rule| self.0.contains(rule))
            && row.grouping.as_deref() == Some("run")
            && row.priority.as_deref() == Some("position");
        row.position.is_none() && (smallest || own)
    }
}
