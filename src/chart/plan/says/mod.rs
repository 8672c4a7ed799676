//! What charts say: the line above each, from its rows, by the rule that the documentation of each function states.
//!
//! A sentence claims a difference only where 95 % intervals leave the baseline ([`Ground::Shown`](crate::chart::Ground)); where
//! they contain it, or are withheld, the sentence says that instead. Sentences about several layers name the smallest and the
//! largest number of any layer.

mod drift;
mod drops;
mod load;
mod route;

pub(super) use drift::{agreement, beside, by_margin, half_learnt, last_change, load_drift, matrix, moved};
pub(super) use drops::{
    capacity, capacity_of_layers, causes, compared, conversation, crowding, filler, filling, first_choices,
    most_loaded_rank, positions, speakers, trend,
};
pub(super) use load::{Taken, balance, busiest, closest, confidence, largest_lift, most_lifted, togetherness};
pub(super) use route::{
    association, context, divergence, favourites, information, most_characteristic, nearest_and_farthest,
    predictability, repetition, spread, times_expected, top_tokens,
};

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    chart::axis::number,
    routing::LayerId,
    stats::{Finding, thousands},
};

/// A share in percent: whole numbers from 10 %, one decimal below.
fn percent(share: f64) -> String {
    format!("{} %", in_percent(share))
}

fn in_percent(share: f64) -> String {
    let value = share * 100.0;
    let text = if value.abs() >= 9.95 || value == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    // A number that is not 0 does not read as 0; close to 100 a whole number would read as all.
    match text.trim_start_matches('-') {
        "0.0" => "less than 0.1".to_owned(),
        "100" if value < 100.0 => format!("{value:.1}"),
        _ => text.replace('-', "\u{2212}"),
    }
}

/// "57 to 81 %", or one number where both ends read the same; none without numbers.
fn percents(shares: impl Iterator<Item = f64>) -> Option<String> {
    Some(format!("{} %", joined(shares, in_percent)?))
}

/// The smallest and the largest of some numbers.
fn numbers(values: impl Iterator<Item = f64>) -> Option<String> {
    joined(values, number)
}

/// The smallest and the largest of some differences of shares, with their signs, in percentage points.
fn points(values: impl Iterator<Item = f64>) -> Option<String> {
    Some(format!("{} percentage points", joined(values, signed)?))
}

/// A difference of shares in percentage points, with its sign: "+5.4".
fn signed(difference: f64) -> String {
    let text = format!("{:+.1}", difference * 100.0);
    if text == "-0.0" { "+0.0".to_owned() } else { text.replace('-', "\u{2212}") }
}

/// A multiple as the cells of a heat map have it: "2.6", "17".
fn times(multiple: f64) -> String {
    if multiple >= 9.95 { format!("{multiple:.0}") } else { format!("{multiple:.1}") }
}

/// The estimate as a multiple of the baseline.
pub(super) fn ratio(row: &Finding) -> Option<f64> {
    over(row, row.baseline)
}

/// The estimate as a multiple of a number above 0.
fn over(row: &Finding, even: Option<f64>) -> Option<f64> {
    Some(row.estimate? / even.filter(|even| *even > 0.0)?)
}

/// Whether the interval of a row lies above its noise floor; `None` where one of the two is missing.
pub(super) fn exceeds_noise(row: &Finding) -> Option<bool> {
    Some(row.low? > row.noise_floor?)
}

/// The rows that have an interval and a noise floor, and of these the ones whose interval lies above it.
fn judged_by_noise<'a>(rows: &[&'a Finding]) -> (Vec<&'a Finding>, Vec<&'a Finding>) {
    let judged: Vec<&Finding> = rows.iter().copied().filter(|row| exceeds_noise(row).is_some()).collect();
    let told = judged.iter().copied().filter(|row| exceeds_noise(row) == Some(true)).collect();
    (judged, told)
}

fn joined(values: impl Iterator<Item = f64>, words: impl Fn(f64) -> String) -> Option<String> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
    if low > high {
        return None;
    }
    let (from, to) = (words(low), words(high));
    Some(if from == to { from } else { format!("{from} to {to}") })
}

/// Whether the interval of a row lies above its baseline.
pub(super) fn is_above(row: &Finding) -> bool {
    row.low.zip(row.baseline).is_some_and(|(low, baseline)| low > baseline)
}

/// Whether it lies above or below.
fn leaves_baseline(row: &Finding) -> bool {
    is_above(row) || row.high.zip(row.baseline).is_some_and(|(high, baseline)| high < baseline)
}

