//! The verdict of a drops run: whether later tokens are dropped more, layer by layer and data set by data set, and what explains
//! the drops.

mod overall;
mod ranks;
mod text;
mod trend;

pub use overall::{DatasetDrops, OverallDrops};
pub use ranks::RankLoads;
pub use text::{Capacity, Difference, Queue, Roles};
pub use trend::Trend;

pub(super) use overall::MISSED_BY_CHANCE;

use std::collections::BTreeSet;

use self::{overall::intervals_that_miss_zero, trend::TrendRows};
use super::{Answer, Evidence, IntervalsThatMissZero, LaterTokens, Measured, Verdict};
use crate::{
    routing::{LayerId, RecordedDrops},
    stats::{AskedCapacity, Finding, Statistic},
};

/// The verdict on a drops run.
#[derive(Clone, Debug, PartialEq)]
pub struct DropsVerdict {
    /// All layers together.
    pub overall: OverallDrops,
    /// Layer by layer, ascending.
    pub layers: Vec<LayerDrops>,
    /// The data sets; none for a single one that is everything.
    pub datasets: Vec<DatasetDrops>,
    /// How many intervals of what is left above random order miss 0.
    pub intervals: Option<IntervalsThatMissZero>,
    /// What each role loses.
    pub roles: Option<Roles>,
    /// The queue that overflows most in each layer.
    pub queues: Vec<Queue>,
    /// The capacity that would be enough.
    pub capacity: Option<Capacity>,
    /// The placements of the experts on several ranks.
    pub placements: Vec<RankLoads>,
    /// The compared models.
    pub differences: Vec<Difference>,
    /// Whose drops these are.
    pub source: DropsSource,
}

/// Whose drops a verdict is about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum DropsSource {
    /// Those of the run itself.
    #[default]
    OfRun,
    /// Those that an engine recorded.
    Recorded(RecordedDrops),
    /// What would be dropped at a capacity that was asked about.
    Asked(AskedCapacity),
}

/// What one layer drops.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerDrops {
    /// Decoder layer index.
    pub layer: LayerId,
    /// The share of its assignments that are dropped.
    pub ratio: Option<Evidence>,
    /// Whether later tokens are dropped more.
    pub trend: Option<Trend>,
    /// Why there is no trend, where the statistic says it.
    pub no_trend: Option<String>,
}

impl DropsVerdict {
    /// The verdict on the headline findings of a drops run. Those of compared models count for the differences alone.
    pub fn of(findings: &[Finding]) -> Self {
        let own: Vec<&Finding> = findings.iter().filter(|row| row.checkpoint.is_none()).collect();
        let ids: BTreeSet<LayerId> = own.iter().map(|row| row.layer).collect();
        let trend_rows = TrendRows::of(&own);
        let layers: Vec<LayerDrops> = LayerDrops::of(&own, &trend_rows, &ids);
        let trends: Vec<&Trend> = layers.iter().filter_map(|layer| layer.trend.as_ref()).collect();
        let datasets = DatasetDrops::of(&own, &trend_rows, &ids, &trends);
        let intervals = if datasets.is_empty() {
            intervals_that_miss_zero(trends.iter().copied())
        } else {
            intervals_that_miss_zero(datasets.iter().flat_map(|set| &set.trends))
        };
        let is_judged = !layers.is_empty();
        Self {
            overall: OverallDrops::of(&trends, is_nothing_dropped(&layers)),
            intervals,
            roles: Roles::of(&own),
            queues: Queue::of(&own),
            capacity: Capacity::of(&own),
            placements: RankLoads::of(&own),
            source: DropsSource::OfRun,
            differences: if is_judged { Difference::of(findings) } else { Vec::new() },
            datasets,
            layers,
        }
    }

    /// The largest drop ratio of a layer.
    pub fn most_dropped(&self) -> Option<&Evidence> {
        let ratios =
            self.layers.iter().filter_map(|layer| layer.ratio.as_ref()).filter(|ratio| ratio.estimate.is_some());
        ratios.max_by(|a, b| a.estimate.unwrap_or_default().total_cmp(&b.estimate.unwrap_or_default()))
    }

    /// The same as an entry of `summary.json`.
    pub fn most_dropped_verdict(&self) -> Option<Verdict> {
        let most = self.most_dropped()?;
        let answer = Answer::MostIsDropped(Measured::Measured);
        Some(Verdict { layer: Some(most.finding.layer), ..Verdict::new(answer, vec![most.clone()]) })
    }

    /// The trends over all texts.
    pub fn trends(&self) -> impl Iterator<Item = &Trend> {
        self.layers.iter().filter_map(|layer| layer.trend.as_ref())
    }
}

impl LayerDrops {
    fn of<'a>(rows: &[&'a Finding], trends: &TrendRows<'a>, layers: &BTreeSet<LayerId>) -> Vec<Self> {
        let ratios: Vec<&Finding> = rows
            .iter()
            .copied()
            .filter(|row| row.statistic == Statistic::AssignmentDropRatio && row.is_over_all())
            .collect();
        let ratio = |layer| ratios.iter().find(|row| row.layer == layer).map(|row| Evidence::estimate(row));
        let is_withheld = |row: &&&Finding| row.statistic == Statistic::DropTrend && row.variant.is_none();
        let withheld: Vec<&Finding> = rows.iter().filter(is_withheld).copied().collect();
        let no_trend = |layer| {
            withheld.iter().find(|row| row.layer == layer).and_then(|row| row.note.as_deref().map(str::to_owned))
        };
        let of_layer = |&layer: &LayerId| Self {
            layer,
            ratio: ratio(layer),
            trend: Trend::of(trends, layer, None),
            no_trend: no_trend(layer),
        };
        layers.iter().map(of_layer).collect()
    }

    /// Whether its later tokens are dropped more, as an entry of `summary.json`; the drop ratio is the last of its numbers.
    pub fn verdict(&self) -> Verdict {
        let answer = Answer::LaterTokensDroppedMore(LaterTokens::NotMeasured);
        let absent = || Verdict { layer: Some(self.layer), ..Verdict::new(answer, Vec::new()) };
        let mut verdict = self.trend.as_ref().map_or_else(absent, Trend::verdict);
        verdict.because.extend(self.ratio.clone());
        verdict
    }
}

/// Whether every layer's drop ratio is 0, and there is one.
fn is_nothing_dropped(layers: &[LayerDrops]) -> bool {
    let mut ratios = layers.iter().filter_map(|layer| layer.ratio.as_ref()).peekable();
    ratios.peek().is_some() && ratios.all(|ratio| ratio.estimate == Some(0.0))
}

#[cfg(test)]
mod tests;
