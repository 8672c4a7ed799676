//! The verdict of `drops` in words, derived from the ends of the intervals and never from a point estimate alone.

use std::collections::BTreeSet;

use crate::{
    chart::visible,
    routing::{ExpertId, LayerId},
    stats::Finding,
};

/// Layers that get a line of their own.
const LAYERS_SHOWN: usize = 8;

/// The verdict in sentences: one line per `MoE` layer (eight at most), one per data set, one per compared model.
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
    let mut lines: Vec<String> = layers.iter().take(LAYERS_SHOWN).map(|layer| layer_line(&own, *layer)).collect();
    if layers.len() > LAYERS_SHOWN {
        lines.push(format!("{} more layers: see summary.json", layers.len() - LAYERS_SHOWN));
    }
    let mut datasets: Vec<&str> = own.iter().filter_map(|row| row.dataset.as_deref()).collect();
    let mut seen = BTreeSet::new();
    datasets.retain(|name| seen.insert(*name));
    lines.extend(datasets.iter().map(|dataset| dataset_line(&own, dataset, &layers)));
    lines.extend(roles_line(&own));
    lines.extend(causes_line(&own));
    lines.extend(capacity_line(&own));
    lines.extend(difference_lines(findings));
    lines
}

/// Who loses most, in the layer that drops most.
fn roles_line(rows: &[&Finding]) -> Option<String> {
    let ratio = |row: &&&Finding| row.statistic == "assignment_drop_ratio" && row.estimate.is_some();
    let worst = rows
        .iter()
        .filter(ratio)
        .filter(|row| is_over_all(row))
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
    let ranked = rows.iter().filter(|row| row.statistic == "drop_causes" && row.variant.as_deref() == Some("token"));
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
    let replay = || rows.iter().filter(|row| row.statistic == "capacity_replay" && row.dataset.is_none());
    let rule = replay().find(|row| row.priority.is_some() && row.capacity_factor.is_some())?.rule.as_deref()?;
    let each: Vec<String> = replay()
        .filter(|row| row.rule.as_deref() == Some(rule) && row.grouping.as_deref() == Some("run"))
        .filter(|row| row.variant.as_deref() == Some("factor_for_1_percent"))
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
    let ratio =
        rows.iter().find(|row| row.layer == layer && row.statistic == "assignment_drop_ratio" && is_over_all(row));
    let dropped = ratio
        .map_or_else(|| "no drop ratio".to_owned(), |row| format!("{} of the assignments are dropped", share(row)));
    match Trend::of(rows, layer, None) {
        Some(trend) => format!("layer {layer}: {dropped}; {}", trend.words()),
        None => format!("layer {layer}: {dropped}; no trend was measured"),
    }
}

/// One data set over all layers.
fn dataset_line(rows: &[&Finding], dataset: &str, layers: &BTreeSet<LayerId>) -> String {
    let trends: Vec<(LayerId, Trend)> =
        layers.iter().filter_map(|layer| Some((*layer, Trend::of(rows, *layer, Some(dataset))?))).collect();
    let known = trends.iter().filter(|(_, trend)| trend.is_known()).count();
    if known == 0 {
        let reason = trends.first().and_then(|(_, trend)| trend.row.note.as_deref()).unwrap_or("no interval");
        return format!("data set {dataset}: not enough data ({reason})");
    }
    let of = |holds: &dyn Fn(&Trend) -> bool| -> Vec<&(LayerId, Trend)> {
        trends.iter().filter(|(_, trend)| trend.is_known() && holds(trend)).collect()
    };
    let rises = of(&|trend| trend.rises());
    let beyond = of(&|trend| trend.is_beyond());
    let bowl = of(&|trend| trend.is_u_shaped);
    let trend = if rises.is_empty() {
        format!("later tokens are not dropped more in any of {known} layers")
    } else {
        format!("later tokens are dropped more in {}", layer_names(&rises))
    };
    let left = if beyond.is_empty() {
        "no layer exceeds random order".to_owned()
    } else {
        let of = |(layer, trend): &&(LayerId, Trend)| format!("layer {layer} by {}", trend.left());
        format!("above random order: {}", beyond.iter().map(of).collect::<Vec<_>>().join(", "))
    };
    let shape = (!bowl.is_empty()).then(|| format!("U-shaped in {}", layer_names(&bowl)));
    let words: Vec<String> = [trend, left].into_iter().chain(shape).collect();
    let sequences = trends.iter().map(|(_, trend)| trend.row.n).max().unwrap_or_default();
    format!("data set {dataset} ({sequences} sequences): {}", words.join("; "))
}

