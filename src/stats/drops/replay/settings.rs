//! What is lost at every setting: grouping, priority, rule and factor over all, and the run's own groups by data set.

use std::borrow::Cow;

use rayon::prelude::*;

use super::{
    grid::Grid,
    layer::{Replay, Setting},
    partition::Partition,
};
use crate::stats::{
    BaselineKind, Finding, Priority, Subject,
    drops::losses::{Chosen, Losses},
};

impl Replay<'_> {
    /// Every grouping, priority, rule, factor and ratio, over all.
    pub(super) fn cross_product(&self) -> Vec<Finding> {
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
            let replayed = self.losses(partition, &slots, grid, self.ratios());
            let settings = (0..grid.factors.len()).map(|at| Setting { partition, priority, grid, at });
            settings.flat_map(|setting| self.rows(&self.scopes[0], setting, &replayed)).collect()
        };
        self.grids.iter().flat_map(of_grid).collect()
    }

    /// The run's own rule, groups and order by data set.
    pub(super) fn by_dataset(&self) -> Vec<Finding> {
        let (partition, priority) = (&self.partitions[0], Priority::Position);
        let Some(grid) = self.grids.iter().find(|grid| self.is_own_rule(grid)) else { return Vec::new() };
        let slots = self.choices.slots(&partition.groups, priority);
        let replayed = self.losses(partition, &slots, grid, self.ratios());
        let settings = |scope| {
            let replayed = &replayed;
            (0..grid.factors.len())
                .flat_map(move |at| self.rows(scope, Setting { partition, priority, grid, at }, replayed))
        };
        self.scopes[1..].iter().flat_map(settings).collect()
    }

    /// The ratios at one setting.
    fn rows(&self, scope: &Chosen, setting: Setting, (losses, usable): &(Losses, usize)) -> Vec<Finding> {
        let row = |ratio: usize| {
            let finding = self.finding(setting);
            if setting.at < *usable {
                let finding = scope.about(self.study, finding, ratio);
                return finding.withheld("the capacity of a group would be 0, which the original refuses");
            }
            let lost = losses.at(ratio, setting.at);
            let finding = scope.measured(self.study, finding, ratio, lost, setting.partition.separate);
            let finding = finding.against(scope.share(ratio, self.observed.at(ratio, 0)), BaselineKind::AsRouted);
            self.remarked(finding, setting)
        };
        (0..scope.ratios.len()).map(row).collect()
    }
}
