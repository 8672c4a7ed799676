//! Verdicts of hand-made numbers.

use super::*;
use crate::{
    routing::View,
    stats::{Statistic, Subject, Variable, Variant},
};

type Interval = (f64, f64, f64);

/// A row of which `explained` is given: 0.5 bits by chance, 2.5 bits at most.
fn row(statistic: Statistic, variable: Variable, layer: LayerId, share: Interval) -> Finding {
    Finding {
        estimate: Some(0.5 + 2.0 * share.0),
        baseline: Some(0.5),
        ceiling: Some(2.5),
        explained: Some(share.0),
        explained_low: Some(share.1),
        explained_high: Some(share.2),
        ..Finding::new(statistic, layer, View::Chosen).about(|subject| Subject {
            variable: Some(variable),
            variant: (variable == Variable::PositionBucket).then_some(Variant::WithinSequenceShift),
            ..subject
        })
    }
}

/// A row of few bits, which has no `explained`.
fn bits(statistic: Statistic, variable: Variable, layer: LayerId, numbers: Interval) -> Finding {
    let (estimate, baseline, ceiling) = numbers;
    Finding {
        estimate: Some(estimate),
        baseline: Some(baseline),
        ceiling: Some(ceiling),
        explained: None,
        explained_low: None,
        explained_high: None,
        ..row(statistic, variable, layer, (0.0, 0.0, 0.0))
    }
}

fn layer(layer: LayerId, token: Interval, previous: Interval) -> Vec<Finding> {
    vec![
        row(Statistic::MutualInformation, Variable::Token, layer, token),
        row(Statistic::ConditionalMutualInformation, Variable::PreviousToken, layer, previous),
        row(Statistic::ConditionalMutualInformation, Variable::Category, layer, (0.02, 0.01, 0.03)),
        row(Statistic::ConditionalMutualInformation, Variable::PositionBucket, layer, (0.001, -0.01, 0.01)),
        row(Statistic::ConditionalMutualInformation, Variable::Document, layer, (0.03, 0.02, 0.04)),
    ]
}

/// A router that is a function of the token id: 2.5 bits, all of them explained, and nothing left.
fn function(layer: LayerId, token: Interval) -> Vec<Finding> {
    let nothing = |variable| bits(Statistic::ConditionalMutualInformation, variable, layer, (0.0, 0.0, 0.0));
    vec![
        Finding { estimate: Some(2.5), ..row(Statistic::MutualInformation, Variable::Token, layer, token) },
        nothing(Variable::Document),
        nothing(Variable::PreviousToken),
        nothing(Variable::PositionBucket),
        nothing(Variable::Category).withheld("1 category: at least 2 needed"),
    ]
}

fn share_of_expert(layer: LayerId, expert: u16, share: f64) -> Finding {
    Finding {
        estimate: Some(share),
        ..Finding::new(Statistic::ExpertShare, layer, View::Chosen)
            .about(|subject| Subject { expert: Some(expert), ..subject })
    }
}

/// A router that gives every token the experts 0 and 7.
fn constant(layer: LayerId) -> Vec<Finding> {
    let shares = [(0, 0.5), (3, 0.0), (7, 0.5)].map(|(expert, share)| share_of_expert(layer, expert, share));
    [vec![bits(Statistic::MutualInformation, Variable::Token, layer, (0.0, 0.0, 0.0))], shares.to_vec()].concat()
}

fn judge(token: Interval, previous: Interval) -> Option<Independence> {
    Layer::of(&layer(1, token, previous), 1).independence()
}

#[test]
fn a_line_quotes_shares_with_intervals() {
    let lines = verdict(&layer(3, (0.58, 0.55, 0.61), (0.09, 0.08, 0.1)));
    assert_eq!(
        lines,
        [
            "layer 3: the token id explains 58 % [55, 61] of what can be explained; of what is left, the document adds 3 % \
             [2, 4], the previous token at most 9 % [8, 10], the category 2 % [1, 3], the position 0 % [-1, 1]; \
             context-independent: yes",
            "overall: context-independent: yes (the token id explains at least 50 %, and no context adds more than 10 % of \
             what is left, or less than 5 % is left); layer 3 is the only one with enough data",
        ]
    );
}

#[test]
fn the_criterion_reads_interval_ends() {
    assert_eq!(judge((0.58, 0.51, 0.61), (0.09, 0.0, 0.1)), Some(Independence::Yes));
    assert_eq!(judge((0.58, 0.51, 0.61), (0.12, 0.11, 0.13)), Some(Independence::Mostly));
    assert_eq!(judge((0.58, 0.49, 0.61), (0.2, 0.15, 0.3)), Some(Independence::Undecided));
    assert_eq!(judge((0.48, 0.40, 0.499), (0.2, 0.15, 0.3)), Some(Independence::No));
    assert_eq!(judge((0.97, 0.951, 0.99), (0.2, 0.15, 0.3)), Some(Independence::Yes));
    assert_eq!(
        Layer::of(&[row(Statistic::MutualInformation, Variable::Token, 1, (0.9, 0.8, 0.95))], 1).independence(),
        None
    );
}

#[test]
fn context_is_not_claimed_where_its_interval_contains_the_threshold() {
    // Nothing explains a random router; that its token id does not is no sign of context.
    assert_eq!(judge((0.0, -0.01, 0.01), (0.0, -0.02, 0.02)), Some(Independence::Unexplained));
    assert_eq!(judge((0.0, -0.01, 0.01), (0.2, 0.09, 0.3)), Some(Independence::Unexplained));
    assert_eq!(judge((0.92, 0.90, 0.93), (0.13, -0.02, 0.27)), Some(Independence::AtLeastMostly));
    let lines = verdict(&layer(1, (0.0, -0.01, 0.01), (0.0, -0.02, 0.02)));
    assert!(lines[0].ends_with("context-independent: undecided"), "{}", lines[0]);
    assert!(
        lines[1].starts_with(
            "overall: context-independent: undecided (the token id explains less than 50 %, but no context is shown"
        ),
        "{}",
        lines[1]
    );
}

