//! The counts behind the five drop ratios: chosen and dropped, by cell and by document.

use super::study::{DropStudy, Routed};
use crate::{
    routing::ExpertId,
    stats::{
        Statistic,
        resample::{Interval, Resamples, percentile},
    },
};

/// The five ratios, in the order of their tables.
pub(super) const RATIOS: [Statistic; 5] = [
    Statistic::AssignmentDropRatio,
    Statistic::FirstChoiceDropRatio,
    Statistic::SecondChoiceDropRatio,
    Statistic::TokenDropRatio,
    Statistic::GateMassLost,
];

/// The counts of some occurrences, or of the choices of one expert.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Occurrences.
    pub(super) occurrences: u32,
    /// Occurrences that lost every choice.
    lost: u32,
    /// Choices: all, first, second.
    chosen: [u32; 3],
    /// Dropped choices: all, first, second.
    dropped: [u32; 3],
    /// Gate probability of the choices.
    gate: f64,
    /// Gate probability of the dropped choices.
    gate_lost: f64,
}

impl Tally {
    /// The tally of one row.
    #[inline]
    pub(super) fn of(routed: Routed<'_>, row: usize) -> Self {
        let mut tally = Self { occurrences: 1, ..Self::default() };
        for (choice, (_, gate, dropped)) in routed.choices(row).enumerate() {
            tally.count(choice, gate, dropped);
        }
        tally.lost = u32::from(tally.dropped[0] == tally.chosen[0]);
        tally
    }

    #[inline]
    fn count(&mut self, choice: usize, gate: f32, dropped: bool) {
        let (gate, flag) = (f64::from(gate), u32::from(dropped));
        self.chosen[0] += 1;
        self.dropped[0] += flag;
        if choice < 2 {
            self.chosen[choice + 1] += 1;
            self.dropped[choice + 1] += flag;
        }
        self.gate += gate;
        self.gate_lost += if dropped { gate } else { 0.0 };
    }

    /// Adds another tally.
    #[inline]
    pub(super) fn add(&mut self, other: &Self) {
        self.occurrences += other.occurrences;
        self.lost += other.lost;
        for index in 0..3 {
            self.chosen[index] += other.chosen[index];
            self.dropped[index] += other.dropped[index];
        }
        self.gate += other.gate;
        self.gate_lost += other.gate_lost;
    }

    /// Numerator of a ratio, index into [`RATIOS`].
    pub(super) fn above(&self, ratio: usize) -> f64 {
        match ratio {
            3 => f64::from(self.lost),
            4 => self.gate_lost,
            _ => f64::from(self.dropped[ratio]),
        }
    }

    /// Denominator of a ratio, index into [`RATIOS`].
    pub(super) fn below(&self, ratio: usize) -> f64 {
        match ratio {
            3 => f64::from(self.occurrences),
            4 => self.gate,
            _ => f64::from(self.chosen[ratio]),
        }
    }

    /// Choices that a ratio is over; for the token ratio of one expert also those that chose it.
    pub(super) fn choices(&self, ratio: usize) -> u32 {
        match ratio {
            1 | 2 => self.chosen[ratio],
            _ => self.chosen[0],
        }
    }

    /// A ratio, NaN without a denominator.
    pub(super) fn ratio(&self, ratio: usize) -> f64 {
        self.above(ratio) / self.below(ratio)
    }
}

/// The tally of one expert's choices over the layer, `[experts]`.
pub(super) fn expert_totals(study: &DropStudy<'_>, routed: Routed<'_>) -> Vec<Tally> {
    let mut tallies = vec![Tally::default(); study.layer.trace.num_experts];
    for row in (0..study.len()).filter(|row| study.counts(*row)) {
        let tallies = &mut tallies;
        count_experts(routed, row, |expert, tally| tallies[usize::from(expert)].add(tally));
    }
    tallies
}

/// The tallies of every expert by document, `[experts]`.
pub(super) fn experts_by_document(study: &DropStudy<'_>) -> Vec<ByDocument> {
    let routed = study.observed();
    let mut tables = vec![ByDocument::default(); study.layer.trace.num_experts];
    for &row in study.by_document.rows.iter().filter(|row| study.counts(**row as usize)) {
        let document = study.document[row as usize];
        let tables = &mut tables;
        count_experts(routed, row as usize, |expert, tally| tables[usize::from(expert)].add(document, tally));
    }
    tables
}

/// Gives every choice of a row, as a tally, to its expert.
#[inline]
fn count_experts(routed: Routed<'_>, row: usize, mut give: impl FnMut(ExpertId, &Tally)) {
    let lost = u32::from(routed.choices(row).all(|(_, _, dropped)| dropped));
    for (choice, (expert, gate, dropped)) in routed.choices(row).enumerate() {
        let mut tally = Tally { occurrences: 1, lost, ..Tally::default() };
        tally.count(choice, gate, dropped);
        give(expert, &tally);
    }
}

/// The tallies of one cell by document.
#[derive(Clone, Debug, Default)]
pub(super) struct ByDocument {
    /// Dense document index, and its tally; every document once.
    pub(super) entries: Vec<(u32, Tally)>,
}

impl ByDocument {
    /// The tally of a document; documents come one after the other.
    fn entry(&mut self, document: u32) -> &mut Tally {
        if self.entries.last().is_none_or(|(last, _)| *last != document) {
            self.entries.push((document, Tally::default()));
        }
        let last = self.entries.len() - 1;
        &mut self.entries[last].1
    }

    /// Adds a tally to that of a document; documents come one after the other.
    pub(super) fn add(&mut self, document: u32, tally: &Tally) {
        self.entry(document).add(tally);
    }

    /// The tally over all documents.
    pub(super) fn total(&self) -> Tally {
        let mut total = Tally::default();
        for (_, tally) in &self.entries {
            total.add(tally);
        }
        total
    }

    /// Documents with a denominator.
    pub(super) fn documents(&self, ratio: usize) -> usize {
        self.entries.iter().filter(|(_, tally)| tally.below(ratio) > 0.0).count()
    }

    /// A ratio in every resample, `[resamples]`.
    pub(super) fn resampled(&self, resamples: &Resamples, ratio: usize) -> Vec<f64> {
        let sums = |part: fn(&Tally, usize) -> f64| {
            resamples.sums(self.entries.iter().map(|(document, tally)| (*document as usize, part(tally, ratio))))
        };
        sums(Tally::above).iter().zip(sums(Tally::below)).map(|(above, below)| above / below).collect()
    }

    /// The interval of a ratio.
    pub(super) fn interval(&self, resamples: &Resamples, ratio: usize) -> Interval {
        percentile(&mut self.resampled(resamples, ratio))
    }
}
