//! `drop_trend`: whether the end of a sequence loses more than its beginning, and more than queues alone would make it.

use std::ops::Range;

use super::{
    keys::Key,
    reason::with_reason,
    study::{DropStudy, Permutation, Routed},
};
use crate::stats::{
    BaselineKind, Finding, Statistic, StatisticTable, Variant,
    finding::finite,
    resample::{Interval, expanded_percentile},
    study::{mean, p_value},
};

/// The contrasts of a sequence, in the order of the table.
pub(super) const VARIANTS: [Variant; 4] =
    [Variant::LastMinusFirst, Variant::Slope, Variant::FirstMinusMiddle, Variant::LastMinusMiddle];
/// The contrast `last_minus_first` minus its own mean over the permutations, sequence by sequence.
const EXCESS: Variant = Variant::LastMinusFirstExcess;
/// The number of positions per which the slope is given.
const PER_POSITIONS: f64 = 1000.0;
/// The unit of the slope.
const SLOPE_UNIT: &str = "share per 1000 positions";
/// The contrasts of one sequence: what is summed, before the division by [`Member::below`].
type Contrasts = [f64; VARIANTS.len()];

/// The sequences that are long enough for a trend.
pub(super) struct Trend {
    members: Vec<Member>,
    /// What the table is about: over all, then every data set.
    pub(super) scopes: Vec<Key>,
    /// Sequences that are too short: over all, then by data set.
    short: Vec<usize>,
}

/// One sequence.
struct Member {
    /// Its rows that count.
    rows: Range<usize>,
    /// Where its first quarter ends and its last one begins, as rows.
    quarters: [usize; 2],
    document: u32,
    dataset: u16,
    /// Mean position of its rows, relative to the first row.
    centre: f64,
    /// Sum of the squared distances from it.
    spread: f64,
}

impl Member {
    /// Lays out a sequence; `None` where it is too short.
    fn new(study: &DropStudy<'_>, rows: &Range<usize>) -> Option<Self> {
        let quarter = rows.len() / 4;
        let counted = rows.clone().find(|row| study.counts(*row))?..rows.end;
        let quarters = [rows.start + quarter, rows.end - quarter];
        let usable = counted.start < quarters[0] && quarters[0] < quarters[1];
        if rows.len() < study.settings.minimum_length as usize || !usable {
            return None;
        }
        let n = counted.len() as f64;
        Some(Self {
            document: study.document[rows.start],
            dataset: study.dataset(rows.start),
            centre: (n - 1.0) / 2.0,
            spread: n * (n * n - 1.0) / 12.0,
            quarters,
            rows: counted,
        })
    }

    /// The contrasts of the drop ratio of this sequence.
    fn contrasts(&self, routed: Routed<'_>) -> Contrasts {
        let k = routed.top_k;
        let mut dropped = [0_u32; 3];
        let mut slope = 0.0;
        for row in self.rows.clone() {
            let lost = routed.dropped[row * k..(row + 1) * k].iter().filter(|dropped| **dropped).count();
            if lost > 0 {
                let part = usize::from(row >= self.quarters[0]) + usize::from(row >= self.quarters[1]);
                dropped[part] += lost as u32;
                slope += lost as f64 * ((row - self.rows.start) as f64 - self.centre);
            }
        }
        let rows =
            [self.quarters[0] - self.rows.start, self.quarters[1] - self.quarters[0], self.rows.end - self.quarters[1]];
        let ratio = |part: usize| f64::from(dropped[part]) / (k * rows[part]) as f64;
        let [first, middle, last] = [ratio(0), ratio(1), ratio(2)];
        [last - first, PER_POSITIONS * slope / k as f64, first - middle, last - middle]
    }

    /// What the sums of a contrast are divided by: sequences, for the slope squared distances.
    fn below(&self, variant: usize) -> f64 {
        if variant == 1 { self.spread } else { 1.0 }
    }
}

impl Trend {
    /// Finds the sequences that are long enough.
    pub(super) fn new(study: &DropStudy<'_>) -> Self {
        let names = study.layer.sequences.dataset_names.len();
        let mut trend = Self {
            members: Vec::new(),
            scopes: std::iter::once(Key::All).chain((0..names).map(|dataset| Key::Dataset(dataset as u16))).collect(),
            short: vec![0; 1 + names],
        };
        for (rows, &dataset) in study.sequences.iter().zip(&study.layer.sequences.dataset) {
            match Member::new(study, rows) {
                Some(member) => trend.members.push(member),
                None => [0, 1 + usize::from(dataset)].iter().for_each(|scope| trend.short[*scope] += 1),
            }
        }
        trend
    }

    /// The contrasts of every sequence, `[members]`.
    pub(super) fn values(&self, routed: Routed<'_>) -> Vec<Contrasts> {
        self.members.iter().map(|member| member.contrasts(routed)).collect()
    }

    fn members(&self, scope: Key) -> Vec<usize> {
        let within = |member: &Member| scope == Key::All || scope == Key::Dataset(member.dataset);
        (0..self.members.len()).filter(|index| within(&self.members[*index])).collect()
    }

