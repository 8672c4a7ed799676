//! The small trained OLMoE through the binary: a model of another family than OpenMoE, with text, from `route` to `drift` and `drops`.

use std::fs;

use expect_test::expect;
use serde_json::Value;

use crate::support::{
    files::{fixture, read_json},
    program::{integers, read_parts, twelve_documents},
};

fn checkpoint(point: &str) -> String {
    fixture("checkpoints").join(format!("olmoe-tiny-{point}")).display().to_string()
}

#[test]
fn route_writes_what_a_model_without_bos_and_capacity_does() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let last = checkpoint("step1000-tokens8.2M");
    let outcome = twelve_documents(&["route", &last], &["--out", out.to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let layers: Vec<&str> =
        outcome.stdout.lines().filter(|line| line.starts_with("layer ") && line.contains(": ")).collect();
    assert_eq!(layers.len(), 4, "{layers:?}");
    assert!(layers.iter().all(|line| line.contains(": the token id explains ")), "{layers:?}");
    let manifest = read_json(&out.join("manifest.json"));
    let key = |name: &str| manifest[name].clone();
    assert_eq!([key("bos"), key("capacity_rule")], [Value::from(false), "unlimited".into()]);
    assert_eq!(manifest["architecture"]["family"], "OLMoE");
    let trace = read_parts(&out, "trace");
    assert!(trace.column("dropped").unwrap().bool().unwrap().iter().all(|dropped| dropped == Some(false)));
    let choices = integers(&trace, "choice");
    assert_eq!(choices.iter().max(), Some(&3), "four choices a token");
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(!page.contains("Compare Fig"), "the paper is about another model");
}

#[test]
fn drift_takes_the_training_points_from_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let points = ["step250-tokens2.0M", "step500-tokens4.1M", "step1000-tokens8.2M"].map(checkpoint);
    let first: Vec<&str> = std::iter::once("drift").chain(points.iter().map(String::as_str)).collect();
    let outcome = twelve_documents(&first, &["--out", out.to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let against = "with olmoe-tiny-step1000-tokens8.2M";
    assert!(outcome.stdout.contains(against), "{}", outcome.stdout);
    let manifest = read_json(&out.join("manifest.json"));
    let tokens = manifest["checkpoints"].as_array().unwrap().iter().map(|own| own["training_tokens"].as_f64());
    assert_eq!(tokens.collect::<Vec<_>>(), [2e6, 4.1e6, 8.2e6].map(Some));
}

#[test]
fn drops_asks_what_a_capacity_would_drop_of_the_models_own_choices() {
    let folder = tempfile::tempdir().unwrap();
    let [replayed, again, forced] = ["replayed", "again", "forced"].map(|name| folder.path().join(name));
    let last = checkpoint("step1000-tokens8.2M");
    let drops = |out: &std::path::Path, more: &[&str]| {
        twelve_documents(&["drops", &last], &[&["--out", out.to_str().unwrap()], more].concat())
    };
    let outcome = drops(&replayed, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let line = |printed: &str| {
        printed.lines().find(|line| line.starts_with("the model has no capacity")).unwrap_or_default().to_owned()
    };
    assert!(outcome.stdout.starts_with("At capacity factor 1.25 (rule port, group sequence): "), "{}", outcome.stdout);
    expect!["the model has no capacity and drops nothing; what follows would be dropped of its choices at capacity factor 1.25 (rule port, group sequence)"].assert_eq(&line(&outcome.stdout));
    let manifest = read_json(&replayed.join("manifest.json"));
    assert_eq!(
        [&manifest["asked_capacity"], &manifest["capacity_rule"], &manifest["capacity_factor"]],
        [&Value::from(true), &"port".into(), &1.25.into()]
    );
    // The trace is that of the model, which drops nothing.
    let trace = read_parts(&replayed.join("checkpoints/olmoe-tiny-step1000-tokens8.2M"), "trace");
    assert!(trace.column("dropped").unwrap().bool().unwrap().iter().all(|dropped| dropped == Some(false)));
    let asked = drops(&again, &["--capacity-factor", "2"]);
    assert!(line(&asked.stdout).ends_with("at capacity factor 2 (rule port, group sequence)"), "{}", asked.stdout);
    // A limit inside the forward pass is another question: what is dropped does not reach the later layers.
    let asked = drops(&forced, &["--capacity-factor", "1.25", "--capacity-rule", "port"]);
    assert!(
        !asked.stdout.starts_with("At capacity factor") && asked.stderr.contains("not what the model does"),
        "{}",
        asked.stdout
    );
}