#[test]
fn a_function_of_the_token_id_is_the_strongest_yes() {
    assert_eq!(
        verdict(&function(3, (1.0, 0.98, 1.02))),
        [
            "layer 3: the token id explains 100 % [98, 100] of what can be explained; nothing is left for the context (0.00 \
             bits); context-independent: fully",
            "overall: context-independent: fully (nothing is left for the context); layer 3 is the only one with enough data",
        ]
    );
    // Documents that differ much make the interval of a deterministic router wide; what is left is still nothing.
    assert_eq!(Layer::of(&function(3, (1.0, 0.9, 1.1)), 3).independence(), Some(Independence::Fully));
    // 0.04 bits are left of few: neither a function nor nearly all.
    let mut nearly = function(3, (0.9, 0.8, 1.0));
    nearly[0].estimate = Some(2.46);
    assert_eq!(Layer::of(&nearly, 3).independence(), None);
    nearly[0].explained_low = Some(0.96);
    assert_eq!(Layer::of(&nearly, 3).independence(), Some(Independence::Fully));
}

#[test]
fn a_constant_router_is_named_with_its_experts() {
    let words = "the router is constant: every token gets the experts 0, 7; there is nothing to explain";
    let lines = verdict(&constant(3));
    assert_eq!(lines[0], format!("layer 3: {words}"));
    assert_eq!(lines[1], "overall: the router is constant in every layer: there is nothing to explain");
    let lines = verdict(&[function(1, (1.0, 0.98, 1.02)), constant(3)].concat());
    assert_eq!(lines[1], format!("layer 3: {words}"));
    assert!(lines[2].starts_with("overall: context-independent: fully ("), "{}", lines[2]);
    assert!(lines[2].ends_with("; layer 3 is left out: its router is constant"), "{}", lines[2]);
    let nearly = verdict(&[bits(Statistic::MutualInformation, Variable::Token, 3, (0.02, 0.001, 0.03))]);
    assert_eq!(nearly[0], "layer 3: the router is nearly constant: only 0.03 bits are there to explain at all");
    assert_eq!(nearly[1], "overall: the router is constant in every layer, or nearly so: there is nothing to explain");
}

#[test]
fn a_missing_share_says_why() {
    let line = |row: Finding| verdict(&[row]).remove(0);
    let token = |numbers| bits(Statistic::MutualInformation, Variable::Token, 1, numbers);
    assert_eq!(
        line(token((2.48, 2.47, 2.5))),
        "layer 1: not enough data (chance alone would explain 2.47 of 2.50 bits)"
    );
    assert_eq!(line(token((0.0, 0.0, 2.5))), "layer 1: not enough data (every token has the same id)");
    let without = Finding { baseline: None, ..token((1.0, 0.0, 2.5)) };
    assert_eq!(line(without), "layer 1: not enough data (without permutations chance is not known)");
    let mut rows = layer(1, (0.7, 0.6, 0.8), (0.0, -0.1, 0.05));
    rows[3] = bits(Statistic::ConditionalMutualInformation, Variable::PositionBucket, 1, (0.0, 0.0, 2.5));
    let said = verdict(&rows).remove(0);
    assert!(said.contains("; the position: not enough data (it is the same for all tokens); context-"), "{said}");
}

#[test]
fn layers_are_ranked_only_where_their_intervals_are_apart() {
    let none = (0.0, 0.0, 0.01);
    let apart = [layer(1, (0.8, 0.78, 0.82), none), layer(5, (0.4, 0.3, 0.45), (0.3, 0.2, 0.4))].concat();
    assert_eq!(
        verdict(&apart)[2],
        "overall: context-independent: no, decided by layer 5 (the token id explains less than 50 %, and a context adds more than 10 % \
         of what is left); routing follows the token id most in layer 1 and least in layer 5"
    );
    let close = [layer(1, (0.8, 0.7, 0.9), none), layer(5, (0.75, 0.7, 0.8), none)].concat();
    assert!(verdict(&close)[2].contains("the intervals of the layers overlap"));
}

#[test]
fn withheld_numbers_say_why() {
    let withheld =
        row(Statistic::MutualInformation, Variable::Token, 1, (0.5, 0.4, 0.6)).withheld("3 documents, 8 are needed");
    let lines = verdict(&[withheld]);
    assert_eq!(lines[0], "layer 1: not enough data (3 documents, 8 are needed)");
    assert!(lines[1].starts_with("overall: not enough data"));
    assert!(verdict(&[])[0].starts_with("not enough data"));
    let alone = verdict(&[row(Statistic::MutualInformation, Variable::Token, 1, (0.9, 0.8, 0.95))]);
    assert!(alone[0].contains("the previous token: not enough data (not measured)"), "{}", alone[0]);
    assert!(alone[1].starts_with("overall: context-independent: not enough data in layer 1;"), "{}", alone[1]);
}

#[test]
fn more_than_eight_layers_are_summarised() {
    let many = (0..10).flat_map(|l| layer(l, (0.5 + 0.01 * f64::from(l), 0.4, 0.7), (0.0, 0.0, 0.01)));
    let many: Vec<Finding> = many.chain(constant(11)).collect();
    let lines = verdict(&many);
    assert_eq!(lines.len(), 10);
    assert_eq!(
        lines[8],
        "layers 8, 9, 11: the intervals of what the token id explains lie between 40 and 70 %; see summary.json; the router of \
         layer 11 is constant"
    );
}
