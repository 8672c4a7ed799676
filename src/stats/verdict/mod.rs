//! Decides what the findings of a run mean, from the ends of the intervals and never from a point estimate alone.
//!
//! The verdict of each kind of run has a type of its own, which is all that its words need ([`crate::report`]). All of them
//! are also lists of [`Verdict`]s, which `summary.json` holds.

mod answer;
mod beside;
mod drift;
mod drops;
mod entry;
mod evidence;
mod independence;
#[cfg(test)]
pub(crate) mod made;
mod mitigation;
mod route;
mod specialist;
mod strongest_context;

pub use answer::{
    Answer, ContextAdds, HalfReached, Independence, LaterTokens, LayersDiffer, Measured, Moved, RiseIsTheQueue, Side,
};
pub use beside::{Beside, moved_most};
pub use drift::{Agreement, DriftVerdict, LayerAgreement};
pub use drops::{
    Capacity, DatasetDrops, Difference, DropsSource, DropsVerdict, LayerDrops, OverallDrops, Queue, RankLoads, Roles,
    Trend,
};
pub use entry::{IntervalsThatMissZero, Verdict};
pub use evidence::{Evidence, FindingKey, Missing, Number};
pub use independence::{Context, Explained, LayerIndependence, Share};
pub use mitigation::{DropCostVerdict, MitigationVerdict, StrategyVerdict};
pub use route::{Compared, OverallIndependence, RouteVerdict};
pub use specialist::Specialist;
pub use strongest_context::StrongestContext;

use crate::stats::{Finding, MitigationRow};

/// What a run of one of the kinds says.
#[derive(Clone, Debug, PartialEq)]
pub enum RunVerdict {
    /// How one checkpoint routes.
    Route(Box<RouteVerdict>),
    /// How routing changes from checkpoint to checkpoint.
    Drift(DriftVerdict),
    /// What is dropped.
    Drops(Box<DropsVerdict>),
    /// What it costs to route otherwise.
    Mitigation(MitigationVerdict),
}

impl RunVerdict {
    /// The verdict on the headline findings of a route run.
    pub fn route(findings: &[Finding]) -> Self {
        Self::Route(Box::new(RouteVerdict::of(findings)))
    }

    /// The verdict on the headline findings of a drift run and on its rows of `token_drift`.
    pub fn drift(findings: &[Finding], tokens: &[Finding]) -> Self {
        Self::Drift(DriftVerdict::of(findings, tokens))
    }

    /// The verdict on the rows of a mitigate run.
    pub fn mitigation(rows: &[MitigationRow]) -> Self {
        Self::Mitigation(MitigationVerdict::of(rows))
    }

    /// The verdict on the headline findings of a drops run; `source` says whose drops they are.
    pub fn drops(findings: &[Finding], source: DropsSource) -> Self {
        Self::Drops(Box::new(DropsVerdict { source, ..DropsVerdict::of(findings) }))
    }
}
