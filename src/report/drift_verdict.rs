//! The verdict of `drift` in words, derived from the ends of the intervals and never from a point estimate alone.

use std::collections::BTreeSet;

use crate::{
    chart::visible,
    routing::{LayerId, View},
    stats::{Finding, Statistic, Variant},
};

/// Layers that get a line of their own.
const LAYERS_SHOWN: usize = 8;

/// Token ids that are named as those that moved most.
const MOVED_SHOWN: usize = 3;

/// A layer has reached half of its final agreement from the first checkpoint on at which this share of the way from
/// load-matched chance to full agreement is behind it, and stays so.
const LEARNT: f64 = 0.5;
/// Chance above this leaves nothing to be learnt.
const CERTAIN: f64 = 1.0 - 1e-9;

/// The verdict in sentences: one line per `MoE` layer (eight at most), then all layers together, then each checkpoint beside
/// the time axis (`--final`, `--noise-floor`).
///
/// Reads `corrected` of `router_saturation` against the last checkpoint of the time axis, which is the share of the way
/// from load-matched chance to full agreement. A layer has reached half of it at the first checkpoint at which the lower end
/// of that interval is at least 0.5, and at every later one. `tokens` are the rows of `token_drift`, of which those of
/// single token ids are not among the headline findings.
pub fn drift_verdict(findings: &[Finding], tokens: &[Finding]) -> Vec<String> {
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
    let last = rows.last().and_then(|row| row.reference.as_deref()).unwrap_or_default();
    lines.extend(beside(findings, last).map(|label| beside_line(findings, tokens, label, last)));
    lines
}

/// Whether a row compares a checkpoint of the time axis with the last one. The axis is where last changes are counted.
fn is_step(findings: &[Finding], row: &Finding) -> bool {
    row.statistic == Statistic::RouterSaturation
        && row.view == View::Chosen
        && findings.iter().any(|step| {
            step.statistic == Statistic::LastChange
                && step.layer == row.layer
                && step.checkpoint == row.checkpoint
                && step.reference == row.reference
        })
}

/// When a layer was learnt.
enum Learnt {
    /// The first checkpoint, its position among the steps, and what is said about it.
    From(usize, String),
    /// Only the last checkpoint agrees with itself.
    NotBefore(String),
    /// Too little to say.
    Unknown(String),
}

impl Learnt {
    fn words(&self) -> &str {
        match self {
            Self::From(_, words) | Self::NotBefore(words) | Self::Unknown(words) => words,
        }
    }
}

fn judge(rows: &[&Finding], layer: LayerId) -> Learnt {
    let steps: Vec<&Finding> = rows.iter().copied().filter(|row| row.layer == layer).collect();
    let Some((last, earlier)) = steps.split_last().filter(|(_, earlier)| !earlier.is_empty()) else {
        return Learnt::Unknown("one checkpoint has nothing to agree with".to_owned());
    };
    if earlier.iter().any(|row| row.baseline.is_some_and(|chance| chance > CERTAIN)) {
        return Learnt::Unknown("the experts' loads alone force full agreement: the routers are constant".to_owned());
    }
    if let Some(row) =
        earlier.iter().find(|row| row.estimate.is_none() || row.corrected.is_none() || row.corrected_low.is_none())
    {
        let reason = row.note.as_deref().unwrap_or("no interval");
        return Learnt::Unknown(format!("not enough data ({reason})"));
    }
    let name = |row: &Finding| row.checkpoint.clone().unwrap_or_default();
    let unlearnt = earlier.iter().rposition(|row| row.corrected_low.is_some_and(|low| low < LEARNT));
    let index = unlearnt.map_or(0, |index| index + 1);
    let before = earlier[earlier.len() - 1];
    match earlier.get(index) {
        Some(first) => Learnt::From(
            index,
            format!(
                "reached half of its final agreement by {}: {} of the way from chance to full agreement with {} ({}); {} stands at {}",
                name(first),
                words(first),
                name(last),
                uncorrected(first),
                name(before),
                words(before)
            ),
        ),
        None => Learnt::NotBefore(format!(
            "did not reach half of its final agreement before {}: {} stands at {} of the way from chance to full agreement ({})",
            name(last),
            name(before),
            words(before),
            uncorrected(before)
        )),
    }
}

