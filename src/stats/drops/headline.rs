//! Which rows of the tables of `drops` are in `summary.json`.

use std::collections::BTreeSet;

use crate::{
    routing::CapacityRule,
    stats::{Finding, GROUPS_OF_RUN, Priority, Scope, Statistic, Tables, Variant},
};

/// Ranks of `drop_causes` in the summary.
const CAUSES: u32 = 3;
/// Messages of a conversation in the summary.
const TURNS: u16 = 20;
/// The ratio that most of the summary is about.
const ASSIGNMENTS: Variant = Variant::Of(Statistic::AssignmentDropRatio);
/// The ratio that says what the dropped assignments weigh.
const GATE_MASS: Variant = Variant::Of(Statistic::GateMassLost);

/// The rules that the runs in the tables were routed with: the curve by position is given for these alone.
pub(in crate::stats) struct OwnRules(BTreeSet<CapacityRule>);

impl OwnRules {
    /// Reads the rules from the curves by position.
    pub(in crate::stats) fn new(tables: &Tables) -> Self {
        let rows = tables.get(Statistic::CapacityReplay.table()).into_iter().flat_map(|table| &table.rows);
        Self(rows.filter(|row| row.variable.is_some()).filter_map(|row| row.rule).collect())
    }

    /// Whether a row is in the summary; none for tables of other commands.
    pub(in crate::stats) fn summarised(&self, row: &Finding) -> Option<bool> {
        let late = row.turn.is_some_and(|turn| turn >= TURNS);
        let listed = match row.statistic {
            Statistic::AssignmentDropRatio => assignments(row),
            Statistic::FirstChoiceDropRatio
            | Statistic::SecondChoiceDropRatio
            | Statistic::ChoiceDropRatio
            | Statistic::TokenDropRatio
            | Statistic::GateMassLost => {
                matches!(row.scope(), Some(Scope::All | Scope::Dataset(_) | Scope::Category(_) | Scope::Role(_)))
            }
            Statistic::DropTrend | Statistic::ExactReplay | Statistic::RankLoad => true,
            Statistic::DropDifference => difference(row),
            Statistic::CapacityReplay => self.replay(row),
            Statistic::Burstiness => row.expert.is_none(),
            Statistic::DropCauses => row.expert.is_none() || row.rank.is_some_and(|rank| rank <= CAUSES),
            Statistic::DocumentDrops | Statistic::DroppedTokens | Statistic::ExpertOccupancy => false,
            _ => return None,
        };
        Some(listed && !late)
    }

    /// The smallest factors, and over all the run's own rule, groups and order at every factor.
    fn replay(&self, row: &Finding) -> bool {
        let smallest = row.priority.is_none();
        let own = row.rule.is_some_and(|rule| self.0.contains(&rule))
            && row.grouping.as_deref() == Some(GROUPS_OF_RUN)
            && row.priority == Some(Priority::Position)
            && row.dataset.is_none()
            && matches!(row.variant, Some(ASSIGNMENTS | GATE_MASS));
        row.position.is_none() && (smallest || own)
    }
}

/// Everything that is not about an expert, a token or a single position. The curves are those of the first model over
/// all, and what has few documents is left to the table.
fn assignments(row: &Finding) -> bool {
    match row.scope() {
        Some(Scope::All | Scope::Dataset(_) | Scope::Category(_) | Scope::Role(_) | Scope::Turn(_)) => true,
        Some(Scope::DatasetRole(..) | Scope::DatasetTurn(..)) => row.low.is_some(),
        Some(Scope::Bucket { fixed: false, dataset: None, .. }) => row.checkpoint.is_none(),
        Some(Scope::Bucket { fixed: true, dataset: None, .. }) => row.checkpoint.is_none() && row.low.is_some(),
        _ => false,
    }
}

/// Two models over all, by data set and role; by message the assignments alone.
fn difference(row: &Finding) -> bool {
    match row.scope() {
        Some(Scope::All | Scope::Dataset(_) | Scope::Role(_)) => {
            matches!(row.variant, Some(ASSIGNMENTS | GATE_MASS | Variant::Of(Statistic::DropTrend)))
        }
        Some(Scope::Turn(_)) => row.variant == Some(ASSIGNMENTS),
        _ => false,
    }
}
