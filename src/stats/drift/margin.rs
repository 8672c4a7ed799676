//! `agreement_by_margin`: near-ties of the router flip by arithmetic alone, so that agreement is shown by the margin
//! that the reference has. Chosen view.

use super::{
    agreement::agreement_of,
    chance::Sets,
    course::{Course, Step},
};
use crate::{
    routing::View,
    stats::{Finding, resample::quantile_sorted},
};

/// Variant, index into the agreement of a row, whether the margin is that of the first choice.
const VARIANTS: [(&str, usize, bool); 3] = [("overlap", 0, false), ("exact_set", 2, false), ("first_choice", 1, true)];

/// One row per variant and bin of the reference's margin. Bins hold equally many occurrences, except that equal margins
/// are never parted. `overlap` and `exact_set` by g_k - g_k+1, `first_choice` by g_1 - g_2.
pub(super) fn agreement_by_margin(step: &Step) -> Vec<Finding> {
    let trace = step.course.last().trace;
    let by_k = bins(step.course, &trace.margin_k);
    let by_first = bins(step.course, &trace.margin_first);
    VARIANTS.into_iter().flat_map(|variant| rows(step, variant, if variant.2 { &by_first } else { &by_k })).collect()
}

/// The rows with a margin between two quantiles.
struct Bin {
    upper: f64,
    low: f64,
    high: f64,
    rows: Vec<usize>,
}

fn bins(course: &Course, margin: &[f32]) -> Vec<Bin> {
    let source = &course.last().data.source;
    let margin: Vec<f64> = source.iter().map(|t| f64::from(margin[*t as usize])).collect();
    let mut sorted = margin.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let count = course.settings.margin_bins.max(1);
    let quantile = |index: usize| (index + 1) as f64 / count as f64;
    let edges: Vec<f64> = (0..count - 1).map(|index| quantile_sorted(&sorted, quantile(index))).collect();
    let mut bins: Vec<Bin> = (0..count)
        .map(|index| Bin { upper: quantile(index), low: f64::INFINITY, high: f64::NEG_INFINITY, rows: Vec::new() })
        .collect();
    for (row, value) in margin.into_iter().enumerate() {
        let bin = &mut bins[edges.partition_point(|edge| *edge < value)];
        (bin.low, bin.high) = (bin.low.min(value), bin.high.max(value));
        bin.rows.push(row);
    }
    bins.retain(|bin| !bin.rows.is_empty());
    let mut below = 0;
    for bin in &mut bins {
        // Equal margins may fill more than their own bin: it ends at the last quantile that they reach.
        below += bin.rows.len();
        let reached = (below as f64 / sorted.len() as f64 * count as f64 + 1e-9).floor() / count as f64;
        bin.upper = bin.upper.max(reached);
    }
    bins
}

fn rows(step: &Step, (variant, index, _): (&'static str, usize, bool), bins: &[Bin]) -> Vec<Finding> {
    let course = step.course;
    let (one, last) = (&step.own.data, &course.last().data);
    let empty = step.finding("agreement_by_margin", View::Chosen, "share").variant(variant);
    if bins.is_empty() {
        return vec![empty.withheld("no occurrence to count")];
    }
    let row = |bin: &Bin| {
        let mut sums = vec![0.0; last.documents()];
        let mut occurrences = vec![0.0; last.documents()];
        for &row in &bin.rows {
            sums[last.document[row] as usize] += agreement_of(one, last, row)[index];
            occurrences[last.document[row] as usize] += 1.0;
        }
        let finding =
            Finding { quantile: Some(bin.upper), bin_low: Some(bin.low), bin_high: Some(bin.high), ..empty.clone() };
        let of = |data| Sets::new(data, bin.rows.iter().copied());
        let chance = of(one).chance(&of(last));
        let chance = [chance.saturation, chance.first, chance.exact][index];
        course.mean(finding, &sums, &occurrences).against(chance, "load_matched")
    };
    bins.iter().map(row).collect()
}
