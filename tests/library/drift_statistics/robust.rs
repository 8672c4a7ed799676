//! Threads, degenerate inputs, what is refused, the list of statistics.

use expect_test::expect;
use openmoe_analyze::{
    error::Error,
    routing::{RunKind, View},
    stats::{
        DriftLayer, DriftPoint, DriftSettings, STATISTICS, Settings, Statistic, StatisticTable, Tables, Variant,
        drift_statistics, headline,
    },
    trace::LayerTrace,
};

use super::training::*;
use crate::{statistics::support::*, support::snapshot::told};

/// Six checkpoints, the last of them beside the time axis.
fn six(router: Router) -> (MadeUpTrace, Vec<LayerTrace>) {
    let run = synthetic(router, 8, 2, 20, 40);
    let traces = [0.2, 0.5, 0.8, 0.95, 1.0, 0.7].iter().zip(1..).map(|(l, seed)| learning(&run.layer, *l, seed));
    let traces = traces.collect();
    (run, traces)
}

#[test]
fn the_number_of_threads_makes_no_difference() {
    let (run, traces) = six(Router::Token);
    let traces: Vec<&LayerTrace> = traces.iter().collect();
    let settings = with(Settings { minimum_occurrences: 10, ..quick() });
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| drift(&run, &traces, &settings))
    };
    let (one, two) = (with(1), with(2));
    for table in one.values() {
        assert_eq!(table.to_csv().unwrap(), two[&table.name].to_csv().unwrap());
        let read = StatisticTable::from_parquet(&table.name, std::io::Cursor::new(table.to_parquet().unwrap()));
        assert_eq!(&read.unwrap(), table);
    }
    assert_eq!(one, two);
}

#[test]
fn saturation_rises_with_training_and_lies_between_chance_and_one() {
    let (run, traces) = six(Router::Token);
    let tables = drift(&run, &traces.iter().collect::<Vec<_>>(), &quick_drift());
    let row = |label: &str| at(&tables, "router_saturation", label, |row| row.reference.as_deref() == Some("1T"));
    let values: Vec<f64> = LABELS[..5].iter().map(|label| row(label).estimate.unwrap()).collect();
    assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
    assert_eq!(values[4], 1.0);
    for row in &tables["router_saturation"].rows {
        assert!(row.low.unwrap() <= row.estimate.unwrap() && row.estimate.unwrap() <= row.high.unwrap());
        assert!(row.corrected.unwrap() <= row.estimate.unwrap());
    }
    // Not on the axis: compared with the last one, but no step of the curve of last changes.
    assert!(row("chat").estimate.unwrap() < 1.0 && row("chat").training_tokens.is_none());
    let steps: Vec<&str> = tables["last_change"].rows.iter().filter_map(|row| row.checkpoint.as_deref()).collect();
    assert_eq!(steps, LABELS[..5]);
    let changes: Vec<f64> = tables["last_change"].rows.iter().filter_map(|row| row.estimate).collect();
    assert!(changes.windows(2).all(|pair| pair[0] >= pair[1]), "{changes:?}");
}

/// Every row is sound, and every interval brackets its estimate or is missing for a reason.
#[track_caller]
fn bracketed(tables: &Tables) {
    sound(tables);
    for row in tables.values().flat_map(|table| &table.rows) {
        assert!(row.low.is_some() || row.note.is_some(), "no interval and no reason: {row:#?}");
        if let (Some(low), Some(estimate), Some(high)) = (row.low, row.estimate, row.high) {
            assert!(low <= estimate + 1e-9 && estimate <= high + 1e-9, "{row:#?}");
        }
    }
}

#[test]
fn degenerate_inputs_withhold_numbers_and_never_fail() {
    for run in &degenerate() {
        let before = learning(&run.layer, 0.5, 3);
        for (minimum_occurrences, match_experts) in [(1, true), (128, false)] {
            let statistics = Settings { resamples: 30, minimum_occurrences, ..quick() };
            let settings = DriftSettings { match_experts, minimum_document_occurrences: 1, ..with(statistics) };
            bracketed(&drift(run, &[&before, &before, &run.layer], &settings));
            bracketed(&drift(run, &[&run.layer], &settings));
        }
    }
}

