//! `capacity_replay`: the drops of a layer at other capacities, recomputed from the logged choices without a forward
//! pass.
//!
//! Slots depend on which tokens compete and which come first, but not on the capacity, so one pass per grouping and priority is enough
//! for every rule and factor. The replay is of first order: at another capacity later layers would get other inputs.

mod factor;
mod grid;
mod layer;
mod partition;
mod position;
mod queue;
mod settings;

use rayon::prelude::*;

use super::{losses::Losses, study::DropStudy};
use crate::{
    error::{Error, Result},
    stats::{Finding, Priority},
};
use grid::Grid;
use layer::Replay;
pub(super) use partition::Partition;

/// The table `capacity_replay`.
///
/// # Errors
/// [`Error::Internal`] if the run's own setting does not reproduce the recorded drops.
pub(super) fn capacity_replay(study: &DropStudy) -> Result<Vec<Finding>> {
    verify(study)?;
    let replay = Replay::new(study);
    let mut findings = replay.cross_product();
    findings.extend(replay.by_dataset());
    findings.extend(Priority::ALL.par_iter().flat_map(|priority| replay.curve(*priority)).collect::<Vec<_>>());
    findings.extend(factor::smallest_factors(&replay));
    Ok(findings)
}

/// The rows of the table that are the same in whatever order the choices of a group queue: nothing about positions, and about data
/// sets only where no routing group holds two documents. Rows that need the order are to be withheld.
pub(super) fn losses_in_any_order(study: &DropStudy) -> Vec<Finding> {
    let replay = Replay::new(study);
    let mut findings = replay.cross_product();
    findings.extend(replay.by_dataset());
    findings.extend(factor::smallest_factors(&replay));
    findings.retain(|row| study.separate || row.dataset.is_none());
    findings
}

/// Ratios of a layer replayed at one capacity factor with the rule, the groups and the order of the run, by ratio:
/// `[ratios][documents]`. None where the capacity of a group would be zero.
pub(super) fn at_factor(study: &DropStudy, factor: f64) -> Option<Losses> {
    let replay = Replay::new(study);
    let grid = Grid::new(study.layer.router, study.layer.router.capacity_rule, vec![factor]);
    let run = &replay.partitions[0];
    let (losses, usable) =
        replay.losses(run, &replay.choices.slots(&run.groups, Priority::Position), &grid, replay.ratios());
    (usable == 0).then_some(losses)
}

/// Refuses a trace whose drops are not those of its rule, factor and groups in the order of the text.
pub(super) fn verify(study: &DropStudy) -> Result<()> {
    let (layer, k) = (&study.layer, study.top_k());
    let groups = Partition::run(study).groups;
    let slots = Replay::choices(study).slots(&groups, Priority::Position);
    let fault = |what: String| Err(Error::internal(format!("trace of decoder layer {}: {what}", layer.trace.layer)));
    for (index, group) in study.groups.iter().enumerate().filter(|(_, group)| !group.rows.is_empty()) {
        let expected = layer.router.capacity(group.rows.len())?;
        if group.capacity != expected {
            return fault(format!("group {index} has capacity {}, its rule gives {expected}", group.capacity));
        }
        let assignments = group.rows.start * k..group.rows.end * k;
        let mut pairs = slots[assignments.clone()].iter().zip(&study.dropped[assignments]);
        if let Some(at) = pairs.position(|(slot, dropped)| (*slot >= expected) != *dropped) {
            return fault(format!(
                "assignment {at} of group {index} is recorded as {}, but the queue of its expert says otherwise",
                if study.dropped[group.rows.start * k + at] { "dropped" } else { "kept" }
            ));
        }
    }
    Ok(())
}
