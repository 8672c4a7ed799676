//! What a drift run answers first: when routing was learnt, and what changed beside the time axis.

use crate::{
    report::words::{
        drift::{corrected, unjudged},
        entry::VerdictEntry,
        layers::named,
        numbers::{percent, percent_with_ends, whole},
        token::quoted,
    },
    routing::LayerId,
    stats::verdict::{Agreement, Beside, DriftVerdict, Evidence, HalfReached},
};

/// When half of the final agreement was reached; then what the checkpoint off the time axis changed and which token moved most,
/// or, without one, how much was still to come at the last checkpoint but one and what arithmetic alone changes.
pub(super) fn sentences(verdict: &DriftVerdict) -> Vec<VerdictEntry> {
    let half = VerdictEntry::new(verdict.overall_verdict(), half_reached(verdict));
    let floor = verdict.beside.iter().find(|beside| beside.is_arithmetic);
    let Some(off_axis) = verdict.beside.iter().find(|beside| !beside.is_arithmetic) else {
        let before = verdict.least_before_last_verdict().zip(before_last(verdict));
        let before = before.map(|(verdict, words)| VerdictEntry::new(verdict, words));
        return std::iter::once(half).chain(before).chain(floor.and_then(|floor| changed(floor, None))).collect();
    };
    std::iter::once(half).chain(changed(off_axis, floor)).chain(moved(off_axis)).collect()
}

/// By which checkpoint how many layers had reached half of their final agreement.
fn half_reached(verdict: &DriftVerdict) -> String {
    let Some(first) = verdict.layers.first() else {
        return "There is not enough data to say when routing was learnt: no MoE layer could be compared over several checkpoints."
            .to_owned();
    };
    let last = &first.last;
    match (verdict.last_to_reach(), verdict.most_before_last()) {
        (Some((layer, agreement)), _) => format!(
            "By {}{}, {} at least halfway from chance to the routing of {last}{}: {}.",
            agreement.checkpoint,
            trained(agreement),
            how_many(verdict),
            not_reached(verdict),
            stood(last_or_lowest(verdict, agreement), layer, agreement, verdict.reached().count()),
        ),
        (None, Some((layer, agreement))) => format!(
            "Before {last}, the last checkpoint, no layer was halfway from chance to its routing: {} at {}.",
            stood("the nearest", layer, agreement, verdict.layers.len()),
            agreement.checkpoint
        ),
        (None, None) => match first.answer {
            HalfReached::OneCheckpoint | HalfReached::ConstantRouter => {
                format!("There is nothing to say about when routing was learnt: {}.", unjudged(first))
            }
            _ => format!(
                "There is not enough data to say when routing was learnt (layer {}: {}).",
                first.layer,
                unjudged(first)
            ),
        },
    }
}

/// What the last layer to reach half is called: where all did so by the same checkpoint, the lowest.
fn last_or_lowest(verdict: &DriftVerdict, last: &Agreement) -> &'static str {
    let mut reached = verdict.reached().filter_map(|layer| layer.first.as_ref());
    if reached.all(|agreement| agreement.place == last.place) { "the lowest" } else { "the last to do so" }
}

/// How much of the training was done, where that is known.
fn trained(agreement: &Agreement) -> String {
    agreement.trained.map_or_else(String::new, |share| format!(", after {} % of the training", whole(share)))
}

/// "all 3 layers were", "1 of 2 layers was".
fn how_many(verdict: &DriftVerdict) -> String {
    match (verdict.reached().count(), verdict.judged().count()) {
        (1, 1) => "the layer was".to_owned(),
        (2, 2) => "both layers were".to_owned(),
        (reached, known) if reached == known => format!("all {known} layers were"),
        (reached, known) => format!("{reached} of {known} layers {}", if reached == 1 { "was" } else { "were" }),
    }
}

/// The layers that had not reached half before the last checkpoint.
fn not_reached(verdict: &DriftVerdict) -> String {
    let others: Vec<LayerId> =
        verdict.judged().filter(|layer| layer.answer == HalfReached::No).map(|layer| layer.layer).collect();
    if others.is_empty() { String::new() } else { format!(", {} only with the last checkpoint", named(&others)) }
}

/// Where a layer stood; of several layers it is said which of them it is.
fn stood(which: &str, layer: LayerId, agreement: &Agreement, of: usize) -> String {
    let corrected = corrected(agreement);
    if of > 1 {
        format!("{which}, layer {layer}, stood at {corrected}")
    } else {
        format!("layer {layer} stood at {corrected}")
    }
}

/// How much was still to come at the last checkpoint but one.
fn before_last(verdict: &DriftVerdict) -> Option<String> {
    let (layer, agreement) = verdict.least_before_last()?;
    let stood = stood("the layer that agreed least", layer, agreement, verdict.judged().count());
    Some(format!("At {}, the last checkpoint but one, {stood}.", agreement.checkpoint))
}

/// In which layer most first choices differ, and what arithmetic alone changes there.
fn changed(beside: &Beside, floor: Option<&Beside>) -> Option<VerdictEntry> {
    let most = beside.most_changed()?;
    let at = beside.changed.iter().position(|own| own == most)?;
    let verdict = beside.verdicts().0.into_iter().nth(at)?;
    let layer = most.finding.layer;
    let extent = if beside.changed.len() > 1 { "up to " } else { "" };
    let differs = format!("the first choice of {extent}{} of the tokens (layer {layer})", percent_with_ends(most));
    let words = if beside.is_arithmetic {
        format!("bf16 arithmetic alone changes {differs}.")
    } else {
        let floor = floor.and_then(|floor| floor.changed.iter().find(|own| own.finding.layer == layer));
        let (own, last) = (&beside.checkpoint, &beside.last);
        format!("Compared with {last}, {own} changes {differs}; {}.", floor_words(floor))
    };
    Some(VerdictEntry::new(verdict, words))
}

fn floor_words(floor: Option<&Evidence>) -> String {
    floor.map_or_else(
        || "how much bf16 arithmetic alone would change was not measured".to_owned(),
        |floor| format!("bf16 arithmetic alone changes {} %", percent(floor.estimate.unwrap_or_default())),
    )
}

/// The token that moved most; out of how many it was picked stands among the details.
fn moved(beside: &Beside) -> Option<VerdictEntry> {
    let most = beside.moved.first()?;
    let verdict = beside.verdicts().1.into_iter().next()?;
    let words = format!(
        "The token that moved most is {}: in layer {}, {} of its choices went to other experts, where sampling noise alone would move {} %.",
        quoted(&most.finding.subject),
        most.finding.layer,
        percent_with_ends(most),
        whole(most.threshold.unwrap_or_default())
    );
    Some(VerdictEntry::new(verdict, words))
}