/// The corrected saturation of a row in percent with its interval.
fn words(row: &Finding) -> String {
    let whole = |value: Option<f64>| whole(value.unwrap_or_default());
    format!("{} % [{}, {}]", whole(row.corrected), whole(row.corrected_low), whole(row.corrected_high))
}

/// What the charts draw for the same row.
fn uncorrected(row: &Finding) -> String {
    let whole = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), whole);
    format!("chance-corrected; uncorrected {} %, by chance {} %", whole(row.estimate), whole(row.baseline))
}

/// A share in whole percent. Below 0 is noise around 0 and stays visible.
fn whole(share: f64) -> String {
    // Adding 0 turns the -0 of a rounded small negative share into 0.
    format!("{:.0}", (share * 100.0).round() + 0.0)
}

/// A share in percent, below 2 % with a decimal place: what arithmetic alone changes is small.
fn percent(share: f64) -> String {
    let decimals = usize::from(share != 0.0 && share.abs() < 0.02);
    let scale = if decimals == 0 { 1.0 } else { 10.0 };
    let text = format!("{:.decimals$}", (share * 100.0 * scale).round() / scale);
    if text.trim_start_matches('-').chars().all(|digit| digit == '0' || digit == '.') { "0".to_owned() } else { text }
}

/// The checkpoints beside the time axis, in the order of the rows.
fn beside<'a>(findings: &'a [Finding], last: &'a str) -> impl Iterator<Item = &'a str> {
    let mut seen = BTreeSet::new();
    let is_step = move |label: &str| {
        findings.iter().any(|row| row.statistic == Statistic::LastChange && row.checkpoint.as_deref() == Some(label))
    };
    let compared = findings.iter().filter(move |row| {
        row.statistic == Statistic::FirstChoiceAgreement
            && row.reference.as_deref() == Some(last)
            && row.estimate.is_some()
    });
    let labels = compared.filter_map(|row| row.checkpoint.as_deref());
    labels.filter(move |label| !is_step(label) && seen.insert(*label))
}

/// How far a checkpoint beside the time axis is from the last one, and which token ids are farthest.
fn beside_line(findings: &[Finding], tokens: &[Finding], label: &str, last: &str) -> String {
    let changed: Vec<String> = findings
        .iter()
        .filter(|row| row.statistic == Statistic::FirstChoiceAgreement && compares(row, label, last))
        .filter_map(|row| Some((row, row.estimate?)))
        .take(LAYERS_SHOWN)
        .map(|(row, agree)| {
            let ends =
                row.low.zip(row.high).map(|(low, high)| format!(" [{}, {}]", percent(1.0 - high), percent(1.0 - low)));
            format!("{} %{} in layer {}", percent(1.0 - agree), ends.unwrap_or_default(), row.layer)
        })
        .collect();
    let arithmetic =
        if label.strip_suffix("-bf16") == Some(last) { " (bf16 arithmetic alone, the noise floor)" } else { "" };
    let changed = format!(
        "{label} against {last}{arithmetic}: the first choice of the tokens differs for {}",
        changed.join(", ")
    );
    match moved(tokens, label, last).as_slice() {
        [] => changed,
        most => format!("{changed}; moved most beyond sampling noise: {}", most.join(", ")),
    }
}

fn compares(row: &Finding, label: &str, last: &str) -> bool {
    row.view == View::Chosen
        && row.checkpoint.as_deref() == Some(label)
        && row.reference.as_deref() == Some(last)
        && row.token_id.is_none()
}

