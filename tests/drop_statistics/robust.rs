//! Degenerate inputs, threads, and the list of statistics.

use openmoe_analyze::{
    routing::ExpertId,
    stats::{STATISTICS, Tables, headline},
};

use crate::{
    hand_made::{settings, two_sequences},
    support::*,
};

/// Thirty conversations of random choices in two data sets, four sequences to a group, every third document in two
/// parts that do not stand side by side.
fn conversations(k: usize) -> Run {
    let mut random = Random(11);
    let mut run = Run::new(8, k, &["a", "b"], &["x", "y"]);
    let mut rows = |length: u32| -> Vec<(u32, Vec<ExpertId>)> {
        let mut row = || {
            let first = random.below(4);
            let experts = [first, (first + 1 + random.below(7)) % 8];
            (random.below(5), experts[..k].iter().map(|expert| *expert as ExpertId).collect())
        };
        (0..length).map(|_| row()).collect()
    };
    for document in 0..30_u16 {
        let sequence = run.document(document % 2, Some(document % 2), &rows(70 + u32::from(document)));
        run.span(sequence, 0, 1, 0, 40);
        run.span(sequence, 1, 2, 40, 70);
    }
    for document in (0..30).step_by(3) {
        run.chunk(document, (document % 2) as u16, Some((document % 2) as u16), &rows(66));
    }
    run.route(4, |_| 48 * k as u32);
    run
}

fn on_threads(threads: usize, run: &Run) -> Tables {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| run.statistics(&quick()))
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let run = conversations(2);
    let one = on_threads(1, &run);
    assert!(one == on_threads(3, &run));
    let row = at(&one, RATIOS[0], "");
    assert_eq!(row.documents, Some(30));
    assert!(row.low.unwrap() <= row.estimate.unwrap() && row.estimate.unwrap() <= row.high.unwrap());
}

#[test]
fn every_number_is_finite_and_has_n_baseline_and_interval_or_a_reason() {
    for k in [1, 2] {
        let tables = conversations(k).statistics(&quick());
        for row in tables.values().flat_map(|table| &table.rows) {
            let numbers = [row.estimate, row.low, row.high, row.baseline, row.corrected, row.p_value];
            assert!(numbers.into_iter().flatten().all(f64::is_finite), "{row:?}");
            assert!(row.estimate.is_some() || row.note.is_some(), "{row:?}");
            assert!(row.estimate.is_none() || (row.n > 0 && row.baseline.is_some()), "{row:?}");
            assert!(row.estimate.is_none() || row.low.is_some() || row.note.is_some(), "{row:?}");
        }
        let info = |name: &str| STATISTICS.iter().find(|info| info.command == "drops" && info.name == name);
        assert!(tables.iter().all(|(name, table)| table.rows.iter().all(|row| row.statistic == *name)));
        assert!(tables.keys().all(|name| info(name).is_some_and(|info| info.table == name)), "{:?}", tables.keys());
    }
}

#[test]
fn one_choice_has_no_second_one() {
    let tables = conversations(1).statistics(&quick());
    let rows = &tables["second_choice_drop_ratio"].rows;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].estimate, rows[0].note.is_some()), (None, true));
    assert_eq!(at(&tables, RATIOS[0], "").estimate, at(&tables, RATIOS[3], "").estimate);
}

#[test]
fn nothing_to_count_is_said() {
    let tables = Run::new(4, 2, &[], &[]).statistics(&quick());
    assert!(tables.values().all(|table| !table.rows.is_empty()));
    assert!(tables.values().flat_map(|table| &table.rows).all(|row| row.estimate.is_none() && row.note.is_some()));
    // Without permutations there is no baseline, and nothing is subtracted.
    let mut settings = settings();
    settings.statistics.permutations = 0;
    let tables = two_sequences().statistics(&settings);
    assert_eq!((at(&tables, RATIOS[0], "").baseline, at(&tables, RATIOS[0], "").estimate), (None, Some(0.45)));
    assert_eq!(at(&tables, "drop_trend", "variant=last_minus_first").corrected, None);
}

#[test]
fn columns_that_do_not_belong_together_are_an_error() {
    let broken: [fn(&mut Run); 5] = [
        |run| run.layer.probability.truncate(3),
        |run| run.groups.sequences.truncate(1),
        |run| run.sequences.dataset[1] = 9,
        |run| run.spans.end[0] = 7,
        |run| run.layer.sequence.reverse(),
    ];
    for (index, breaks) in broken.into_iter().enumerate() {
        let mut run = two_sequences();
        breaks(&mut run);
        let result = openmoe_analyze::stats::drop_statistics(&run.layer(), &settings(), &|_| ());
        assert_eq!(result.unwrap_err().exit_code(), 3, "{index}");
    }
}

#[test]
fn the_summary_holds_the_ratios_the_binned_curve_and_the_trend() {
    let findings = headline(&two_sequences().statistics(&settings()));
    for name in RATIOS {
        for keys in ["", "dataset=chat", "category=y", "role=user", "turn=1", "dataset=chat role=assistant"] {
            one(&findings, |row| row.statistic == name && key(row) == keys);
        }
        let binned =
            findings.iter().any(|row| row.statistic == name && row.variable.as_deref() == Some("position_bucket"));
        assert_eq!(binned, name == "assignment_drop_ratio");
    }
    one(&findings, |row| row.statistic == "drop_trend" && key(row) == "variant=last_minus_first");
    assert!(findings.iter().all(|row| row.variable.as_deref() != Some("position")));
}
