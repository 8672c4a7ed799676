//! The router against the recorded results of the original code, against a brute-force oracle, and against invariants.

use openmoe_analyze::routing::{CapacityRule, LayerRouting, RouterSettings, route};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::files::{fixture, read_json};

fn golden(name: &str) -> Value {
    read_json(&fixture("goldens").join(name))
}

fn floats(value: &Value) -> Vec<f32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|v| v.as_f64().unwrap() as f32)
        .collect()
}

fn integers(value: &Value) -> Vec<u32> {
    let numbers = |v: &Value| match v {
        Value::Array(row) => row.iter().map(number).collect::<Vec<_>>(),
        other => vec![number(other)],
    };
    value.as_array().unwrap().iter().flat_map(numbers).collect()
}

fn number(value: &Value) -> u32 {
    value.as_u64().map_or_else(|| u32::from(value.as_bool().unwrap()), |v| v as u32)
}

#[test]
fn all_28_recorded_router_cases_are_identical() {
    let cases = golden("router_cases.json");
    let cases = cases.as_array().or_else(|| cases["cases"].as_array()).unwrap();
    assert_eq!(cases.len(), 28);
    let mut largest = 0.0_f32;
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let experts = case["logits"][0].as_array().unwrap().len();
        let settings = RouterSettings {
            num_experts: experts,
            top_k: case["topk"].as_u64().unwrap() as usize,
            capacity_rule: CapacityRule::Port,
            capacity_factor: case["capacity_factor"].as_f64().unwrap(),
            min_capacity: number(&case["min_capacity"]),
        };
        let logits = floats(&case["logits"]);
        let capacity = settings.capacity(logits.len() / experts).unwrap();
        assert_eq!(capacity, number(&case["capacity"]), "{name}: capacity");
        let routing = route(logits, experts, settings.top_k, capacity);
        let found: Vec<u32> = routing.expert.iter().map(|&e| e.into()).collect();
        assert_eq!(found, integers(&case["expert_ids"]), "{name}: expert ids");
        assert_eq!(routing.slot, integers(&case["slots"]), "{name}: slots");
        let dropped: Vec<u32> = routing.dropped.iter().map(|&d| d.into()).collect();
        assert_eq!(dropped, integers(&case["dropped"]), "{name}: dropped");
        assert_eq!(routing.used_capacity, integers(&case["used_capacity"]), "{name}: used capacity");
        for (index, expected) in floats(&case["combine_weights"]).into_iter().enumerate() {
            let found = if routing.dropped[index] { 0.0 } else { routing.probability[index] };
            largest = largest.max((found - expected).abs());
        }
    }
    println!("28 router cases: decisions identical, combine weights max |d| = {largest:e}");
    assert!(largest < 1e-6);
}

#[test]
fn all_1980_recorded_capacities_are_identical() {
    let rows = golden("capacity_table.json");
    let rows = rows.as_array().or_else(|| rows["rows"].as_array()).unwrap();
    assert_eq!(rows.len(), 1980);
    for row in rows {
        let settings = RouterSettings {
            top_k: row[0].as_u64().unwrap() as usize,
            capacity_factor: row[1].as_f64().unwrap(),
            num_experts: row[2].as_u64().unwrap() as usize,
            min_capacity: number(&row[3]),
            capacity_rule: CapacityRule::Port,
        };
        let found = settings.capacity(row[4].as_u64().unwrap() as usize).ok();
        assert_eq!(found.map(u64::from), row[5].as_u64(), "{row}");
    }
}

#[test]
fn capacity_rules_differ_by_the_factor_k() {
    let settings =
        |rule| RouterSettings { num_experts: 32, top_k: 2, capacity_rule: rule, capacity_factor: 2.0, min_capacity: 4 };
    // floor(2 * 2.0 * 2048 / 32) = 256; round(2.0 * 2048 / 32) = 128
    assert_eq!(settings(CapacityRule::Port).capacity(2048).unwrap(), 256);
    assert_eq!(settings(CapacityRule::T5x).capacity(2048).unwrap(), 128);
    assert_eq!(settings(CapacityRule::Port).capacity(1).unwrap(), 4);
    assert_eq!(settings(CapacityRule::T5x).capacity(1).unwrap(), 4);
    assert_eq!(settings(CapacityRule::Unlimited).capacity(1).unwrap(), u32::MAX);
    // Python's round: 40 * 1.0 / 16 = 2.5 -> 2, 88 / 16 = 5.5 -> 6
    let t5x = RouterSettings { capacity_factor: 1.0, num_experts: 16, ..settings(CapacityRule::T5x) };
    assert_eq!(t5x.capacity(88).unwrap(), 6);
    assert_eq!(t5x.capacity(40).unwrap(), 4);
}

