//! What a drops run answers first: whether later tokens are dropped more, whether that is the queue, and how many intervals say so.

use crate::{
    report::words::{
        drops::{reason, source_prefix},
        entry::VerdictEntry,
        layers::named,
        numbers::{expected, points_in_tenths, points_without_sign, ratio},
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
        LaterTokens::MoreInSomeLayers => format!("Later tokens are dropped more{}.", extent(&rises, layers, "more")),
        LaterTokens::LessInSomeLayers => format!("Later tokens are dropped less{}.", extent(&falls, layers, "less")),
        LaterTokens::MoreInSomeLessInOthers => {
            let less: Vec<LayerId> = falls.iter().map(|trend| trend.layer).collect();
            format!("Later tokens are dropped less in {}, but more{}.", named(&less), extent(&rises, layers, "more"))
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

/// ": up to 5.4 points [4.7, 6.3] more in the last quarter than in the first (layer 5)", after the layers where they are not all.
fn extent(trends: &[&Trend], layers: usize, more: &str) -> String {
    let ids: Vec<LayerId> = trends.iter().map(|trend| trend.layer).collect();
    let place = if ids.len() == layers { String::new() } else { format!(" in {}", named(&ids)) };
    let Some(most) = trends.iter().max_by(|a, b| size(a).total_cmp(&size(b))) else { return place };
    let up_to = if ids.len() > 1 { "up to " } else { "" };
    let points = points_without_sign(&most.last_minus_first);
    let layer = most.layer;
    format!("{place}: {up_to}{points} {more} in the last quarter of a sequence than in the first (layer {layer})")
}

/// How large a difference is, whatever its sign.
fn size(trend: &Trend) -> f64 {
    trend.last_minus_first.estimate.unwrap_or_default().abs()
}

fn no_trend(known: &[&Trend]) -> String {
    let largest = known.iter().max_by(|a, b| size(a).total_cmp(&size(b)));
    let largest = largest.map_or_else(String::new, |trend| {
        format!(
            ": the largest difference between the last and the first quarter of a sequence is {} (layer {})",
            points_in_tenths(&trend.last_minus_first),
            trend.layer
        )
    });
    format!("Later tokens are not measurably dropped more or less{largest}.")
}

/// How much of a rise the queue explains.
fn queue(verdict: &DropsVerdict) -> Option<String> {
    let (answer, least) = verdict.overall.queue?;
    let least = (least.max(0.0) * 100.0).floor();
    Some(match answer {
        RiseIsTheQueue::AtLeastHalf => {
            let rising = verdict.trends().filter(|trend| trend.answer.is_more()).count();
            let subject = match rising {
                0 | 1 => format!("At least {least:.0} % of this rise"),
                _ if rising == verdict.layers.len() => format!("In every layer at least {least:.0} % of the rise"),
                _ => format!("In every layer where it rises, at least {least:.0} % of the rise"),
            };
            format!(
                "{subject} is the experts' queues filling up, whatever the text says: tokens in random order show it too."
            )
        }
        RiseIsTheQueue::NotShown => {
            let bound = if least < 1.0 { String::new() } else { format!(": at least {least:.0} % is") };
            format!("This text does not tell how much of the rise is only the experts' queues filling up{bound}.")
        }
    })
}

/// How many intervals of what is left above random order miss 0, and how many would by chance; their directions stand among the
/// details.
fn beside_random_order(intervals: IntervalsThatMissZero, verdict: &DropsVerdict) -> String {
    let IntervalsThatMissZero { all, above, below, by_chance } = intervals;
    let each = if verdict.datasets.is_empty() { "layers" } else { "pairs of data set and layer" };
    format!(
        "Compared with tokens in random order, the trend differs in {} of {all} {each}; by chance it would in {}.",
        above + below,
        expected(by_chance)
    )
}

/// The layer that drops most.
fn most_dropped(most: &Evidence, layers: usize) -> String {
    let most_of = if layers > 1 { ", which drops most," } else { "" };
    format!("Layer {}{most_of} drops {} of its assignments of tokens to experts.", most.finding.layer, ratio(most))
}
