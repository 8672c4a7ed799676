//! The verdict of `drops` in words, derived from the ends of the intervals and never from a point estimate alone.

use std::collections::BTreeSet;

use crate::{
    chart::visible,
    routing::{ExpertId, LayerId},
    stats::{Finding, GROUPS_OF_RUN, Statistic, Variant},
};

/// Layers that get a line of their own.
const LAYERS_SHOWN: usize = 8;
/// What the intervals cover.
const CONFIDENCE: f64 = 0.95;

/// The verdict in sentences: all layers together, one line per `MoE` layer (eight at most), one per data set where there are
/// several, one that counts their intervals, one per compared model.
///
/// Whether later tokens are dropped more is decided by `drop_trend`, variant `last_minus_first`, alone: it is there if the
/// interval lies above 0, and more than queue mechanics if what is left above random order does too. For the latter each
/// sequence is compared with its own permutations (variant `last_minus_first_excess`): the interval of the difference of
/// the means would also hold how much more one text's queues overflow than another's.
pub fn drops_verdict(findings: &[Finding]) -> Vec<String> {
    let own: Vec<&Finding> = findings.iter().filter(|row| row.checkpoint.is_none()).collect();
    let layers: BTreeSet<LayerId> = own.iter().map(|row| row.layer).collect();
    if layers.is_empty() {
        return vec!["not enough data: no MoE layer has a drop ratio".to_owned()];
    }
    let trends = Trend::over_all(&own, &layers);
    let summary = if is_nothing_dropped(&own) { "nothing is dropped".to_owned() } else { overall(&trends) };
    let mut lines = vec![format!("overall: {summary}")];
    lines.extend(layers.iter().take(LAYERS_SHOWN).map(|layer| layer_line(&own, *layer)));
    if layers.len() > LAYERS_SHOWN {
        lines.push(format!("{} more layers: see summary.json", layers.len() - LAYERS_SHOWN));
    }
    lines.extend(dataset_lines(&own, &layers, &trends));
    lines.extend(roles_line(&own));
    lines.extend(causes_line(&own));
    lines.extend(capacity_line(&own));
    lines.extend(difference_lines(findings));
    lines
}

/// Who loses most, in the layer that drops most.
fn roles_line(rows: &[&Finding]) -> Option<String> {
    let ratio = |row: &&&Finding| row.statistic == Statistic::AssignmentDropRatio && row.estimate.is_some();
    let worst = rows
        .iter()
        .filter(ratio)
        .filter(|row| row.is_over_all())
        .max_by(|a, b| a.estimate.unwrap_or_default().total_cmp(&b.estimate.unwrap_or_default()))?;
    let of_role =
        |row: &&&Finding| row.layer == worst.layer && row.role.is_some() && row.turn.is_none() && row.dataset.is_none();
    let each: Vec<String> = rows
        .iter()
        .filter(ratio)
        .filter(of_role)
        .map(|row| format!("{} {}", row.role.as_deref().unwrap_or_default(), share(row)))
        .collect();
    (!each.is_empty()).then(|| format!("by role in layer {}, which drops most: {}", worst.layer, each.join(", ")))
}

/// What fills the queue that loses most, layer by layer.
fn causes_line(rows: &[&Finding]) -> Option<String> {
    let mut layers: Vec<(LayerId, ExpertId, Vec<String>)> = Vec::new();
    let ranked =
        rows.iter().filter(|row| row.statistic == Statistic::DropCauses && row.variant == Some(Variant::Token));
    for row in ranked {
        let (Some(expert), Some(estimate)) = (row.expert, row.estimate) else { continue };
        let text = row.text.as_deref().map_or_else(|| "?".to_owned(), visible);
        let words = format!("\"{text}\" {:.0} %", estimate * 100.0);
        match layers.iter_mut().find(|known| known.0 == row.layer) {
            None => layers.push((row.layer, expert, vec![words])),
            Some(known) if known.1 == expert => known.2.push(words),
            Some(_) => {}
        }
    }
    let each: Vec<String> = layers
        .into_iter()
        .take(LAYERS_SHOWN)
        .map(|(layer, expert, tokens)| format!("expert {expert} of layer {layer} ({})", tokens.join(", ")))
        .collect();
    (!each.is_empty()).then(|| format!("queues that overflow most, and the tokens that fill them: {}", each.join("; ")))
}

