//! More than two choices, replayed: every rank by hand.

use openmoe_analyze::{
    routing::{CapacityRule, GroupRule},
    stats::{Finding, Statistic, Variant, exact_replay},
};

use super::support::*;

/// Three tokens with the choices 0 1 2, 0 2 1 and 0 1 and `last`, of four experts. The rule `port` gives each expert
/// floor(9/4 factor) slots, odd numbers rounded up: 2 up to a factor of 1.25, 4 from 1.5 on.
///
/// Two slots: of the first choices expert 0 refuses token 2; the second ones all find a slot; of the third ones expert 1,
/// with tokens 0 and 2, refuses token 1, and expert 2, with tokens 1 and 0, refuses token 2 if that asks for it.
fn three_choices(factor: f64, last: u16) -> MadeUpTrace {
    let mut run = MadeUpTrace::of_router(router(4, 3, CapacityRule::Port, factor), &["a"], &[]);
    let gates = [0.5, 0.25, 0.125];
    run.document(
        0,
        None,
        &[token(7, &[0, 1, 2], &gates), token(8, &[0, 2, 1], &gates), token(9, &[0, 1, last], &gates)],
    );
    run.queue(GroupRule::Sequence)
}

const BY_RANK: Variant = Variant::Of(Statistic::ChoiceDropRatio);

#[test]
fn a_replay_tells_every_rank() {
    let tables = three_choices(1.0, 2).drop_statistics(&quick());
    let rows = |factor: f64| -> Vec<(Option<u32>, Option<f64>, Option<f64>)> {
        let replay = Replay {
            rule: "port",
            factor: Some(factor),
            grouping: "run",
            priority: "position",
            variant: Statistic::ChoiceDropRatio.name(),
        };
        let own = tables["capacity_replay"].rows.iter().filter(|row| replay.fits(row));
        own.map(|row| (row.rank, row.estimate, row.baseline)).collect()
    };
    let (first, none, third) = (Some(1.0 / 3.0), Some(0.0), Some(2.0 / 3.0));
    assert_eq!(rows(1.0), [(Some(1), first, first), (Some(2), none, none), (Some(3), third, third)]);
    assert_eq!(rows(1.5), [(Some(1), none, first), (Some(2), none, none), (Some(3), none, third)]);
    // First and second choices have rows of their own as with two choices.
    let second = Replay {
        rule: "port",
        factor: Some(1.0),
        grouping: "run",
        priority: "position",
        variant: Statistic::FirstChoiceDropRatio.name(),
    };
    assert_eq!(second.of(&tables).estimate, first);
    assert!(tables["capacity_replay"].rows.iter().all(|row| row.rank.is_some() == (row.variant == Some(BY_RANK))));
}

#[test]
fn an_exact_replay_tells_every_rank() {
    let (rerun, logged) = (three_choices(1.0, 3), three_choices(1.25, 2));
    let table = exact_replay(&rerun.drop_study(&quick()), &logged.drop_study(&quick())).unwrap();
    let (five, ranks): (Vec<&Finding>, Vec<&Finding>) = table.rows.iter().partition(|row| row.variant != Some(BY_RANK));
    assert_eq!((five.len(), ranks.len()), (5, 3));
    // Expert 3 takes the third choice that expert 2 refuses in the replay of the logged choices.
    let expected = [(1.0 / 3.0, 1.0 / 3.0), (0.0, 0.0), (1.0 / 3.0, 2.0 / 3.0)];
    for (index, (row, (exact, replayed))) in ranks.iter().zip(expected).enumerate() {
        assert_eq!((row.rank, row.n, row.capacity_factor), (Some(index as u32 + 1), 3, Some(1.0)));
        close(row.estimate, exact, 1e-12);
        close(row.baseline, replayed, 1e-12);
        close(row.corrected, exact - replayed, 1e-12);
    }
}

#[test]
fn two_choices_have_no_ranks() {
    let mut run = MadeUpTrace::of_router(router(3, 2, CapacityRule::Port, 1.0), &["a"], &[]);
    run.document(0, None, &[token(7, &[0, 1], &[0.5, 0.25]), token(8, &[0, 2], &[0.5, 0.25])]);
    let run = run.queue(GroupRule::Sequence);
    let table = exact_replay(&run.drop_study(&quick()), &run.drop_study(&quick())).unwrap();
    assert_eq!(table.rows.len(), 5);
    assert!(run.drop_statistics(&quick())["capacity_replay"].rows.iter().all(|row| row.rank.is_none()));
}
