//! Which rows of the tables of `drops` belong into `summary.json`.

use std::collections::BTreeSet;

use crate::stats::{Finding, Statistic, Tables};

/// Ranks of `drop_causes` in the summary.
const CAUSES: u32 = 3;
/// Messages of a conversation in the summary.
const TURNS: u16 = 20;
/// The ratio that most of the summary is about.
const ASSIGNMENTS: &str = "assignment_drop_ratio";
/// The ratio that says what the dropped assignments weigh.
const GATE_MASS: &str = "gate_mass_lost";

/// What of a data set or a conversation a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Everything,
    Dataset,
    Category,
    Role,
    Turn,
    /// A role or a message of a data set.
    Message,
    /// A bin of the curve over all.
    Bin,
    /// A bin of the curve over all of the fixed cohort.
    FixedBin,
    Other,
}

impl About {
    fn of(row: &Finding) -> Self {
        let place = (row.variable.as_deref(), row.position.is_some(), row.cohort.is_some());
        let keys = [row.dataset.is_some(), row.category.is_some(), row.role.is_some(), row.turn.is_some()];
        match (place, keys) {
            ((Some("position_bucket"), true, false), [false, false, false, false]) => Self::Bin,
            ((Some("position_bucket"), true, true), [false, false, false, false]) => Self::FixedBin,
            ((None, false, false), [false, false, false, false]) => Self::Everything,
            ((None, false, false), [true, false, false, false]) => Self::Dataset,
            ((None, false, false), [false, true, false, false]) => Self::Category,
            ((None, false, false), [false, false, true, false]) => Self::Role,
            ((None, false, false), [false, false, false, true]) => Self::Turn,
            ((None, false, false), [true, false, _, _]) => Self::Message,
            _ => Self::Other,
        }
    }
}

/// The rules that the runs in the tables were routed with: the curve by position is given for these alone.
pub(in crate::stats) struct OwnRules<'a>(BTreeSet<&'a str>);

impl<'a> OwnRules<'a> {
    /// Looks for the curves.
    pub(in crate::stats) fn new(tables: &'a Tables) -> Self {
        let rows = tables.get("capacity_replay").into_iter().flat_map(|table| &table.rows);
        Self(rows.filter(|row| row.variable.is_some()).filter_map(|row| row.rule.as_deref()).collect())
    }

    /// Whether a row belongs into the summary; none for tables of other commands.
    pub(in crate::stats) fn summarised(&self, row: &Finding) -> Option<bool> {
        let late = row.turn.is_some_and(|turn| turn >= TURNS);
        let listed = match row.statistic {
            Statistic::AssignmentDropRatio => assignments(row),
            Statistic::FirstChoiceDropRatio
            | Statistic::SecondChoiceDropRatio
            | Statistic::ChoiceDropRatio
            | Statistic::TokenDropRatio
            | Statistic::GateMassLost => {
                matches!(About::of(row), About::Everything | About::Dataset | About::Category | About::Role)
            }
            Statistic::DropTrend | Statistic::ExactReplay => true,
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
        let own = row.rule.as_deref().is_some_and(|rule| self.0.contains(rule))
            && row.grouping.as_deref() == Some("run")
            && row.priority.as_deref() == Some("position")
            && row.dataset.is_none()
            && matches!(row.variant.as_deref(), Some(ASSIGNMENTS | GATE_MASS));
        row.position.is_none() && (smallest || own)
    }
}

/// Everything that is not about an expert, a token or a single position. The curves are those of the first model over
/// all, and what has few documents is left to the table.
fn assignments(row: &Finding) -> bool {
    match About::of(row) {
        About::Everything | About::Dataset | About::Category | About::Role | About::Turn => true,
        About::Message => row.low.is_some(),
        About::Bin => row.checkpoint.is_none(),
        About::FixedBin => row.checkpoint.is_none() && row.low.is_some(),
        About::Other => false,
    }
}

/// Two models over all, by data set and role; by message the assignments alone.
fn difference(row: &Finding) -> bool {
    match About::of(row) {
        About::Everything | About::Dataset | About::Role => {
            matches!(row.variant.as_deref(), Some(ASSIGNMENTS | GATE_MASS | "drop_trend"))
        }
        About::Turn => row.variant.as_deref() == Some(ASSIGNMENTS),
        _ => false,
    }
}
