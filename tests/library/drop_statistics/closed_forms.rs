//! Baselines and intervals whose value is known.

use openmoe_analyze::stats::Settings;

use super::{
    hand_made::{settings, two_sequences},
    support::*,
};

/// One token repeated: a permutation changes nothing.
#[test]
fn repeated_tokens_are_their_own_baseline() {
    let mut run = MadeUpTrace::new(4, 2, &["all"], &[]);
    for _ in 0..10 {
        let sequence = run.document(0, None, &vec![(7, vec![1, 2]); 80]);
        run.span(sequence, 0, Role::User, 0, 80);
    }
    run.with_slots(1, |_| 20);
    let tables = run.drop_statistics(&quick());
    // Both experts keep 20 of 80: three quarters are lost, everything from position 20 on.
    let all = at(&tables, RATIOS[0], "");
    assert_eq!((all.estimate, all.baseline, all.low, all.high), (Some(0.75), Some(0.75), Some(0.75), Some(0.75)));
    let tail = at(&tables, RATIOS[3], "variable=position_bucket position=64");
    assert_eq!((tail.estimate, tail.baseline, tail.n), (Some(1.0), Some(1.0), 160));
    // All of ten documents alike: 0.741^10 = 0.05.
    let reason =
        "no interval: everything was dropped in 10 documents (up to 25.9 % of such documents could keep something)";
    assert_eq!((tail.low, tail.high, tail.note.as_deref()), (None, None, Some(reason)));
    let trend = at(&tables, "drop_trend", "variant=last_minus_first");
    assert_eq!((trend.estimate, trend.baseline, trend.corrected), (Some(1.0), Some(1.0), Some(0.0)));
    assert_eq!((trend.low, trend.corrected_high, trend.p_value), (Some(1.0), Some(0.0), Some(1.0)));
    for name in RATIOS {
        assert_eq!(at(&tables, name, "role=user").baseline.map(|mean| (mean * 1e9).round()), Some(0.75e9));
    }
}

/// Two sequences of two tokens, one slot: four vectors 0 0 1 1 land in pairs; with probability 1/3 both pairs are equal
/// and lose one token each: mean 2/3 of 4. Observed: 2 of 4.
#[test]
fn across_sequences_burstiness_disappears() {
    let mut run = MadeUpTrace::new(2, 1, &["all"], &[]);
    run.document(0, None, &[(0, vec![0]), (1, vec![0])]);
    run.document(0, None, &[(0, vec![1]), (1, vec![1])]);
    run.with_slots(1, |_| 1);
    let permutations = 4000;
    let tables = run.drop_statistics(&with(Settings { permutations, ..Settings::default() }));
    let all = at(&tables, RATIOS[0], "");
    assert_eq!((all.estimate, all.baseline_kind.map(BaselineKind::name)), (Some(0.5), Some("across_sequences")));
    // Standard deviation of one permutation: 1/2 sqrt(2/9); of the mean of 4,000: 0.0037.
    close(all.baseline, 1.0 / 6.0, 0.015);
    assert_eq!(at(&tables, RATIOS[0], "dataset=all").baseline, all.baseline);
    // Within a sequence nothing changes: the second token is lost.
    assert_eq!(at(&tables, RATIOS[0], "variable=position position=1").baseline, Some(1.0));
}

/// Order within a group cannot change the total: the bins of the baseline add up to the observed drops. Gate
/// probabilities move with their vector.
#[test]
fn permutations_within_sequences_keep_the_total() {
    let mut run = two_sequences();
    run.layer.probability[..2].copy_from_slice(&[0.9, 0.05]);
    let tables = run.drop_statistics(&settings());
    for (prefix, total) in [("variable=position_bucket", 9.0), ("variable=position_bucket dataset=chat", 6.0)] {
        let rows = || tables[RATIOS[0]].rows.iter().filter(|row| key(row).starts_with(&format!("{prefix} position")));
        let sum: f64 = rows().map(|row| row.baseline.unwrap() * (2 * row.n) as f64).sum();
        assert!((sum - total).abs() < 1e-9, "{prefix}: {sum}");
    }
    // The gate mass of a bin is what its permuted vectors carry, so that no ratio exceeds 1.
    assert!(tables[RATIOS[4]].rows.iter().filter_map(|row| row.baseline).all(|mean| (0.0..=1.0).contains(&mean)));
}

/// Eight documents without a drop do not prove that there are no drops at all: 0.688^8 = 0.05.
#[test]
fn nothing_dropped_has_no_interval_without_width() {
    let mut run = MadeUpTrace::new(4, 2, &["all"], &[]);
    for _ in 0..8 {
        run.document(0, None, &vec![(7, vec![1, 2]); 80]);
    }
    run.with_slots(1, |_| 80);
    let tables = run.drop_statistics(&quick());
    let reason = "no interval: nothing was dropped in 8 documents (up to 31.2 % of such documents could have drops)";
    for name in RATIOS {
        let row = at(&tables, name, "");
        assert_eq!((row.estimate, row.low, row.high, row.note.as_deref()), (Some(0.0), None, None, Some(reason)));
        let bin = at(&tables, name, "variable=position_bucket cohort=fixed position=0");
        assert_eq!(
            bin.note.as_deref().unwrap(),
            format!("{reason}; 8 sequences reach the end of the window of 64 positions")
        );
    }
}

/// Sequences of a group share its queues: the second sequence finds what the first one has left.
#[test]
fn groups_of_several_sequences_queue_together() {
    let mut run = MadeUpTrace::new(2, 1, &["all"], &[]);
    for _ in 0..2 {
        run.document(0, None, &[(0, vec![0]), (1, vec![0])]);
    }
    run.with_slots(2, |_| 3);
    let tables = run.drop_statistics(&quick());
    assert_eq!(at(&tables, RATIOS[0], "").estimate, Some(0.25));
    assert_eq!(at(&tables, RATIOS[0], "").baseline, Some(0.25));
    assert_eq!(at(&tables, RATIOS[0], "variable=position position=1").estimate, Some(0.5));
}
