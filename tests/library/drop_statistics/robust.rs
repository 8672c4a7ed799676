//! Degenerate inputs, threads, and the list of statistics.

use openmoe_analyze::{
    routing::{ExpertId, RunKind},
    stats::{DropStudy, Finding, STATISTICS, Statistic, Tables, drop_difference, headline},
};

use super::{
    hand_made::{settings, two_sequences},
    support::*,
};

/// Thirty conversations of random choices in two data sets, `group` sequences to a group, every third document in two
/// parts that do not stand side by side.
fn conversations(k: usize, group: usize) -> MadeUpTrace {
    let mut random = Random(11);
    let mut run = MadeUpTrace::new(8, k, &["a", "b"], &["x", "y"]);
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
        run.span(sequence, 0, Role::User, 0, 40);
        run.span(sequence, 1, Role::Assistant, 40, 70);
    }
    for document in (0..30).step_by(3) {
        run.chunk(document, (document % 2) as u16, Some((document % 2) as u16), &rows(66));
    }
    run.with_slots(group, |_| (12 * group * k) as u32);
    run
}

fn on_threads(threads: usize, run: &MadeUpTrace) -> Tables {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| run.drop_statistics(&quick()))
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let run = conversations(2, 1);
    let one = on_threads(1, &run);
    assert!(one == on_threads(3, &run));
    let row = at(&one, RATIOS[0], "");
    assert_eq!(row.documents, Some(30));
    assert!(row.low.unwrap() <= row.estimate.unwrap() && row.estimate.unwrap() <= row.high.unwrap());
}

#[test]
fn every_number_is_finite_and_has_n_baseline_and_interval_or_a_reason() {
    for k in [1, 2] {
        let tables = conversations(k, 4).drop_statistics(&quick());
        // The tokens of one conversation are a list, and are compared with nothing.
        let compared = tables.values().filter(|table| table.name != "dropped_tokens");
        for row in compared.flat_map(|table| &table.rows) {
            let numbers = [row.estimate, row.low, row.high, row.baseline, row.corrected, row.p_value];
            assert!(numbers.into_iter().flatten().all(f64::is_finite), "{row:?}");
            assert!(row.estimate.is_some() || row.note.is_some(), "{row:?}");
            assert!(row.estimate.is_none() || (row.n > 0 && row.baseline.is_some()), "{row:?}");
            assert!(row.estimate.is_none() || row.low.is_some() || row.note.is_some(), "{row:?}");
        }
        let info = |name: &str| STATISTICS.iter().find(|info| info.command == RunKind::Drops && info.name == name);
        assert!(tables.iter().all(|(name, table)| table.rows.iter().all(|row| row.statistic.table() == *name)));
        assert!(tables.keys().all(|name| info(name).is_some_and(|info| info.table == name)), "{:?}", tables.keys());
    }
}

/// Documents that compete for the same slots are not independent.
#[test]
fn shared_routing_groups_have_no_interval_anywhere() {
    let rows = |group: usize| {
        let tables = conversations(2, group).drop_statistics(&quick());
        tables.into_values().flat_map(|table| table.rows).filter(|row| row.grouping.as_deref() != Some("sequence"))
    };
    for row in rows(4).filter(|row| row.estimate.is_some()) {
        assert_eq!((row.low, row.high, row.corrected_low, row.corrected_high), (None, None, None, None), "{row:?}");
        let listed = matches!(row.statistic, Statistic::DocumentDrops | Statistic::DroppedTokens);
        let note = row.note.as_deref().unwrap_or_default();
        assert!(listed || note.contains("no interval: documents share routing groups"), "{row:?}");
    }
    assert!(rows(1).any(|row| row.statistic == Statistic::DropTrend && row.corrected_low.is_some()));
}

#[test]
fn one_choice_has_no_second_one() {
    let tables = conversations(1, 4).drop_statistics(&quick());
    let rows = &tables["second_choice_drop_ratio"].rows;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].estimate, rows[0].note.is_some()), (None, true));
    assert_eq!(at(&tables, RATIOS[0], "").estimate, at(&tables, RATIOS[3], "").estimate);
}

#[test]
fn nothing_to_count_is_said() {
    let tables = MadeUpTrace::new(4, 2, &[], &[]).drop_statistics(&quick());
    assert!(tables.values().all(|table| !table.rows.is_empty()));
    assert!(tables.values().flat_map(|table| &table.rows).all(|row| row.estimate.is_none() && row.note.is_some()));
    // Without permutations there is no baseline, and nothing is subtracted.
    let mut settings = settings();
    settings.statistics.permutations = 0;
    let tables = two_sequences().drop_statistics(&settings);
    assert_eq!((at(&tables, RATIOS[0], "").baseline, at(&tables, RATIOS[0], "").estimate), (None, Some(0.45)));
    assert_eq!(at(&tables, "drop_trend", "variant=last_minus_first").corrected, None);
}

