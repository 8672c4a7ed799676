//! `capacity_replay`: the drops of a layer at other capacities, recomputed from the logged choices without a forward
//! pass.
//!
//! Slots depend on who competes and who comes first, not on the capacity, so that one pass per grouping and priority
//! serves every rule and factor. First order: at another capacity the layers behind would see other inputs.

mod factor;
mod grid;
mod partition;
mod queue;

use std::borrow::Cow;

use rayon::prelude::*;

use super::{
    losses::{Chosen, Losses, Ratio},
    reason::{Units, measured_share},
    study::DropStudy,
};
use crate::{
    error::{Error, Result},
    routing::CapacityRule,
    stats::{Finding, Priority, Statistic, Subject, Variable, finding::finite, resample::percentile},
};
use grid::{Grid, refusals};
use partition::Partition;
use queue::Choices;

/// The remark on everything that is not the run's own setting.
const FIRST_ORDER: &str = "first order: later layers would see other inputs";
/// What a replay is compared with.
const AS_ROUTED: &str = "as_routed";

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

/// Ratios of a layer replayed at one capacity factor with the rule, the groups and the order of the run, by ratio:
/// `[ratios][documents]`. None where the capacity of a group would be zero.
pub(super) fn at_factor(study: &DropStudy, factor: f64) -> Option<Losses> {
    let replay = Replay::new(study);
    let grid = Grid::new(study.layer.router, study.layer.router.capacity_rule, vec![factor]);
    let run = &replay.partitions[0];
    let (losses, usable) =
        replay.losses(run, &replay.choices.slots(&run.groups, Priority::Position), &grid, &Ratio::ALL);
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

/// One cell of the cross product.
#[derive(Clone, Copy)]
struct Setting<'a> {
    partition: &'a Partition,
    priority: Priority,
    grid: &'a Grid,
    /// Index of the factor.
    at: usize,
}

/// What every replay of a layer shares.
struct Replay<'a> {
    study: &'a DropStudy<'a>,
    choices: Choices<'a>,
    partitions: Vec<Partition>,
    grids: [Grid; 3],
    /// Over all, then every data set.
    scopes: Vec<Chosen>,
    /// What the run itself lost.
    observed: Losses,
}

