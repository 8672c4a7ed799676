//! A second forward pass against the first-order replay.

use expect_test::{Expect, expect};
use openmoe_analyze::{
    error::Error,
    routing::{CapacityRule, GroupRule},
    stats::{Finding, Variant, exact_replay},
};

use super::{hand_made::ten_tokens, support::*};
use crate::support::snapshot::told;

fn at_factor(mut run: MadeUpTrace, factor: f64) -> MadeUpTrace {
    run.router.capacity_factor = factor;
    run.queue(GroupRule::Sequence)
}

#[test]
fn the_same_choices_leave_no_difference() {
    let (logged, rerun) = (ten_tokens(), at_factor(ten_tokens(), 0.75));
    let table = exact_replay(&rerun.drop_study(&quick()), &logged.drop_study(&quick())).unwrap();
    assert_eq!((table.name.as_str(), table.rows.len()), ("exact_replay", 5));
    for (row, variant) in table.rows.iter().zip(RATIOS) {
        assert_eq!((row.variant.map(Variant::name), row.capacity_factor, row.n), (Some(variant), Some(0.75), 10));
        assert_eq!((row.estimate, row.corrected), (row.baseline, Some(0.0)));
        assert_eq!(row.baseline_kind.map(BaselineKind::name), Some("first_order"));
    }
    // 0.75: 4 and 2 slots; t3 and t5 at expert 0, u2 and u3 at expert 1.
    close(table.rows[0].estimate, 0.2, 1e-12);
}

#[test]
fn changed_choices_show_in_the_difference() {
    let (logged, mut rerun) = (ten_tokens(), ten_tokens());
    // u3 asks for expert 2 instead of 1: at factor 0.75 only u2 is dropped in document 1.
    rerun.layer.expert[19] = 2;
    let rerun = at_factor(rerun, 0.75);
    let table = exact_replay(&rerun.drop_study(&quick()), &logged.drop_study(&quick())).unwrap();
    // Expert 2 has u0, u2, u3 in document 1: slot 2 of 2 is dropped as well. 4 of 20 in both, one first choice.
    let rows: Vec<&Finding> = table.rows.iter().collect();
    close(rows[0].estimate, 0.2, 1e-12);
    close(rows[0].corrected, 0.0, 1e-12);
    close(rows[1].estimate, 0.1, 1e-12);
}

/// Documents of which half has another second choice in the rerun: more drops, in every resample.
#[test]
fn the_difference_is_paired_by_document() {
    let build = |seed: u64, shift: bool| {
        let mut random = Random(seed);
        let mut run = MadeUpTrace::of_router(router(4, 2, CapacityRule::Port, 1.0), &["a"], &[]);
        for _ in 0..20 {
            let tokens: Vec<Token> = (0..40)
                .map(|_| {
                    let (first, second) = (random.below(4) as u16, 1 + random.below(3) as u16);
                    let second = if shift && first != 0 && second == 1 { 0 } else { (first + second) % 4 };
                    token(1, &[first, second], &[0.5, 0.25])
                })
                .collect();
            run.document(0, None, &tokens);
        }
        run
    };
    let (logged, rerun) = (build(5, false).queue(GroupRule::Sequence), at_factor(build(5, true), 1.25));
    let table = exact_replay(&rerun.drop_study(&quick()), &logged.drop_study(&quick())).unwrap();
    let row = &table.rows[0];
    println!("{:?} against {:?}: {:?}", row.estimate, row.baseline, (row.corrected_low, row.corrected_high));
    assert!(row.corrected_low.unwrap() > 0.0 && row.corrected.unwrap() > row.corrected_low.unwrap(), "{row:#?}");
    assert!(row.low.is_some() && row.documents == Some(20));
}

#[test]
fn other_runs_are_refused() {
    let refused = |change: fn(&mut MadeUpTrace), message: &Expect| {
        let (logged, mut rerun) = (ten_tokens(), ten_tokens());
        change(&mut rerun);
        match exact_replay(&rerun.drop_study(&quick()), &logged.drop_study(&quick())) {
            Err(error @ Error::Usage { .. }) => message.assert_eq(&told(&error)),
            other => panic!("{other:?}"),
        }
    };
    refused(
        |run| run.layer.token_id[3] = 8,
        &expect![[r#"
        the exact replay and the run differ in their tokens; expected nothing but the capacity factor to differ

        hint: rerun with the settings of the run
    "#]],
    );
    refused(
        |run| run.router.capacity_rule = CapacityRule::T5x,
        &expect![[r#"
        the exact replay and the run differ in their capacity rule; expected nothing but the capacity factor to differ

        hint: rerun with the settings of the run
    "#]],
    );
    refused(
        |run| run.layer.layer = 7,
        &expect![[r#"
        the exact replay and the run differ in their decoder layer; expected nothing but the capacity factor to differ

        hint: rerun with the settings of the run
    "#]],
    );
    refused(
        |run| *run = run.clone().queue(GroupRule::Batch(2)),
        &expect![[r#"
        the exact replay and the run differ in their routing groups; expected nothing but the capacity factor to differ

        hint: rerun with the settings of the run
    "#]],
    );
}
