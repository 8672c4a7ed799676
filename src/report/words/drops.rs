//! The verdict of `drops` in words.

use super::{
    entry::VerdictEntry,
    layers::{listed, named},
    numbers::{expected, point, points, ratio, signed},
    token::quoted,
};
use crate::{
    error::plural,
    routing::{CapacityPolicy, CapacityRule, LayerId, RecordedDrops},
    stats::{
        AskedCapacity, LAYERS_EACH, OwnCapacity, Role,
        verdict::{
            Capacity, DatasetDrops, Difference, DropsSource, DropsVerdict, Evidence, IntervalsThatMissZero,
            LaterTokens, LayerDrops, Missing, Queue, RankLoads, RiseIsTheQueue, Roles, Side, Trend,
        },
    },
};

/// One line per `MoE` layer (eight at most), one per data set where there are several, one each for roles, queues and capacity, two
/// per compared model, one on how many intervals miss 0; before them whose drops these are, where it is not the run that dropped them.
pub(super) fn lines(verdict: &DropsVerdict) -> Vec<String> {
    let mut lines: Vec<String> = source_line(verdict.source).into_iter().collect();
    lines.extend(verdict.layers.iter().take(LAYERS_EACH).map(layer_line));
    if verdict.layers.len() > LAYERS_EACH {
        lines.push(format!("{} more layers: see summary.json", verdict.layers.len() - LAYERS_EACH));
    }
    lines.extend(verdict.datasets.iter().map(dataset_line));
    lines.extend(verdict.roles.as_ref().map(roles_line));
    lines.extend(queues_line(&verdict.queues));
    lines.extend(verdict.capacity.as_ref().map(capacity_line));
    lines.extend(verdict.placements.iter().map(placement_line));
    lines.extend(verdict.differences.iter().map(difference_line));
    lines.extend(verdict.intervals.map(intervals_line));
    lines
}

/// All layers together, layer by layer, data set by data set, and what explains the drops.
pub(super) fn entries(verdict: &DropsVerdict) -> Vec<VerdictEntry> {
    let of = source_prefix(verdict.source).map_or_else(String::new, |prefix| format!("{}: ", prefix.to_lowercase()));
    let together = VerdictEntry::new(verdict.overall.verdict(), format!("{of}{}", overall(verdict)));
    let queue = verdict.overall.queue_verdict().zip(in_random_order(verdict, "the rise"));
    let mut entries = vec![together];
    entries.extend(queue.map(|(verdict, words)| VerdictEntry::new(verdict, format!("overall: {words}"))));
    entries.extend(verdict.layers.iter().flat_map(layer_entries));
    entries.extend(verdict.datasets.iter().flat_map(dataset_entries));
    entries.extend(verdict.intervals.map(|own| VerdictEntry::new(own.verdict(), intervals_line(own))));
    entries.extend(verdict.roles.as_ref().map(|own| VerdictEntry::new(own.verdict(), roles_line(own))));
    let queue = |own: &Queue| VerdictEntry::new(own.verdict(), format!("{QUEUES}: {}", queue_words(own, usize::MAX)));
    entries.extend(verdict.queues.iter().map(queue));
    entries.extend(verdict.capacity.iter().flat_map(capacity_entries));
    entries.extend(verdict.placements.iter().map(|own| VerdictEntry::new(own.verdict(), placement_line(own))));
    entries.extend(verdict.differences.iter().flat_map(difference_entries));
    entries
}

/// The beginning of a sentence about drops that are not those of the run itself.
pub(super) fn source_prefix(source: DropsSource) -> Option<String> {
    match source {
        DropsSource::OfRun => None,
        DropsSource::Recorded(_) => Some("As recorded".to_owned()),
        DropsSource::Asked(asked) => Some(asked_words(asked).replacen("at", "At", 1)),
    }
}

/// Whose drops these are, where it is not the run that dropped them.
fn source_line(source: DropsSource) -> Option<String> {
    match source {
        DropsSource::OfRun => None,
        DropsSource::Recorded(recorded) => Some(recorded_words(recorded)),
        DropsSource::Asked(asked) => Some(asked_line(asked)),
    }
}

/// That the drops are those of a capacity that was asked for.
fn asked_line(asked: AskedCapacity) -> String {
    let at = asked_words(asked);
    let own = match asked.own {
        OwnCapacity::NotRecorded => "no capacity in this record".to_owned(),
        OwnCapacity::NoneInModel => "the model has no capacity and drops nothing".to_owned(),
        OwnCapacity::Recorded(recorded) if recorded.dropped.is_some() => {
            return format!(
                "{}; what follows is a replay of its choices {at}, beside what was recorded",
                recorded_words(recorded)
            );
        }
        OwnCapacity::Recorded(recorded) => recorded_words(recorded),
    };
    format!("{own}; what follows would be dropped of its choices {at}")
}