fn layer_names(trends: &[&(LayerId, Trend)]) -> String {
    let names: Vec<String> = trends.iter().map(|(layer, _)| layer.to_string()).collect();
    format!("layer{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

/// Two lines for each model that is compared with the first: how much it drops, and where.
fn difference_lines(findings: &[Finding]) -> Vec<String> {
    let of = |variant: &'static str, what: &str| -> Vec<String> {
        let rows = findings.iter().filter(|row| {
            row.statistic == "drop_difference" && row.variant.as_deref() == Some(variant) && is_over_all(row)
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
    [of("assignment_drop_ratio", "drop ratio"), of("drop_trend", "last quarter less first")].concat()
}

/// Whether a finding speaks of all tokens of the layer.
fn is_over_all(row: &Finding) -> bool {
    row.dataset.is_none()
        && row.category.is_none()
        && row.role.is_none()
        && row.turn.is_none()
        && row.expert.is_none()
        && row.token_id.is_none()
        && row.position.is_none()
}

/// The trend of a layer, over all or of a data set.
struct Trend<'a> {
    row: &'a Finding,
    /// What is left above random order, sequence by sequence.
    excess: Option<&'a Finding>,
    is_u_shaped: bool,
}

impl<'a> Trend<'a> {
    fn of(rows: &[&'a Finding], layer: LayerId, dataset: Option<&str>) -> Option<Self> {
        let variant = |name: &str| {
            rows.iter().copied().find(|row| {
                row.statistic == "drop_trend"
                    && row.layer == layer
                    && row.dataset.as_deref() == dataset
                    && row.variant.as_deref() == Some(name)
            })
        };
        let above = |name: &str| variant(name).is_some_and(|row| row.low.is_some_and(|low| low > 0.0));
        let is_u_shaped = above("first_minus_middle") && above("last_minus_middle");
        Some(Self { row: variant("last_minus_first")?, excess: variant("last_minus_first_excess"), is_u_shaped })
    }

    fn is_known(&self) -> bool {
        self.row.estimate.is_some() && self.row.low.is_some()
    }

    fn rises(&self) -> bool {
        self.row.low.is_some_and(|low| low > 0.0)
    }

    fn is_beyond(&self) -> bool {
        self.rises() && self.excess.is_some_and(|row| row.low.is_some_and(|low| low > 0.0))
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
        let what = if self.is_beyond() {
            "later tokens are dropped more, beyond what random order gives"
        } else if self.rises() && self.is_below() {
            "later tokens are dropped more, but less than random order would"
        } else if self.rises() {
            "later tokens are dropped more, no more than in random order: it is the queue"
        } else if row.high.is_some_and(|high| high < 0.0) {
            "later tokens are dropped less"
        } else {
            "no trend"
        };
        let shape = if self.is_u_shaped { ", U-shaped" } else { "" };
        format!(
            "last quarter less first of {} sequences {}, in random order {}, left {}: {what}{shape}",
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

/// Percentage points with their sign; what rounds to 0 has none.
fn number(value: f64) -> String {
    let text = format!("{:+.2}", value * 100.0);
    if text == "+0.00" || text == "-0.00" { "0.00".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::View;

    /// The trend and what is left of it above random order.
    fn trend(layer: LayerId, variant: &'static str, estimate: f64, left: f64, half: f64) -> Vec<Finding> {
        let row = |variant: &'static str, estimate: f64, baseline: f64| Finding {
            variant: Some(variant.into()),
            estimate: Some(estimate),
            low: Some(estimate - half),
            high: Some(estimate + half),
            baseline: Some(baseline),
            n: 40,
            ..Finding::new("drop_trend", layer, View::Chosen, "share")
        };
        let excess = if variant == "last_minus_first" { "last_minus_first_excess" } else { "other" };
        vec![row(variant, estimate, estimate - left), row(excess, left, 0.0)]
    }

    fn ratio(layer: LayerId) -> Vec<Finding> {
        let row = Finding::new("assignment_drop_ratio", layer, View::Chosen, "share");
        vec![Finding { estimate: Some(0.025), low: Some(0.02), high: Some(0.03), ..row }]
    }

    #[test]
    fn the_interval_decides_and_random_order_is_named() {
        let rows = [
            ratio(1),
            trend(1, "last_minus_first", 0.0587, 0.0021, 0.0010),
            ratio(3),
            trend(3, "last_minus_first", 0.0587, 0.0005, 0.0010),
            trend(3, "first_minus_middle", 0.02, 0.0, 0.01),
            trend(3, "last_minus_middle", 0.02, 0.0, 0.01),
            ratio(5),
            trend(5, "last_minus_first", -0.02, -0.03, 0.01),
            ratio(7),
            trend(7, "last_minus_first", 0.005, 0.02, 0.01),
        ]
        .concat();
        assert_eq!(
            drops_verdict(&rows),
            [
                "layer 1: 2.50 % [2.00, 3.00] of the assignments are dropped; last quarter less first of 40 sequences +5.87 points [+5.77, +5.97], in \
                 random order +5.66 points, left +0.21 points [+0.11, +0.31]: later tokens are dropped more, beyond what random \
                 order gives",
                "layer 3: 2.50 % [2.00, 3.00] of the assignments are dropped; last quarter less first of 40 sequences +5.87 points [+5.77, +5.97], in \
                 random order +5.82 points, left +0.05 points [-0.05, +0.15]: later tokens are dropped more, no more than in \
                 random order: it is the queue, U-shaped",
                "layer 5: 2.50 % [2.00, 3.00] of the assignments are dropped; last quarter less first of 40 sequences -2.00 points [-3.00, -1.00], in \
                 random order +1.00 points, left -3.00 points [-4.00, -2.00]: later tokens are dropped less",
                "layer 7: 2.50 % [2.00, 3.00] of the assignments are dropped; last quarter less first of 40 sequences +0.50 points [-0.50, +1.50], in \
                 random order -1.50 points, left +2.00 points [+1.00, +3.00]: no trend",
            ]
        );
    }

    #[test]
    fn data_sets_and_compared_models_have_a_line_each() {
        let of = |rows: Vec<Finding>| -> Vec<Finding> {
            rows.into_iter().map(|row| Finding { dataset: Some("talks".into()), ..row }).collect()
        };
        let difference = Finding {
            checkpoint: Some("chat".into()),
            reference: Some("base".into()),
            variant: Some("assignment_drop_ratio".into()),
            estimate: Some(-0.01),
            low: Some(-0.02),
            high: Some(0.0),
            ..Finding::new("drop_difference", 1, View::Chosen, "share")
        };
        let rows = [
            ratio(1),
            of(trend(1, "last_minus_first", 0.05, 0.02, 0.01)),
            of(trend(3, "last_minus_first", 0.05, 0.0, 0.01)),
            vec![difference],
        ]
        .concat();
        let lines = drops_verdict(&rows);
        assert_eq!(
            lines[2..],
            [
                "data set talks (40 sequences): later tokens are dropped more in layers 1, 3; above random order: layer 1 by \
                 +2.00 points [+1.00, +3.00]",
                "chat against base, drop ratio: -1.00 points [-2.00, 0.00] in layer 1",
            ]
        );
        let mut few = of(trend(1, "last_minus_first", 0.05, 0.02, 0.01));
        few[0] = few[0].clone().withheld("3 documents");
        let lines = drops_verdict(&[ratio(1), few].concat());
        assert_eq!(lines[1], "data set talks: not enough data (3 documents)");
        assert!(drops_verdict(&[])[0].starts_with("not enough data"));
    }

    #[test]
    fn roles_causes_and_capacity_have_a_line_each() {
        let role = |name: &'static str, estimate| Finding {
            role: Some(name.into()),
            estimate: Some(estimate),
            ..Finding::new("assignment_drop_ratio", 1, View::Chosen, "share")
        };
        let cause = |text: &str, estimate| Finding {
            variant: Some("token".into()),
            expert: Some(4),
            text: Some(text.into()),
            estimate: Some(estimate),
            ..Finding::new("drop_causes", 1, View::Chosen, "share")
        };
        let replay = |variant: &'static str, factor, priority: Option<&'static str>, estimate| Finding {
            variant: Some(variant.into()),
            capacity_factor: factor,
            priority: priority.map(Into::into),
            rule: Some("port".into()),
            grouping: Some("run".into()),
            estimate: Some(estimate),
            ..Finding::new("capacity_replay", 1, View::Chosen, "share")
        };
        let rows = [
            ratio(1),
            vec![role("user", 0.01), role("assistant", 0.04), cause("\u{2581}the", 0.25), cause("<0x0A>", 0.1)],
            vec![
                replay("assignment_drop_ratio", Some(2.0), Some("position"), 0.02),
                replay("factor_for_1_percent", None, None, 2.5),
            ],
        ];
        assert_eq!(
            drops_verdict(&rows.concat())[1..],
            [
                "by role in layer 1, which drops most: user 1.00 %, assistant 4.00 %",
                "queues that overflow most, and the tokens that fill them: expert 4 of layer 1 (\"␣the\" 25 %, \"\\n\" 10 %)",
                "capacity factor that would drop at most 1 % (replay of the choices, rule port): 2.50 in layer 1",
            ]
        );
    }
}