/// The token ids whose expert shares are farthest apart, each in the layer where it moved most. Only those whose interval
/// lies above the noise floor.
fn moved(tokens: &[Finding], label: &str, last: &str) -> Vec<String> {
    let is_beyond = |row: &&Finding| row.low.zip(row.noise_floor).is_some_and(|(low, floor)| low > floor);
    let mut far: Vec<&Finding> = tokens
        .iter()
        .filter(|row| row.statistic == Statistic::TokenDrift && row.variant == Some(Variant::TotalVariation))
        .filter(|row| row.view == View::Chosen && row.token_id.is_some() && row.estimate.is_some())
        .filter(|row| row.checkpoint.as_deref() == Some(label) && row.reference.as_deref() == Some(last))
        .filter(is_beyond)
        .collect();
    far.sort_by(|a, b| b.estimate.unwrap_or_default().total_cmp(&a.estimate.unwrap_or_default()));
    let mut seen = BTreeSet::new();
    far.retain(|row| seen.insert(row.token_id));
    far.truncate(MOVED_SHOWN);
    far.into_iter().map(moved_words).collect()
}

fn moved_words(row: &Finding) -> String {
    let text = row
        .text
        .as_deref()
        .map_or_else(|| format!("id {}", row.token_id.unwrap_or_default()), |text| format!("\"{}\"", visible(text)));
    let whole = |value: Option<f64>| percent(value.unwrap_or_default());
    let (floor, layer) = (whole(row.noise_floor), row.layer);
    format!(
        "{text} {} % [{}, {}] in layer {layer} (noise {floor} %)",
        whole(row.estimate),
        whole(row.low),
        whole(row.high)
    )
}