/// The router as the specification words it (model.md, "Router and capacity"), with no regard for cost: for every
/// assignment the queue before it is counted afresh.
fn oracle(logits: &[Vec<f32>], top_k: usize) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let softmax = |row: &Vec<f32>| {
        let maximum = row.iter().copied().fold(f32::MIN, f32::max);
        let exps: Vec<f32> = row.iter().map(|v| (v - maximum).exp()).collect();
        let sum: f32 = exps.iter().sum();
        exps.iter().map(|v| v / sum).collect::<Vec<f32>>()
    };
    let lowest_of_largest = |values: &[f32], without: &[usize]| {
        let allowed = || (0..values.len()).filter(|i| !without.contains(i));
        let largest = allowed().map(|i| values[i]).fold(f32::MIN, f32::max);
        allowed().find(|&i| values[i] == largest).unwrap()
    };
    let choices: Vec<Vec<usize>> = logits
        .iter()
        .map(|row| {
            if top_k == 1 {
                return vec![lowest_of_largest(row, &[])];
            }
            let probabilities = softmax(row);
            let mut chosen = Vec::new();
            for _ in 0..top_k {
                chosen.push(lowest_of_largest(&probabilities, &chosen));
            }
            chosen
        })
        .collect();
    let slot = |token: usize, choice: usize| {
        let expert = choices[token][choice];
        let earlier = (0..token).filter(|&t| choices[t][choice] == expert).count();
        let all_before = (0..choice).map(|c| choices.iter().filter(|row| row[c] == expert).count()).sum::<usize>();
        all_before + earlier
    };
    let slots = (0..logits.len()).map(|t| (0..top_k).map(|c| slot(t, c)).collect()).collect();
    (choices, slots)
}

fn check_invariants(routing: &LayerRouting) {
    let kept: u32 = routing.used_capacity.iter().sum();
    let dropped = routing.dropped.iter().filter(|&&d| d).count();
    assert_eq!(kept as usize + dropped, routing.top_k * routing.tokens, "kept + dropped = k * tokens");
    for expert in 0..routing.num_experts {
        let mut slots: Vec<u32> = (0..routing.expert.len())
            .filter(|&i| routing.expert[i] as usize == expert)
            .map(|i| routing.slot[i])
            .collect();
        slots.sort_unstable();
        assert!(slots.iter().copied().eq(0..slots.len() as u32), "slots of expert {expert} have no gap");
    }
    for token in routing.expert.chunks(routing.top_k) {
        assert!((1..token.len()).all(|choice| !token[..choice].contains(&token[choice])), "different experts");
    }
    assert!(routing.margin_first.iter().chain(&routing.margin_k).all(|&margin| margin >= 0.0));
    let limit = (routing.num_experts as f32).ln() + 1e-5;
    assert!(routing.entropy.iter().all(|&entropy| (0.0..=limit).contains(&entropy)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_router_agrees_with_the_specification(
        experts in 2usize..21,
        tokens in 1usize..40,
        top_k in 1usize..17,
        capacity in 1u32..9,
        // few distinct values: ties, underflow and equal probabilities happen in every case
        pool in proptest::collection::vec(prop_oneof![Just(0.0f32), Just(1.0), Just(-200.0), Just(1.000_000_1), -4.0f32..4.0], 4),
        picks in proptest::collection::vec(0usize..4, 320),
    ) {
        let top_k = top_k.min(experts);
        let logits: Vec<Vec<f32>> =
            (0..tokens).map(|t| (0..experts).map(|e| pool[picks[(t * experts + e) % 320]]).collect()).collect();
        let routing = route(logits.concat(), experts, top_k, capacity);
        let (choices, slots) = oracle(&logits, top_k);
        prop_assert_eq!(routing.expert.iter().map(|&e| e as usize).collect::<Vec<_>>(), choices.concat());
        prop_assert_eq!(routing.slot.iter().map(|&s| s as usize).collect::<Vec<_>>(), slots.concat());
        prop_assert!(routing.dropped.iter().zip(&routing.slot).all(|(&d, &s)| d == (s >= capacity)));
        check_invariants(&routing);
        for (token, choices) in routing.probability.chunks(top_k).zip(&choices) {
            prop_assert!(top_k == 1 || token.is_sorted_by(|a, b| a >= b), "{:?} of {:?}", token, choices);
        }
    }
}

#[test]
fn eight_choices_of_ten_experts_and_their_margins() {
    // Probabilities: experts 1 and 8 share the largest, 4 and 5 follow; the rest are alike and go by their number.
    let logits = [0.0_f32, 2.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 2.0, 0.0];
    let routing = route(logits.to_vec(), 10, 8, u32::MAX);
    assert_eq!(routing.expert, [1, 8, 4, 5, 0, 2, 3, 6]);
    // Sum of the exponentials: 2 e^2 + 2 e + 6; the ninth, expert 7, is as likely as the eighth.
    let sum = 2.0 * 2.0_f32.exp() + 2.0 * 1.0_f32.exp() + 6.0;
    assert!((routing.probability[0] - 2.0_f32.exp() / sum).abs() < 1e-6);
    assert_eq!((routing.margin_first[0], routing.margin_k[0]), (0.0, 0.0));
    // All ten experts chosen: there is no eleventh, so that the last margin is the whole probability.
    let all = route(logits.to_vec(), 10, 10, u32::MAX);
    assert_eq!(all.margin_k[0].to_bits(), all.probability[9].to_bits());
}

#[test]
fn a_token_may_have_more_than_sixteen_choices() {
    let logits: Vec<f32> = (0..24).map(|expert| expert as f32 / 10.0).collect();
    let routing = route([logits.clone(), logits].concat(), 24, 20, 1);
    let expected: Vec<u16> = (4..24).rev().collect();
    assert_eq!((&routing.expert[..20], &routing.expert[20..]), (expected.as_slice(), expected.as_slice()));
    assert!(routing.dropped[20..].iter().all(|dropped| *dropped), "every slot is taken by the first token");
}
