//! Threads, degenerate inputs, the list of statistics.

use openmoe_analyze::{
    routing::RunKind,
    stats::{STATISTICS, Settings, StatisticTable, Tables, Variable, headline, route_statistics},
};

use super::{hand_made::hand_made, support::*};

#[test]
fn the_number_of_threads_makes_no_difference() {
    let run = synthetic(Router::Nothing, 8, 2, 20, 40);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run.statistics(&Settings { minimum_occurrences: 10, ..quick() }))
    };
    let (one, two) = (with(1), with(2));
    assert_eq!(one, two);
    for table in one.values() {
        assert_eq!(table.to_csv().unwrap(), two[&table.name].to_csv().unwrap());
    }
    let other_seed = run.statistics(&Settings { seed: 1, minimum_occurrences: 10, ..quick() });
    assert_ne!(one[MI], other_seed[MI]);
}

#[test]
fn without_resamples_and_permutations_the_numbers_stay_and_say_why_they_stand_alone() {
    let run = synthetic(Router::Nothing, 8, 2, 20, 40);
    let settings = Settings { minimum_occurrences: 10, ..quick() };
    let full = run.statistics(&settings);
    let bare = run.statistics(&Settings { resamples: 0, permutations: 0, ..settings });
    sound(&bare);
    let rows = |tables: &Tables| tables.values().flat_map(|table| table.rows.clone()).collect::<Vec<_>>();
    for (full, bare) in rows(&full).into_iter().zip(rows(&bare)) {
        assert_eq!((&full.statistic, full.estimate, full.n), (&bare.statistic, bare.estimate, bare.n));
        let by_resampling = full.low.is_some() && bare.low.is_none();
        let says = bare.note.as_deref().is_some_and(|note| note.ends_with("no resamples"));
        assert!(!by_resampling || says, "{bare:#?}");
        assert_eq!(bare.p_value, None);
    }
    assert!(information(&bare, MI, "token", "chosen").low.is_some(), "the jackknife draws nothing");
}

/// Every row is sound, and every statistic of the list has one.
#[track_caller]
fn complete(tables: &Tables) {
    sound(tables);
    for info in STATISTICS.iter().filter(|info| info.command == RunKind::Route) {
        let rows = &tables[info.table].rows;
        let found = |view: &str| rows.iter().any(|row| row.statistic == info.statistic && row.view.name() == view);
        assert!(
            info.table == "top_tokens" || info.table == "domain_specialization" || found("chosen"),
            "{}",
            info.name
        );
        assert!(info.kept || !found("kept"), "{}", info.name);
    }
}

#[test]
fn degenerate_inputs_withhold_numbers_and_never_fail() {
    let one_token = |mut run: MadeUpTrace| {
        run.layer.token_id.fill(5);
        run
    };
    let one_category = |mut run: MadeUpTrace| {
        run.sequences.category.fill(Some(0));
        run
    };
    let more =
        [one_token(synthetic(Router::Nothing, 4, 2, 12, 30)), one_category(synthetic(Router::Nothing, 4, 2, 12, 30))];
    for run in degenerate().iter().chain(&more) {
        for minimum_occurrences in [1, 128] {
            complete(&run.statistics(&Settings { resamples: 30, permutations: 3, minimum_occurrences, ..quick() }));
        }
        complete(&run.statistics(&Settings { resamples: 0, permutations: 0, ..quick() }));
    }
}

#[test]
fn intervals_bracket_their_estimates() {
    let tables = synthetic(Router::Token, 8, 2, 30, 60).statistics(&Settings { minimum_occurrences: 20, ..quick() });
    complete(&tables);
    for row in tables.values().flat_map(|table| &table.rows) {
        if let (Some(low), Some(estimate), Some(high)) = (row.low, row.estimate, row.high) {
            assert!(low <= estimate && estimate <= high, "{row:#?}");
        }
    }
}

#[test]
fn columns_that_do_not_belong_together_are_a_fault() {
    let mut run = hand_made();
    run.layer.kept.pop();
    let error = route_statistics(&run.sequences, &run.layer, &quick(), &|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "internal error: trace of decoder layer 3: column `kept` has 19 values, expected 20");
    let mut run = hand_made();
    run.layer.expert[4] = 4;
    assert!(route_statistics(&run.sequences, &run.layer, &quick(), &|_| ()).is_err());
}

#[test]
fn the_list_of_statistics_is_complete_and_without_duplicates() {
    for (index, info) in STATISTICS.iter().enumerate() {
        assert!(STATISTICS[..index].iter().all(|other| other.name != info.name && other.title != info.title));
        assert!(!info.definition.is_empty() && !info.baseline.is_empty() && !info.source.is_empty());
    }
    let tables = synthetic(Router::Nothing, 8, 2, 12, 30).statistics(&Settings { minimum_occurrences: 5, ..quick() });
    for (name, table) in &tables {
        for row in &table.rows {
            let info = row.statistic.info();
            assert_eq!((info.table, name), (name.as_str(), &table.name));
            assert!(info.unit == row.unit || info.name == "top_tokens", "{row:#?}");
        }
    }
}

#[test]
fn headline_leaves_the_long_tables_out() {
    let tables = synthetic(Router::Nothing, 8, 2, 12, 30).statistics(&Settings { minimum_occurrences: 5, ..quick() });
    let findings = headline(&tables);
    for view in ["chosen", "kept"] {
        for (statistic, variable) in [(MI, "token"), (MI, "category"), (MI, "position"), (CMI, "category")] {
            let found = findings.iter().filter(|row| {
                row.statistic.name() == statistic
                    && row.view.name() == view
                    && row.variable.map(Variable::name) == Some(variable)
                    && row.variant.is_none()
            });
            assert_eq!(found.count(), 1, "{statistic} {variable}");
        }
    }
    assert!(findings.iter().all(|row| row.token_id.is_none() && row.position.is_none() && row.rank.is_none()));
    let rows: usize = tables.values().map(|table: &StatisticTable| table.rows.len()).sum();
    assert!(findings.len() < rows);
}
