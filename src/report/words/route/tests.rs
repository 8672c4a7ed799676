//! Verdicts of hand-made numbers.

use super::*;
use crate::stats::{
    Finding, Statistic, Variable,
    verdict::made::{bits, constant, function, layer, row},
};

/// The details, then what holds over all layers.
fn verdict(findings: &[Finding]) -> Vec<String> {
    let verdict = RouteVerdict::of(findings);
    lines(&verdict).into_iter().chain([overall(&verdict)]).collect()
}

#[test]
fn a_line_quotes_shares_with_intervals() {
    let lines = verdict(&layer(3, (0.58, 0.55, 0.61), (0.09, 0.08, 0.1)));
    assert_eq!(
        lines,
        [
            "layer 3: context-independent: the token id explains 58 % [55, 61] of the routing; of what is left, the document explains \
             3 % [2, 4], the previous token at most 9 % [8, 10], the category 2 % [1, 3], the position 0 % [-1, 1]",
            "\"context-independent\" means: at least half is explained by the token id, and at most a tenth of the rest by any \
             context, or less than 5 % is left",
            "Overall: context-independent. The token id explains 58 % [55, 61] of the routing in layer 3.",
        ]
    );
}

#[test]
fn what_nothing_explains_is_undecided() {
    let lines = verdict(&layer(1, (0.0, -0.01, 0.01), (0.0, -0.02, 0.02)));
    assert!(lines[0].starts_with("layer 1: undecided whether context-independent: the token id"), "{}", lines[0]);
    let means = "\"undecided whether context-independent\" means: less than half is explained by the token id, but no context is shown";
    assert!(lines[1].starts_with(means), "{}", lines[1]);
}

#[test]
fn a_function_of_the_token_id_is_the_strongest_yes() {
    assert_eq!(
        verdict(&function(3, (1.0, 0.98, 1.02))),
        [
            "layer 3: fully context-independent: the token id explains 100 % [98, 100] of the routing; nothing is left for the \
             context (0.00 bits)",
            "\"fully context-independent\" means: nothing is left for the context to explain",
            "Overall: fully context-independent. The token id explains 100 % [98, 100] of the routing in layer 3.",
        ]
    );
}

#[test]
fn a_constant_router_is_named_with_its_experts() {
    let words = "the router is constant: every token gets the experts 0, 7; there is nothing to explain";
    let lines = verdict(&constant(3));
    assert_eq!(lines[0], format!("layer 3: {words}"));
    assert_eq!(
        lines[1],
        "Overall: the router is constant in every layer, so there is nothing to explain (every token gets the experts 0, 7)."
    );
    let lines = verdict(&[function(1, (1.0, 0.98, 1.02)), constant(3)].concat());
    assert_eq!(lines[1], format!("layer 3: {words}"));
    assert!(lines[3].starts_with("Overall: fully context-independent. "), "{}", lines[3]);
    assert!(lines[3].ends_with("; layer 3 is left out, because its router is constant."), "{}", lines[3]);
    let nearly = verdict(&[bits(Statistic::MutualInformation, Variable::Token, 3, (0.02, 0.001, 0.03))]);
    assert_eq!(nearly[0], "layer 3: the router is nearly constant: only 0.03 bits are there to explain at all");
    assert_eq!(
        nearly[1],
        "Overall: the router is constant or nearly so in every layer, so there is nothing to explain."
    );
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
    assert!(said.ends_with("; the position: not enough data (it is the same for all tokens)"), "{said}");
}

#[test]
fn layers_are_ranked_only_where_their_intervals_are_apart() {
    let none = (0.0, 0.0, 0.01);
    let apart = [layer(1, (0.8, 0.78, 0.82), none), layer(5, (0.4, 0.3, 0.45), (0.3, 0.2, 0.4))].concat();
    assert_eq!(
        verdict(&apart)[3],
        "Overall: not context-independent, because of layer 5. Where the token id explains least (layer 5), it explains 40 % \
         [30, 45] of the routing."
    );
    let last = |rows: &[Finding]| entries(&RouteVerdict::of(rows)).pop().unwrap().words;
    assert_eq!(last(&apart), "routing follows the token id most in layer 1 and least in layer 5");
    let close = [layer(1, (0.8, 0.7, 0.9), none), layer(5, (0.75, 0.7, 0.8), none)].concat();
    assert!(last(&close).contains("the intervals of the layers overlap"));
}

#[test]
fn withheld_numbers_say_why() {
    let withheld =
        row(Statistic::MutualInformation, Variable::Token, 1, (0.5, 0.4, 0.6)).withheld("3 documents, 8 are needed");
    let lines = verdict(&[withheld]);
    assert_eq!(lines[0], "layer 1: not enough data (3 documents, 8 are needed)");
    assert!(lines[1].starts_with("Overall: there is not enough data to say"), "{}", lines[1]);
    assert!(verdict(&[])[0].starts_with("Overall: there is not enough data to say"));
    let alone = verdict(&[row(Statistic::MutualInformation, Variable::Token, 1, (0.9, 0.8, 0.95))]);
    assert!(alone[0].contains("the previous token: not enough data (not measured)"), "{}", alone[0]);
    assert!(alone[1].starts_with("Overall: there is not enough data in layer 1 to say"), "{}", alone[1]);
}

#[test]
fn more_than_eight_layers_are_summarised() {
    let many = (0..10).flat_map(|l| layer(l, (0.5 + 0.01 * f64::from(l), 0.4, 0.7), (0.0, 0.0, 0.01)));
    let many: Vec<Finding> = many.chain(constant(11)).collect();
    let lines = verdict(&many);
    assert_eq!(lines.len(), 11, "eight layers, the others, the meaning of the word, and all");
    assert_eq!(
        lines[8],
        "layers 8, 9, 11: the intervals of what the token id explains lie between 40 and 70 %; see summary.json; the router of \
         layer 11 is constant"
    );
}

#[test]
fn entries_have_the_words_of_the_lines_and_say_which_layers_decided() {
    let none = (0.0, 0.0, 0.01);
    let rows = [layer(1, (0.8, 0.78, 0.82), none), layer(5, (0.4, 0.3, 0.45), (0.3, 0.2, 0.4)), constant(7)].concat();
    let decided = RouteVerdict::of(&rows);
    let (lines, entries) = (verdict(&rows), entries(&decided));
    let words: Vec<&str> = entries.iter().map(|entry| entry.words.as_str()).collect();
    assert_eq!(words[..3], lines[..3]);
    assert_eq!(words[3], lines[4]);
    assert_eq!(words[4], "routing follows the token id most in layer 1 and least in layer 5");
    let together = &entries[3].verdict;
    assert_eq!((together.layers.as_slice(), together.layers_left_out.as_slice()), (&[5][..], &[7][..]));
    assert_eq!(entries[3].criterion, meaning(Independence::No));
    let told: Vec<_> = entries.iter().map(|entry| serde_json::to_value(entry).unwrap()).collect();
    let answers: Vec<_> =
        told.iter().map(|entry| [&entry["claim"], &entry["answer"]].map(|own| own.as_str().unwrap())).collect();
    let claim = "context_independent";
    assert_eq!(
        answers,
        [[claim, "yes"], [claim, "no"], [claim, "constant_router"], [claim, "no"], ["layers_differ", "yes"]]
    );
}
