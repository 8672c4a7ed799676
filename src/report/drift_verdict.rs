//! The verdict of `drift` in words, derived from the ends of the intervals and never from a point estimate alone.

use std::collections::BTreeSet;

use crate::{
    routing::{LayerId, View},
    stats::Finding,
};

/// Layers that get a line of their own.
const LAYERS_SHOWN: usize = 8;

/// Routing counts as learnt from the first checkpoint on at which this share of the way from load-matched chance to full
/// agreement is behind it, and stays so.
const LEARNT: f64 = 0.9;

/// The verdict in sentences: one line per `MoE` layer (eight at most), then all layers together.
///
/// Reads `corrected` of `router_saturation` against the last checkpoint of the time axis, which is the share of the way
/// from load-matched chance to full agreement. A layer is learnt at the first checkpoint at which the lower end of that
/// interval is at least 0.9, and at every later one.
pub fn drift_verdict(findings: &[Finding]) -> Vec<String> {
    let rows: Vec<&Finding> = findings.iter().filter(|row| is_step(findings, row)).collect();
    let layers: BTreeSet<LayerId> = rows.iter().map(|row| row.layer).collect();
    let judged: Vec<(LayerId, Learnt)> = layers.iter().map(|layer| (*layer, judge(&rows, *layer))).collect();
    if judged.is_empty() {
        return vec!["not enough data: no MoE layer has a router saturation of several checkpoints".to_owned()];
    }
    let mut lines: Vec<String> =
        judged.iter().take(LAYERS_SHOWN).map(|(layer, learnt)| format!("layer {layer}: {}", learnt.words())).collect();
    if judged.len() > LAYERS_SHOWN {
        lines.push(format!("{} more layers: see summary.json", judged.len() - LAYERS_SHOWN));
    }
    lines.push(overall(&judged));
    lines
}

/// Whether a row compares a checkpoint of the time axis with the last one. The axis is where last changes are counted.
fn is_step(findings: &[Finding], row: &Finding) -> bool {
    row.statistic == "router_saturation"
        && row.view == View::Chosen.name()
        && findings.iter().any(|step| {
            step.statistic == "last_change"
                && step.layer == row.layer
                && step.checkpoint == row.checkpoint
                && step.reference == row.reference
        })
}

/// When a layer was learnt.
enum Learnt {
    /// At a checkpoint before the last.
    From(String),
    /// Only the last checkpoint agrees with itself.
    NotBefore(String),
    /// Too little to say.
    Unknown(String),
}

impl Learnt {
    fn words(&self) -> &str {
        match self {
            Self::From(words) | Self::NotBefore(words) | Self::Unknown(words) => words,
        }
    }
}

fn judge(rows: &[&Finding], layer: LayerId) -> Learnt {
    let steps: Vec<&Finding> = rows.iter().copied().filter(|row| row.layer == layer).collect();
    let Some((last, earlier)) = steps.split_last().filter(|(_, earlier)| !earlier.is_empty()) else {
        return Learnt::Unknown("one checkpoint has nothing to agree with".to_owned());
    };
    if let Some(row) =
        earlier.iter().find(|row| row.estimate.is_none() || row.corrected.is_none() || row.corrected_low.is_none())
    {
        let reason = row.note.as_deref().unwrap_or("no interval");
        return Learnt::Unknown(format!("not enough data ({reason})"));
    }
    let name = |row: &Finding| row.checkpoint.clone().unwrap_or_default();
    let unlearnt = earlier.iter().rposition(|row| row.corrected_low.is_some_and(|low| low < LEARNT));
    let index = unlearnt.map_or(0, |index| index + 1);
    if let Some(first) = earlier.get(index) {
        let (label, value) = (name(first), words(first));
        return Learnt::From(format!(
            "learnt at {label}: {value} on the way from chance to full agreement with {}",
            name(last)
        ));
    }
    let before = earlier[earlier.len() - 1];
    Learnt::NotBefore(format!(
        "not learnt before {}: {} stands at {} on the way from chance to full agreement",
        name(last),
        name(before),
        words(before)
    ))
}

/// The corrected saturation of a row in percent with its interval.
fn words(row: &Finding) -> String {
    let whole = |value: Option<f64>| format!("{:.0}", (value.unwrap_or(0.0) * 100.0).round() + 0.0);
    format!("{} % [{}, {}]", whole(row.corrected), whole(row.corrected_low), whole(row.corrected_high))
}

fn overall(judged: &[(LayerId, Learnt)]) -> String {
    let learnt = judged.iter().filter(|(_, learnt)| matches!(learnt, Learnt::From(_))).count();
    let unknown = judged.iter().filter(|(_, learnt)| matches!(learnt, Learnt::Unknown(_))).count();
    if unknown == judged.len() {
        return "overall: not enough data".to_owned();
    }
    let criterion = "at least 90 % of the way from load-matched chance, by the lower end of the interval";
    if learnt == 0 {
        return format!("overall: no layer is learnt before the last checkpoint ({criterion})");
    }
    let known = judged.len() - unknown;
    format!("overall: {learnt} of {known} layers are learnt before the last checkpoint ({criterion})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(layer: LayerId, label: &str, corrected: f64, low: f64) -> [Finding; 2] {
        let row = |statistic| Finding {
            checkpoint: Some(label.into()),
            reference: Some("1T".into()),
            estimate: Some(corrected),
            corrected: Some(corrected),
            corrected_low: Some(low),
            corrected_high: Some((corrected + 0.02).min(1.0)),
            ..Finding::new(statistic, layer, View::Chosen, "share")
        };
        [row("router_saturation"), row("last_change")]
    }

    #[test]
    fn learnt_is_the_first_checkpoint_after_which_the_interval_stays_above() {
        let rows = [
            step(1, "200B", 0.93, 0.91),
            step(1, "400B", 0.90, 0.89),
            step(1, "600B", 0.95, 0.94),
            step(1, "1T", 1.0, 1.0),
            step(3, "200B", 0.5, 0.4),
            step(3, "1T", 1.0, 1.0),
        ]
        .concat();
        assert_eq!(
            drift_verdict(&rows),
            [
                "layer 1: learnt at 600B: 95 % [94, 97] on the way from chance to full agreement with 1T",
                "layer 3: not learnt before 1T: 200B stands at 50 % [40, 52] on the way from chance to full agreement",
                "overall: 1 of 2 layers are learnt before the last checkpoint (at least 90 % of the way from load-matched \
                 chance, by the lower end of the interval)",
            ]
        );
    }

    #[test]
    fn too_little_to_say() {
        assert!(drift_verdict(&[])[0].starts_with("not enough data"));
        let mut rows = [step(1, "200B", 0.9, 0.9), step(1, "1T", 1.0, 1.0)].concat();
        rows[0] = rows[0].clone().withheld("2 documents");
        rows[0].corrected = None;
        assert_eq!(drift_verdict(&rows), ["layer 1: not enough data (2 documents)", "overall: not enough data"]);
        // A checkpoint beside the axis has no last change and is no step.
        let beside = step(1, "chat", 0.2, 0.1)[0].clone();
        assert_eq!(
            drift_verdict(&[rows[2].clone(), rows[3].clone(), beside])[0],
            "layer 1: one checkpoint has nothing to agree with"
        );
    }
}
