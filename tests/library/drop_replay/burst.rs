//! Popular everywhere against popular in one text.

use expect_test::expect;
use openmoe_analyze::{
    routing::{CapacityRule, GroupRule},
    stats::{Finding, Tables, Variable},
};

use super::support::*;

/// 40 documents in two data sets; an expert is drawn first with `favourite` for a document's own one, else with
/// `popular` for expert 0.
fn run(seed: u64, favourite: u32, popular: u32, rule: GroupRule) -> Tables {
    let mut random = Random(seed);
    let mut run = MadeUpTrace::of_router(router(8, 2, CapacityRule::Port, 1.0), &["a", "b"], &[]);
    for document in 0..40 {
        let tokens: Vec<Token> = (0..60)
            .map(|_| {
                let first = match random.below(100) {
                    draw if draw < favourite => (document % 8) as u16,
                    draw if draw < favourite + popular => 0,
                    _ => random.below(8) as u16,
                };
                token(random.below(9), &[first, (first + 1 + random.below(7) as u16) % 8], &[0.5, 0.2])
            })
            .collect();
        run.document(u16::from(document >= 20), None, &tokens);
    }
    run.queue(rule).drop_statistics(&quick())
}

fn overall(tables: &Tables) -> &Finding {
    one(tables, "burstiness", |row| row.dataset.is_none() && row.expert.is_none())
}

#[test]
fn exchangeable_texts_are_not_bursty_however_popular_an_expert_is() {
    for seed in 1..=5 {
        let tables = run(seed, 0, 40, GroupRule::Sequence);
        let row = overall(&tables);
        println!("exchangeable: {:?} {:?} p {:?}", row.estimate, (row.low, row.high), row.p_value);
        assert!((row.estimate.unwrap() - 1.0).abs() < 0.08, "{row:#?}");
        assert_eq!((row.baseline, row.baseline_kind.map(BaselineKind::name)), (Some(1.0), Some("popular_everywhere")));
        assert_eq!((row.n, row.documents, row.unit.as_ref()), (2400, Some(40), "ratio"));
    }
}

/// One twentieth of the intervals and p-values may say otherwise: 2 of 40, and more than 6 once in 300 times.
#[test]
fn exchangeable_texts_are_seldom_called_bursty() {
    let (mut left_out, mut significant) = (0, 0);
    for seed in 101..=140 {
        let tables = run(seed, 0, 40, GroupRule::Sequence);
        let row = overall(&tables);
        left_out += u32::from(row.low.unwrap() > 1.0 || row.high.unwrap() < 1.0);
        significant += u32::from(row.p_value.unwrap() <= 0.05);
    }
    println!("of 40: {left_out} intervals leave out 1, {significant} p-values of at most 0.05");
    assert!(left_out <= 6 && significant <= 6);
}

#[test]
fn texts_with_their_own_favourites_are_bursty() {
    let tables = run(3, 40, 0, GroupRule::Sequence);
    let row = overall(&tables);
    println!("favourites: {:?} {:?} p {:?}", row.estimate, (row.low, row.high), row.p_value);
    assert!(row.low.unwrap() > 1.5 && row.p_value.unwrap() < 0.05, "{row:#?}");
    for dataset in ["a", "b"] {
        let row = one(&tables, "burstiness", |row| row.dataset.as_deref() == Some(dataset));
        assert!(row.low.unwrap() > 1.5 && row.n == 1200, "{row:#?}");
    }
    let experts: Vec<&Finding> = tables["burstiness"].rows.iter().filter(|row| row.expert.is_some()).collect();
    assert_eq!(experts.len(), 8);
    assert_eq!(experts.iter().map(|row| row.n).sum::<u64>(), 4800, "assignments to the experts");
    assert!(experts.iter().all(|row| row.estimate.unwrap() > 1.5 && row.variable == Some(Variable::Expert)));
}

#[test]
fn shared_groups_have_no_interval_and_no_drops_no_ratio() {
    let tables = run(3, 40, 0, GroupRule::Batch(4));
    let row = overall(&tables);
    assert!(row.low.is_none());
    expect!["no interval: documents share routing groups; 453 dropped, 213.7 after permuting across sequences"]
        .assert_eq(row.note.as_deref().unwrap());
    let mut all = MadeUpTrace::of_router(router(2, 1, CapacityRule::Unlimited, 1.0), &["a"], &[]);
    all.document(0, None, &[token(1, &[0], &[0.9]), token(1, &[0], &[0.8])]);
    let tables = all.queue(GroupRule::Sequence).drop_statistics(&quick());
    let row = overall(&tables);
    assert_eq!((row.estimate, row.n), (None, 2));
    assert_eq!(row.note.as_deref(), Some("0 dropped, none after permuting across sequences"));
}

/// One of twenty documents asks for nothing but one expert; the others for all of them alike.
#[test]
fn a_few_drops_after_permuting_give_no_ratio_but_a_p_value() {
    let mut random = Random(5);
    let mut all = MadeUpTrace::of_router(router(16, 1, CapacityRule::Port, 3.0), &["a"], &[]);
    for document in 0..20 {
        let tokens: Vec<Token> =
            (0..160).map(|_| token(0, &[if document == 0 { 3 } else { random.below(16) as u16 }], &[0.5])).collect();
        all.document(0, None, &tokens);
    }
    let tables = all.queue(GroupRule::Sequence).drop_statistics(&quick());
    let row = overall(&tables);
    // 160 tokens of one expert, 30 slots: 130 dropped; permuted it has 8 + 10 of 160 and none overflows as a rule.
    expect!["130 dropped, none after permuting across sequences"].assert_eq(row.note.as_deref().unwrap());
    assert_eq!((row.estimate, row.low, row.documents), (None, None, Some(20)));
    assert!(row.p_value.unwrap() < 0.05, "{row:#?}");
}

#[test]
fn ratios_without_an_interval_say_why() {
    // Three long documents overflow whatever they get; seventeen of two tokens never do.
    let mut random = Random(5);
    let mut all = MadeUpTrace::of_router(router(4, 1, CapacityRule::Port, 1.0), &["a"], &[]);
    for document in 0..20 {
        let length = if document < 3 { 200 } else { 2 };
        let tokens: Vec<Token> = (0..length).map(|_| token(0, &[random.below(4) as u16], &[0.5])).collect();
        all.document(0, None, &tokens);
    }
    all.router.min_capacity = 4;
    let tables = all.queue(GroupRule::Sequence).drop_statistics(&quick());
    let row = overall(&tables);
    assert!(row.estimate.is_some() && row.low.is_none(), "{row:#?}");
    expect!["no interval: 3 documents have drops after permuting, at least 8 needed; 43 dropped, 38.2 after permuting across sequences"].assert_eq(row.note.as_deref().unwrap());
    let unsaid =
        |row: &&Finding| row.low.is_none() && row.note.as_deref().is_none_or(|note| !note.contains("no interval"));
    let rows = tables["burstiness"].rows.iter().filter(|row| row.estimate.is_some());
    assert_eq!(rows.filter(unsaid).count(), 0);
}
