//! What a capacity would drop of imported routes: as much as it drops of the same routes when the model itself runs at that capacity.

use std::{collections::BTreeSet, fs, path::Path};

use openmoe_analyze::{
    pipeline::{
        Unwatched, drops,
        options::{CheckpointSpec, DropsOptions, RunOptions},
        read_tables,
    },
    run::RunDir,
    stats::{Finding, Statistic, Subject, Tables, Variant},
};

use super::carriers::{NATIVE, checkpoint, imported, options, route_options, settings, with_model};
use crate::support::carriers::{Recorded, With, write_npz};

/// Everything but what was dropped.
const RANKED: With = With { drops: false, ..With::ALL };

/// What a drops run of imported routes leaves; without shares nobody says in which order the choices of a token stand.
fn replayed(folder: &Path, with: With, expert_parallel: &[u32]) -> (RunDir, Tables) {
    let (record, import, out) = (folder.join("record"), folder.join("import"), folder.join("drops"));
    Recorded::of(&NATIVE.run).write_arrays(&record, with, write_npz);
    if with.shares {
        imported(options(&record), &import);
    } else {
        fs::remove_file(record.join("routing.json")).unwrap();
        imported(with_model(&record), &import);
    }
    let mut run = RunOptions { statistics: settings(), ..RunOptions::default() };
    run.routing.capacity_factor = Some(1.0);
    let spec = CheckpointSpec::new(&import, false);
    let expert_parallel = expert_parallel.to_vec();
    let (run, analysis) =
        drops(DropsOptions { expert_parallel, run, ..DropsOptions::new(spec) }, &out, &Unwatched).unwrap();
    assert!(analysis.verdict[0].starts_with("no capacity in this record"), "{:?}", analysis.verdict);
    let tables = read_tables(&run).unwrap();
    (run, tables)
}

/// A record with its drops, and with the capacity of the run if `says_capacity`; its import; and what `drops` makes of it at a capacity
/// factor, if one is asked for.
fn of_recorded(folder: &Path, says_capacity: bool, with: With, factor: Option<f64>) -> (Vec<String>, RunDir, Tables) {
    let (record, import, out) = (folder.join("record"), folder.join("import"), folder.join("drops"));
    Recorded::of(&NATIVE.run).write_arrays(&record, with, write_npz);
    if says_capacity {
        let path = record.join("routing.json");
        let mut header: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        header["capacity"] = serde_json::json!({ "rule": "port", "factor": 1.0, "minimum": 4 });
        fs::write(path, header.to_string()).unwrap();
    }
    imported(options(&record), &import);
    let mut run = RunOptions { statistics: settings(), ..RunOptions::default() };
    run.routing.capacity_factor = factor;
    let spec = CheckpointSpec::new(&import, false);
    let (run, analysis) = drops(DropsOptions { run, ..DropsOptions::new(spec) }, &out, &Unwatched).unwrap();
    let tables = read_tables(&run).unwrap();
    ([analysis.headline, analysis.verdict].concat(), run, tables)
}

/// The share of all assignments that the run dropped, in words.
fn dropped_of_native() -> String {
    let trace = openmoe_analyze::trace::RoutingTrace::open(&NATIVE.run).unwrap();
    let kept: Vec<bool> = trace.moe_layers().iter().flat_map(|layer| trace.layer(*layer).unwrap().kept).collect();
    let dropped = kept.iter().filter(|kept| !**kept).count();
    assert!(dropped > 0);
    format!("{:.2} %", 100.0 * dropped as f64 / kept.len() as f64)
}

/// The text through the model, once for all tests.
fn native_tables() -> &'static Tables {
    static TABLES: std::sync::LazyLock<Tables> = std::sync::LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        native(folder.path())
    });
    &TABLES
}