/// What a record says about its own drops.
fn recorded_words(recorded: RecordedDrops) -> String {
    let at = recorded.capacity.map(policy_words);
    if let Some(share) = recorded.share() {
        let at = at.map_or_else(|| "at a capacity that it does not say".to_owned(), |at| format!("at {at}"));
        return format!("the record says what was dropped: {:.2} % of its assignments, {at}", share * 100.0);
    }
    format!("the record has {}, and does not say what was dropped", at.unwrap_or_else(|| "no capacity".to_owned()))
}

fn policy_words(policy: CapacityPolicy) -> String {
    match policy.rule {
        CapacityRule::Unlimited => "no limit of capacity".to_owned(),
        rule => format!("capacity factor {} (rule {rule})", policy.factor),
    }
}

fn asked_words(asked: AskedCapacity) -> String {
    let AskedCapacity { group, policy, .. } = asked;
    format!("at capacity factor {} (rule {}, group {group})", policy.factor, policy.rule)
}

/// How long the ranks of a placement wait for the slowest one.
fn placement_line(placement: &RankLoads) -> String {
    let range = |numbers: &[Evidence]| {
        let values = || numbers.iter().filter_map(|number| number.estimate);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        let [low, high] = [low, high].map(|end| format!("{end:.2}"));
        if low == high { low } else { format!("{low} to {high}") }
    };
    format!(
        "experts on {} ranks: the most loaded one has {} times the mean load batch by batch, {} times over all tokens{}",
        placement.ranks,
        range(&placement.by_batch),
        range(&placement.over_all),
        if placement.over_all.len() == 1 { "" } else { ", by layer" },
    )
}

/// What holds over all texts.
fn overall(verdict: &DropsVerdict) -> String {
    if verdict.layers.is_empty() {
        return "not enough data: no MoE layer has a drop ratio".to_owned();
    }
    let known = || verdict.trends().filter(|trend| trend.answer.is_known());
    let rises: Vec<&Trend> = known().filter(|trend| trend.answer.is_more()).collect();
    let falls: Vec<&Trend> = known().filter(|trend| trend.answer == LaterTokens::Less).collect();
    let more = || format!("later tokens are dropped more in {}", extent(&rises));
    let less = || format!("later tokens are dropped less in {}", extent(&falls));
    let words = match verdict.overall.answer {
        LaterTokens::NothingDropped => vec!["nothing is dropped".to_owned()],
        LaterTokens::MoreInSomeLayers => {
            [Some(more()), in_random_order(verdict, "that")].into_iter().flatten().collect()
        }
        LaterTokens::LessInSomeLayers => vec![less()],
        LaterTokens::MoreInSomeLessInOthers => {
            [Some(more()), in_random_order(verdict, "that"), Some(less())].into_iter().flatten().collect()
        }
        LaterTokens::NoTrend => vec!["later tokens are not measurably dropped more in any layer".to_owned()],
        _ => vec!["not enough data to say whether later tokens are dropped more".to_owned()],
    };
    format!("overall: {}", words.join("; "))
}