/// "in 2 of 3 layers", "in every layer", or nothing if the rows are about one layer.
fn in_layers(told: usize, all: usize) -> String {
    match (told, all) {
        (_, 0 | 1) => String::new(),
        (told, all) if told == all => " in every layer".to_owned(),
        (told, all) => format!(" in {told} of {all} layers"),
    }
}

/// How many layers rows are about.
fn layers<'a>(rows: impl Iterator<Item = &'a Finding>) -> usize {
    rows.map(|row| row.layer).collect::<BTreeSet<LayerId>>().len()
}

/// "81 of 213 token ids"; of several layers "all 435 token ids in every layer", "20 to 38 of the 71 token ids of each layer", or, where
/// the layers have not the same number of them, pairs of token id and layer. `which`: an adjective
/// with a blank, or nothing.
fn ids_and_layers(told: &[&Finding], judged: &[&Finding], which: &str) -> String {
    let [some, all] = [told.len(), judged.len()].map(|count| thousands(count as u64));
    let mut ids: BTreeMap<LayerId, usize> = BTreeMap::new();
    for row in judged {
        *ids.entry(row.layer).or_default() += 1;
    }
    let mut counts = ids.values();
    let first = counts.next().copied().unwrap_or(0);
    if ids.len() < 2 {
        return format!("{some} of {all} {which}token ids");
    }
    if told.len() == judged.len() && counts.all(|count| *count == first) {
        return format!("All {} {which}token ids in every layer", thousands(first as u64));
    }
    if ids.values().all(|count| *count == first) {
        let own = |layer: &LayerId| told.iter().filter(|row| row.layer == *layer).count();
        let range = joined(ids.keys().map(|layer| own(layer) as f64), |count| thousands(count as u64));
        return format!("{} of the {} {which}token ids of each layer", range.unwrap_or(some), thousands(first as u64));
    }
    format!("{some} of {all} pairs of {which}token id and layer")
}

/// The row with the largest number; of equal ones the first.
fn most<'a>(rows: impl Iterator<Item = &'a Finding>, number: impl Fn(&Finding) -> Option<f64>) -> Option<&'a Finding> {
    let numbered = rows.filter_map(|row| Some((number(row)?, row)));
    numbered.reduce(|best, row| if row.0 > best.0 { row } else { best }).map(|(_, row)| row)
}

fn estimates<'a>(rows: &'a [&'a Finding]) -> impl Iterator<Item = f64> + 'a {
    rows.iter().filter_map(|row| row.estimate)
}

fn baselines<'a>(rows: &'a [&'a Finding]) -> impl Iterator<Item = f64> + 'a {
    rows.iter().filter_map(|row| row.baseline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{routing::View, stats::Statistic};

    #[test]
    fn shares_read_as_they_are() {
        assert_eq!(
            [0.0, 0.0004, 0.0962, 0.0996, 0.5673, 0.9961, 1.0].map(percent),
            ["0 %", "less than 0.1 %", "9.6 %", "10 %", "57 %", "99.6 %", "100 %"]
        );
        assert_eq!(percents([0.81, 0.567, 0.6].into_iter()).as_deref(), Some("57 to 81 %"));
        assert_eq!(percents([0.671, 0.6749].into_iter()).as_deref(), Some("67 %"));
        assert_eq!(percents(std::iter::empty()), None);
        assert_eq!(points([0.0144, -0.054].into_iter()).as_deref(), Some("\u{2212}5.4 to +1.4 percentage points"));
    }

    #[test]
    fn token_ids_of_several_layers_are_not_added_up() {
        let row = |layer| Finding::new(Statistic::RoutingStd, layer, View::Chosen);
        let rows = [row(1), row(1), row(3), row(3)];
        let all: Vec<&Finding> = rows.iter().collect();
        assert_eq!(ids_and_layers(&all, &all, ""), "All 2 token ids in every layer");
        assert_eq!(ids_and_layers(&all[..1], &all, "frequent "), "0 to 1 of the 2 frequent token ids of each layer");
        assert_eq!(ids_and_layers(&all[..1], &all[..3], ""), "1 of 3 pairs of token id and layer");
        assert_eq!(ids_and_layers(&all[..1], &all[..2], ""), "1 of 2 token ids");
    }

    #[test]
    fn layers_are_counted_only_where_there_are_several() {
        assert_eq!([in_layers(1, 1), in_layers(3, 3), in_layers(2, 3)], ["", " in every layer", " in 2 of 3 layers"]);
    }
}
