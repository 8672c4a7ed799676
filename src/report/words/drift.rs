//! The verdict of `drift` in words.

use super::{
    criterion::HALF,
    entry::VerdictEntry,
    layers::listed,
    numbers::{percent, percent_with_ends, whole},
    token::quoted,
};
use crate::stats::{
    LAYERS_EACH, thousands,
    verdict::{Agreement, Beside, DriftVerdict, Evidence, HalfReached, IntervalsThatMissZero, LayerAgreement, Missing},
};

/// One line per `MoE` layer (eight at most), then each checkpoint beside the time axis: the one off the axis and the noise floor.
pub(super) fn lines(verdict: &DriftVerdict) -> Vec<String> {
    let mut lines: Vec<String> = verdict.layers.iter().take(LAYERS_EACH).map(layer_line).collect();
    if verdict.layers.len() > LAYERS_EACH {
        lines.push(format!("{} more layers: see summary.json", verdict.layers.len() - LAYERS_EACH));
    }
    lines.extend(verdict.beside.iter().map(beside_line));
    lines
}

/// Every layer, all together, then layer by layer and token by token how far the checkpoints beside the axis are.
pub(super) fn entries(verdict: &DriftVerdict) -> Vec<VerdictEntry> {
    let layers = verdict.layers.iter().map(|layer| VerdictEntry::new(layer.verdict(), layer_line(layer)));
    let together = VerdictEntry::new(verdict.overall_verdict(), overall(verdict));
    layers.chain([together]).chain(verdict.beside.iter().flat_map(beside_entries)).collect()
}

fn layer_line(layer: &LayerAgreement) -> String {
    format!("layer {}: {}", layer.layer, layer_words(layer))
}

fn layer_words(layer: &LayerAgreement) -> String {
    let last = &layer.last;
    match (&layer.first, &layer.before) {
        (Some(first), Some(before)) => format!(
            "reached half of its final agreement by {}: {} of the way from chance to full agreement with {last} ({}); {} stands at {}",
            first.checkpoint,
            corrected(first),
            uncorrected(first),
            before.checkpoint,
            corrected(before)
        ),
        (None, Some(before)) => format!(
            "did not reach half of its final agreement before {last}: {} stands at {} of the way from chance to full agreement ({})",
            before.checkpoint,
            corrected(before),
            uncorrected(before)
        ),
        (_, None) => unjudged(layer),
    }
}

/// Why a layer could not be judged.
pub(super) fn unjudged(layer: &LayerAgreement) -> String {
    match layer.answer {
        HalfReached::OneCheckpoint => "one checkpoint has nothing to agree with".to_owned(),
        HalfReached::ConstantRouter => {
            "the experts' loads alone force full agreement: the routers are constant".to_owned()
        }
        _ => {
            let note = layer.missing.as_ref().and_then(|number| number.missing.as_ref()).and_then(Missing::note);
            format!("not enough data ({})", note.unwrap_or("no interval"))
        }
    }
}

/// The corrected saturation in percent with its interval.
pub(super) fn corrected(agreement: &Agreement) -> String {
    let Evidence { estimate, low, high, .. } = agreement.corrected;
    let [estimate, low, high] = [estimate, low, high].map(|value| whole(value.unwrap_or_default()));
    format!("{estimate} % [{low}, {high}]")
}

/// What the charts draw for the same row.
fn uncorrected(agreement: &Agreement) -> String {
    let whole = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), whole);
    let own = &agreement.uncorrected;
    format!("chance-corrected; uncorrected {} %, by chance {} %", whole(own.estimate), whole(own.baseline))
}

fn overall(verdict: &DriftVerdict) -> String {
    if verdict.layers.is_empty() {
        return "not enough data: no MoE layer has a router saturation of several checkpoints".to_owned();
    }
    match verdict.overall {
        HalfReached::Yes | HalfReached::InSomeLayers => {
            let known = verdict.judged().count();
            let layers = if known == 1 { "layer" } else { "layers" };
            let reached = verdict.reached().count();
            format!(
                "overall: {reached} of {known} {layers} reached half of the final agreement before the last checkpoint ({HALF})"
            )
        }
        HalfReached::No => {
            format!("overall: no layer reached half of its final agreement before the last checkpoint ({HALF})")
        }
        _ => {
            let first = &verdict.layers[0];
            let alike = verdict.layers.iter().all(|layer| layer.answer == first.answer);
            // A reason that all layers share is the reason of all together.
            if alike && matches!(first.answer, HalfReached::OneCheckpoint | HalfReached::ConstantRouter) {
                format!("overall: {}", unjudged(first))
            } else {
                "overall: not enough data".to_owned()
            }
        }
    }
}