/// Words such as "layers 1, 3 (+1.44 to +5.43 points)".
fn extent(trends: &[&Trend]) -> String {
    let estimates = || trends.iter().filter_map(|trend| trend.last_minus_first.estimate);
    let (low, high) = (estimates().fold(f64::INFINITY, f64::min), estimates().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = (point(low), point(high));
    let points = if low == high { low } else { format!("{low} to {high}") };
    format!("{} ({points} points)", layer_names(trends))
}

fn layer_names(trends: &[&Trend]) -> String {
    named(&trends.iter().map(|trend| trend.layer).collect::<Vec<LayerId>>())
}

/// How much of a rise remains in random order. `rise` names the rise.
fn in_random_order(verdict: &DropsVerdict, rise: &str) -> Option<String> {
    let (answer, least) = verdict.overall.queue?;
    Some(match answer {
        RiseIsTheQueue::AtLeastHalf => {
            format!("at least {:.0} % of {rise} is there in random order too: it is the queue", (least * 100.0).floor())
        }
        RiseIsTheQueue::NotShown => format!("random order alone may not give half of {rise}"),
    })
}

fn layer_line(layer: &LayerDrops) -> String {
    let dropped = layer.ratio.as_ref().map_or_else(|| "no drop ratio".to_owned(), dropped_words);
    let absent = || {
        let why = layer.no_trend.as_ref().map(|note| format!(" ({note})"));
        format!("no trend was measured{}", why.unwrap_or_default())
    };
    let trend = layer.trend.as_ref().map_or_else(absent, trend_words);
    format!("layer {}: {dropped}; {trend}", layer.layer)
}

/// How much is dropped, or why that is not known.
fn dropped_words(own: &Evidence) -> String {
    if own.estimate.is_some() {
        return format!("{} of the assignments are dropped", ratio(own));
    }
    let why = own.missing.as_ref().and_then(Missing::note).map(|note| format!(" ({note})"));
    format!("no drop ratio{}", why.unwrap_or_default())
}

fn layer_entries(layer: &LayerDrops) -> Vec<VerdictEntry> {
    let own = VerdictEntry::new(layer.verdict(), layer_line(layer));
    std::iter::once(own).chain(layer.trend.as_ref().map(side_entry)).collect()
}

fn trend_words(trend: &Trend) -> String {
    let what = match trend.answer {
        LaterTokens::MoreThanInRandomOrder => "later tokens are dropped more, beyond what random order gives",
        LaterTokens::LessThanInRandomOrder => "later tokens are dropped more, but less than random order would",
        LaterTokens::AsInRandomOrder => "later tokens are dropped more, but no more than in random order",
        LaterTokens::More => "later tokens are dropped more",
        LaterTokens::Less => "later tokens are dropped less",
        LaterTokens::NotEnoughData => return format!("not enough data for a trend ({})", reason(trend)),
        _ => "no trend",
    };
    let number = &trend.last_minus_first;
    let shape = if trend.is_u_shaped() { ", U-shaped" } else { "" };
    let in_random_order = match number.baseline {
        Some(_) => format!("in random order {}, left {}", signed(number.baseline), left(trend)),
        None => "in random order not known".to_owned(),
    };
    format!(
        "last quarter minus first quarter of {} {}, {in_random_order}: {what}{shape}",
        plural(number.n, "sequence"),
        points(number)
    )
}

/// Why a trend is not known.
pub(super) fn reason(trend: &Trend) -> &str {
    trend.last_minus_first.missing.as_ref().and_then(Missing::note).unwrap_or("no interval")
}

/// The difference from random order.
fn left(trend: &Trend) -> String {
    trend.excess.as_ref().map_or_else(|| "unknown".to_owned(), points)
}

fn side_entry(trend: &Trend) -> VerdictEntry {
    let set = trend.dataset.as_deref().map(|name| format!("data set {name}, ")).unwrap_or_default();
    let words = match trend.side {
        Side::Above => format!("above random order by {}", left(trend)),
        Side::Below => format!("below random order by {}", left(trend)),
        Side::NotMeasurably => format!("does not differ from random order: {}", left(trend)),
        Side::NotEnoughData => "not enough data to compare with random order".to_owned(),
    };
    VerdictEntry::new(trend.side_verdict(), format!("{set}layer {}: {words}", trend.layer))
}

/// How many intervals do not contain 0, and how many would not by chance.
fn intervals_line(intervals: IntervalsThatMissZero) -> String {
    let IntervalsThatMissZero { all, above, below, by_chance } = intervals;
    let expected = expected(by_chance);
    format!(
        "of {all} intervals of what is left above random order, {above} lie{} above 0 and {below} below; by chance {expected} would miss 0",
        if above == 1 { "s" } else { "" },
    )
}

/// One data set over all layers.
fn dataset_line(set: &DatasetDrops) -> String {
    let dataset = &set.dataset;
    let known: Vec<&Trend> = set.trends.iter().filter(|trend| trend.answer.is_known()).collect();
    if known.is_empty() {
        return format!("data set {dataset}: not enough data ({})", set.trends.first().map_or("no interval", reason));
    }
    let of =
        |holds: fn(&Trend) -> bool| -> Vec<&Trend> { known.iter().copied().filter(|trend| holds(trend)).collect() };
    let (rises, bowl) = (of(|trend| trend.answer.is_more()), of(Trend::is_u_shaped));
    let trend = if rises.is_empty() {
        format!("later tokens are not dropped more in any of {} layers", known.len())
    } else {
        format!("later tokens are dropped more in {}", layer_names(&rises))
    };
    let above = beside_random_order("above", &of(|trend| trend.side == Side::Above));
    let below = beside_random_order("below", &of(|trend| trend.side == Side::Below));
    let neither = (above.is_none() && below.is_none()).then(|| "no layer differs from random order".to_owned());
    let shape = (!bowl.is_empty()).then(|| format!("U-shaped in {}", layer_names(&bowl)));
    let words: Vec<String> =
        std::iter::once(trend).chain([above, below, neither, shape].into_iter().flatten()).collect();
    format!("data set {dataset} ({}): {}", plural(set.sequences(), "sequence"), words.join("; "))
}

/// The layers of a data set that lie on one side of random order.
fn beside_random_order(side: &str, trends: &[&Trend]) -> Option<String> {
    let excesses: Vec<&Evidence> = trends.iter().filter_map(|trend| trend.excess.as_ref()).collect();
    let words = |number: &Evidence| format!("layer {} by {}", number.finding.layer, points(number));
    let each = listed(&excesses, words, |value| signed(Some(value)));
    (!excesses.is_empty()).then(|| format!("{side} random order: {each}"))
}

fn dataset_entries(set: &DatasetDrops) -> Vec<VerdictEntry> {
    let together = VerdictEntry::new(set.verdict(), dataset_line(set));
    let layers = set.trends.iter().flat_map(|trend| {
        let words = format!("data set {}, layer {}: {}", set.dataset, trend.layer, trend_words(trend));
        [VerdictEntry::new(trend.verdict(), words), side_entry(trend)]
    });
    std::iter::once(together).chain(layers).collect()
}

/// Who loses most, in the layer that drops most.
fn roles_line(roles: &Roles) -> String {
    let role = |own: &Evidence| format!("{} {}", own.finding.subject.role.map_or("", Role::name), ratio(own));
    let each: Vec<String> = roles.each.iter().map(role).collect();
    format!("by role in layer {}, which drops most: {}", roles.layer, each.join(", "))
}

/// The words before the queues.
const QUEUES: &str = "queues that overflow most, and the tokens that fill them";

/// What fills the queue that loses most, layer by layer.
fn queues_line(queues: &[Queue]) -> Option<String> {
    let (shown, others) = queues.split_at(queues.len().min(LAYERS_EACH));
    let more = (!others.is_empty()).then(|| format!("{} more layers: see summary.json", others.len()));
    // Of many layers the first token of each: all of them would make a line of many hundred characters.
    let tokens = if others.is_empty() { usize::MAX } else { 1 };
    let each: Vec<String> = shown.iter().map(|queue| queue_words(queue, tokens)).chain(more).collect();
    (!each.is_empty()).then(|| format!("{QUEUES}: {}", each.join("; ")))
}

fn queue_words(queue: &Queue, most: usize) -> String {
    let token =
        |own: &Evidence| format!("{} {:.0} %", quoted(&own.finding.subject), own.estimate.unwrap_or_default() * 100.0);
    let tokens: Vec<String> = queue.tokens.iter().take(most).map(token).collect();
    format!("expert {} of layer {} ({})", queue.expert, queue.layer, tokens.join(", "))
}

fn capacity_head(capacity: &Capacity) -> String {
    format!("capacity factor that would drop at most 1 % (replay of the choices, rule {})", capacity.rule)
}

/// The capacity that would be enough, by the run's own rule.
fn capacity_line(capacity: &Capacity) -> String {
    let factors: Vec<&Evidence> = capacity.factors.iter().collect();
    let each = listed(&factors, factor_words, |factor| format!("{factor:.2}"));
    format!("{}: {each}", capacity_head(capacity))
}

fn factor_words(number: &Evidence) -> String {
    let (factor, layer) = (number.estimate.unwrap_or_default(), number.finding.layer);
    match number.low.zip(number.high) {
        Some((low, high)) => format!("{factor:.2} [{low:.2}, {high:.2}] in layer {layer}"),
        None => format!("{factor:.2} in layer {layer}"),
    }
}

fn capacity_entries(capacity: &Capacity) -> Vec<VerdictEntry> {
    let head = capacity_head(capacity);
    let entry =
        |factor: &Evidence| VerdictEntry::new(Capacity::verdict(factor), format!("{head}: {}", factor_words(factor)));
    capacity.factors.iter().map(entry).collect()
}

fn difference_head(difference: &Difference) -> String {
    let what = if difference.is_trend { "last quarter minus first quarter" } else { "drop ratio" };
    format!("{} against {}, {what}", difference.checkpoint, difference.reference)
}

/// How much a model drops, or where, compared with the other model.
fn difference_line(difference: &Difference) -> String {
    let numbers: Vec<&Evidence> = difference.layers.iter().map(|(_, number)| number).collect();
    let each = listed(&numbers, difference_words, |value| signed(Some(value)));
    format!("{}: {each}", difference_head(difference))
}

fn difference_words(number: &Evidence) -> String {
    format!("{} in layer {}", points(number), number.finding.layer)
}

fn difference_entries(difference: &Difference) -> Vec<VerdictEntry> {
    let head = difference_head(difference);
    let entry = |layer: &(Side, Evidence)| {
        VerdictEntry::new(difference.verdict(layer), format!("{head}: {}", difference_words(&layer.1)))
    };
    difference.layers.iter().map(entry).collect()
}

#[cfg(test)]
mod tests;
