//! Threads, degenerate inputs, the BOS, what a table always says.

use expect_test::expect;
use openmoe_analyze::{
    routing::{CapacityRule, GroupRule},
    stats::{DropSettings, Finding, Settings, StatisticTable, Variant},
};

use super::{hand_made::ten_tokens, support::*};

const TABLES: [&str; 4] = ["capacity_replay", "burstiness", "drop_causes", "expert_occupancy"];

fn twenty_documents() -> MadeUpTrace {
    let lengths: Vec<usize> = (0..20).map(|document| 20 + 3 * document).collect();
    routed(router(6, 2, CapacityRule::Port, 1.0), GroupRule::Sequence, &lengths, 9, 1.5)
}

fn settings() -> DropSettings {
    DropSettings { bin: 16, ..quick() }
}

#[test]
fn the_number_of_threads_makes_no_difference() {
    let run = twenty_documents();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run.drop_statistics(&settings()))
    };
    let (one, three) = (with(1), with(3));
    for name in TABLES {
        assert_eq!(one[name].to_csv().unwrap(), three[name].to_csv().unwrap());
        let read = StatisticTable::from_parquet(name, std::io::Cursor::new(one[name].to_parquet().unwrap()));
        assert_eq!(&read.unwrap(), &one[name]);
    }
}

/// Every number is finite, every interval brackets its estimate, and what is withheld says why.
fn sound(row: &Finding) {
    assert!(row.estimate.is_some() || row.note.is_some(), "{row:#?}");
    if let (Some(low), Some(estimate), Some(high)) = (row.low, row.estimate, row.high) {
        assert!(low <= high && low >= 0.0, "{row:#?}");
        let spread = 0.5 * (high - low) + 1e-9;
        assert!(low - spread <= estimate && estimate <= high + spread, "{row:#?}");
    }
    if row.estimate.is_some() && row.low.is_none() {
        assert!(row.note.as_deref().is_some_and(|note| note.contains("no interval")), "{row:#?}");
    }
}

#[test]
fn rows_are_sound_and_their_keys_unique() {
    let tables = twenty_documents().drop_statistics(&settings());
    for name in TABLES {
        let mut keys = std::collections::HashSet::new();
        for row in &tables[name].rows {
            sound(row);
            let number = Finding {
                estimate: None,
                low: None,
                high: None,
                baseline: None,
                p_value: None,
                note: None,
                n: 0,
                ..row.clone()
            };
            assert!(keys.insert(format!("{number:?}")), "twice: {row:#?}");
        }
        println!("{name}: {} rows", tables[name].rows.len());
    }
}

#[test]
fn the_summary_has_the_runs_own_setting_and_the_first_causes() {
    use openmoe_analyze::stats::headline;
    let tables = twenty_documents().drop_statistics(&settings());
    let rows = headline(&tables);
    let of = |name: &'static str| rows.iter().filter(move |row| row.statistic.name() == name).collect::<Vec<_>>();
    let replay = of("capacity_replay");
    let own = |row: &&&Finding| {
        row.rule.map(CapacityRule::name) == Some("port")
            && row.grouping.as_deref() == Some("run")
            && row.position.is_none()
    };
    let smallest = |row: &&&Finding| row.unit == "ratio";
    // 15 factors, assignments and gate mass, over all; 3 levels, 2 rules, 4 groupings, and the data sets as routed.
    assert_eq!(replay.iter().filter(|row| !smallest(row)).filter(own).count(), 15 * 2);
    assert_eq!(replay.iter().filter(smallest).count(), 3 * 2 * (4 + 2));
    assert_eq!(replay.len(), 15 * 2 + 3 * 2 * (4 + 2));
    assert_eq!(of("burstiness").len(), 3);
    assert!(of("drop_causes").iter().all(|row| row.rank.is_some_and(|rank| rank <= 3)));
    assert_eq!(of("drop_causes").iter().filter(|row| row.rank == Some(1)).count(), 6);
    assert!(of("expert_occupancy").is_empty());
}

#[test]
fn degenerate_runs_have_tables() {
    let empty = MadeUpTrace::of_router(router(4, 2, CapacityRule::Port, 2.0), &[], &[]);
    let mut single = MadeUpTrace::of_router(router(4, 2, CapacityRule::Port, 2.0), &["a"], &[]);
    single.document(0, None, &[token(0, &[0, 1], &[0.9, 0.1])]);
    let mut repeated = MadeUpTrace::of_router(router(4, 1, CapacityRule::T5x, 1.0), &["a"], &[]);
    repeated.document(0, None, &vec![token(3, &[2], &[1.0]); 70]);
    let mut with_empty = MadeUpTrace::of_router(router(4, 2, CapacityRule::Port, 0.5), &["a", "b"], &[]);
    with_empty.document::<Token>(0, None, &[]);
    with_empty.document(0, None, &vec![token(3, &[2, 1], &[0.6, 0.2]); 9]);
    with_empty.document::<Token>(1, None, &[]);
    for run in [empty, single, repeated, with_empty] {
        let tables = run.queue(GroupRule::Sequence).drop_statistics(&quick());
        for name in TABLES {
            tables[name].rows.iter().for_each(sound);
        }
    }
}

