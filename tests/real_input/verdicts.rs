//! Verdicts of models whose routing is known beforehand: the bundled checkpoint with some of its weights replaced.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::common;
use openmoe_analyze::{
    report,
    stats::{Settings, headline},
};
use support::{Random, Router, synthetic};

#[allow(dead_code, unused_imports)] // the statistics use more of it
#[path = "../statistics/support.rs"]
mod support;

/// The bundled checkpoint with other weights, below `folder`: `replace` gets the name and the number of elements of each tensor, and returns
/// the bits of its bf16 elements where they are to change. `config` is laid over config.json.
fn planted(folder: &Path, replace: &mut dyn FnMut(&str, usize) -> Option<Vec<u16>>, config: &Value) {
    let folder = &folder.join("model");
    common::copy_folder(&common::fixture("checkpoints/openmoe-tiny-12.3M"), folder);
    let path = folder.join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    for (name, tensor) in header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__") {
        let ends = [0, 1].map(|end| 8 + length + tensor["data_offsets"][end].as_u64().unwrap() as usize);
        let Some(values) = replace(name, (ends[1] - ends[0]) / 2) else { continue };
        let new: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        bytes[ends[0]..ends[1]].copy_from_slice(&new);
    }
    fs::write(path, bytes).unwrap();
    let path = folder.join("config.json");
    let mut own = common::read_json(&path);
    own.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    fs::write(path, own.to_string()).unwrap();
}

/// Zeros for the tensors that are meant.
fn zeros(is_meant: impl Fn(&str) -> bool) -> impl FnMut(&str, usize) -> Option<Vec<u16>> {
    move |name, elements| is_meant(name).then(|| vec![0; elements])
}

/// What `route` says of the planted checkpoint about short texts; one line for each layer and one for all.
fn said(folder: &Path, more: &[&str]) -> Vec<String> {
    let [checkpoint, out] = ["model", "run"].map(|name| folder.join(name).display().to_string());
    let options = [&["--context", "128", "--truncate", "--quiet", "--out", &out], more].concat();
    let outcome = common::twelve_documents(&["route", &checkpoint], &options);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let is_said = |line: &&str| line.starts_with("layer ") && line.contains(':') || line.starts_with("overall: ");
    let lines: Vec<String> = outcome.stdout.lines().filter(is_said).map(str::to_owned).collect();
    println!("{}", lines.join("\n"));
    lines
}

#[test]
fn a_model_without_attention_is_fully_context_independent() {
    let folder = tempfile::tempdir().unwrap();
    planted(folder.path(), &mut zeros(|name| name.ends_with("o_proj.weight")), &json!({}));
    let lines = said(folder.path(), &["--capacity-rule", "unlimited"]);
    assert_eq!(lines.len(), 4);
    for line in &lines[..3] {
        assert!(line.contains(": the token id explains 100 % ["), "{line}");
        assert!(line.ends_with("; nothing is left for the context (0.00 bits); context-independent: fully"), "{line}");
    }
    let all = "overall: context-independent: fully (nothing is left for the context); ";
    assert!(lines[3].starts_with(all), "{}", lines[3]);
}

#[test]
fn a_router_that_never_varies_is_constant_in_its_layer_and_in_all() {
    let folder = tempfile::tempdir().unwrap();
    let one = "the router is constant: every token gets the experts 0, 1; there is nothing to explain";
    planted(folder.path(), &mut zeros(|name| name == "model.layers.3.mlp.gate_weight"), &json!({}));
    let lines = said(folder.path(), &["--allow-constant-router"]);
    assert_eq!(lines[1], format!("layer 3: {one}"));
    assert!(lines[0].starts_with("layer 1: the token id explains "), "{}", lines[0]);
    assert!(lines[3].ends_with("; layer 3 is left out: its router is constant, or nearly so"), "{}", lines[3]);

    let folder = tempfile::tempdir().unwrap();
    planted(folder.path(), &mut zeros(|name| name.ends_with("gate_weight")), &json!({}));
    let lines = said(folder.path(), &["--allow-constant-router"]);
    let expected = [1, 3, 5].map(|layer| format!("layer {layer}: {one}"));
    assert_eq!(lines[..3], expected);
    assert_eq!(lines[3], "overall: the router is constant in every layer, or nearly so: there is nothing to explain");
}

#[test]
fn a_router_that_chooses_every_expert_is_constant() {
    let folder = tempfile::tempdir().unwrap();
    planted(folder.path(), &mut |_, _| None, &json!({"router_topk": 16}));
    let lines = said(folder.path(), &[]);
    let experts = (0..16).map(|expert: u16| expert.to_string()).collect::<Vec<_>>().join(", ");
    assert!(lines[0].contains(&format!("every token gets the experts {experts};")), "{}", lines[0]);
    assert!(lines[3].starts_with("overall: the router is constant in every layer"), "{}", lines[3]);
}

/// Bits of a bf16 number from a sum of twelve uniform numbers, near enough to a normal one.
fn noise(random: &mut Random, scale: f64) -> u16 {
    let sum: f64 = (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
    (((sum * scale) as f32).to_bits() >> 16) as u16
}

#[test]
fn random_routers_on_noise_are_never_said_to_follow_context() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(7);
    let mut replace = |name: &str, elements: usize| -> Option<Vec<u16>> {
        let scale = if name.ends_with("embed_tokens.weight") {
            1.0
        } else if name.ends_with("gate_weight") {
            0.5
        } else {
            return None;
        };
        Some((0..elements).map(|_| noise(&mut random, scale)).collect())
    };
    planted(folder.path(), &mut replace, &json!({}));
    let lines = said(folder.path(), &[]);
    // Twelve short documents cannot show that a context adds more than a tenth of what the token id leaves open.
    for line in &lines[..3] {
        let word = line.rsplit("context-independent: ").next().unwrap();
        assert!(["yes", "at least mostly", "undecided"].contains(&word), "{line}");
    }
    let all = lines[3].strip_prefix("overall: context-independent: ").unwrap();
    assert!(["yes", "at least mostly", "undecided"].iter().any(|word| all.starts_with(word)), "{}", lines[3]);
}

#[test]
fn a_router_that_looks_at_nothing_is_undecided_and_one_that_looks_at_the_token_fully_independent() {
    let said = |router| {
        let run = synthetic(router, 16, 2, 20, 96);
        let tables = run.statistics(&Settings { resamples: 40, permutations: 20, ..Settings::default() });
        report::verdict(&headline(&tables))
    };
    let nothing = said(Router::Nothing);
    assert!(nothing[0].starts_with("layer 3: the token id explains 0 % ["), "{}", nothing[0]);
    assert!(nothing[0].ends_with("; context-independent: undecided"), "{}", nothing[0]);
    let meaning =
        "(the token id explains less than 50 %, but no context is shown to add more than 10 % of what is left)";
    assert!(nothing[1].starts_with(&format!("overall: context-independent: undecided {meaning}")), "{}", nothing[1]);
    let token = said(Router::Token);
    assert!(
        token[0].ends_with("; nothing is left for the context (0.00 bits); context-independent: fully"),
        "{}",
        token[0]
    );
}