#[test]
fn recorded_drops_are_shown_and_not_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let (verdict, run, tables) = of_recorded(folder.path(), false, With::ALL, None);
    let share = dropped_of_native();
    let first =
        format!("the record says what was dropped: {share} of its assignments, at a capacity that it does not say");
    assert!(verdict.contains(&first), "{verdict:#?}");
    let ratios = |tables: &Tables, statistic: Statistic| -> Vec<(Subject, Option<f64>, Option<f64>)> {
        let rows = numbers(tables, statistic).into_iter();
        rows.map(|row| (row.subject.clone(), row.estimate, row.low)).collect()
    };
    for statistic in [Statistic::AssignmentDropRatio, Statistic::TokenDropRatio, Statistic::GateMassLost] {
        let found = ratios(&tables, statistic);
        assert!(!found.is_empty(), "{statistic}");
        assert_eq!(found, ratios(native_tables(), statistic), "{statistic}");
    }
    for statistic in [Statistic::CapacityReplay, Statistic::DropCauses, Statistic::ExpertOccupancy] {
        let rows = &tables[statistic.table()].rows;
        let expected = "the record does not say which tokens competed for how many slots; ask about a capacity factor for a replay";
        assert!(rows.iter().all(|row| row.estimate.is_none() && row.note.as_deref() == Some(expected)), "{rows:?}");
    }
    let record = run.record().unwrap();
    assert!(!record.drops.as_ref().unwrap().asked_capacity);
    assert_eq!(record.identity.queues, None);
}

#[test]
fn drops_that_their_capacity_gives_have_everything_that_those_of_a_model_have() {
    let folder = tempfile::tempdir().unwrap();
    let (verdict, _, tables) = of_recorded(folder.path(), true, With::ALL, None);
    let share = dropped_of_native();
    let first =
        format!("the record says what was dropped: {share} of its assignments, at capacity factor 1 (rule port)");
    assert!(verdict.contains(&first), "{verdict:#?}");
    for statistic in [Statistic::AssignmentDropRatio, Statistic::CapacityReplay, Statistic::Burstiness] {
        assert_eq!(numbers(&tables, statistic), numbers(native_tables(), statistic), "{statistic}");
    }
}

#[test]
fn a_recorded_capacity_is_the_one_that_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let (verdict, run, tables) = of_recorded(folder.path(), true, RANKED, None);
    let first = "the record has capacity factor 1 (rule port), and does not say what was dropped; what follows would be dropped of its choices at capacity factor 1 (rule port, group sequence)";
    assert!(verdict[0].starts_with("At capacity factor 1 (rule port, group sequence): "), "{}", verdict[0]);
    assert!(verdict.contains(&first.to_owned()), "{verdict:?}");
    let statistic = Statistic::AssignmentDropRatio;
    assert_eq!(numbers(&tables, statistic), numbers(native_tables(), statistic));
    assert!(run.record().unwrap().drops.unwrap().asked_capacity);
}

#[test]
fn recorded_drops_are_replayed_at_another_capacity_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (verdict, ..) = of_recorded(folder.path(), false, With::ALL, Some(16.0));
    let share = dropped_of_native();
    let first = format!(
        "the record says what was dropped: {share} of its assignments, at a capacity that it does not say; what follows is a replay of its choices at capacity factor 16 (rule port, group sequence), beside what was recorded"
    );
    let answer = "At capacity factor 16 (rule port, group sequence): nothing is dropped, so no part of a sequence loses more than another.";
    assert_eq!(verdict[..2], [answer.to_owned(), first]);
}

/// The same text through the model, at the same capacity.
fn native(folder: &Path) -> Tables {
    let run = route_options().run;
    let options = DropsOptions { run, ..DropsOptions::new(CheckpointSpec::in_folder(checkpoint())) };
    let (run, _) = drops(options, &folder.join("native"), &Unwatched).unwrap();
    read_tables(&run).unwrap()
}