/// 70 tokens of one expert of 4, k = 1, T5X at factor 1: round(17.5) = 18 slots (ties to even), 52 of 70 dropped.
#[test]
fn one_repeated_token_and_a_single_choice() {
    let mut run = MadeUpTrace::of_router(router(4, 1, CapacityRule::T5x, 1.0), &["a"], &[]);
    run.document(0, None, &vec![token(3, &[2], &[1.0]); 70]);
    let tables = run.queue(GroupRule::Sequence).drop_statistics(&quick());
    let own = Replay { rule: "t5x", factor: Some(1.0), grouping: "run", priority: "position", variant: RATIOS[0] };
    close(own.of(&tables).estimate, 52.0 / 70.0, 1e-12);
    let second = Replay { variant: RATIOS[2], ..own }.of(&tables);
    assert_eq!((second.estimate, second.note.as_deref()), (None, Some("nothing that could be lost")));
    // Full after 18 of 64 positions.
    let row = one(&tables, "expert_occupancy", |row| row.expert == Some(2));
    assert_eq!((row.estimate, row.variant.map(Variant::name)), (Some(1.0), Some("first_choice")));
    // round(17.5 f) >= 67 leaves 3 of 70 (4.3 %): 17.5 f > 66.5, f = 3.81.
    let five = one(&tables, "capacity_replay", |row| {
        row.variant == Some(Variant::FactorForFivePercent)
            && row.rule.map(CapacityRule::name) == Some("t5x")
            && row.grouping.as_deref() == Some("run")
            && row.dataset.is_none()
    });
    close(five.estimate, 3.81, 1e-12);
}

#[test]
fn a_capacity_of_zero_withholds_and_a_level_out_of_reach_too() {
    // One token, 8 experts, k = 1, no minimum: floor(f / 8) = 0 below a factor of 8.
    let mut run = MadeUpTrace::of_router(router(8, 1, CapacityRule::Port, 8.0), &["a"], &[]);
    run.router.min_capacity = 0;
    run.document(0, None, &[token(3, &[2], &[1.0])]);
    let tables = run.queue(GroupRule::Sequence).drop_statistics(&quick());
    let at = |factor| {
        Replay { rule: "port", factor: Some(factor), grouping: "run", priority: "position", variant: RATIOS[0] }
            .of(&tables)
    };
    assert_eq!((at(8.0).estimate, at(4.0).estimate), (Some(0.0), None));
    expect!["the capacity of a group would be 0, which the original refuses"]
        .assert_eq(at(4.0).note.as_deref().unwrap());
    let smallest = |tables: &openmoe_analyze::stats::Tables, rule: &str| {
        one(tables, "capacity_replay", |row| {
            row.variant == Some(Variant::FactorForOnePercent)
                && row.rule.map(CapacityRule::name) == Some(rule)
                && row.grouping.as_deref() == Some("run")
                && row.dataset.is_none()
        })
        .clone()
    };
    assert_eq!(smallest(&tables, "port").estimate, Some(8.0));
    // 64 equal tokens of 32 experts: T5X has 16 slots at a factor of 8.
    let mut run = MadeUpTrace::of_router(router(32, 1, CapacityRule::T5x, 1.0), &["a"], &[]);
    run.document(0, None, &vec![token(3, &[2], &[1.0]); 64]);
    let row = smallest(&run.queue(GroupRule::Sequence).drop_statistics(&quick()), "t5x");
    assert_eq!(row.estimate, None);
    assert_eq!(row.note.as_deref(), Some("not reached at a factor of 8: 75.000 % are dropped"));
}

/// Without the BOS its slot stays taken: the ten tokens less t0 and u0, whose choices were all kept.
#[test]
fn the_bos_queues_but_does_not_count() {
    let statistics = Settings { include_bos: false, ..quick().statistics };
    let tables = ten_tokens().drop_statistics(&DropSettings { statistics, ..quick() });
    let own = Replay { rule: "port", factor: Some(0.5), grouping: "run", priority: "position", variant: RATIOS[0] };
    close(own.of(&tables).estimate, 8.0 / 16.0, 1e-12);
    assert_eq!(own.of(&tables).n, 8);
    close(Replay { factor: Some(0.75), ..own }.of(&tables).estimate, 4.0 / 16.0, 1e-12);
    let overall = one(&tables, "burstiness", |row| row.dataset.is_none() && row.expert.is_none());
    assert_eq!(overall.n, 8);
    // By gate probability t0 itself is dropped, both choices: of the eight drops six count. The order decides.
    close(Replay { priority: "gate_probability", ..own }.of(&tables).estimate, 6.0 / 16.0, 1e-12);
    let factors =
        |row: &&Finding| row.variant.map(Variant::name).is_some_and(|variant| variant.starts_with("factor_for"));
    let said = |row: &Finding| row.note.as_deref().is_some_and(|note| note.contains("in the order of the text"));
    assert!(tables["capacity_replay"].rows.iter().filter(factors).all(said));
    let whole = ten_tokens().drop_statistics(&quick());
    assert!(!whole["capacity_replay"].rows.iter().any(said));
}
