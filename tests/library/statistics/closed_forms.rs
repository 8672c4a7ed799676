//! Routers for which the answer is known.

use openmoe_analyze::{
    routing::View,
    stats::{Finding, Variable, Variant, routing_noise_variance, routing_std_ceiling},
};

use super::support::*;

#[test]
fn closed_forms_of_the_standard_deviation() {
    assert!((routing_std_ceiling(32, 2, View::Chosen) - 0.121_031).abs() < 5e-7);
    assert!((routing_std_ceiling(32, 1, View::Chosen) - 0.173_99).abs() < 5e-6);
    assert!((routing_std_ceiling(32, 2, View::Kept) - 0.173_99).abs() < 5e-6);
    // 129 occurrences of a uniform router: E sum share^2 = 1/E + (1 - k/E) / (k n).
    let squares = 1.0 / 32.0 + (1.0 - 2.0 / 32.0) / (2.0 * 129.0);
    assert!((routing_noise_variance(squares, 129.0, 32, 2).sqrt() - 0.010_656).abs() < 5e-7);
}

#[test]
fn token_determined_routing_is_explained_by_the_token_alone() {
    let tables = synthetic(Router::Token, 8, 2, 24, 60).statistics(&quick());
    let token = information(&tables, MI, "token", "chosen");
    // H(E|X) = log2 k = 1 bit: the estimate is the ceiling H(E) - 1.
    close(token.estimate, token.ceiling.unwrap(), 1e-12);
    close(token.explained, 1.0, 1e-12);
    assert_eq!((token.n, token.documents), (24 * 60, Some(24)));
    close(token.p_value, 1.0 / 21.0, 1e-12);
    for variable in ["position_bucket", "previous_token", "document", "category"] {
        let context = information(&tables, CMI, variable, "chosen");
        close(context.estimate, 0.0, 1e-12);
        assert_eq!((context.given.map(Variable::name), context.explained), (Some("token"), None));
    }
    let accuracy = one(&tables, "token_predictability", |row| row.variant == Some(Variant::Token));
    close(accuracy.estimate, 1.0, 0.0);
    let overlap = one(&tables, "token_predictability", |row| row.variant == Some(Variant::TopKOverlap));
    close(overlap.estimate, 1.0, 0.0);
    let frequent = |row: &Finding| row.variant == Some(Variant::Unweighted) && row.view == View::Chosen;
    close(one(&tables, "vocabulary_specialization", frequent).estimate, 0.5, 1e-12);
}

#[test]
fn position_determined_routing_is_explained_by_the_position_alone() {
    let tables = synthetic(Router::Position, 8, 2, 24, 64).statistics(&quick());
    close(information(&tables, MI, "position", "chosen").explained, 1.0, 1e-12);
    let token = information(&tables, MI, "token", "chosen");
    assert!(token.explained.unwrap().abs() < 0.05, "{token:#?}");
}

#[test]
fn uniform_router_has_no_information_after_subtraction() {
    let tables = synthetic(Router::Nothing, 8, 2, 40, 100).statistics(&quick());
    for view in ["chosen", "kept"] {
        for variable in ["token", "position", "previous_token", "document", "category"] {
            let row = information(&tables, MI, variable, view);
            assert!(row.estimate.unwrap() > 0.0 && row.corrected.unwrap().abs() < 0.02, "{row:#?}");
            assert!(row.low.unwrap() < row.estimate.unwrap() && row.estimate.unwrap() < row.high.unwrap());
        }
    }
    let means =
        |row: &Finding| row.variable == Some(Variable::Token) && row.token_id.is_none() && row.view == View::Chosen;
    let std = one(&tables, "routing_std", means);
    assert!((std.estimate.unwrap() / std.noise_floor.unwrap() - 1.0).abs() < 0.3, "{std:#?}");
    assert_eq!(std.n, 20);
    let repeats =
        one(&tables, "expert_repetition", |row| row.variant == Some(Variant::FirstOrSecond) && row.category.is_none());
    close(repeats.uniform_baseline, 0.464_286, 1e-6);
    close(repeats.baseline, 0.464_286, 0.01);
    close(repeats.estimate, 0.464_286, 0.03);
}

#[test]
fn categories_of_documents_are_judged_by_document() {
    // Every document has one expert pair of its own, at random: categories differ by chance alone, as permuted labels
    // do, while the shuffle of occurrences within token ids takes the documents apart.
    let mut random = Random(11);
    let mut run = MadeUpTrace::new(8, 2, &[], &["a", "b"]);
    for document in 0..30 {
        let choices = random.subset(8, 2);
        let tokens: Vec<_> = (0..40).map(|_| (random.below(5), choices.clone(), vec![true; 2])).collect();
        run.document(0, Some(document % 2), &tokens);
    }
    let tables = run.statistics(&quick());
    let by_label = information(&tables, CMI, "category", "chosen");
    let by_row = one(&tables, CMI, |row| row.variant == Some(Variant::WithinTokenShuffle) && row.view == View::Chosen);
    assert_eq!(by_label.estimate, by_row.estimate);
    assert!(by_label.p_value.unwrap() > 0.05 && by_row.p_value.unwrap() < 0.05, "{by_label:#?}{by_row:#?}");
    assert!(by_label.baseline.unwrap() > 5.0 * by_row.baseline.unwrap());
    assert!(one(&tables, "cramers_v", |row| row.view == View::Chosen).p_value.unwrap() > 0.05);
}

#[test]
fn positions_are_judged_within_sequences() {
    // Every document has one expert pair of its own, and the longer the later its number: late positions belong to few
    // documents. Moving positions within a sequence changes no count, so that the null equals the estimate, while the
    // shuffle of occurrences takes the 64 neighbours of a bucket for independent.
    let mut random = Random(5);
    let mut run = MadeUpTrace::new(8, 2, &[], &[]);
    for document in 0..24 {
        let choices = random.subset(8, 2);
        let tokens: Vec<_> = (0..20 + 10 * document).map(|_| (1, choices.clone(), vec![true; 2])).collect();
        run.document(0, None, &tokens);
    }
    let tables = run.statistics(&quick());
    for (table, variable) in [(MI, "position"), (CMI, "position_bucket")] {
        let plain = information(&tables, table, variable, "chosen");
        let moved = one(&tables, table, |row| {
            row.variable.map(Variable::name) == Some(variable)
                && row.variant == Some(Variant::WithinSequenceShift)
                && row.view == View::Chosen
        });
        assert_eq!(plain.estimate, moved.estimate);
        close(moved.corrected, 0.0, 1e-9);
        assert_eq!(moved.p_value, Some(1.0));
        if variable == "position_bucket" {
            assert!(plain.p_value.unwrap() < 0.05 && plain.corrected.unwrap() > 0.01, "{plain:#?}");
        }
        assert!(moved.decides() && !plain.decides());
    }
    // Where the position decides, moving positions takes everything away.
    let tables = synthetic(Router::Position, 8, 2, 24, 64).statistics(&quick());
    let moved = one(&tables, MI, |row| row.variant == Some(Variant::WithinSequenceShift) && row.view == View::Chosen);
    close(moved.explained, 1.0, 1e-12);
}