    /// The table, given the contrasts after each permutation.
    pub(super) fn table(&self, study: &DropStudy<'_>, permuted: &[Vec<Contrasts>]) -> StatisticTable {
        let observed = self.values(study.observed());
        let mut table = StatisticTable::of(Statistic::DropTrend, Vec::new());
        for (scope, short) in self.scopes.iter().zip(&self.short) {
            let members = self.members(*scope);
            let empty = |variant: Variant| {
                let unit = if variant == VARIANTS[1] { SLOPE_UNIT } else { "share" };
                scope.about(study, study.finding(Statistic::DropTrend).in_unit(unit)).variant(variant)
            };
            let of = |variant| Scope { trend: self, study, members: &members, variant };
            let rows = VARIANTS.iter().enumerate().map(|(v, name)| of(v).measured(empty(*name), &observed, permuted));
            let mut rows: Vec<Finding> = rows.collect();
            rows.insert(1, of(0).excess(empty(EXCESS), &observed, permuted));
            table.rows.extend(rows.into_iter().map(|row| left_out(row, study, *short)));
        }
        table
    }

    /// `last_minus_first` of a scope in every resample, its estimate, sequences and documents; for comparisons.
    pub(super) fn resampled(&self, study: &DropStudy<'_>, scope: Key) -> Resampled {
        let members = self.members(scope);
        let scope = Scope { trend: self, study, members: &members, variant: 0 };
        let observed = self.values(study.observed());
        Resampled {
            estimate: scope.value(&observed),
            values: scope.resampled(&observed),
            sequences: members.len(),
            documents: scope.documents(),
        }
    }
}

/// Says how many sequences are too short.
fn left_out(finding: Finding, study: &DropStudy<'_>, short: usize) -> Finding {
    let least = study.settings.minimum_length;
    match short {
        0 => finding,
        1 => finding.remark(format!("1 sequence shorter than {least} positions left out")),
        _ => finding.remark(format!("{short} sequences shorter than {least} positions left out")),
    }
}

/// A trend with its resamples.
pub(super) struct Resampled {
    /// Mean over the sequences.
    pub(super) estimate: f64,
    /// The same in every resample.
    pub(super) values: Vec<f64>,
    /// Sequences that are long enough.
    pub(super) sequences: usize,
    /// Documents that they belong to.
    pub(super) documents: usize,
}

/// One row of the table.
struct Scope<'a> {
    trend: &'a Trend,
    study: &'a DropStudy<'a>,
    members: &'a [usize],
    variant: usize,
}

impl Scope<'_> {
    fn measured(&self, finding: Finding, observed: &[Contrasts], permuted: &[Vec<Contrasts>]) -> Finding {
        if self.members.is_empty() {
            let least = self.study.settings.minimum_length;
            return finding.withheld(format!("no sequence has {least} positions"));
        }
        let (estimate, documents) = (self.value(observed), self.documents());
        let interval = self.interval(observed, documents);
        let finding = finding.measured(estimate, interval, self.members.len() as u64, documents as u64);
        with_reason(self.study, self.corrected(finding, estimate, permuted), documents, self.study.separate)
    }

    /// The difference from the baseline, with a separate interval. Each sequence's own baseline is subtracted, which removes the
    /// variation between texts whose queues overflow more or less; that variation would widen the interval.
    fn excess(&self, finding: Finding, observed: &[Contrasts], permuted: &[Vec<Contrasts>]) -> Finding {
        if self.members.is_empty() || permuted.is_empty() {
            return finding.withheld("no sequence or no permutation to compare with");
        }
        let of = |index: usize| observed[index][0] - mean(permuted.iter().map(|contrasts| contrasts[index][0]));
        let excess: Vec<Contrasts> = (0..observed.len()).map(|index| [of(index), 0.0, 0.0, 0.0]).collect();
        let (n, documents) = (self.members.len() as u64, self.documents());
        let finding = finding.measured(self.value(&excess), self.interval(&excess, documents), n, documents as u64);
        with_reason(self.study, finding.against(0.0, BaselineKind::NoExcess), documents, self.study.separate)
    }

    fn interval(&self, contrasts: &[Contrasts], documents: usize) -> Interval {
        let enough = self.study.separate && self.study.resamples.enough(documents);
        enough.then(|| expanded_percentile(&mut self.resampled(contrasts), documents)).flatten()
    }

    /// Subtracts what the same choices give in random order.
    fn corrected(&self, finding: Finding, estimate: f64, permuted: &[Vec<Contrasts>]) -> Finding {
        if permuted.is_empty() {
            return finding;
        }
        let values: Vec<f64> = permuted.iter().map(|contrasts| self.value(contrasts)).collect();
        let baseline = mean(values.iter().copied());
        let shifted = |value: f64| value - baseline;
        Finding {
            corrected: finite(shifted(estimate)),
            corrected_low: finding.low.map(shifted),
            corrected_high: finding.high.map(shifted),
            p_value: Some(p_value(estimate, values.iter().copied())),
            ..finding.against(baseline, Permutation::WithinSequence.kind())
        }
    }

    fn value(&self, contrasts: &[Contrasts]) -> f64 {
        let above: f64 = self.members.iter().map(|index| contrasts[*index][self.variant]).sum();
        above / self.members.iter().map(|index| self.trend.members[*index].below(self.variant)).sum::<f64>()
    }

    fn resampled(&self, contrasts: &[Contrasts]) -> Vec<f64> {
        let document = |index: usize| self.trend.members[index].document as usize;
        let resamples = &self.study.resamples;
        let above = resamples.sums(self.members.iter().map(|i| (document(*i), contrasts[*i][self.variant])));
        let below = self.members.iter().map(|i| (document(*i), self.trend.members[*i].below(self.variant)));
        above.iter().zip(resamples.sums(below)).map(|(above, below)| above / below).collect()
    }

    fn documents(&self) -> usize {
        let mut documents: Vec<u32> = self.members.iter().map(|index| self.trend.members[*index].document).collect();
        documents.sort_unstable();
        documents.dedup();
        documents.len()
    }
}
