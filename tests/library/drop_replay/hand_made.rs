//! Ten tokens of two documents, queued by hand.

use expect_test::expect;
use openmoe_analyze::{
    routing::{CapacityRule, GroupRule},
    stats::{DropSettings, Finding, Priority, Statistic, Variable, Variant},
};

use super::support::*;

/// E = 3, k = 2, port at factor 0.5: `floor(2 * 0.5 * 6 / 3)` = 2 slots for document 0, `floor(4 / 3)` = 1 -> 2 for
/// document 1. Slots in the order of the text; those that are not below 2 are dropped:
///
/// | row | token | first: gate, slot | second: gate, slot |
/// |-----|-------|-------------------|--------------------|
/// | t0  | 7     | 0: 0.6, 0         | 1: 0.2, 1          |
/// | t1  | 7     | 0: 0.5, 1         | 1: 0.3, 2 dropped  |
/// | t2  | 8     | 0: 0.8, 2 dropped | 2: 0.1, 1          |
/// | t3  | 7     | 1: 0.4, 0         | 0: 0.3, 4 dropped  |
/// | t4  | 9     | 0: 0.7, 3 dropped | 1: 0.2, 3 dropped  |
/// | t5  | 8     | 2: 0.5, 0         | 0: 0.4, 5 dropped  |
/// | u0  | 7     | 1: 0.5, 0         | 2: 0.25, 0         |
/// | u1  | 8     | 1: 0.5, 1         | 0: 0.25, 1         |
/// | u2  | 8     | 1: 0.5, 2 dropped | 2: 0.25, 1         |
/// | u3  | 8     | 0: 0.5, 0         | 1: 0.25, 3 dropped |
pub(crate) fn ten_tokens() -> MadeUpTrace {
    let mut run = MadeUpTrace::of_router(router(3, 2, CapacityRule::Port, 0.5), &["a", "b"], &[]);
    let first = [
        token(7, &[0, 1], &[0.6, 0.2]),
        token(7, &[0, 1], &[0.5, 0.3]),
        token(8, &[0, 2], &[0.8, 0.1]),
        token(7, &[1, 0], &[0.4, 0.3]),
        token(9, &[0, 1], &[0.7, 0.2]),
        token(8, &[2, 0], &[0.5, 0.4]),
    ];
    let sequence = run.document(0, None, &first);
    // The user speaks in turn 0, the assistant in turn 1.
    run.span(sequence, 0, Role::User, 0, 3);
    run.span(sequence, 1, Role::Assistant, 3, 6);
    let gates = [0.5, 0.25];
    let second = [(7, [1, 2]), (8, [1, 0]), (8, [1, 2]), (8, [0, 1])];
    run.document(1, None, &second.map(|(id, experts)| token(id, &experts, &gates)));
    run.queue(GroupRule::Sequence)
}

fn settings() -> DropSettings {
    DropSettings { bin: 2, ..quick() }
}

fn replay(factor: f64, priority: &'static str, variant: &'static str) -> Replay<'static> {
    Replay { rule: "port", factor: Some(factor), grouping: "run", priority, variant }
}

#[test]
fn the_trace_is_the_one_of_the_comment() {
    let dropped: Vec<usize> =
        ten_tokens().layer.kept.iter().enumerate().filter(|(_, k)| !**k).map(|(i, _)| i).collect();
    // Row * 2 + choice.
    assert_eq!(dropped, [3, 4, 7, 8, 9, 11, 16, 19]);
}

#[test]
fn five_ratios_under_two_orders() {
    let tables = ten_tokens().drop_statistics(&settings());
    // Gate mass lost: 0.3 + 0.8 + 0.3 + 0.9 + 0.4 and 0.75, of 5 and 3.
    let by_position = [8.0 / 20.0, 3.0 / 10.0, 5.0 / 10.0, 1.0 / 10.0, 3.45 / 8.0];
    // By gate probability t2 t4 t0 t1 t5 t3 (t1 before t5, a tie). Slots of expert 0: t2 t4 t0 t1 | t5 t3; of expert 1:
    // t3 | t4 t0 t1; of expert 2: t5 | t2. Dropped: t0 and t1 whole, the second choices of t5 and t3. Document 1 has
    // ties only, and stays.
    let by_gate = [8.0 / 20.0, 3.0 / 10.0, 5.0 / 10.0, 2.0 / 10.0, (1.1 + 0.5 + 0.7 + 0.75) / 8.0];
    for (index, variant) in RATIOS.into_iter().enumerate() {
        let row = replay(0.5, "position", variant).of(&tables);
        close(row.estimate, by_position[index], 1e-7);
        close(row.baseline, by_position[index], 1e-7);
        assert_eq!((row.n, row.documents, row.low), (10, Some(2), None));
        assert_eq!(row.note.as_deref(), Some("no interval: 2 documents, at least 8 needed"));
        assert_eq!((row.view.name(), row.unit.as_ref()), ("chosen", "share"));
        let gate = replay(0.5, "gate_probability", variant).of(&tables);
        close(gate.estimate, by_gate[index], 1e-7);
        close(gate.baseline, by_position[index], 1e-7);
        expect!["no interval: 2 documents, at least 8 needed; first order: later layers would see other inputs"]
            .assert_eq(gate.note.as_deref().unwrap());
    }
}