/// How far a checkpoint beside the time axis is from the last one, and which token ids are farthest.
fn beside_line(beside: &Beside) -> String {
    let changed = format!(
        "{}: the first choice of the tokens differs for {}",
        pair(beside),
        listed(&beside.changed.iter().collect::<Vec<_>>(), changed_words, |share| format!("{} %", percent(share)))
    );
    match beside.moved.as_slice() {
        [] => changed,
        most => {
            let most: Vec<String> = most.iter().map(moved_words).collect();
            format!("{changed}; moved most beyond sampling noise: {}{}", most.join(", "), picked(beside))
        }
    }
}

/// Out of how many the tokens were picked that moved most.
fn picked(beside: &Beside) -> String {
    beside.intervals.map_or_else(String::new, |IntervalsThatMissZero { all, above, .. }| {
        let [all, above] = [all, above].map(|count| thousands(count as u64));
        format!("; of {all} pairs of token id and layer, {above} moved beyond their noise")
    })
}

fn beside_entries(beside: &Beside) -> Vec<VerdictEntry> {
    let (changed, moved) = beside.verdicts();
    let pair = pair(beside);
    let changed = changed.into_iter().zip(&beside.changed).map(|(verdict, number)| {
        let words = format!("{pair}: the first choice of the tokens differs for {}", changed_words(number));
        VerdictEntry::new(verdict, words)
    });
    let moved = moved.into_iter().zip(&beside.moved).map(|(verdict, number)| {
        VerdictEntry::new(verdict, format!("{pair}: moved most beyond sampling noise: {}", moved_words(number)))
    });
    changed.chain(moved).collect()
}

/// Which checkpoints are compared.
fn pair(beside: &Beside) -> String {
    let arithmetic = if beside.is_arithmetic { " (bf16 arithmetic alone, the noise floor)" } else { "" };
    format!("{} against {}{arithmetic}", beside.checkpoint, beside.last)
}

fn changed_words(number: &Evidence) -> String {
    format!("{} in layer {}", percent_with_ends(number), number.finding.layer)
}

fn moved_words(number: &Evidence) -> String {
    let finding = &number.finding;
    let (text, share) = (quoted(&finding.subject), percent_with_ends(number));
    let floor = percent(number.threshold.unwrap_or_default());
    format!("{text} {share} in layer {} (noise {floor} %)", finding.layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{
        Finding,
        verdict::{
            Answer, Measured, Moved,
            made::{agreement, late_and_last, step, token},
        },
    };

    /// The details, then what holds over all layers.
    fn drift_verdict(findings: &[Finding], tokens: &[Finding]) -> Vec<String> {
        let verdict = DriftVerdict::of(findings, tokens);
        lines(&verdict).into_iter().chain([overall(&verdict)]).collect()
    }

    #[test]
    fn learnt_is_the_first_checkpoint_after_which_the_interval_stays_above() {
        let rows = late_and_last();
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
            drift_verdict(&constant, &[]),
            [
                "layer 1: the experts' loads alone force full agreement: the routers are constant",
                "overall: the experts' loads alone force full agreement: the routers are constant"
            ]
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
            lines(&DriftVerdict::of(&rows, &tokens))[1..],
            [
                "chat against 1T: the first choice of the tokens differs for 16 % [15, 17] in layer 1, 25 % [24, 26] in layer 3; \
                 moved most beyond sampling noise: \"\u{2423}the\" 60 % [50, 70] in layer 3 (noise 2 %), id 9 50 % [40, 60] in \
                 layer 3 (noise 7 %); of 4 pairs of token id and layer, 3 moved beyond their noise",
                "1T-bf16 against 1T (bf16 arithmetic alone, the noise floor): the first choice of the tokens differs for 0.5 % [0.5, 1.5] \
                 in layer 1",
            ]
        );
        let entries = entries(&DriftVerdict::of(&rows, &tokens));
        let told: Vec<_> = entries.iter().map(|entry| (entry.verdict.answer, entry.verdict.layer)).collect();
        assert_eq!(
            told,
            [
                (Answer::HalfOfFinalAgreement(HalfReached::Yes), Some(1)),
                (Answer::HalfOfFinalAgreement(HalfReached::Yes), None),
                (Answer::FirstChoiceDiffers(Measured::Measured), Some(1)),
                (Answer::FirstChoiceDiffers(Measured::Measured), Some(3)),
                (Answer::TokenMoved(Moved::Yes), Some(3)),
                (Answer::TokenMoved(Moved::Yes), Some(3)),
                (Answer::FirstChoiceDiffersByArithmetic(Measured::Measured), Some(1)),
            ]
        );
        assert_eq!(
            entries[3].words,
            "chat against 1T: the first choice of the tokens differs for 25 % [24, 26] in layer 3"
        );
    }
}