/// The capacity that would do, by the run's own rule.
fn capacity_line(rows: &[&Finding]) -> Option<String> {
    let replay = || rows.iter().filter(|row| row.statistic == Statistic::CapacityReplay && row.dataset.is_none());
    let rule = replay().find(|row| row.priority.is_some() && row.capacity_factor.is_some())?.rule.as_deref()?;
    let each: Vec<String> = replay()
        .filter(|row| row.rule.as_deref() == Some(rule) && row.grouping.as_deref() == Some(GROUPS_OF_RUN))
        .filter(|row| row.variant == Some(Variant::FactorForOnePercent))
        .filter_map(|row| Some((row, row.estimate?)))
        .map(|(row, factor)| match row.low.zip(row.high) {
            Some((low, high)) => format!("{factor:.2} [{low:.2}, {high:.2}] in layer {}", row.layer),
            None => format!("{factor:.2} in layer {}", row.layer),
        })
        .collect();
    (!each.is_empty()).then(|| {
        format!("capacity factor that would drop at most 1 % (replay of the choices, rule {rule}): {}", each.join(", "))
    })
}

fn layer_line(rows: &[&Finding], layer: LayerId) -> String {
    let ratio = rows
        .iter()
        .find(|row| row.layer == layer && row.statistic == Statistic::AssignmentDropRatio && row.is_over_all());
    let dropped = ratio
        .map_or_else(|| "no drop ratio".to_owned(), |row| format!("{} of the assignments are dropped", share(row)));
    match Trend::of(rows, layer, None) {
        Some(trend) => format!("layer {layer}: {dropped}; {}", trend.words()),
        None => format!("layer {layer}: {dropped}; no trend was measured"),
    }
}

fn is_nothing_dropped(rows: &[&Finding]) -> bool {
    let mut ratios =
        rows.iter().filter(|row| row.statistic == Statistic::AssignmentDropRatio && row.is_over_all()).peekable();
    ratios.peek().is_some() && ratios.all(|row| row.estimate == Some(0.0))
}

