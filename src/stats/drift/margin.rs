//! `agreement_by_margin`: near-ties of the router flip by arithmetic alone, so that agreement is shown by the margin
//! that the reference has. Chosen view.

use super::{agreement::agreement_of, chance::Sets, course::Step, settings::DriftSettings};
use crate::{
    routing::View,
    stats::{
        BaselineKind, Finding, Statistic, Subject, Variant, occurrences::Occurrences, resample::quantile_sorted,
        study::Study,
    },
};

/// Variant, index into the agreement of a row, whether the margin is that of the first choice.
const VARIANTS: [(Variant, usize, bool); 3] =
    [(Variant::Overlap, 0, false), (Variant::ExactSet, 2, false), (Variant::FirstChoice, 1, true)];

/// One row per variant and bin of the reference's margin. Bins hold equally many occurrences, except that equal margins
/// are never parted. `overlap` and `exact_set` by g_k - g_k+1, `first_choice` by g_1 - g_2.
pub(super) fn agreement_by_margin(step: &Step, last: &MarginBins) -> Vec<Finding> {
    let bins = |by_first: bool| if by_first { &last.by_first } else { &last.by_k };
    VARIANTS.into_iter().flat_map(|variant| rows(step, variant, bins(variant.2))).collect()
}

/// The occurrences by their margin at the reference.
pub(super) struct MarginBins {
    /// By g_k - g_k+1.
    by_k: Vec<Bin>,
    /// By g_1 - g_2.
    by_first: Vec<Bin>,
}

/// The occurrences with a margin between two quantiles.
struct Bin {
    /// The quantile at which the bin ends.
    upper: f64,
    /// Smallest margin.
    low: f64,
    /// Largest margin.
    high: f64,
    rows: Vec<u32>,
    /// How often sets of experts were chosen together at the reference.
    sets: Sets,
}

impl MarginBins {
    /// Sorts the occurrences by both margins of the reference.
    pub(super) fn new(last: &Study, settings: &DriftSettings) -> Self {
        let bins = |margin: &[f32]| bins(&last.data, margin, settings.margin_bins.max(1));
        Self { by_k: bins(&last.trace.margin_k), by_first: bins(&last.trace.margin_first) }
    }
}

fn bins(last: &Occurrences, margin: &[f32], count: usize) -> Vec<Bin> {
    if margin.is_empty() {
        return Vec::new();
    }
    let margin: Vec<f64> = last.source.iter().map(|t| f64::from(margin[*t as usize])).collect();
    let mut sorted = margin.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let quantile = |index: usize| (index + 1) as f64 / count as f64;
    let edges: Vec<f64> = (0..count - 1).map(|index| quantile_sorted(&sorted, quantile(index))).collect();
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (row, value) in margin.iter().enumerate() {
        members[edges.partition_point(|edge| edge < value)].push(row as u32);
    }
    let mut below = 0;
    let bin = |(index, rows): (usize, Vec<u32>)| {
        // Equal margins may fill more than their own bin: it ends at the last quantile that they reach.
        below += rows.len();
        let reached = (below as f64 / sorted.len() as f64 * count as f64 + 1e-9).floor() / count as f64;
        let values = || rows.iter().map(|row| margin[*row as usize]);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        Bin { upper: quantile(index).max(reached), low, high, sets: sets(last, &rows), rows }
    };
    members.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()).map(bin).collect()
}

/// How often the choices of some rows hold sets of experts together.
fn sets(data: &Occurrences, rows: &[u32]) -> Sets {
    Sets::new(data, rows.iter().map(|row| *row as usize))
}

fn rows(step: &Step, (variant, index, _): (Variant, usize, bool), bins: &[Bin]) -> Vec<Finding> {
    let course = step.course;
    let (one, last) = (&step.own.data, &course.last().data);
    let empty = step.finding(Statistic::AgreementByMargin, View::Chosen).variant(variant);
    if bins.is_empty() {
        return vec![empty.withheld("no occurrence to count")];
    }
    let row = |bin: &Bin| {
        let mut sums = vec![0.0; last.documents()];
        let mut occurrences = vec![0.0; last.documents()];
        for row in bin.rows.iter().map(|row| *row as usize) {
            sums[last.document[row] as usize] += agreement_of(one, last, row)[index];
            occurrences[last.document[row] as usize] += 1.0;
        }
        let finding = empty.clone().about(|subject| Subject {
            quantile: Some(bin.upper),
            bin_low: Some(bin.low),
            bin_high: Some(bin.high),
            ..subject
        });
        let chance = sets(one, &bin.rows).chance(&bin.sets);
        let chance = [chance.saturation, chance.first, chance.exact][index];
        course.mean(finding, &sums, &occurrences).against(chance, BaselineKind::LoadMatched)
    };
    bins.iter().map(row).collect()
}