/// The rows with a number, without the texts of tokens, for which an import needs a tokenizer.
fn numbers(tables: &Tables, statistic: Statistic) -> Vec<Finding> {
    let rows = tables[statistic.table()].rows.iter().filter(|row| row.statistic == statistic && row.estimate.is_some());
    rows.map(|row| row.clone().about(|subject| Subject { text: None, ..subject })).collect()
}

#[test]
fn imported_routes_lose_what_the_model_loses() {
    let folder = tempfile::tempdir().unwrap();
    let native = native_tables();
    let (run, tables) = replayed(folder.path(), RANKED, &[4]);
    for statistic in [
        Statistic::AssignmentDropRatio,
        Statistic::FirstChoiceDropRatio,
        Statistic::SecondChoiceDropRatio,
        Statistic::TokenDropRatio,
        Statistic::GateMassLost,
        Statistic::CapacityReplay,
        Statistic::DropCauses,
    ] {
        let (found, expected) = (numbers(&tables, statistic), numbers(native, statistic));
        assert!(!found.is_empty(), "{statistic}");
        assert_eq!(found, expected, "{statistic}");
    }
    let record = run.record().unwrap();
    assert!(record.drops.unwrap().asked_capacity);
    assert_eq!(record.identity.queues.unwrap().capacity_factor.to_bits(), 1.0_f64.to_bits());
}

#[test]
fn without_an_order_of_choices_only_their_numbers_are_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let native = native_tables();
    let (_, tables) = replayed(folder.path(), With::default(), &[]);
    let over_all = |tables: &Tables| -> Vec<Option<f64>> {
        let rows = tables[Statistic::AssignmentDropRatio.table()].rows.iter();
        rows.filter(|row| row.is_over_all()).map(|row| row.estimate).collect()
    };
    assert_eq!(over_all(&tables), over_all(native));
    let factors = |tables: &Tables| -> Vec<Finding> {
        let replay = numbers(tables, Statistic::CapacityReplay);
        replay.into_iter().filter(|row| row.variant == Some(Variant::FactorForOnePercent)).collect()
    };
    assert_eq!(factors(&tables), factors(native));
    let withheld: BTreeSet<&str> = tables
        .values()
        .filter(|table| table.rows.iter().all(|row| row.estimate.is_none()))
        .map(|table| table.name.as_str())
        .collect();
    let expected = [
        "document_drops",
        "drop_causes",
        "drop_trend",
        "dropped_tokens",
        "expert_occupancy",
        "first_choice_drop_ratio",
        "gate_mass_lost",
        "second_choice_drop_ratio",
        "token_drop_ratio",
    ];
    assert_eq!(withheld, BTreeSet::from(expected));
}

/// The load of each rank, counted here from the trace itself.
#[test]
fn the_load_of_ranks_is_that_of_their_experts() {
    let folder = tempfile::tempdir().unwrap();
    let (_, tables) = replayed(folder.path(), RANKED, &[4]);
    let trace = openmoe_analyze::trace::RoutingTrace::open(&NATIVE.run).unwrap();
    for &layer in trace.moe_layers() {
        let own = trace.layer(layer).unwrap();
        let block = own.num_experts / 4;
        let mut load = [0_u32; 4];
        own.expert.iter().for_each(|expert| load[usize::from(*expert) / block] += 1);
        let most = f64::from(*load.iter().max().unwrap());
        let expected = most * 4.0 / own.expert.len() as f64;
        let rows = tables[Statistic::RankLoad.table()].rows.iter();
        let row = rows.clone().find(|row| row.layer == layer && row.grouping.is_none()).unwrap();
        assert!((row.estimate.unwrap() - expected).abs() < 1e-12, "{row:?} is not {expected}");
        assert_eq!(row.expert_parallel, Some(4));
        // The text is shorter than a batch.
        let batch = rows.clone().find(|row| row.layer == layer && row.grouping.is_some()).unwrap();
        assert!((batch.estimate.unwrap() - expected).abs() < 1e-12, "{batch:?} is not {expected}");
    }
}
