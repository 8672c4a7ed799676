//! The small trained OLMoE over the text of `fixtures/checkpoints/README.md`: what the statistics say of it against what follows from
//! the router outputs of transformers.

use std::{fs, path::Path};

use openmoe_analyze::{
    pipeline::{
        Unwatched, drift,
        options::{CheckpointSpec, DriftOptions, InputOptions, RouteOptions, RunOptions, StatisticSettings},
        read_tables, route,
    },
    routing::View,
    stats::{Finding, Statistic, Tables, Variable},
};
use serde_json::Value;

use crate::support::files::fixture;

const TOLERANCE: f64 = 1e-4;

/// Every document of the corpus alone, cut at 512 tokens; only what needs no resampling.
fn options() -> RunOptions {
    RunOptions {
        corpus: vec![fixture("corpora/domains")],
        input: InputOptions { context: Some(512), truncate: true, ..InputOptions::default() },
        statistics: StatisticSettings { resamples: 0, permutations: 0, ..StatisticSettings::default() },
        ..RunOptions::default()
    }
}

/// Routes the text through a checkpoint, into a folder of the checkpoint's name.
fn routed(name: &str, folder: &Path) -> (CheckpointSpec, Tables) {
    let checkpoint = fixture("checkpoints").join(name);
    let out = folder.join(name);
    let (run, _) =
        route(RouteOptions { checkpoint: checkpoint.into(), log_logits: false, run: options() }, &out, &Unwatched)
            .unwrap();
    (CheckpointSpec::in_folder(&out), read_tables(&run).unwrap())
}

fn find(tables: &Tables, statistic: Statistic, layer: usize, is_wanted: impl Fn(&&Finding) -> bool) -> Vec<f64> {
    let of_layer = |row: &&Finding| usize::from(row.layer) == layer && row.view == View::Chosen;
    let rows = tables[statistic.table()].rows.iter().filter(of_layer).filter(is_wanted);
    rows.map(|row| row.estimate.unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_f64().unwrap()).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

/// The largest difference between numbers, which are as many.
fn largest(found: &[f64], expected: &Value, what: &str) -> f64 {
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{what}");
    let difference = found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs()).fold(0.0, f64::max);
    assert!(difference <= TOLERANCE, "{what}: {found:?}, transformers {expected:?}");
    difference
}

/// The largest difference of the router saturation of every point against the last one. The table has rows against every other
/// point too.
fn saturation(points: &[Value], checkpoints: Vec<CheckpointSpec>, folder: &Path) -> f64 {
    let last = checkpoints[checkpoints.len() - 1].label.clone();
    let labels: Vec<String> = checkpoints.iter().map(|spec| spec.label.clone()).collect();
    let options = DriftOptions { checkpoints, run: options(), ..DriftOptions::default() };
    let (run, _) = drift(options, &folder.join("drift"), &Unwatched).unwrap();
    let tables = read_tables(&run).unwrap();
    let mut difference = 0.0_f64;
    for (point, label) in points.iter().zip(&labels) {
        for (layer, expected) in point["layers"].as_array().unwrap().iter().enumerate() {
            let is_wanted = |row: &&Finding| {
                let of = |name: &Option<String>, wanted: &String| name.as_ref() == Some(wanted);
                of(&row.checkpoint, label) && of(&row.reference, &last) && row.category.is_none()
            };
            let found = find(&tables, Statistic::RouterSaturation, layer, is_wanted);
            let what = format!("{label}, layer {layer}: router saturation");
            difference = difference.max(largest(&found, &expected["router_saturation"], &what));
        }
    }
    difference
}

#[test]
fn information_load_and_saturation_are_those_of_transformers() {
    let text = fs::read_to_string(fixture("checkpoints/olmoe-tiny-transformers.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let points = golden["points"].as_array().unwrap();
    let name = |point: &Value| point["checkpoint"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let mut difference = [0.0_f64; 2];
    let mut keep = |of: usize, found: f64| difference[of] = difference[of].max(found);
    let mut specs = Vec::new();
    for point in points {
        let (spec, tables) = routed(&name(point), folder.path());
        for (layer, expected) in point["layers"].as_array().unwrap().iter().enumerate() {
            let at = |what: &str| format!("{}, layer {layer}: {what}", name(point));
            let is_token = |row: &&Finding| row.variable == Some(Variable::Token);
            let information = find(&tables, Statistic::MutualInformation, layer, is_token);
            keep(0, largest(&information, &expected["token_information"], &at("I(expert; token)")));
            let is_overall = |row: &&Finding| row.category.is_none() && row.variable.is_none();
            let load = find(&tables, Statistic::ExpertShare, layer, is_overall);
            keep(1, largest(&load, &expected["load"], &at("load")));
        }
        specs.push(spec);
    }
    let tokens: Vec<_> = specs.iter().map(|spec| spec.training_tokens).collect();
    assert_eq!(tokens, [2e5, 2e6, 4.1e6, 8.2e6].map(Some), "as their names say");
    let saturation = saturation(points, specs, folder.path());
    let [information, load] = difference;
    println!(
        "largest difference: I(expert; token) {information:.1e} bits, load {load:.1e}, router saturation {saturation:.1e}"
    );
}
