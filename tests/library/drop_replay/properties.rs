//! Random traces: the queue by brute force, and what must hold whatever the choices.

use openmoe_analyze::{
    routing::{CapacityRule, GroupRule, RouterSettings},
    stats::{DropSettings, Finding, Settings, Tables, Variant},
};
use proptest::prelude::*;

use super::{
    oracle::{self, Ratios},
    support::*,
};

const GROUPINGS: [&str; 4] = ["run", "sequence", "batch:8", "tokens:4096"];
const FACTORS: [f64; 4] = [0.5, 0.75, 1.25, 2.0];

fn fast() -> DropSettings {
    DropSettings { statistics: Settings { resamples: 4, permutations: 2, ..Settings::default() }, ..quick() }
}

fn rule_of(name: &str) -> CapacityRule {
    name.parse().unwrap()
}

/// A routed run of a few sequences, most of which drop something.
fn runs() -> impl Strategy<Value = (MadeUpTrace, GroupRule)> {
    let lengths = prop::collection::vec(1_usize..14, 1..10);
    let group = prop_oneof![Just(GroupRule::Sequence), Just(GroupRule::Batch(3)), Just(GroupRule::Tokens(20))];
    let rule = prop_oneof![Just(CapacityRule::Port), Just(CapacityRule::T5x)];
    (lengths, group, rule, 2_usize..6, 1_usize..3, any::<u64>(), prop::sample::select(&FACTORS[..])).prop_map(
        |(lengths, group, rule, experts, k, seed, factor)| {
            (routed(router(experts, k, rule, factor), group, &lengths, seed, 2.0), group)
        },
    )
}

fn partition(run: &MadeUpTrace, own: GroupRule, name: &str) -> Vec<std::ops::Range<usize>> {
    run.rows(if name == "run" { own } else { name.parse().unwrap() })
}

fn expected(run: &MadeUpTrace, groups: &[std::ops::Range<usize>], replay: &Replay<'_>) -> Ratios {
    let mut ratios = Ratios::default();
    let router =
        RouterSettings { capacity_rule: rule_of(replay.rule), capacity_factor: replay.factor.unwrap(), ..run.router };
    for rows in groups {
        let order = match replay.priority {
            "position" => rows.clone().collect(),
            _ => oracle::by_gate(&run.layer, rows.clone()),
        };
        let slots = oracle::slots(&run.layer, &order);
        ratios.add(&run.layer, rows.clone(), &slots, router.capacity(rows.len()).unwrap());
    }
    ratios
}

/// Dropped assignments from the counts of the experts alone.
fn dropped(run: &MadeUpTrace, groups: &[std::ops::Range<usize>], rule: CapacityRule, factor: f64) -> usize {
    let router = RouterSettings { capacity_rule: rule, capacity_factor: factor, ..run.router };
    let of = |rows: &std::ops::Range<usize>| {
        let capacity = router.capacity(rows.len()).unwrap() as usize;
        let count = |e: u16| rows.clone().filter(|row| run.layer.choices(*row).contains(&e)).count();
        (0..run.router.num_experts as u16).map(|e| count(e).saturating_sub(capacity)).sum::<usize>()
    };
    groups.iter().map(of).sum()
}

fn check_oracle(run: &MadeUpTrace, own: GroupRule, tables: &Tables) {
    for (grouping, rule) in GROUPINGS.into_iter().flat_map(|grouping| ["port", "t5x"].map(|rule| (grouping, rule))) {
        let groups = partition(run, own, grouping);
        for (priority, factor) in ["position", "gate_probability"].into_iter().flat_map(|p| FACTORS.map(|f| (p, f))) {
            let replay = Replay { rule, factor: Some(factor), grouping, priority, variant: "" };
            let expected = expected(run, &groups, &replay).0;
            for ((lost, chosen), variant) in expected.into_iter().zip(RATIOS) {
                let row = Replay { variant, ..replay }.of(tables);
                if chosen == 0.0 {
                    assert_eq!(row.estimate, None);
                } else {
                    close(row.estimate, lost / chosen, 1e-9);
                }
            }
        }
    }
}