impl<'a> Replay<'a> {
    fn new(study: &'a DropStudy<'a>) -> Self {
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

    fn choices(study: &'a DropStudy<'a>) -> Choices<'a> {
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

    /// What is lost at every factor of a grid, and the first factor at which no group has zero slots.
    fn losses(&self, partition: &Partition, slots: &[u32], grid: &Grid, ratios: &'static [Ratio]) -> (Losses, usize) {
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
    fn first_alike(&self, index: usize) -> usize {
        let groups = &self.partitions[index].groups;
        self.partitions.iter().position(|other| other.groups == *groups).unwrap_or(index)
    }

    /// Every grouping, priority, rule, factor and ratio, over all.
    fn cross_product(&self) -> Vec<Finding> {
        let pairs: Vec<(usize, Priority)> = (0..self.partitions.len())
            .filter(|index| self.first_alike(*index) == *index)
            .flat_map(|index| Priority::ALL.map(|priority| (index, priority)))
            .collect();
        let rows: Vec<((usize, Priority), Vec<Finding>)> =
            pairs.into_par_iter().map(|pair| (pair, self.of(&self.partitions[pair.0], pair.1))).collect();
        let mut findings = Vec::new();
        for (index, partition) in self.partitions.iter().enumerate() {
            for ((_, _), rows) in rows.iter().filter(|((first, _), _)| *first == self.first_alike(index)) {
                let named = |row: &Finding| {
                    row.clone().about(|subject| Subject { grouping: Some(Cow::Borrowed(partition.name)), ..subject })
                };
                findings.extend(rows.iter().map(named));
            }
        }
        findings
    }

    /// Every rule, factor and ratio of one grouping and priority.
    fn of(&self, partition: &Partition, priority: Priority) -> Vec<Finding> {
        let slots = self.choices.slots(&partition.groups, priority);
        let of_grid = |grid: &Grid| -> Vec<Finding> {
            let replayed = self.losses(partition, &slots, grid, &Ratio::ALL);
            let settings = (0..grid.factors.len()).map(|at| Setting { partition, priority, grid, at });
            settings.flat_map(|setting| self.rows(&self.scopes[0], setting, &replayed)).collect()
        };
        self.grids.iter().flat_map(of_grid).collect()
    }

    /// The run's own rule, groups and order by data set.
    fn by_dataset(&self) -> Vec<Finding> {
        let (partition, priority) = (&self.partitions[0], Priority::Position);
        let Some(grid) = self.grids.iter().find(|grid| self.is_own_rule(grid)) else { return Vec::new() };
        let slots = self.choices.slots(&partition.groups, priority);
        let replayed = self.losses(partition, &slots, grid, &Ratio::ALL);
        let settings = |scope| {
            let replayed = &replayed;
            (0..grid.factors.len())
                .flat_map(move |at| self.rows(scope, Setting { partition, priority, grid, at }, replayed))
        };
        self.scopes[1..].iter().flat_map(settings).collect()
    }

    /// The five ratios at one setting.
    fn rows(&self, scope: &Chosen, setting: Setting, (losses, usable): &(Losses, usize)) -> Vec<Finding> {
        let row = |ratio: usize| {
            let finding = self.finding(setting);
            if setting.at < *usable {
                let finding = scope.about(self.study, finding, Ratio::ALL[ratio]);
                return finding.withheld("the capacity of a group would be 0, which the original refuses");
            }
            let lost = losses.at(ratio, setting.at);
            let finding = scope.measured(self.study, finding, ratio, lost, setting.partition.separate);
            let finding = finding.against(scope.share(ratio, self.observed.at(ratio, 0)), AS_ROUTED);
            self.remarked(finding, setting)
        };
        (0..Ratio::ALL.len()).map(row).collect()
    }

    /// An empty finding with the keys of a setting.
    fn finding(&self, setting: Setting) -> Finding {
        let rule = setting.grid.rule();
        self.keys(setting.partition, rule, "share").about(|subject| Subject {
            capacity_factor: (rule != CapacityRule::Unlimited).then(|| setting.grid.factors[setting.at]),
            priority: Some(setting.priority),
            ..subject
        })
    }

    fn keys(&self, partition: &Partition, rule: CapacityRule, unit: &'static str) -> Finding {
        self.study.finding(Statistic::CapacityReplay).in_unit(unit).about(|subject| Subject {
            rule: Some(Cow::Owned(rule.to_string())),
            grouping: Some(Cow::Borrowed(partition.name)),
            ..subject
        })
    }

    fn is_own_rule(&self, grid: &Grid) -> bool {
        grid.rule() == self.study.layer.router.capacity_rule
    }

    /// Index of the run's own factor in a grid of its own rule; the only one when unlimited.
    fn own_factor(&self, grid: &Grid) -> Option<usize> {
        let own = self.study.layer.router.capacity_factor;
        let unlimited = grid.rule() == CapacityRule::Unlimited;
        if unlimited { Some(0) } else { grid.factors.iter().position(|factor| *factor == own) }
    }

    fn remarked(&self, finding: Finding, setting: Setting) -> Finding {
        let own = self.is_own_rule(setting.grid)
            && self.own_factor(setting.grid) == Some(setting.at)
            && setting.partition.groups == self.partitions[0].groups
            && setting.priority == Priority::Position;
        if own { finding } else { finding.remark(FIRST_ORDER) }
    }

    /// `assignment_drop_ratio` by position at the run's own rule, factor and groups under a priority.
    fn curve(&self, priority: Priority) -> Vec<Finding> {
        let partition = &self.partitions[0];
        let grid = self.grids.iter().find_map(|grid| {
            let own = if self.is_own_rule(grid) { self.own_factor(grid) } else { None };
            own.map(|at| (grid, at))
        });
        let Some((grid, at)) = grid else { return Vec::new() };
        let setting = Setting { partition, priority, grid, at };
        let slots = self.choices.slots(&partition.groups, priority);
        let bins = self.bins(&slots);
        let width = self.study.settings.bin.max(1);
        let row = |(index, bin): (usize, &Vec<Bin>)| {
            let finding = self.finding(setting).by(Variable::PositionBucket).variant(Ratio::Assignment.variant());
            let finding = finding.about(|subject| Subject { position: Some(index as u32 * width), ..subject });
            self.remarked(self.of_bin(finding, bin), setting)
        };
        bins.iter().enumerate().filter(|(_, bin)| !bin.is_empty()).map(row).collect()
    }

    /// Lost and chosen assignments at the capacities of the run, `[bins][documents that reach it]`.
    fn bins(&self, slots: &[u32]) -> Vec<Vec<Bin>> {
        let (study, k) = (self.study, self.study.top_k());
        let mut bins: Vec<Vec<Bin>> = Vec::new();
        let lost_of = |flags: &mut dyn Iterator<Item = bool>| flags.filter(|lost| *lost).count() as f64;
        for group in &study.groups {
            for row in group.rows.clone().filter(|row| study.counts(*row)) {
                let bin = (study.layer.trace.position[row] / study.settings.bin.max(1)) as usize;
                bins.resize_with(bins.len().max(bin + 1), Vec::new);
                if bins[bin].last().is_none_or(|last| last.document != study.document[row] as usize) {
                    bins[bin].push(Bin { document: study.document[row] as usize, ..Bin::default() });
                }
                let own = row * k..(row + 1) * k;
                if let Some(last) = bins[bin].last_mut() {
                    last.chosen += k as f64;
                    last.lost += lost_of(&mut slots[own.clone()].iter().map(|slot| *slot >= group.capacity));
                    last.observed += lost_of(&mut study.dropped[own].iter().copied());
                }
            }
        }
        bins
    }

    fn of_bin(&self, finding: Finding, bin: &[Bin]) -> Finding {
        let (study, separate) = (self.study, self.partitions[0].separate);
        let sum = |of: fn(&Bin) -> f64| bin.iter().map(of).sum::<f64>();
        let resampled = |of: fn(&Bin) -> f64| study.resamples.sums(bin.iter().map(|bin| (bin.document, of(bin))));
        let mut documents: Vec<usize> = bin.iter().map(|bin| bin.document).collect();
        documents.sort_unstable();
        documents.dedup();
        let interval = || {
            let (lost, chosen) = (resampled(|bin| bin.lost), resampled(|bin| bin.chosen));
            percentile(&mut lost.iter().zip(&chosen).map(|(lost, chosen)| lost / chosen).collect())
        };
        let chosen = sum(|bin| bin.chosen);
        let units = Units { n: chosen as u64 / study.top_k() as u64, documents: documents.len(), separate };
        let baseline = finite(sum(|bin| bin.observed) / chosen).unwrap_or(f64::NAN);
        let finding = finding.against(baseline, AS_ROUTED);
        measured_share(study, finding, sum(|bin| bin.lost) / chosen, units, interval)
    }
}

/// Assignments of one document in one bin of positions.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    document: usize,
    chosen: f64,
    lost: f64,
    observed: f64,
}
