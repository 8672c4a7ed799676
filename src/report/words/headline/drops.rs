//! What a drops run answers first: whether later tokens are dropped more, whether that is the queue, and how many intervals say so.

use crate::{
    report::words::{
        drops::{reason, source_prefix},
        entry::VerdictEntry,
        layers::named,
        numbers::{expected, points_in_tenths, ratio},
    },
    routing::LayerId,
    stats::verdict::{DropsVerdict, Evidence, IntervalsThatMissZero, LaterTokens, RiseIsTheQueue, Trend},
};

/// The trend within a sequence, what random order gives, and how many intervals miss it; where there is no rise, how much is
/// dropped.
pub(super) fn sentences(verdict: &DropsVerdict) -> Vec<VerdictEntry> {
    let trend = VerdictEntry::new(verdict.overall.verdict(), from_source(verdict, &later_tokens(verdict)));
    let queue = verdict.overall.queue_verdict().zip(queue(verdict));
    let queue = queue.map(|(verdict, words)| VerdictEntry::new(verdict, words));
    let intervals = verdict.intervals.map(|own| VerdictEntry::new(own.verdict(), beside_random_order(own, verdict)));
    let dropped = verdict.most_dropped_verdict().zip(verdict.most_dropped());
    let dropped = dropped
        .filter(|_| verdict.overall.answer != LaterTokens::NothingDropped)
        .map(|(entry, most)| VerdictEntry::new(entry, most_dropped(most, verdict.layers.len())));
    let first = if queue.is_some() { queue } else { dropped };
    std::iter::once(trend).chain(first).chain(intervals).collect()
}

/// The sentence after the words on whose drops these are.
fn from_source(verdict: &DropsVerdict, sentence: &str) -> String {
    let Some(prefix) = source_prefix(verdict.source) else { return sentence.to_owned() };
    let mut letters = sentence.chars();
    let first = letters.next().map(|letter| letter.to_lowercase().to_string()).unwrap_or_default();
    format!("{prefix}: {first}{}", letters.as_str())
}

/// In which layers later tokens are dropped more or less, and by how much.
fn later_tokens(verdict: &DropsVerdict) -> String {
    let known: Vec<&Trend> = verdict.trends().filter(|trend| trend.answer.is_known()).collect();
    let of = |holds: fn(LaterTokens) -> bool| -> Vec<&Trend> {
        known.iter().copied().filter(|trend| holds(trend.answer)).collect()
    };
    let (rises, falls) = (of(LaterTokens::is_more), of(|answer| answer == LaterTokens::Less));
    let layers = known.len();
    match verdict.overall.answer {
        LaterTokens::NothingDropped => {
            "Nothing is dropped, so no part of a sequence loses more than another.".to_owned()
        }
        LaterTokens::MoreInSomeLayers => format!("Later tokens are dropped more {}.", extent(&rises, layers)),
        LaterTokens::LessInSomeLayers => format!("Later tokens are dropped less {}.", extent(&falls, layers)),
        LaterTokens::MoreInSomeLessInOthers => {
            format!("Later tokens are dropped more {}, and less {}.", extent(&rises, layers), extent(&falls, layers))
        }
        LaterTokens::NoTrend => no_trend(&known),
        _ => {
            let why = verdict.trends().find(|trend| !trend.answer.is_known()).map(reason);
            let withheld = || verdict.layers.iter().find_map(|layer| layer.no_trend.as_deref());
            let why = why.or_else(withheld).map(|why| format!(" ({why})")).unwrap_or_default();
            format!("There is not enough data to say whether later tokens are dropped more{why}.")
        }
    }
}

/// "in all 3 layers: from the first to the last quarter of a sequence the drop ratio changes by +1.4 points ...".
fn extent(trends: &[&Trend], layers: usize) -> String {
    let ids: Vec<LayerId> = trends.iter().map(|trend| trend.layer).collect();
    let place = match ids.len() {
        1 => named(&ids),
        many if many == layers => format!("all {layers} layers"),
        _ => named(&ids),
    };
    let by_size = |a: &&&Trend, b: &&&Trend| size(a).total_cmp(&size(b));
    let (least, most) = (trends.iter().min_by(by_size), trends.iter().max_by(by_size));
    let quarters = "from the first to the last quarter of a sequence";
    match least.zip(most) {
        Some((least, most)) if least.layer != most.layer => format!(
            "in {place}: {quarters} by {} in layer {} up to {} in layer {}",
            points_in_tenths(&least.last_minus_first),
            least.layer,
            points_in_tenths(&most.last_minus_first),
            most.layer
        ),
        Some((one, _)) => format!("in {place}: {quarters} by {}", points_in_tenths(&one.last_minus_first)),
        None => format!("in {place}"),
    }
}

/// How large a difference is, whatever its sign.
fn size(trend: &Trend) -> f64 {
    trend.last_minus_first.estimate.unwrap_or_default().abs()
}

fn no_trend(known: &[&Trend]) -> String {
    let largest = known.iter().max_by(|a, b| size(a).total_cmp(&size(b)));
    let largest = largest.map_or_else(String::new, |trend| {
        format!(": the largest difference between the last and the first quarter of a sequence is {} in layer {}, and its interval contains 0",
            points_in_tenths(&trend.last_minus_first), trend.layer)
    });
    format!("Later tokens are not measurably dropped more or less{largest}.")
}

/// How much of a rise the queue explains.
fn queue(verdict: &DropsVerdict) -> Option<String> {
    let (answer, least) = verdict.overall.queue?;
    let least = (least.max(0.0) * 100.0).floor();
    Some(match answer {
        RiseIsTheQueue::AtLeastHalf => format!(
            "At least {least:.0} % of this rise is the experts' queues filling up, whatever the text says: tokens in random order show it too."
        ),
        RiseIsTheQueue::NotShown => format!(
            "How much of this rise is only the experts' queues filling up cannot be told: tokens in random order are shown to give {least:.0} % of it, less than half."
        ),
    })
}

/// How many intervals of what is left above random order miss 0, in which direction, and how many would by chance.
fn beside_random_order(intervals: IntervalsThatMissZero, verdict: &DropsVerdict) -> String {
    let IntervalsThatMissZero { all, above, below, by_chance } = intervals;
    let sets = if verdict.datasets.is_empty() { "layer by layer" } else { "for each data set and layer" };
    let misses = above + below;
    let verb = if misses == 1 { "misses" } else { "miss" };
    format!(
        "Compared with random order, {sets}, {misses} of {all} intervals {verb} zero, {above} above and {below} below it; {} would by chance.",
        expected(by_chance)
    )
}

/// The layer that drops most.
fn most_dropped(most: &Evidence, layers: usize) -> String {
    let most_of = if layers > 1 { ", which drops most," } else { "" };
    format!("Layer {}{most_of} drops {} of its assignments of tokens to experts.", most.finding.layer, ratio(most))
}