fn check_totals(run: &MadeUpTrace, own: GroupRule, tables: &Tables) {
    let chosen = run.layer.expert.len() as f64;
    for (grouping, rule) in GROUPINGS.into_iter().flat_map(|grouping| ["port", "t5x"].map(|rule| (grouping, rule))) {
        let groups = partition(run, own, grouping);
        let mut before = f64::INFINITY;
        for factor in (2..=16).map(|quarter| f64::from(quarter) / 4.0) {
            let of = |priority| {
                let variant = "assignment_drop_ratio";
                Replay { rule, factor: Some(factor), grouping, priority, variant }.of(tables).estimate.unwrap()
            };
            let total = of("position");
            close(Some(total), dropped(run, &groups, rule_of(rule), factor) as f64 / chosen, 1e-12);
            assert!(total <= before, "drops rise with the factor");
            assert_eq!((of("gate_probability"), of("random")), (total, total));
            before = total;
        }
    }
}

fn check_smallest_factors(run: &MadeUpTrace, own: GroupRule, tables: &Tables) {
    let levels = [("factor_for_0.1_percent", 0.001), ("factor_for_1_percent", 0.01), ("factor_for_5_percent", 0.05)];
    for row in &tables["capacity_replay"].rows {
        let level =
            levels.iter().find(|(name, _)| row.variant.map(Variant::name) == Some(name) && row.dataset.is_none());
        let (Some((_, level)), Some(factor)) = (level, row.estimate) else { continue };
        let groups = partition(run, own, row.grouping.as_deref().unwrap());
        let share = |factor: f64| {
            let lost = dropped(run, &groups, rule_of(row.rule.unwrap().name()), factor);
            lost as f64 / run.layer.expert.len() as f64
        };
        assert!(share(factor) <= *level, "{row:#?}");
        let below = ((factor * 100.0).round() - 1.0) / 100.0;
        assert!(below == 0.0 || share(below) > *level, "{row:#?} is not the smallest");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn replay_agrees_with_the_queue_by_brute_force((run, own) in runs()) {
        let tables = run.drop_statistics(&fast());
        check_oracle(&run, own, &tables);
        check_totals(&run, own, &tables);
        check_smallest_factors(&run, own, &tables);
    }

    #[test]
    fn the_runs_own_setting_reproduces_its_drops_and_unlimited_drops_nothing((run, _) in runs()) {
        let tables = run.drop_statistics(&fast());
        let rule = run.router.capacity_rule.to_string();
        let own = Replay {
            rule: &rule,
            factor: Some(run.router.capacity_factor),
            grouping: "run",
            priority: "position",
            variant: "assignment_drop_ratio",
        };
        let kept = run.layer.kept.iter().filter(|kept| !**kept).count() as f64 / run.layer.kept.len() as f64;
        let row = own.of(&tables);
        prop_assert_eq!((row.estimate, row.baseline), (Some(kept), Some(kept)));
        prop_assert!(!row.note.as_deref().unwrap_or_default().contains("first order"));
        let unlimited = |row: &&Finding| row.rule.map(CapacityRule::name) == Some("unlimited");
        let mut rows = tables["capacity_replay"].rows.iter().filter(unlimited);
        prop_assert!(rows.all(|row| row.estimate.is_none_or(|estimate| estimate == 0.0) && row.capacity_factor.is_none()));
    }
}

#[test]
fn a_trace_that_its_setting_does_not_explain_is_a_fault() {
    use openmoe_analyze::{error::Error, stats::drop_statistics};
    let run = routed(router(4, 2, CapacityRule::Port, 1.0), GroupRule::Batch(2), &[9, 7, 12], 5, 2.0);
    let error = |run: &MadeUpTrace| match drop_statistics(&run.drop_study(&fast()), &|_| ()) {
        Err(Error::Internal { .. }) => (),
        other => panic!("{other:?}"),
    };
    let mut flipped = run.clone();
    flipped.layer.kept[10] = !flipped.layer.kept[10];
    error(&flipped);
    let mut other_factor = run.clone();
    other_factor.router.capacity_factor = 3.0;
    error(&other_factor);
    drop_statistics(&run.drop_study(&fast()), &|_| ()).unwrap();
}
