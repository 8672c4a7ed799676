//! What is lost by position at the run's own rule, factor and groups.

use super::layer::{Replay, Setting};
use crate::stats::{
    BaselineKind, Finding, Priority, Subject, Variable,
    drops::{
        losses::Ratio,
        reason::{Units, measured_share},
    },
    finding::finite,
    resample::percentile,
};

/// Assignments of one document in one bin of positions.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    document: usize,
    chosen: f64,
    lost: f64,
    observed: f64,
}

impl Replay<'_> {
    /// `assignment_drop_ratio` by position at the run's own rule, factor and groups under a priority.
    pub(super) fn curve(&self, priority: Priority) -> Vec<Finding> {
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
            let finding = Ratio::Assignment.about(self.finding(setting).by(Variable::PositionBucket));
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
        let finding = finding.against(baseline, BaselineKind::AsRouted);
        measured_share(study, finding, sum(|bin| bin.lost) / chosen, units, interval)
    }
}
