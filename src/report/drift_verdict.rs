//! The verdict of `drift` in words, derived from the ends of intervals.

use std::collections::BTreeSet;

use crate::{
    routing::{LayerId, View},
    stats::Finding,
};

/// Routing counts as learnt once the lower end of the chance-corrected saturation reaches this.
const LEARNT: f64 = 0.5;

/// One line per `MoE` layer, then how the layers compare: by which checkpoint half of the final routing beyond chance was
/// there, and what still changed after the last but one. `axis` names the checkpoints of the time axis in order; the
/// last one is what the others are compared with.
///
/// Reads `router_saturation`: `corrected` = (saturation - chance) / (1 - chance).
pub fn drift_verdict(findings: &[Finding], axis: &[&str]) -> Vec<String> {
    let layers: BTreeSet<LayerId> = findings.iter().map(|row| row.layer).collect();
    let mut learnt = Vec::new();
    let mut lines = Vec::new();
    for layer in layers {
        let course = course(findings, layer, axis);
        let first = course.iter().position(|row| row.corrected_low.is_some_and(|low| low >= LEARNT));
        lines.push(layer_line(layer, &course, first));
        learnt.push(first.and_then(|index| course[index].checkpoint.clone()));
    }
    lines.push(overall(&learnt));
    lines
}

/// The saturation of every checkpoint before the last one of the time axis, against that one.
fn course<'a>(findings: &'a [Finding], layer: LayerId, axis: &[&str]) -> Vec<&'a Finding> {
    let Some((reference, before)) = axis.split_last() else { return Vec::new() };
    let row = |label: &&str| {
        findings.iter().find(|row| {
            row.statistic == "router_saturation"
                && row.layer == layer
                && row.view == View::Chosen.name()
                && row.checkpoint.as_deref() == Some(label)
                && row.reference.as_deref() == Some(reference)
        })
    };
    before.iter().filter_map(row).collect()
}

fn layer_line(layer: LayerId, course: &[&Finding], learnt: Option<usize>) -> String {
    let Some(last) = course.last() else {
        return format!("layer {layer}: not enough data (one checkpoint: nothing to compare)");
    };
    let Some(words) = share(last) else {
        return format!("layer {layer}: not enough data ({})", last.note.as_deref().unwrap_or("no interval"));
    };
    let when = match learnt {
        Some(index) => {
            let row = course[index];
            format!(
                "half of the final routing beyond chance was there by {}: {}",
                name(row),
                share(row).unwrap_or_default()
            )
        }
        None => "less than half of the final routing beyond chance was there before the end".to_owned(),
    };
    format!("layer {layer}: {when}; at {}, the last before the end, {words}", name(last))
}

fn name(row: &Finding) -> &str {
    row.checkpoint.as_deref().unwrap_or("?")
}

/// "62 % [60, 64]": saturation beyond chance.
fn share(row: &Finding) -> Option<String> {
    let (value, low, high) = (row.corrected?, row.corrected_low?, row.corrected_high?);
    Some(format!("{:.0} % [{:.0}, {:.0}]", value * 100.0, low * 100.0, high * 100.0))
}

fn overall(learnt: &[Option<String>]) -> String {
    let known: BTreeSet<&String> = learnt.iter().flatten().collect();
    match (known.len(), learnt.iter().any(Option::is_none)) {
        (1, false) => {
            format!("overall: every layer had half of its final routing by {}", known.iter().next().map_or("?", |s| s))
        }
        (0, _) => "overall: no layer had half of its final routing measurably before the end".to_owned(),
        _ => "overall: the layers differ in when half of their final routing was there".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(checkpoint: &str, corrected: (f64, f64, f64)) -> Finding {
        Finding {
            checkpoint: Some(checkpoint.into()),
            reference: Some("c".into()),
            estimate: Some(0.5),
            corrected: Some(corrected.0),
            corrected_low: Some(corrected.1),
            corrected_high: Some(corrected.2),
            ..Finding::new("router_saturation", 1, View::Chosen, "share")
        }
    }

    #[test]
    fn a_line_names_the_checkpoint_whose_interval_lies_above_one_half() {
        let rows = [
            row("a", (0.52, 0.49, 0.55)),
            row("b", (0.62, 0.6, 0.64)),
            row("c", (1.0, 1.0, 1.0)),
            row("chat", (0.8, 0.79, 0.81)),
        ];
        assert_eq!(
            drift_verdict(&rows, &["a", "b", "c"]),
            [
                "layer 1: half of the final routing beyond chance was there by b: 62 % [60, 64]; at b, the last before the \
                 end, 62 % [60, 64]",
                "overall: every layer had half of its final routing by b",
            ]
        );
        assert!(drift_verdict(&rows[2..3], &["c"])[0].contains("nothing to compare"));
    }
}
