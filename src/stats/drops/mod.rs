//! All statistics of one layer about dropped assignments (part C of the documentation: drop-towards-the-end).

mod asked_capacity;
mod atoms;
mod burstiness;
mod causes;
mod choices;
mod curve;
mod difference;
mod documents;
mod exact;
mod headline;
mod keys;
mod layer;
mod losses;
mod occupancy;
mod rank_load;
mod ratios;
mod reason;
mod replay;
mod settings;
mod study;
mod tally;
mod trend;

pub use asked_capacity::{AskedCapacity, OwnCapacity};
pub use difference::drop_difference;
pub use exact::exact_replay;
pub(super) use headline::OwnRules;
pub use layer::DropLayer;
pub use settings::DropSettings;
pub use study::DropStudy;

use super::{
    Finding, STATISTICS, Statistic, StatisticInfo, StatisticTable,
    needs::{withhold, without_numbers},
};
use crate::{error::Result, routing::RunKind, trace::Block};

/// A layer, ready for counting. The queues of recorded drops are known only where groups and capacities give the same drops.
///
/// # Errors
/// As [`DropStudy::new`].
pub fn drop_study<'a>(layer: &DropLayer<'a>, settings: &DropSettings) -> Result<DropStudy<'a>> {
    let study = DropStudy::new(layer, settings)?;
    let is_recorded = settings.recorded_drops && layer.trace.provides.has(Block::Drops);
    Ok(if is_recorded && replay::verify(&study).is_err() { study.without_queues() } else { study })
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
        return Ok(in_any_order(study, progress));
    }
    let mut tables = ratios::tables(study, progress);
    tables.extend(documents::tables(study));
    if study.queues_known {
        tables.extend(queue_tables(study, progress)?);
    } else {
        tables.extend(QUEUE_TABLES.map(|statistic| without_queues(study, statistic)));
        tables.iter_mut().flat_map(|table| &mut table.rows).for_each(doubt_independence);
    }
    withhold(&mut tables, provides);
    Ok(tables)
}

/// Why the drops of a replay are not known choice by choice.
const NO_ORDER: &str = "the trace records no order of the choices: which of them would find a slot is unknown";

/// The tables of a trace that does not record which choices were dropped, nor in which order they queue: what is the same in any
/// order, and of everything else why it is missing.
fn in_any_order(study: &DropStudy<'_>, progress: &dyn Fn(&'static str)) -> Vec<StatisticTable> {
    let trace = study.layer.trace;
    let mut tables = ratios::tables_in_any_order(study, progress);
    progress("capacity replay");
    let replay = replay::losses_in_any_order(study);
    tables.push(StatisticTable::of(Statistic::CapacityReplay, replay));
    withhold(&mut tables, trace.provides.with(Block::Drops));
    let of_two = [Statistic::DropDifference, Statistic::ExactReplay];
    let is_given = |info: &StatisticInfo| tables.iter().any(|table| table.name == info.table);
    let missing = |info: &StatisticInfo| {
        let is_own = info.command == RunKind::Drops && !of_two.contains(&info.statistic) && !is_given(info);
        let is_asked = match info.statistic {
            Statistic::RankLoad => false,
            Statistic::ChoiceDropRatio => trace.top_k > 2,
            _ => true,
        };
        is_own && is_asked
    };
    // The drops of a replay are missing only because nobody knows who comes first.
    let reason = |row: Finding| match row.note.as_deref() {
        Some(note) if note == Block::Drops.absence() => Finding { note: Some(NO_ORDER.into()), ..row },
        _ => row,
    };
    let rows = |info: &StatisticInfo| {
        without_numbers(info.statistic, trace.layer, trace.provides).into_iter().map(reason).collect()
    };
    let table = |info: &StatisticInfo| StatisticTable { name: info.table.to_owned(), rows: rows(info) };
    let withheld: Vec<StatisticTable> = STATISTICS.iter().filter(|info| missing(info)).map(table).collect();
    tables.extend(withheld);
    tables
}

/// The tables that need the queues.
const QUEUE_TABLES: [Statistic; 3] = [Statistic::CapacityReplay, Statistic::DropCauses, Statistic::ExpertOccupancy];

/// The one row of a table that needs the queues of a record that does not say them.
fn without_queues(study: &DropStudy<'_>, statistic: Statistic) -> StatisticTable {
    let reason =
        "the record does not say which tokens competed for how many slots; ask about a capacity factor for a replay";
    StatisticTable::of(statistic, vec![study.finding(statistic).withheld(reason)])
}

/// Says of an interval that documents may have competed for the same slots.
fn doubt_independence(row: &mut Finding) {
    if row.low.is_some() && row.statistic != Statistic::RankLoad {
        *row = row
            .clone()
            .remark("documents are taken as independent: the record does not say which competed for the same slots");
    }
}

/// The tables about other capacities, and about what fills the queues.
fn queue_tables(study: &DropStudy<'_>, progress: &dyn Fn(&'static str)) -> Result<Vec<StatisticTable>> {
    progress("capacity replay");
    let mut tables = vec![StatisticTable::of(Statistic::CapacityReplay, replay::capacity_replay(study)?)];
    progress("drop causes");
    tables.push(StatisticTable::of(Statistic::DropCauses, causes::drop_causes(study)));
    progress("expert occupancy");
    tables.push(StatisticTable::of(Statistic::ExpertOccupancy, occupancy::expert_occupancy(study)));
    Ok(tables)
}