/// What holds over all texts.
fn overall<'a>(trends: &[(LayerId, Trend<'a>)]) -> String {
    let known: Vec<&(LayerId, Trend<'a>)> = trends.iter().filter(|(_, trend)| trend.is_known()).collect();
    if known.is_empty() {
        return "not enough data to say whether later tokens are dropped more".to_owned();
    }
    let of = |holds: fn(&Trend<'a>) -> bool| -> Vec<&(LayerId, Trend<'a>)> {
        known.iter().copied().filter(|(_, trend)| holds(trend)).collect()
    };
    let (rises, falls) = (of(Trend::rises), of(Trend::falls));
    let fewer = (!falls.is_empty()).then(|| format!("later tokens are dropped less in {}", extent(&falls)));
    if rises.is_empty() {
        return fewer.unwrap_or_else(|| "later tokens are not measurably dropped more in any layer".to_owned());
    }
    let more = format!("later tokens are dropped more in {}", extent(&rises));
    [Some(more), in_random_order(&rises), fewer].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// "layers 1, 3 (+1.44 to +5.43 points)".
fn extent(trends: &[&(LayerId, Trend)]) -> String {
    let estimates = || trends.iter().filter_map(|(_, trend)| trend.row.estimate);
    let (low, high) = (estimates().fold(f64::INFINITY, f64::min), estimates().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = (number(low), number(high));
    let points = if low == high { low } else { format!("{low} to {high}") };
    format!("{} ({points} points)", layer_names(trends))
}

/// How much of a rise is there in random order too, in the layer where that is least: by the upper end of what is left and the
/// lower end of the rise.
fn in_random_order(rises: &[&(LayerId, Trend)]) -> Option<String> {
    let part = |trend: &Trend| Some(1.0 - trend.excess?.high?.max(0.0) / trend.row.low?);
    let parts: Vec<f64> = rises.iter().map(|(_, trend)| part(trend)).collect::<Option<_>>()?;
    let least = parts.into_iter().fold(1.0, f64::min);
    Some(if least >= 0.5 {
        format!("at least {:.0} % of that is there in random order too: it is the queue", (least * 100.0).floor())
    } else {
        "random order alone may not give half of that".to_owned()
    })
}

/// A line for each data set and one that counts; none for a single one that is everything.
fn dataset_lines(rows: &[&Finding], layers: &BTreeSet<LayerId>, over_all: &[(LayerId, Trend)]) -> Vec<String> {
    let mut names: Vec<&str> = rows.iter().filter_map(|row| row.dataset.as_deref()).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    let of = |name: &str| -> Vec<(LayerId, Trend)> {
        layers.iter().filter_map(|layer| Some((*layer, Trend::of(rows, *layer, Some(name))?))).collect()
    };
    let sets: Vec<(&str, Vec<(LayerId, Trend)>)> = names.into_iter().map(|name| (name, of(name))).collect();
    let sequences = |trends: &[(LayerId, Trend)]| trends.iter().map(|(_, trend)| trend.row.n).collect::<Vec<_>>();
    if sets.len() < 2 && sets.iter().all(|(_, only)| sequences(only) == sequences(over_all)) {
        return chance_line(over_all).into_iter().collect();
    }
    let mut lines: Vec<String> = sets.iter().map(|(name, trends)| dataset_line(name, trends)).collect();
    let all: Vec<(LayerId, Trend)> = sets.into_iter().flat_map(|(_, trends)| trends).collect();
    lines.extend(chance_line(&all));
    lines
}

/// How many intervals miss 0, and how many would by chance: who looks at many finds some.
fn chance_line<'a>(trends: &[(LayerId, Trend<'a>)]) -> Option<String> {
    let known: Vec<&Trend<'a>> =
        trends.iter().map(|(_, trend)| trend).filter(|trend| trend.is_excess_known()).collect();
    let count = |holds: fn(&Trend<'a>) -> bool| known.iter().filter(|trend| holds(trend)).count();
    let (above, below) = (count(Trend::is_above), count(Trend::is_below));
    let expected = known.len() as f64 * (1.0 - CONFIDENCE);
    let expected = if expected < 0.5 { "less than 1".to_owned() } else { format!("about {:.0}", expected.round()) };
    (known.len() > 1).then(|| {
        format!(
            "of {} intervals of what is left above random order, {above} lie{} above 0 and {below} below; by chance {expected} would miss 0",
            known.len(),
            if above == 1 { "s" } else { "" },
        )
    })
}

/// One data set over all layers.
fn dataset_line<'a>(dataset: &str, trends: &[(LayerId, Trend<'a>)]) -> String {
    let known = trends.iter().filter(|(_, trend)| trend.is_known()).count();
    if known == 0 {
        let reason = trends.first().and_then(|(_, trend)| trend.row.note.as_deref()).unwrap_or("no interval");
        return format!("data set {dataset}: not enough data ({reason})");
    }
    let of = |holds: fn(&Trend<'a>) -> bool| -> Vec<&(LayerId, Trend<'a>)> {
        trends.iter().filter(|(_, trend)| trend.is_known() && holds(trend)).collect()
    };
    let (rises, bowl) = (of(Trend::rises), of(|trend| trend.is_u_shaped));
    let trend = if rises.is_empty() {
        format!("later tokens are not dropped more in any of {known} layers")
    } else {
        format!("later tokens are dropped more in {}", layer_names(&rises))
    };
    let left = |where_to: &str, trends: &[&(LayerId, Trend)]| {
        let each: Vec<String> =
            trends.iter().map(|(layer, trend)| format!("layer {layer} by {}", trend.left())).collect();
        (!each.is_empty()).then(|| format!("{where_to} random order: {}", each.join(", ")))
    };
    let (above, below) = (left("above", &of(Trend::is_above)), left("below", &of(Trend::is_below)));
    let neither = (above.is_none() && below.is_none()).then(|| "no layer differs from random order".to_owned());
    let shape = (!bowl.is_empty()).then(|| format!("U-shaped in {}", layer_names(&bowl)));
    let words: Vec<String> =
        std::iter::once(trend).chain([above, below, neither, shape].into_iter().flatten()).collect();
    let sequences = trends.iter().map(|(_, trend)| trend.row.n).max().unwrap_or_default();
    format!("data set {dataset} ({sequences} sequences): {}", words.join("; "))
}

