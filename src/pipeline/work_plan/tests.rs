//! The plan of a run follows from its record alone.

use super::*;
use crate::run::{Identity, RecordedCheckpoint, RecordedLayout, RecordedReplay, TextSummary};

fn record(kind: RunKind, layers: u16, tokens: u64) -> RunRecord {
    let layout =
        RecordedLayout { moe_layers: (0..layers).collect(), num_experts: 16, top_k: 2, ..RecordedLayout::default() };
    let text = TextSummary { tokens, ..TextSummary::default() };
    RunRecord { text, ..RunRecord::new(Identity::new(kind), "a", layout) }
}

fn statistics(record: &RunRecord) -> PlannedStage {
    after_traces(record)[0]
}

#[test]
fn statistics_take_as_long_as_there_are_layers_tokens_and_traces() {
    let one = statistics(&record(RunKind::Route, 3, 1000));
    assert_eq!((one.stage, one.units), (Stage::Statistics, Some(3)));
    let more = statistics(&record(RunKind::Route, 6, 2000));
    assert_eq!(more.units, Some(6));
    assert!((more.seconds / one.seconds - 4.0).abs() < 1e-9);

    let mut drops = record(RunKind::Drops, 3, 1000);
    assert_eq!(statistics(&drops).units, Some(3 * 5));
    drops.identity.checkpoints = vec![RecordedCheckpoint::new("a", "a", "a"), RecordedCheckpoint::new("b", "b", "b")];
    let two = statistics(&drops).seconds;
    drops.identity.exact_replay = Some(vec![RecordedReplay { capacity_factor: 1.25, trace: "r".into() }]);
    assert_eq!(statistics(&drops).units, Some(3 * (2 * 5 + 1)));
    assert!((statistics(&drops).seconds / two - 1.1).abs() < 1e-9, "a replay takes a fifth of a model");
}

#[test]
fn permutations_cost_time() {
    let mut few = record(RunKind::Route, 3, 1000);
    few.statistics.permutations = 0;
    let mut many = few.clone();
    many.statistics.permutations = 100;
    assert!(statistics(&many).seconds > 3.0 * statistics(&few).seconds);
    assert_eq!(of_run(None, 4, &few).len(), 4, "without a checkpoint no forward pass");
}
