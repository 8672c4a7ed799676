//! All statistics of one layer about dropped assignments (part C of the documentation: drop-towards-the-end).

mod burstiness;
mod causes;
mod choices;
mod curve;
mod difference;
mod documents;
mod exact;
mod headline;
mod keys;
mod losses;
mod occupancy;
mod ratios;
mod reason;
mod replay;
mod study;
mod tally;
mod trend;

pub use difference::drop_difference;
pub use exact::exact_replay;
pub(super) use headline::OwnRules;
pub use study::DropStudy;

use super::{
    STATISTICS, Settings, Statistic, StatisticInfo, StatisticTable,
    needs::{withhold, without_numbers},
};
use crate::{
    error::Result,
    routing::RouterSettings,
    trace::{Block, GroupTable, LayerTrace, SequenceTable, SpanTable},
};

/// One layer of a run, with everything that decides its drops.
#[derive(Clone, Copy, Debug)]
pub struct DropLayer<'a> {
    /// Documents, categories, data sets.
    pub sequences: &'a SequenceTable,
    /// Turns and roles; empty for plain text.
    pub spans: &'a SpanTable,
    /// Which sequences were routed together.
    pub groups: &'a GroupTable,
    /// Rule and factor of the run.
    pub router: RouterSettings,
    /// The layer as it was recorded.
    pub trace: &'a LayerTrace,
}

/// What a person may choose about the statistics of `drops`.
#[derive(Clone, Debug, PartialEq)]
pub struct DropSettings {
    /// Seed, resamples, permutations and minima.
    pub statistics: Settings,
    /// Positions per bin of the curves.
    pub bin: u32,
    /// Fewest positions of a sequence for `drop_trend`.
    pub minimum_length: u32,
    /// Overflowing experts whose causes are listed, per layer.
    pub experts_listed: usize,
    /// Token ids listed per overflowing expert.
    pub tokens_listed: usize,
    /// Length of the list of `document_drops`.
    pub documents_listed: usize,
}

impl Default for DropSettings {
    fn default() -> Self {
        Self {
            statistics: Settings::default(),
            bin: 64,
            minimum_length: 64,
            experts_listed: 8,
            tokens_listed: 10,
            documents_listed: 50,
        }
    }
}

/// Whether a table is given of every model that is compared: the ratios and the trend. Causes and replays are those of the
/// first model.
pub fn is_of_every_model(table: &str) -> bool {
    let others = [Statistic::ChoiceDropRatio, Statistic::DropTrend];
    tally::RATIOS.into_iter().chain(others).any(|statistic| statistic.table() == table)
}

/// `drop_trend` of one layer alone.
pub fn drop_trend(study: &DropStudy<'_>) -> StatisticTable {
    let trend = trend::Trend::new(study);
    let permuted = study.permutations(study::Permutation::WithinSequence, |routed| trend.values(routed));
    trend.table(study, &permuted)
}

/// All drop statistics of one layer, one table per statistic in the order of [`super::STATISTICS`].
///
/// The result depends on the data, the layer index and the settings, never on the number of threads.
///
/// # Errors
/// [`crate::error::Error::Internal`] if the run's own setting does not reproduce the recorded drops.
pub fn drop_statistics(study: &DropStudy<'_>, progress: &dyn Fn(&'static str)) -> Result<Vec<StatisticTable>> {
    let provides = study.layer.trace.provides;
    if !provides.has(Block::Drops) {
        return Ok(without_drops(study));
    }
    let mut tables = ratios::tables(study, progress);
    tables.extend(documents::tables(study));
    tables.extend(queue_tables(study, progress)?);
    withhold(&mut tables, provides);
    Ok(tables)
}

/// The tables of a trace that does not say what was dropped.
fn without_drops(study: &DropStudy<'_>) -> Vec<StatisticTable> {
    let trace = study.layer.trace;
    let of_two = [Statistic::DropDifference, Statistic::ExactReplay];
    let own = STATISTICS.iter().filter(|info| info.command == "drops" && !of_two.contains(&info.statistic));
    let rows = |info: &StatisticInfo| without_numbers(info.statistic, trace.layer, trace.provides);
    own.map(|info| StatisticTable { name: info.table.to_owned(), rows: rows(info) }).collect()
}

/// What other capacities would do, and what fills the queues.
fn queue_tables(study: &DropStudy<'_>, progress: &dyn Fn(&'static str)) -> Result<Vec<StatisticTable>> {
    progress("capacity replay");
    let mut tables = vec![StatisticTable::of(Statistic::CapacityReplay, replay::capacity_replay(study)?)];
    progress("drop causes");
    tables.push(StatisticTable::of(Statistic::DropCauses, causes::drop_causes(study)));
    progress("expert occupancy");
    tables.push(StatisticTable::of(Statistic::ExpertOccupancy, occupancy::expert_occupancy(study)));
    Ok(tables)
}
