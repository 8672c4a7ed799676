//! `mitigate`: strategies that must change nothing change nothing, and others change what a hand-made change of the authors' arithmetic
//! changes, token by token.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use openmoe_analyze::{
    InputOptions, MitigateOptions, RoutingOptions, RunDir, RunOptions, StatisticSettings, Unwatched,
    checkpoint::Checkpoint,
    mitigate,
    model::{Arithmetic, ForwardOptions, Model, Outputs, Wave},
    routing::{
        CapacityRule, EarlyRouter, LayerRouting, LayerShape, OwnRouter, QueueIn, QueueOrder, Reroute, RoutingPolicy,
        RoutingShape,
    },
    stats::MitigationRow,
    trace::{LossTable, RoutingTrace},
};
use serde_json::Value;

use crate::{
    parity::Recorder,
    support::{
        files::{fixture, read_json},
        planted_checkpoint::{planted, zeros},
    },
};

/// The strategies with these names, over the beginnings of twelve documents.
fn run(checkpoint: &Path, out: &Path, strategies: &[&str], change: impl FnOnce(&mut MitigateOptions)) -> RunDir {
    let mut options = MitigateOptions {
        checkpoint: checkpoint.into(),
        strategies: strategies
            .iter()
            .map(|name| name.parse::<openmoe_analyze::routing::Strategy>().unwrap().into())
            .collect(),
        run: RunOptions {
            corpus: vec![text()],
            input: InputOptions {
                context: Some(64),
                truncate: true,
                max_sequences: Some(12),
                ..InputOptions::default()
            },
            statistics: StatisticSettings { resamples: 40, permutations: 0, ..StatisticSettings::default() },
            ..RunOptions::default()
        },
        ..MitigateOptions::default()
    };
    change(&mut options);
    mitigate(options, out, &Unwatched).unwrap().0
}

fn text() -> PathBuf {
    fixture("corpora/domains/wikipedia.jsonl")
}

fn losses(run: &RunDir, pass: &str) -> LossTable {
    RoutingTrace::open(&RunDir::open(&run.file(&format!("passes/{pass}"))).unwrap()).unwrap().losses().unwrap()
}

/// The largest difference of a next token's loss between a pass and the unchanged one.
fn largest_change(run: &RunDir, pass: &str) -> f32 {
    let (unchanged, changed) = (losses(run, "unchanged"), losses(run, pass));
    assert!(unchanged.len() > 500 && unchanged.position == changed.position);
    let both = unchanged.loss.iter().zip(&changed.loss);
    both.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

/// The mean difference.
fn mean_change(run: &RunDir, pass: &str) -> f64 {
    let mean = |pass: &str| {
        let losses = losses(run, pass);
        losses.loss.iter().map(|loss| f64::from(*loss)).sum::<f64>() / losses.len() as f64
    };
    mean(pass) - mean("unchanged")
}

/// Without attention the residual stream, and so the routing, is a function of the token id; nothing is dropped, so no neighbour matters.
#[test]
fn a_table_of_a_router_that_follows_the_id_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    planted(&checkpoint, 6, &mut zeros(|name| name.ends_with("self_attn.o_proj.weight")));
    let run = run(&checkpoint, &folder.path().join("run"), &["lookup", "early"], |options| {
        options.run.routing =
            RoutingOptions { capacity_rule: Some(CapacityRule::Unlimited), ..RoutingOptions::default() };
        options.calibration = vec![text()];
    });
    // f32 tells losses of 8 nats apart in steps of 1e-6: single tokens differ by a step or two, and their mean by less.
    assert!(largest_change(&run, "lookup") <= 4e-6, "{}", largest_change(&run, "lookup"));
    assert!(mean_change(&run, "lookup").abs() <= 1e-6, "{}", mean_change(&run, "lookup"));
    // Without attention its input and its output are one.
    assert!(largest_change(&run, "early") <= 1e-6);
    assert!(largest_change(&run, "random") > 0.01);
}

#[test]
fn what_changes_nothing_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let own = fixture("checkpoints/openmoe-tiny-12.3M");
    let frozen = format!("frozen={}", own.display());
    let strategies = [frozen.as_str(), "capacity=unlimited", "top-k=2", "reroute", "priority=last"];
    let run = run(&own, &folder.path().join("run"), &strategies, |options| {
        // So many slots that nothing is dropped.
        options.run.routing.capacity_factor = Some(50.0);
    });
    for pass in ["frozen_openmoe-tiny-12.3M", "capacity_unlimited", "top-k_2", "reroute", "priority_last"] {
        assert_eq!(losses(&run, "unchanged"), losses(&run, pass), "{pass}");
    }
}

#[test]
fn rerouting_leaves_no_drop_where_slots_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(&fixture("checkpoints/openmoe-tiny-12.3M"), &folder.path().join("run"), &["reroute"], |_| {});
    let dropped = |pass: &str| -> usize {
        let trace = RoutingTrace::open(&RunDir::open(&run.file(&format!("passes/{pass}"))).unwrap()).unwrap();
        let of_layer = |layer: &u16| trace.layer(*layer).unwrap().kept.iter().filter(|kept| !**kept).count();
        trace.moe_layers().iter().map(of_layer).sum()
    };
    assert!(dropped("unchanged") > 0);
    assert_eq!(dropped("reroute"), 0);
}