fn overall(judged: &[(LayerId, Learnt)]) -> String {
    let learnt: Vec<(LayerId, usize)> = judged
        .iter()
        .filter_map(|(layer, learnt)| match learnt {
            Learnt::From(index, _) => Some((*layer, *index)),
            _ => None,
        })
        .collect();
    let unknown = judged.iter().filter(|(_, learnt)| matches!(learnt, Learnt::Unknown(_))).count();
    if unknown == judged.len() {
        return "overall: not enough data".to_owned();
    }
    let criterion = "half of the way from load-matched chance, by the lower end of the interval";
    if learnt.is_empty() {
        return format!(
            "overall: no layer reached half of its final agreement before the last checkpoint ({criterion})"
        );
    }
    let known = judged.len() - unknown;
    let layers = if known == 1 { "layer" } else { "layers" };
    format!(
        "overall: {} of {known} {layers} reached half of the final agreement before the last checkpoint ({criterion})",
        learnt.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Subject;

    fn step(layer: LayerId, label: &str, corrected: f64, low: f64) -> [Finding; 2] {
        let row = |statistic| Finding {
            estimate: Some(corrected),
            baseline: Some(0.25),
            corrected: Some(corrected),
            corrected_low: Some(low),
            corrected_high: Some((corrected + 0.02).min(1.0)),
            ..Finding::new(statistic, layer, View::Chosen).about(|subject| Subject {
                checkpoint: Some(label.into()),
                reference: Some("1T".into()),
                ..subject
            })
        };
        [row(Statistic::RouterSaturation), row(Statistic::LastChange)]
    }

    #[test]
    fn learnt_is_the_first_checkpoint_after_which_the_interval_stays_above() {
        let rows = [
            step(1, "200B", 0.53, 0.51),
            step(1, "400B", 0.50, 0.49),
            step(1, "600B", 0.65, 0.64),
            step(1, "1T", 1.0, 1.0),
            step(3, "200B", 0.5, 0.4),
            step(3, "1T", 1.0, 1.0),
        ]
        .concat();
        assert_eq!(
            drift_verdict(&rows, &[]),
            [
                "layer 1: reached half of its final agreement by 600B: 65 % [64, 67] of the way from chance to full agreement with 1T \
                 (chance-corrected; uncorrected 65 %, by chance 25 %); 600B stands at 65 % [64, 67]",
                "layer 3: did not reach half of its final agreement before 1T: 200B stands at 50 % [40, 52] of the way from chance to \
                 full agreement (chance-corrected; uncorrected 50 %, by chance 25 %)",
                "overall: 1 of 2 layers reached half of the final agreement before the last checkpoint (half of the way from load-matched chance, \
                 by the lower end of the interval)",
            ]
        );
    }

    #[test]
    fn too_little_to_say() {
        assert!(drift_verdict(&[], &[])[0].starts_with("not enough data"));
        let mut constant = [step(1, "200B", 1.0, 1.0), step(1, "1T", 1.0, 1.0)].concat();
        for row in &mut constant {
            (row.baseline, row.corrected, row.corrected_low) = (Some(1.0), None, None);
        }
        assert_eq!(
            drift_verdict(&constant, &[])[0],
            "layer 1: the experts' loads alone force full agreement: the routers are constant"
        );
        let mut rows = [step(1, "200B", 0.9, 0.9), step(1, "1T", 1.0, 1.0)].concat();
        rows[0] = rows[0].clone().withheld("2 documents");
        rows[0].corrected = None;
        assert_eq!(drift_verdict(&rows, &[]), ["layer 1: not enough data (2 documents)", "overall: not enough data"]);
        // A checkpoint beside the axis has no last change and is no step.
        let beside = step(1, "chat", 0.2, 0.1)[0].clone();
        assert_eq!(
            drift_verdict(&[rows[2].clone(), rows[3].clone(), beside], &[])[0],
            "layer 1: one checkpoint has nothing to agree with"
        );
    }

    #[test]
    fn checkpoints_beside_the_axis_have_a_line_with_the_tokens_that_moved_most() {
        let agreement = |layer, label: &str, share: f64| Finding {
            estimate: Some(share),
            low: Some(share - 0.01),
            high: Some(share + 0.01),
            ..Finding::new(Statistic::FirstChoiceAgreement, layer, View::Chosen).about(|subject| Subject {
                checkpoint: Some(label.into()),
                reference: Some("1T".into()),
                ..subject
            })
        };
        let token = |layer, id, text: Option<&str>, distance: f64, floor| Finding {
            estimate: Some(distance),
            low: Some(distance - 0.1),
            high: Some(distance + 0.1),
            noise_floor: Some(floor),
            ..Finding::new(Statistic::TokenDrift, layer, View::Chosen).about(|subject| Subject {
                checkpoint: Some("chat".into()),
                reference: Some("1T".into()),
                variant: Some(Variant::TotalVariation),
                token_id: Some(id),
                text: text.map(str::to_owned),
                ..subject
            })
        };
        let rows = [
            step(1, "200B", 0.53, 0.51).to_vec(),
            step(1, "1T", 1.0, 1.0).to_vec(),
            vec![agreement(1, "200B", 0.6), agreement(1, "1T", 1.0)],
            vec![
                agreement(1, "chat", 0.84),
                agreement(3, "chat", 0.75),
                Finding { high: Some(0.9952), ..agreement(1, "1T-bf16", 0.9948) },
            ],
        ]
        .concat();
        let tokens = [
            token(1, 7, Some("\u{2581}the"), 0.4, 0.02),
            token(3, 7, Some("\u{2581}the"), 0.6, 0.02),
            token(3, 9, None, 0.5, 0.07),
            token(3, 5, Some("#"), 0.7, 0.65),
        ];
        assert_eq!(
            drift_verdict(&rows, &tokens)[2..],
            [
                "chat against 1T: the first choice of the tokens differs for 16 % [15, 17] in layer 1, 25 % [24, 26] in layer 3; \
                 moved most beyond sampling noise: \"\u{2423}the\" 60 % [50, 70] in layer 3 (noise 2 %), id 9 50 % [40, 60] in \
                 layer 3 (noise 7 %)",
                "1T-bf16 against 1T (bf16 arithmetic alone, the noise floor): the first choice of the tokens differs for 0.5 % [0.5, 1.5] \
                 in layer 1",
            ]
        );
    }
}
