//! The sentences of hand-made numbers, of every kind of run and of what these may lack.

use super::*;
use crate::{
    routing::{CapacityRule, GroupRule, RecordedDrops, View},
    stats::{
        AskedCapacity, Finding, OwnCapacity, Statistic, Variable, Variant,
        verdict::{
            Answer, DropsSource, Measured,
            made::{
                agreement, constant, four_trends, function, late_and_last, layer, load, of_dataset, ratio, row, step,
                takes, token, trend,
            },
        },
    },
};

fn route(findings: &[Finding]) -> Vec<String> {
    headline_lines(&RunVerdict::route(findings))
}

fn drift(findings: &[Finding], tokens: &[Finding]) -> Vec<String> {
    headline_lines(&RunVerdict::drift(findings, tokens))
}

fn drops(findings: &[Finding]) -> Vec<String> {
    headline_lines(&RunVerdict::drops(findings, DropsSource::OfRun))
}

/// Two layers that are mostly context-independent, and some experts.
fn mostly() -> Vec<Finding> {
    let mut first = layer(1, (0.81, 0.80, 0.82), (0.27, 0.25, 0.29));
    first[4] = row(Statistic::ConditionalMutualInformation, Variable::Document, 1, (0.40, 0.38, 0.43));
    let experts = [takes(5, 11, "zh-cn", 0.69, 0.63), takes(5, 4, "en", 0.2, 0.19), load(5, 11, 0.06, 0.05)];
    [first, layer(5, (0.57, 0.56, 0.58), (0.3, 0.28, 0.32)), experts.to_vec()].concat()
}

#[test]
fn a_route_run_says_what_the_token_id_the_context_and_an_expert_do() {
    assert_eq!(
        route(&mostly()),
        [
            "Overall: mostly context-independent. Where the token id explains least (layer 5), it explains 57 % [56, 58] of the \
             routing.",
            "What surrounds a token still matters: once the token id is known, the document explains up to 40 % [38, 43] of what is \
             left (layer 1).",
            "Expert 11 of layer 5 specializes most: it takes 69 % [63, 75] of the tokens of category \"zh-cn\", 5.5 times an even load.",
        ]
    );
    let details = super::super::verdict_lines(&RunVerdict::route(&mostly()));
    assert_eq!(
        details.last().unwrap(),
        "expert 11 of layer 5: the clearest of 2 pairs of category and expert; 2 intervals lie above an even load and 0 below, where \
         less than 1 would miss it by chance"
    );
    let entries = headline_entries(&RunVerdict::route(&mostly()));
    let answers: Vec<Answer> = entries.iter().map(|entry| entry.verdict.answer).collect();
    assert_eq!(answers[2], Answer::ClearestSpecialist(Measured::Measured));
    assert!(entries.iter().all(|entry| !entry.criterion.is_empty() && !entry.verdict.because.is_empty()));
}

#[test]
fn without_categories_the_busiest_expert_is_named() {
    let one = [layer(3, (0.58, 0.55, 0.61), (0.09, 0.08, 0.1)), vec![load(3, 7, 0.14, 0.13), load(3, 8, 0.06, 0.05)]];
    let lines = route(&one.concat());
    assert_eq!(
        lines,
        [
            "Overall: context-independent. The token id explains 58 % [55, 61] of the routing in layer 3.",
            "What surrounds a token adds little: once the token id is known, no context explains more than a tenth of what is left; \
             the surest, the previous token, explains at most 9 % [8, 10] (layer 3).",
            "Expert 7 of layer 3 is the busiest: it takes 14 % [13, 15] of all assignments of tokens to experts, 2.2 times an even \
             load.",
        ]
    );
}

