//! `rank_load`: how evenly the ranks of an expert-parallel placement are loaded, if each holds a contiguous block of the experts.
//!
//! The slowest rank decides how long a layer takes: the largest load over the mean load is the factor by which an uneven placement
//! slows it down. Over a whole text loads level out; a batch is what an engine waits for.

use std::borrow::Cow;

use super::{
    burstiness::Drops,
    reason::with_reason,
    replay::Partition,
    study::{DropStudy, Routed},
};
use crate::stats::{BaselineKind, Finding, Statistic, StatisticTable, Subject, resample::percentile, study::mean};

/// The placements of a layer, and the batches that are routed at a time.
pub(super) struct RankLoad<'a> {
    study: &'a DropStudy<'a>,
    /// Ranks of every placement.
    placements: &'a [u32],
    batches: Partition,
}

impl<'a> RankLoad<'a> {
    /// The placements that the settings name; `None` if they name none.
    pub(super) fn new(study: &'a DropStudy<'a>) -> Option<Self> {
        let placements = study.settings.expert_parallel.as_slice();
        (!placements.is_empty()).then(|| Self { study, placements, batches: Partition::batches(study) })
    }

    /// Experts of every rank; `None` if the experts of the layer do not divide into such blocks.
    fn block(&self, ranks: u32) -> Option<usize> {
        let (experts, ranks) = (self.study.layer.trace.num_experts, ranks as usize);
        (ranks > 0 && experts.is_multiple_of(ranks)).then(|| experts / ranks)
    }

    /// Assignments of every expert in every batch, folded: the largest load of a rank and the mean load, summed over the
    /// batches, `[placements]`; their ratio.
    pub(super) fn of_batches(&self, routed: Routed<'_>) -> Vec<f64> {
        let experts = self.study.layer.trace.num_experts;
        let (mut largest, mut average) = (vec![0.0; self.placements.len()], vec![0.0; self.placements.len()]);
        let mut load = vec![0_u64; experts];
        for batch in &self.batches.groups {
            load.fill(0);
            for row in batch.clone().filter(|row| self.study.counts(*row)) {
                routed.choices(row).for_each(|(expert, ..)| load[usize::from(expert)] += 1);
            }
            for (at, ranks) in self.placements.iter().enumerate() {
                let (most, all) = most_and_all(&load, self.block(*ranks).unwrap_or(experts));
                largest[at] += most;
                average[at] += all / f64::from(*ranks);
            }
        }
        largest.iter().zip(&average).map(|(largest, average)| largest / average).collect()
    }

    /// The table, given [`Self::of_batches`] after each permutation across sequences, and the assignments by document and expert.
    pub(super) fn table(&self, permuted: &[Vec<f64>], across: &Drops<'_>) -> StatisticTable {
        let observed = self.of_batches(self.study.observed());
        let rows = self.placements.iter().enumerate().flat_map(|(at, ranks)| {
            let baseline = mean(permuted.iter().map(|values| values[at]));
            [self.over_all(*ranks, across), self.over_batches(*ranks, observed[at], baseline)]
        });
        StatisticTable::of(Statistic::RankLoad, rows.collect())
    }

    fn empty(&self, ranks: u32) -> Finding {
        self.study.finding(Statistic::RankLoad).about(|subject| Subject { expert_parallel: Some(ranks), ..subject })
    }

    /// All assignments together.
    fn over_all(&self, ranks: u32, across: &Drops<'_>) -> Finding {
        let (study, experts) = (self.study, self.study.layer.trace.num_experts);
        let finding = self.empty(ranks);
        let Some(block) = self.block(ranks) else { return indivisible(finding, experts) };
        let of_rank = |rank: usize| {
            across.chosen_by_document().enumerate().map(move |(document, load)| {
                (document, load[rank * block..(rank + 1) * block].iter().sum::<u64>() as f64)
            })
        };
        let load: Vec<f64> = (0..ranks as usize).map(|rank| of_rank(rank).map(|(_, load)| load).sum()).collect();
        let resampled: Vec<Vec<f64>> = (0..ranks as usize).map(|rank| study.resamples.sums(of_rank(rank))).collect();
        let resamples = resampled.first().map_or(0, Vec::len);
        let mut values: Vec<f64> =
            (0..resamples).map(|at| most_over_mean(resampled.iter().map(|rank| rank[at]))).collect();
        let documents = study.documents();
        let interval = if study.resamples.enough(documents) { percentile(&mut values) } else { None };
        let counted = (load.iter().sum::<f64>() as usize / study.top_k().max(1)) as u64;
        if counted == 0 {
            return finding.withheld("no assignment to count");
        }
        let finding = finding
            .measured(most_over_mean(load.into_iter()), interval, counted, documents as u64)
            .against(1.0, BaselineKind::Uniform);
        // Loads do not come of queues: documents are independent here whatever the routing groups are.
        with_reason(study, finding, documents, true)
    }

    /// Batch by batch.
    fn over_batches(&self, ranks: u32, observed: f64, baseline: f64) -> Finding {
        let study = self.study;
        let finding =
            self.empty(ranks).about(|subject| Subject { grouping: Some(Cow::Borrowed(self.batches.name)), ..subject });
        if self.block(ranks).is_none() {
            return indivisible(finding, study.layer.trace.num_experts);
        }
        if observed.is_nan() {
            return finding.withheld("no assignment to count");
        }
        let counted = (0..study.len()).filter(|row| study.counts(*row)).count() as u64;
        finding
            .measured(observed, None, counted, study.documents() as u64)
            .against(baseline, BaselineKind::AcrossSequences)
            .remark("no interval: a batch holds several documents")
    }
}

fn indivisible(finding: Finding, experts: usize) -> Finding {
    finding.withheld(format!("{experts} experts do not divide into equal blocks"))
}

/// The largest load of a block of experts, and the load of all.
fn most_and_all(load: &[u64], block: usize) -> (f64, f64) {
    let ranks = load.chunks_exact(block).map(|experts| experts.iter().sum::<u64>());
    (ranks.clone().max().unwrap_or(0) as f64, ranks.sum::<u64>() as f64)
}

/// The largest load over the mean load.
fn most_over_mean(load: impl ExactSizeIterator<Item = f64>) -> f64 {
    let ranks = load.len() as f64;
    let (most, all) = load.fold((0.0, 0.0), |(most, all), load| (f64::max(most, load), all + load));
    most * ranks / all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_loaded_block_counts() {
        // Blocks of two: 3 + 1, 0 + 2; blocks of one: 3 of 6.
        assert_eq!(most_and_all(&[3, 1, 0, 2], 2), (4.0, 6.0));
        assert_eq!(most_and_all(&[3, 1, 0, 2], 1), (3.0, 6.0));
        assert!((most_over_mean([4.0, 2.0].into_iter()) - 4.0 / 3.0).abs() < 1e-15);
    }
}