/// A table of one fold never saw the documents of that fold: an id that one document alone has is not in its own table.
#[test]
fn no_document_is_routed_by_a_table_made_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("text.jsonl");
    // Every document repeats a word that no other has.
    let words = ["zebra", "quartz", "violin", "harbour", "mercury", "lantern", "cabbage", "tundra", "walnut", "pepper"];
    let rows: Vec<String> =
        words.iter().map(|word| serde_json::json!({ "text": format!("{word} ").repeat(30) }).to_string()).collect();
    std::fs::write(&corpus, rows.join("\n")).unwrap();
    let out = folder.path().join("run");
    let run = run(&fixture("checkpoints/openmoe-tiny-12.3M"), &out, &["lookup"], |options| {
        options.run.corpus = vec![corpus.clone()];
        options.run.routing.capacity_rule = Some(CapacityRule::Unlimited);
    });
    let trace = |pass: &str| RoutingTrace::open(&RunDir::open(&run.file(&format!("passes/{pass}"))).unwrap()).unwrap();
    let own = trace("unchanged").layer(1).unwrap();
    let changed = trace("lookup").layer(1).unwrap();
    let documents = |id: u32| -> BTreeSet<u32> {
        own.token_id
            .iter()
            .zip(&own.sequence)
            .filter(|(other, _)| **other == id)
            .map(|(_, sequence)| *sequence)
            .collect()
    };
    let alone: Vec<usize> = (0..own.len()).filter(|token| documents(own.token_id[*token]).len() == 1).collect();
    assert!(alone.len() > 100);
    assert!(alone.iter().all(|token| own.choices(*token) == changed.choices(*token)));
}

/// What a policy makes of a sequence: its losses, and the assignments that are dropped.
fn policy_losses(ids: &[u32], shape: RoutingShape, policy: &dyn RoutingPolicy) -> (Vec<f32>, Vec<LayerRouting>) {
    let checkpoint = Checkpoint::open(&fixture("checkpoints/openmoe-tiny-12.3M")).unwrap();
    let outputs = Outputs { nll: true, ..Outputs::default() };
    let options = ForwardOptions { shape, arithmetic: Arithmetic::F32, outputs };
    let wave = Wave { sequences: vec![ids], groups: std::iter::once(0..1).collect(), ..Wave::default() };
    let mut recorder = Recorder::default();
    let output = Model::new(&checkpoint, options).with_policy(policy).forward(&wave, &mut recorder).unwrap();
    (output.nll.into_iter().next().unwrap(), recorder.0)
}

/// The reference of the specification, changed by hand in the same way (fixtures/goldens/README.md).
#[test]
fn losses_are_those_of_the_reference_changed_in_the_same_way() {
    let golden = read_json(&fixture("goldens/mitigate.json"));
    let numbers =
        |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect() };
    let ids: Vec<u32> = numbers(&golden["token_ids"]).into_iter().map(|id| id as u32).collect();
    let checkpoint = Checkpoint::open(&fixture("checkpoints/openmoe-tiny-12.3M")).unwrap();
    let shape =
        |rule: Option<CapacityRule>| checkpoint.architecture().routing_shape(rule, golden["capacity_factor"].as_f64());
    let with_top_1 = |(layer, own): (u16, &LayerShape)| (layer, LayerShape { top_k: 1, ..*own });
    let top_1 = RoutingShape::new(shape(None).layers().map(with_top_1).collect()).unwrap();
    let own = || Arc::new(OwnRouter) as Arc<dyn RoutingPolicy>;
    let strategies: [(&str, RoutingShape, Arc<dyn RoutingPolicy>); 6] = [
        ("unchanged", shape(None), own()),
        ("early", shape(None), Arc::new(EarlyRouter)),
        ("top-k=1", top_1, own()),
        ("priority=last", shape(None), Arc::new(QueueIn(QueueOrder::Last))),
        ("reroute", shape(None), Arc::new(Reroute)),
        ("capacity=unlimited", shape(Some(CapacityRule::Unlimited)), own()),
    ];
    let unchanged = numbers(&golden["losses"]["unchanged"]);
    for (name, shape, policy) in strategies {
        let (found, routings) = policy_losses(&ids, shape, &*policy);
        let expected = numbers(&golden["losses"][name]);
        let largest = |of: &mut dyn Iterator<Item = f64>| of.fold(0.0, f64::max);
        let error =
            largest(&mut found.iter().zip(&expected).map(|(found, expected)| (f64::from(*found) - expected).abs()));
        let change = largest(&mut unchanged.iter().zip(&expected).map(|(one, other)| (one - other).abs()));
        println!("{name}: {error:.1e} from the reference; it changes a token by up to {change:.3}");
        assert_eq!(found.len(), expected.len());
        assert!(error <= 1e-4, "{name}: {error}");
        assert!(name == "unchanged" || change > 0.01, "{name} changes nothing");
        for (layer, count) in golden["dropped"][name].as_object().into_iter().flatten() {
            let routing = routings.iter().find(|own| own.layer.to_string() == *layer).unwrap();
            let dropped = routing.dropped.iter().filter(|dropped| **dropped).count();
            assert_eq!(dropped as u64, count.as_u64().unwrap(), "{name}, layer {layer}");
        }
    }
}

/// The rows of a run say what its losses say.
#[test]
fn the_table_holds_what_the_losses_say() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(&fixture("checkpoints/openmoe-tiny-12.3M"), &folder.path().join("run"), &["early"], |_| {});
    let bytes = std::fs::read(run.file("stats/mitigation.parquet")).unwrap();
    let rows: Vec<MitigationRow> = openmoe_analyze::stats::mitigation_from_parquet(bytes, "table").unwrap();
    let loss = rows.iter().find(|row| row.is_overall() && row.strategy == "early").unwrap();
    assert!((loss.change.estimate - mean_change(&run, "early")).abs() < 1e-9);
    assert!((loss.change.changed.unwrap() - loss.change.unchanged.unwrap() - loss.change.estimate).abs() < 1e-9);
}
