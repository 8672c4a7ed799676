//! The smallest capacity factor at which no more than a given share of the assignments is dropped.

use std::borrow::Cow;

use rayon::prelude::*;

use super::{
    grid::Grid,
    layer::{FIRST_ORDER, Replay},
    partition::Partition,
};
use crate::{
    routing::CapacityRule,
    stats::{
        BaselineKind, Finding, Priority, Variant,
        drops::{
            losses::{Chosen, Losses, NOTHING, Ratio},
            reason::with_reason,
        },
        resample::percentile,
    },
};

/// The share that may be dropped, and what its factor is called.
const LEVELS: [(Variant, f64); 3] = [
    (Variant::FactorForATenthPercent, 0.001),
    (Variant::FactorForOnePercent, 0.01),
    (Variant::FactorForFivePercent, 0.05),
];
/// The factors tried are 0.01, 0.02 ... up to this one.
const LARGEST: u32 = 8;
/// Steps of the grid per unit of the factor.
const STEPS: u32 = 100;

/// The remark if the BOS is left out of the counts: it still takes a place in the queue, so an order that drops it drops fewer of the
/// tokens that count.
const ORDERED: &str = "in the order of the text: the BOS queues but does not count";

/// Per rule and grouping over all, and by data set in the groups of the run, in the order of the text. Where every
/// token counts the order does not matter: an expert drops all that exceeds its capacity.
pub(super) fn smallest_factors(replay: &Replay) -> Vec<Finding> {
    let rules = [CapacityRule::Port, CapacityRule::T5x];
    let cases: Vec<(usize, CapacityRule)> =
        (0..replay.partitions.len()).flat_map(|index| rules.map(|rule| (index, rule))).collect();
    let of = |(index, rule): (usize, CapacityRule)| {
        let curve = Curve::new(replay, &replay.partitions[index], rule);
        let scopes = if index == 0 { &replay.scopes[..] } else { &replay.scopes[..1] };
        scopes.iter().flat_map(|scope| curve.rows(scope)).collect::<Vec<_>>()
    };
    cases.into_par_iter().flat_map(of).collect()
}

/// Dropped assignments as a function of the factor.
struct Curve<'a> {
    replay: &'a Replay<'a>,
    partition: &'a Partition,
    grid: Grid,
    losses: Losses,
    /// Index of the first factor at which every group has a slot.
    usable: usize,
}

impl<'a> Curve<'a> {
    fn new(replay: &'a Replay, partition: &'a Partition, rule: CapacityRule) -> Self {
        let factors = (1..=LARGEST * STEPS).map(|step| f64::from(step) / f64::from(STEPS)).collect();
        let grid = Grid::new(replay.study.layer.router, rule, factors);
        let slots = replay.choices.slots(&partition.groups, Priority::Position);
        let (losses, usable) = replay.losses(partition, &slots, &grid, vec![Ratio::Assignment]);
        Self { replay, partition, grid, losses, usable }
    }

    /// One row per level.
    fn rows(&self, scope: &Chosen) -> Vec<Finding> {
        let documents: Vec<(usize, f64)> = scope.documents.iter().map(|document| (*document, 1.0)).collect();
        let total = scope.total(0).iter().sum();
        let found = LEVELS.map(|(_, level)| self.smallest(&documents, total, level));
        let resampled = self.resampled(scope);
        let rows = LEVELS.iter().zip(found).enumerate();
        rows.map(|(level, ((name, _), found))| self.row(scope, *name, found, resampled.get(level))).collect()
    }

    /// Index of the smallest factor at which the weighted documents lose no more than a share of their assignments.
    fn smallest(&self, documents: &[(usize, f64)], total: f64, level: f64) -> Option<usize> {
        let exceeds = |at: usize| {
            let lost = self.losses.at(0, at);
            documents.iter().map(|(document, weight)| weight * lost[*document]).sum::<f64>() / total > level
        };
        let (mut low, mut high) = (self.usable, self.grid.factors.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if exceeds(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < self.grid.factors.len()).then_some(low)
    }

    /// The factor of every level in every resample, `[levels][resamples]`; none reached = none. Empty without an
    /// interval.
    fn resampled(&self, scope: &Chosen) -> Vec<Vec<Option<usize>>> {
        let resamples = &self.replay.study.resamples;
        if !self.partition.separate || !resamples.enough(scope.documents.len()) {
            return Vec::new();
        }
        let of = |index: usize| {
            let weight = |document: &usize| (*document, f64::from(resamples.of(*document)[index]));
            let drawn: Vec<(usize, f64)> =
                scope.documents.iter().map(weight).filter(|(_, weight)| *weight > 0.0).collect();
            let total = drawn.iter().map(|(document, weight)| weight * scope.total(0)[*document]).sum();
            LEVELS.map(|(_, level)| self.smallest(&drawn, total, level))
        };
        let found: Vec<_> = (0..resamples.len()).into_par_iter().map(of).collect();
        (0..LEVELS.len()).map(|level| found.iter().map(|levels| levels[level]).collect()).collect()
    }

    fn row(
        &self,
        scope: &Chosen,
        variant: Variant,
        found: Option<usize>,
        resampled: Option<&Vec<Option<usize>>>,
    ) -> Finding {
        let (replay, study) = (self.replay, self.replay.study);
        let finding = replay.keys(self.partition, self.grid.rule(), "ratio").variant(variant);
        let finding = match scope.dataset {
            Some(dataset) => study.about_dataset(finding, dataset),
            None => finding,
        };
        if scope.documents.is_empty() {
            return finding.withheld(NOTHING);
        }
        let Some(found) = found else {
            let left = scope.share(0, self.losses.at(0, self.grid.factors.len() - 1));
            return finding
                .withheld(format!("not reached at a factor of {LARGEST}: {:.3} % are dropped", 100.0 * left));
        };
        let factor = |at: Option<usize>| at.map_or(f64::from(LARGEST), |at| self.grid.factors[at]);
        let interval =
            resampled.and_then(|found| percentile(&mut found.iter().map(|at| factor(*at)).collect::<Vec<_>>()));
        let finding = finding.measured(factor(Some(found)), interval, scope.occurrences, scope.documents.len() as u64);
        let router = study.layer.router;
        let own = if router.capacity_rule == CapacityRule::Unlimited { f64::NAN } else { router.capacity_factor };
        let missed = resampled.map_or(0, |found| found.iter().filter(|at| at.is_none()).count());
        let finding = finding.against(own, BaselineKind::AsRouted).remark(Cow::Borrowed(FIRST_ORDER));
        let finding = with_reason(study, finding, scope.documents.len(), self.partition.separate);
        let finding = if study.settings.statistics.include_bos { finding } else { finding.remark(ORDERED) };
        if missed == 0 {
            return finding;
        }
        finding.remark(format!("{missed} resamples do not reach it at a factor of {LARGEST}, and count as {LARGEST}"))
    }
}