#[test]
fn checkpoints_that_cannot_be_compared_are_refused_by_name() {
    let run = synthetic(Router::Nothing, 4, 2, 2, 6);
    let refused = |other: &LayerTrace| {
        let layers = [DriftLayer { trace: other, gate: None }, DriftLayer { trace: &run.layer, gate: None }];
        let error =
            drift_statistics(&run.sequences, &points(2), layers.as_slice(), &quick_drift(), &|_| ()).unwrap_err();
        assert!(matches!(error, Error::Usage { .. }));
        told(&error)
    };
    let mut other = run.layer.clone();
    other.token_id[7] = 19;
    expect![[r#"
        checkpoints `200B` and `400B`: token id 19 and 0 in row 7

        hint: only checkpoints of one run over the same tokens can be compared
    "#]]
    .assert_eq(&refused(&other));
    other.sequence.pop();
    expect![[r#"
        checkpoints `200B` and `400B`: number of tokens 11 and 12

        hint: only checkpoints of one run over the same tokens can be compared
    "#]]
    .assert_eq(&refused(&other));
    let other = LayerTrace { num_experts: 8, ..run.layer.clone() };
    expect![[r#"
        checkpoints `200B` and `400B`: number of experts 8 and 4

        hint: only checkpoints of one run over the same tokens can be compared
    "#]]
    .assert_eq(&refused(&other));
    assert!(match_error(&run.layer, &other));
    let other = LayerTrace { top_k: 1, ..run.layer.clone() };
    expect![[r#"
        checkpoints `200B` and `400B`: choices per token 1 and 2

        hint: only checkpoints of one run over the same tokens can be compared
    "#]]
    .assert_eq(&refused(&other));
    let layer = DriftLayer { trace: &run.layer, gate: Some(&[0.5]) };
    let twice = [points(1)[0], points(1)[0]];
    let beside = [DriftPoint { off_axis: true, ..points(1)[0] }];
    let error = |points: &[DriftPoint<'_>], layers: &[DriftLayer<'_>]| {
        told(&drift_statistics(&run.sequences, points, layers, &quick_drift(), &|_| ()).unwrap_err())
    };
    let plain = DriftLayer { gate: None, ..layer };
    expect![[r#"
        two checkpoints are called `200B`

        hint: give them labels: LABEL=PATH
    "#]]
    .assert_eq(&error(&twice, &[plain, plain]));
    expect![[r#"
        no checkpoint on the time axis

        hint: give at least one checkpoint
    "#]]
    .assert_eq(&error(&beside, &[plain]));
    expect![[r#"
        internal error: checkpoint `200B`: 1 gate probabilities, 48 needed
    "#]]
    .assert_eq(&error(&points(1), &[layer]));
    expect![[r#"
        internal error: 2 checkpoints, but 1 layers
    "#]]
    .assert_eq(&error(&points(2), &[plain]));
}

fn match_error(one: &LayerTrace, other: &LayerTrace) -> bool {
    openmoe_analyze::stats::match_experts(one, other).is_err()
}

#[test]
fn every_statistic_of_drift_is_listed_and_has_rows() {
    let (run, traces) = six(Router::Token);
    let settings = DriftSettings {
        match_experts: true,
        minimum_document_occurrences: 1,
        ..with(Settings { minimum_occurrences: 10, ..quick() })
    };
    let tables = drift(&run, &traces.iter().collect::<Vec<_>>(), &settings);
    for (name, table) in &tables {
        for row in &table.rows {
            let info = row.statistic.info();
            assert_eq!(info.table, name);
            let divergence = row.variant == Some(Variant::Of(Statistic::JensenShannon));
            assert!(info.unit == row.unit || divergence, "{row:#?}");
            assert!(info.kept || row.view == View::Chosen);
        }
    }
    for info in STATISTICS.iter().filter(|info| info.command == RunKind::Drift) {
        let rows = &tables[info.table].rows;
        assert!(
            ["chosen", "kept"]
                .iter()
                .all(|view| (*view == "chosen" || info.kept) == rows.iter().any(|row| row.view.name() == *view))
        );
    }
}

#[test]
fn the_summary_holds_the_agreement_of_every_checkpoint_itself_included() {
    let (run, traces) = six(Router::Token);
    let findings = headline(&drift(&run, &traces.iter().collect::<Vec<_>>(), &quick_drift()));
    for statistic in ["router_saturation", "first_choice_agreement", "exact_set_agreement"] {
        for label in LABELS {
            let found = findings.iter().filter(|row| {
                row.statistic.name() == statistic
                    && row.checkpoint.as_deref() == Some(label)
                    && row.reference.as_deref() == Some("1T")
            });
            assert_eq!(found.count(), 1, "{statistic} {label}");
        }
    }
    assert!(findings.iter().all(|row| row.token_id.is_none() && row.rank.is_none()));
}
