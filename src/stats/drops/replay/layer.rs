//! A layer as every replay of it needs it: what queues, the groupings, the rules and factors, what the run lost; and what a
//! replay loses at one grouping and order.

use std::borrow::Cow;

use super::{
    grid::{Grid, refusals},
    partition::Partition,
    queue::Choices,
};
use crate::{
    routing::CapacityRule,
    stats::{
        Finding, Priority, Statistic, Subject,
        drops::{
            losses::{Chosen, Losses, Ratio},
            study::DropStudy,
        },
    },
};

/// The remark on everything that is not the run's own setting.
pub(super) const FIRST_ORDER: &str = "first order: later layers would see other inputs";

/// One setting of a replay.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    /// Who competes with whom.
    pub(super) partition: &'a Partition,
    /// Who comes first.
    pub(super) priority: Priority,
    /// The rule and its factors.
    pub(super) grid: &'a Grid,
    /// Index of the factor.
    pub(super) at: usize,
}

/// What every replay of a layer shares.
pub(super) struct Replay<'a> {
    /// The layer.
    pub(super) study: &'a DropStudy<'a>,
    /// What queues.
    pub(super) choices: Choices<'a>,
    /// The run's own groups, then the others.
    pub(super) partitions: Vec<Partition>,
    /// The three rules, each with every factor.
    pub(super) grids: [Grid; 3],
    /// Over all, then every data set.
    pub(super) scopes: Vec<Chosen>,
    /// What the run itself lost.
    pub(super) observed: Losses,
}

impl<'a> Replay<'a> {
    /// Everything that no single setting decides.
    pub(super) fn new(study: &'a DropStudy<'a>) -> Self {
        let router = study.layer.router;
        let mut factors: Vec<f64> = (2..=16).map(|quarter| f64::from(quarter) / 4.0).collect();
        factors.push(router.capacity_factor);
        let rules = [CapacityRule::Port, CapacityRule::T5x, CapacityRule::Unlimited];
        Self {
            study,
            choices: Self::choices(study),
            partitions: Partition::all(study),
            grids: rules.map(|rule| Grid::new(router, rule, factors.clone())),
            scopes: Chosen::scopes(study),
            observed: Losses::observed(study),
        }
    }

    /// What queues.
    pub(super) fn choices(study: &'a DropStudy<'a>) -> Choices<'a> {
        let (trace, seed) = (study.layer.trace, study.settings.statistics.seed);
        Choices {
            layer: trace.layer,
            seed,
            num_experts: trace.num_experts,
            top_k: trace.top_k,
            expert: &trace.expert,
            probability: &study.probability,
        }
    }

    /// What every setting is told by: one row each.
    pub(super) fn ratios(&self) -> Vec<Ratio> {
        Ratio::of_choices(self.study.top_k())
    }

    /// What is lost at every factor of a grid, and the first factor at which no group has zero slots.
    pub(super) fn losses(
        &self,
        partition: &Partition,
        slots: &[u32],
        grid: &Grid,
        ratios: Vec<Ratio>,
    ) -> (Losses, usize) {
        let (study, k) = (self.study, self.study.top_k());
        let mut losses = Losses::new(study, ratios, grid.factors.len());
        let (mut usable, mut refused) = (0, vec![0; k]);
        for rows in &partition.groups {
            let capacities = grid.capacities(rows.len());
            usable = usable.max(capacities.partition_point(|capacity| *capacity == 0));
            let own = &slots[rows.start * k..rows.end * k];
            let refusals = refusals(&capacities, own.iter().max().map_or(0, |slot| *slot as usize + 1));
            for (row, slots) in rows.clone().zip(own.chunks_exact(k)) {
                refused.iter_mut().zip(slots).for_each(|(refused, slot)| *refused = refusals[*slot as usize]);
                losses.add(study, row, &refused);
            }
        }
        (losses.cumulated(), usable)
    }

    /// The partition of the same groups that comes first: the work is done once for both.
    pub(super) fn first_alike(&self, index: usize) -> usize {
        let groups = &self.partitions[index].groups;
        self.partitions.iter().position(|other| other.groups == *groups).unwrap_or(index)
    }

    /// An empty finding with the keys of a setting.
    pub(super) fn finding(&self, setting: Setting) -> Finding {
        let rule = setting.grid.rule();
        self.keys(setting.partition, rule, "share").about(|subject| Subject {
            capacity_factor: (rule != CapacityRule::Unlimited).then(|| setting.grid.factors[setting.at]),
            priority: Some(setting.priority),
            ..subject
        })
    }

    /// An empty finding with the keys of a grouping and a rule.
    pub(super) fn keys(&self, partition: &Partition, rule: CapacityRule, unit: &'static str) -> Finding {
        self.study.finding(Statistic::CapacityReplay).in_unit(unit).about(|subject| Subject {
            rule: Some(rule),
            grouping: Some(Cow::Borrowed(partition.name)),
            ..subject
        })
    }

    /// Whether a grid has the rule of the run.
    pub(super) fn is_own_rule(&self, grid: &Grid) -> bool {
        grid.rule() == self.study.layer.router.capacity_rule
    }

    /// Index of the run's own factor in a grid of its own rule; the only one when unlimited.
    pub(super) fn own_factor(&self, grid: &Grid) -> Option<usize> {
        let own = self.study.layer.router.capacity_factor;
        let unlimited = grid.rule() == CapacityRule::Unlimited;
        if unlimited { Some(0) } else { grid.factors.iter().position(|factor| *factor == own) }
    }

    /// Says that a number is of first order, unless the setting is the run's own.
    pub(super) fn remarked(&self, finding: Finding, setting: Setting) -> Finding {
        let own = self.is_own_rule(setting.grid)
            && self.own_factor(setting.grid) == Some(setting.at)
            && setting.partition.groups == self.partitions[0].groups
            && setting.priority == Priority::Position;
        if own { finding } else { finding.remark(FIRST_ORDER) }
    }
}