#[test]
fn every_answer_about_the_token_id_has_its_sentence() {
    let none = (0.0, 0.0, 0.01);
    let first = |rows: &[Finding]| route(rows).remove(0);
    let begins = |rows: &[Finding], words: &str| {
        let said = first(rows);
        assert!(said.starts_with(words), "{said}");
    };
    begins(&function(3, (1.0, 0.98, 1.02)), "Overall: fully context-independent. The token id explains");
    begins(&layer(1, (0.92, 0.9, 0.93), (0.13, -0.02, 0.27)), "Overall: at least mostly context-independent. The");
    begins(
        &layer(1, (0.5, 0.45, 0.55), none),
        "Overall: undecided whether context-independent. The token id explains 50 %",
    );
    begins(
        &layer(1, (0.0, -0.01, 0.01), none),
        "Overall: undecided whether context-independent. The token id explains 0 %",
    );
    let apart = [layer(1, (0.8, 0.78, 0.82), none), layer(5, (0.4, 0.3, 0.45), (0.3, 0.2, 0.4))].concat();
    begins(
        &apart,
        "Overall: not context-independent, because of layer 5. Where the token id explains least (layer 5), it explains 40 %",
    );
    assert_eq!(
        route(&constant(3)),
        [
            "Overall: the router is constant in every layer, so there is nothing to explain (every token gets the experts 0, 7)."
        ]
    );
    let some = [function(1, (1.0, 0.98, 1.02)), constant(3)].concat();
    assert!(first(&some).ends_with("; layer 3 is left out, because its router is constant."), "{}", first(&some));
    let withheld =
        row(Statistic::MutualInformation, Variable::Token, 1, (0.5, 0.4, 0.6)).withheld("3 documents, 8 are needed");
    assert_eq!(
        route(&[withheld]),
        [
            "Overall: there is not enough data to say whether the token id decides the experts (3 documents, 8 are needed)."
        ]
    );
    let alone = route(&[row(Statistic::MutualInformation, Variable::Token, 1, (0.9, 0.8, 0.95))]);
    assert_eq!(
        alone,
        [
            "Overall: there is not enough data in layer 1 to say whether the token id decides the experts (nothing is known about the \
          context)."
        ]
    );
    let undecided = route(&layer(1, (0.92, 0.9, 0.93), (0.13, 0.05, 0.27)));
    assert!(undecided[1].starts_with("Whether what surrounds a token matters cannot be told: "), "{}", undecided[1]);
}

#[test]
fn many_layers_make_no_longer_sentence() {
    let many: Vec<Finding> =
        (0..60).flat_map(|l| layer(l, (0.5 + 0.005 * f64::from(l), 0.4, 0.9), (0.0, 0.0, 0.01))).collect();
    let lines = route(&many);
    assert!(lines.iter().all(|line| line.chars().count() < 300), "{lines:#?}");
}

/// Checkpoints with their training tokens, two of them beside the time axis.
fn with_chat() -> (Vec<Finding>, Vec<Finding>) {
    let mut axis =
        [step(1, "200B", 0.53, 0.51), step(1, "1T", 1.0, 1.0), step(3, "200B", 0.61, 0.6), step(3, "1T", 1.0, 1.0)]
            .concat();
    for row in &mut axis {
        row.subject.training_tokens = Some(if row.checkpoint.as_deref() == Some("1T") { 1e12 } else { 2e11 });
    }
    let beside = vec![
        agreement(1, "200B", 0.6),
        agreement(1, "1T", 1.0),
        agreement(1, "chat", 0.84),
        agreement(3, "chat", 0.75),
        agreement(1, "1T-bf16", 0.97),
        agreement(3, "1T-bf16", 0.96),
    ];
    let tokens = vec![
        token(1, 7, Some("\u{2581}the"), 0.4, 0.02),
        token(3, 5, Some("#"), 0.7, 0.65),
        // The first token of every sequence is no part of any text.
        token(3, 0, Some("<pad>"), 0.9, 0.02),
    ];
    ([axis, beside].concat(), tokens)
}

#[test]
fn a_drift_run_says_when_half_was_learnt_and_what_the_final_checkpoint_changed() {
    let (rows, tokens) = with_chat();
    assert_eq!(
        drift(&rows, &tokens),
        [
            "By 200B, after 20 % of the training, both layers were at least halfway from chance to the routing of 1T: the lowest, layer 1, stood \
             at 53 % [51, 55].",
            "Compared with 1T, chat changes the first choice of up to 25 % [24, 26] of the tokens (layer 3); bf16 arithmetic alone \
             changes 4 %.",
            "The token that moved most is \"\u{2423}the\": in layer 1, 40 % [30, 50] of its choices went to other experts, where \
             sampling noise alone would move 2 %.",
        ]
    );
    let without_floor: Vec<Finding> =
        rows.iter().filter(|row| row.checkpoint.as_deref() != Some("1T-bf16")).cloned().collect();
    let said = drift(&without_floor, &[]);
    assert!(said[1].ends_with("; how much bf16 arithmetic alone would change was not measured."), "{}", said[1]);
    assert_eq!(said.len(), 2);
}

#[test]
fn a_drift_run_without_another_checkpoint_says_what_was_still_to_come() {
    let rows = late_and_last();
    assert_eq!(
        drift(&rows, &[]),
        [
            "By 600B, 1 of 2 layers was at least halfway from chance to the routing of 1T, layer 3 only with the last checkpoint: layer 1 \
             stood at 65 % [64, 67].",
            "At 200B, the last checkpoint but one, the layer that agreed least, layer 3, stood at 50 % [40, 52].",
        ]
    );
    assert_eq!(
        drift(&rows[8..], &[])[0],
        "Before 1T, the last checkpoint, no layer was halfway from chance to its routing: layer 3 stood at 50 % [40, 52] at 200B."
    );
}