fn layer_names(trends: &[&(LayerId, Trend)]) -> String {
    let names: Vec<String> = trends.iter().map(|(layer, _)| layer.to_string()).collect();
    format!("layer{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

/// Two lines for each model that is compared with the first: how much it drops, and where.
fn difference_lines(findings: &[Finding]) -> Vec<String> {
    let of = |compared: Statistic, what: &str| -> Vec<String> {
        let rows = findings.iter().filter(|row| {
            row.statistic == Statistic::DropDifference
                && row.variant == Some(Variant::Of(compared))
                && row.is_over_all()
        });
        let mut lines: Vec<(String, Vec<String>)> = Vec::new();
        for row in rows {
            let names = [&row.checkpoint, &row.reference].map(|name| name.as_deref().unwrap_or_default());
            let head = format!("{} against {}, {what}", names[0], names[1]);
            let words = format!("{} in layer {}", points(row.estimate, row.low, row.high), row.layer);
            match lines.iter_mut().find(|(known, _)| *known == head) {
                Some((_, parts)) => parts.push(words),
                None => lines.push((head, vec![words])),
            }
        }
        lines.into_iter().map(|(head, parts)| format!("{head}: {}", parts.join(", "))).collect()
    };
    [of(Statistic::AssignmentDropRatio, "drop ratio"), of(Statistic::DropTrend, "last quarter minus first quarter")]
        .concat()
}

/// The trend of a layer, over all or of a data set.
struct Trend<'a> {
    row: &'a Finding,
    /// What is left above random order, sequence by sequence.
    excess: Option<&'a Finding>,
    is_u_shaped: bool,
}

impl<'a> Trend<'a> {
    /// The trends over all texts, layer by layer.
    fn over_all(rows: &[&'a Finding], layers: &BTreeSet<LayerId>) -> Vec<(LayerId, Self)> {
        layers.iter().filter_map(|layer| Some((*layer, Self::of(rows, *layer, None)?))).collect()
    }

    fn of(rows: &[&'a Finding], layer: LayerId, dataset: Option<&str>) -> Option<Self> {
        let row = |variant: Variant| {
            rows.iter().copied().find(|row| {
                row.statistic == Statistic::DropTrend
                    && row.layer == layer
                    && row.dataset.as_deref() == dataset
                    && row.variant == Some(variant)
            })
        };
        let above = |variant: Variant| row(variant).is_some_and(|row| row.low.is_some_and(|low| low > 0.0));
        let is_u_shaped = above(Variant::FirstMinusMiddle) && above(Variant::LastMinusMiddle);
        Some(Self { row: row(Variant::LastMinusFirst)?, excess: row(Variant::LastMinusFirstExcess), is_u_shaped })
    }

    fn is_known(&self) -> bool {
        self.row.estimate.is_some() && self.row.low.is_some()
    }

    fn rises(&self) -> bool {
        self.row.low.is_some_and(|low| low > 0.0)
    }

    fn falls(&self) -> bool {
        self.row.high.is_some_and(|high| high < 0.0)
    }

    fn is_excess_known(&self) -> bool {
        self.excess.is_some_and(|row| row.low.is_some() && row.high.is_some())
    }

    fn is_above(&self) -> bool {
        self.excess.is_some_and(|row| row.low.is_some_and(|low| low > 0.0))
    }

    fn is_below(&self) -> bool {
        self.excess.is_some_and(|row| row.high.is_some_and(|high| high < 0.0))
    }

    /// What is left above random order.
    fn left(&self) -> String {
        self.excess.map_or_else(|| "unknown".to_owned(), |row| points(row.estimate, row.low, row.high))
    }

    fn words(&self) -> String {
        let row = self.row;
        if !self.is_known() {
            return format!("not enough data for a trend ({})", row.note.as_deref().unwrap_or("no interval"));
        }
        let what = if self.rises() && self.is_above() {
            "later tokens are dropped more, beyond what random order gives"
        } else if self.rises() && self.is_below() {
            "later tokens are dropped more, but less than random order would"
        } else if self.rises() {
            "later tokens are dropped more, but no more than in random order"
        } else if self.falls() {
            "later tokens are dropped less"
        } else {
            "no trend"
        };
        let shape = if self.is_u_shaped { ", U-shaped" } else { "" };
        format!(
            "last quarter minus first quarter of {} sequences {}, in random order {}, left {}: {what}{shape}",
            row.n,
            points(row.estimate, row.low, row.high),
            signed(row.baseline),
            self.left()
        )
    }
}

/// A ratio in percent with its interval.
fn share(row: &Finding) -> String {
    let percent = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("{:.2}", value * 100.0));
    match row.low {
        Some(_) => format!("{} % [{}, {}]", percent(row.estimate), percent(row.low), percent(row.high)),
        None => format!("{} %", percent(row.estimate)),
    }
}

/// A difference of ratios in percentage points with its interval.
fn points(estimate: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    match low.zip(high) {
        Some((low, high)) => format!("{} [{}, {}]", signed(estimate), number(low), number(high)),
        None => signed(estimate),
    }
}

fn signed(value: Option<f64>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| format!("{} points", number(value)))
}

/// Percentage points with their sign; an end that is not 0 does not look like it, and what is as good as 0 has no sign.
fn number(value: f64) -> String {
    let is_zero = |text: &str| text.trim_start_matches(['+', '-']).chars().all(|digit| digit == '0' || digit == '.');
    let texts = [2, 3, 4].map(|decimals| format!("{:+.decimals$}", value * 100.0));
    texts.into_iter().find(|text| !is_zero(text)).unwrap_or_else(|| "0.00".to_owned())
}

#[cfg(test)]
mod tests;