#[test]
fn columns_that_do_not_belong_together_are_an_error() {
    let broken: [fn(&mut MadeUpTrace); 5] = [
        |run| run.layer.probability.truncate(3),
        |run| run.groups.sequences.truncate(1),
        |run| run.sequences.dataset[1] = 9,
        |run| run.spans.end[0] = 7,
        |run| run.layer.sequence.reverse(),
    ];
    for (index, breaks) in broken.into_iter().enumerate() {
        let mut run = two_sequences();
        breaks(&mut run);
        let Err(error) = DropStudy::new(&run.drop_layer(), &settings()) else { panic!("{index}") };
        assert_eq!(error.exit_code(), 3, "{index}");
    }
}

/// 24 turns in the chat data set, nine documents in it, one in the other.
fn long_conversations() -> Tables {
    let mut run = MadeUpTrace::new(4, 2, &["chat", "text"], &["x", "y"]);
    let mut random = Random(3);
    for document in 0..10_u16 {
        let mut row = || (random.below(5), vec![random.below(2) as ExpertId, 2 + random.below(2) as ExpertId]);
        let rows: Vec<_> = (0..240).map(|_| row()).collect();
        let sequence = run.document(document / 9, Some(document / 9), &rows);
        for turn in (0..24).filter(|turn| document < 9 || *turn < 2) {
            run.span(
                sequence,
                turn,
                [Role::User, Role::Assistant][usize::from(turn % 2)],
                10 * u32::from(turn),
                10 * u32::from(turn) + 10,
            );
        }
    }
    run.with_slots(1, |_| 90);
    let mut tables = run.drop_statistics(&quick());
    let mut model = run.clone();
    model.with_slots(1, |_| 70);
    let mut compared = model.drop_statistics(&quick());
    compared.retain(|name, _| RATIOS.contains(&name.as_str()) || name == "drop_trend");
    for (name, mut table) in compared {
        table.rows.iter_mut().for_each(|row| row.subject.checkpoint = Some("chat".to_owned()));
        tables.get_mut(&name).unwrap().rows.extend(table.rows);
    }
    let difference = drop_difference(&model.drop_study(&quick()), &run.drop_study(&quick()), ("chat", "base")).unwrap();
    tables.insert(difference.name.clone(), difference);
    tables
}

#[test]
fn the_summary_holds_what_the_report_is_about() {
    let tables = long_conversations();
    let findings = headline(&tables);
    let keys = |name: &str, checkpoint: bool| -> Vec<String> {
        let own = |row: &&Finding| row.statistic.name() == name && row.checkpoint.is_some() == checkpoint;
        findings.iter().filter(own).map(key).collect()
    };
    let roles = ["", "dataset=chat", "dataset=text", "category=x", "category=y", "role=user", "role=assistant"];
    for name in &RATIOS[1..] {
        assert_eq!(keys(name, false), roles, "{name}");
        assert_eq!(keys(name, true), roles, "{name}");
    }
    // The text's only document is too few for its turns; its roles neither.
    let turns = (0..20).map(|turn| format!("turn={turn}"));
    let chat = (0..20).map(|turn| format!("dataset=chat turn={turn}"));
    let of_chat = ["dataset=chat role=user", "dataset=chat role=assistant"].map(str::to_owned);
    let rows: Vec<String> = roles.map(str::to_owned).into_iter().chain(turns).chain(of_chat).chain(chat).collect();
    // A turn without a drop has no interval, but it is in the table.
    let given = |key: &String| {
        let row = at_own(&tables, key);
        !key.starts_with("dataset=chat turn") || row.low.is_some()
    };
    let rows: Vec<String> = rows.into_iter().filter(given).collect();
    let all = keys(RATIOS[0], false);
    assert_eq!(all[..rows.len()], rows);
    let bins = &all[rows.len()..];
    assert!(bins.iter().all(|key| key.starts_with("variable=position_bucket") && !key.contains("dataset")), "{bins:?}");
    assert_eq!(bins.iter().filter(|key| !key.contains("cohort")).count(), 4);
    assert!(bins.iter().any(|key| key.contains("cohort")));
    assert!(keys(RATIOS[0], true).iter().all(|key| !key.contains("position")));
    assert_eq!(keys("drop_trend", false).len(), 5 * 3);
    let difference = keys("drop_difference", true);
    assert_eq!(difference.len(), 3 * 3 + 2 * 2 + 20, "{difference:?}");
    for table in ["document_drops", "dropped_tokens", "expert_occupancy"] {
        assert!(findings.iter().all(|row| row.statistic.table() != table), "{table}");
    }
}

/// A row of the first model.
fn at_own<'a>(tables: &'a Tables, keys: &str) -> &'a Finding {
    one(tables, RATIOS[0], |row| row.checkpoint.is_none() && key(row) == keys)
}

/// Too few documents for any interval: the turns over all are there nonetheless.
#[test]
fn the_summary_of_few_documents_has_every_turn() {
    let findings = headline(&two_sequences().drop_statistics(&settings()));
    for keys in ["", "dataset=chat", "category=y", "role=user", "turn=1", "variable=position_bucket position=4"] {
        one_of(&findings, |row| row.statistic.name() == RATIOS[0] && key(row) == keys);
    }
    assert!(findings.iter().all(|row| row.cohort.is_none() && row.expert.is_none_or(|_| row.rank.is_some())));
}