#[test]
fn a_drift_run_that_says_nothing_says_why() {
    assert!(drift(&[], &[])[0].starts_with("There is not enough data to say when routing was learnt"));
    let mut constant = [step(1, "200B", 1.0, 1.0), step(1, "1T", 1.0, 1.0)].concat();
    for row in &mut constant {
        (row.baseline, row.corrected, row.corrected_low) = (Some(1.0), None, None);
    }
    assert!(
        drift(&constant, &[])[0].ends_with("full agreement: the routers are constant."),
        "{}",
        drift(&constant, &[])[0]
    );
    let mut rows = [step(1, "200B", 0.9, 0.9), step(1, "1T", 1.0, 1.0)].concat();
    rows[0] = rows[0].clone().withheld("2 documents");
    rows[0].corrected = None;
    assert_eq!(
        drift(&rows, &[]),
        ["There is not enough data to say when routing was learnt (layer 1: not enough data (2 documents))."]
    );
}

#[test]
fn a_drops_run_says_both_directions_and_how_many_intervals_there_are() {
    assert_eq!(
        drops(&four_trends()),
        [
            "Later tokens are dropped less in layer 5, but more in layers 1, 3: up to 5.9 points [5.8, 6.0] more in the last quarter \
             of a sequence than in the first (layer 3).",
            "In every layer where it rises, at least 94 % of the rise is the experts' queues filling up, whatever the text says: tokens in random order show it too.",
            "Compared with tokens in random order, the trend differs in 3 of 4 layers; by chance it would in less than 1.",
        ]
    );
    let of = of_dataset;
    let rise = [1, 3].map(|l| trend(l, Variant::LastMinusFirst, 0.05, 0.03, 0.01)).concat();
    let rows = [ratio(1), ratio(3), rise.clone(), of("talks", rise.clone()), of("texts", rise)].concat();
    let lines = drops(&rows);
    assert!(lines[0].starts_with("Later tokens are dropped more: up to 5.0 points ["), "{}", lines[0]);
    assert!(
        lines[1] == "This text does not tell how much of the rise is only the experts' queues filling up.",
        "{}",
        lines[1]
    );
    assert!(lines[2].contains("the trend differs in 4 of 4 pairs of data set and layer"), "{}", lines[2]);
}

#[test]
fn a_drops_run_without_a_rise_says_how_much_is_dropped() {
    let none = vec![Finding { estimate: Some(0.0), low: None, high: None, ..ratio(1).remove(0) }];
    assert_eq!(drops(&none), ["Nothing is dropped, so no part of a sequence loses more than another."]);
    let flat = [ratio(1), trend(1, Variant::LastMinusFirst, 0.005, 0.0, 0.01)].concat();
    assert_eq!(
        drops(&flat),
        [
            "Later tokens are not measurably dropped more or less: the largest difference between the last and the first quarter of a \
             sequence is +0.5 points [-0.5, 1.5] (layer 1).",
            "Layer 1 drops 2.50 % [2.00, 3.00] of its assignments of tokens to experts.",
        ]
    );
    let few = trend(1, Variant::LastMinusFirst, 0.05, 0.0, 0.01).remove(0).withheld("3 documents");
    assert_eq!(
        drops(&[few])[0],
        "There is not enough data to say whether later tokens are dropped more (3 documents)."
    );
    assert!(drops(&[])[0].starts_with("There is not enough data"));
    let unknown = Finding::new(Statistic::AssignmentDropRatio, 1, View::Chosen).withheld("no drops");
    assert_eq!(drops(&[unknown]).len(), 1);
}

#[test]
fn drops_that_are_not_those_of_the_run_are_said_to_be_so() {
    let rows = [ratio(1), trend(1, Variant::LastMinusFirst, 0.05, 0.0, 0.01)].concat();
    let first = |source| headline_lines(&RunVerdict::drops(&rows, source)).remove(0);
    let policy = crate::routing::CapacityPolicy { rule: CapacityRule::Port, factor: 1.25, minimum: 4 };
    let asked = AskedCapacity { group: GroupRule::Sequence, policy, own: OwnCapacity::NotRecorded };
    assert!(
        first(DropsSource::Asked(asked)).starts_with(
            "At capacity factor 1.25 (rule port, group sequence): later tokens are dropped more: 5.0 points ["
        ),
        "{}",
        first(DropsSource::Asked(asked))
    );
    let recorded = RecordedDrops { dropped: Some(5), assignments: 100, capacity: None };
    assert!(first(DropsSource::Recorded(recorded)).starts_with("As recorded: later tokens are dropped more"));
}