#[test]
fn factors_groups_and_data_sets() {
    let tables = ten_tokens().drop_statistics(&settings());
    let total = |factor| replay(factor, "position", "assignment_drop_ratio").of(&tables).estimate;
    // 0.75: 3 -> 4 and 2 slots, t3 and t5 at expert 0, u2 and u3 at expert 1. 1.25: 5 -> 6 and 3 -> 4 slots.
    for (factor, expected) in [(0.5, 0.4), (0.75, 0.2), (1.0, 0.2), (1.25, 0.0), (4.0, 0.0)] {
        close(total(factor), expected, 1e-12);
    }
    // T5X has at least 4 slots: only expert 0 of document 0 has more, 6.
    let t5x = Replay { rule: "t5x", ..replay(0.5, "position", "assignment_drop_ratio") };
    close(t5x.of(&tables).estimate, 0.1, 1e-12);
    let unlimited = Replay { rule: "unlimited", factor: None, ..t5x };
    close(unlimited.of(&tables).estimate, 0.0, 0.0);
    // One group of ten tokens: 3 -> 4 slots for 8, 8 and 4 assignments.
    for grouping in ["batch:8", "tokens:4096"] {
        let row = Replay { grouping, ..replay(0.5, "random", "assignment_drop_ratio") }.of(&tables).clone();
        close(row.estimate, 0.4, 1e-12);
        expect!["no interval: documents share routing groups; first order: later layers would see other inputs"]
            .assert_eq(&row.note.unwrap());
    }
    let of = |dataset: &'static str, factor: f64, row: &Finding| {
        row.dataset.as_deref() == Some(dataset)
            && row.capacity_factor == Some(factor)
            && row.variant == Some(Variant::Of(Statistic::AssignmentDropRatio))
    };
    for (dataset, factor, expected) in [("a", 0.5, 0.5), ("b", 0.5, 0.25), ("a", 0.75, 2.0 / 12.0), ("b", 0.75, 0.25)] {
        close(one(&tables, "capacity_replay", |row| of(dataset, factor, row)).estimate, expected, 1e-12);
    }
}

#[test]
fn smallest_factors() {
    let tables = ten_tokens().drop_statistics(&settings());
    let found = |rule: &'static str, level: &'static str, dataset: Option<&'static str>| {
        let fits = |row: &Finding| {
            row.rule.map(CapacityRule::name) == Some(rule)
                && row.grouping.as_deref() == Some("run")
                && row.variant.map(Variant::name) == Some(level)
                && row.dataset.as_deref() == dataset
        };
        one(&tables, "capacity_replay", fits).clone()
    };
    for level in ["factor_for_0.1_percent", "factor_for_1_percent", "factor_for_5_percent"] {
        // Document 0 needs 5 -> 6 slots, floor(4 f) = 5; document 1 more than 2, floor(8 f / 3) = 3. With one of them
        // missing, 2 of 20 are dropped.
        let row = found("port", level, None);
        close(row.estimate, 1.25, 1e-12);
        close(row.baseline, 0.5, 1e-12);
        assert_eq!((row.unit.as_ref(), row.n, row.priority), ("ratio", 10, None));
        close(found("port", level, Some("b")).estimate, 1.13, 1e-12);
    }
    // T5X, round(2 f): 5 slots drop 1 of 20 from 2.26 on (4.5 is rounded to even), 6 none from 2.75 on (5.5 as well).
    close(found("t5x", "factor_for_5_percent", None).estimate, 2.26, 1e-12);
    close(found("t5x", "factor_for_1_percent", None).estimate, 2.75, 1e-12);
}

#[test]
fn curve_by_position() {
    let tables = ten_tokens().drop_statistics(&settings());
    let at = |position: u32, priority: &'static str| {
        let fits = |row: &Finding| row.position == Some(position) && row.priority.map(Priority::name) == Some(priority);
        one(&tables, "capacity_replay", fits).clone()
    };
    // t1; t2 t3 u2 u3; t4 twice, t5.
    for (position, lost, chosen) in [(0, 1.0, 8.0), (2, 4.0, 8.0), (4, 3.0, 4.0)] {
        let row = at(position, "position");
        close(row.estimate, lost / chosen, 1e-12);
        close(row.baseline, lost / chosen, 1e-12);
        assert_eq!((row.variable.map(Variable::name), row.n), (Some("position_bucket"), chosen as u64 / 2));
        assert_eq!((row.grouping.as_deref(), row.capacity_factor), (Some("run"), Some(0.5)));
    }
    // t0 and t1 whole; t3 u2 u3; t5.
    for (position, lost, chosen) in [(0, 4.0, 8.0), (2, 3.0, 8.0), (4, 1.0, 4.0)] {
        close(at(position, "gate_probability").estimate, lost / chosen, 1e-12);
    }
}
