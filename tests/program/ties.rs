//! Ties of the router: equal scores, which the lower expert id decides, are counted and said.

use std::fs;

use openmoe_analyze::checkpoint::Dtype;
use serde_json::{Value, json};

use crate::support::{
    files::{fixture, read_json},
    program::{contents, openmoe_with},
    synthetic_checkpoint::write_checkpoint,
};

/// The number of tokens.
const TOKENS: usize = 40;

#[test]
fn ties_are_counted_by_layer_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, rows, run) =
        (folder.path().join("zeros"), folder.path().join("rows.jsonl"), folder.path().join("run"));
    let mut config: Value = read_json(&fixture("families/olmoe/config.json"));
    config["num_hidden_layers"] = json!(2);
    let ids: Vec<u32> = (0..TOKENS as u32).collect();
    fs::write(&rows, json!({ "input_ids": ids }).to_string()).unwrap();
    // The second router is zero: all its experts have the same score.
    let is_first_router = |tensor: &openmoe_analyze::checkpoint::ExpectedTensor| tensor.name.contains(".0.mlp.gate.");
    write_checkpoint(&config, &checkpoint, Dtype::F32, is_first_router, &ids);
    let mut arguments =
        vec!["route", checkpoint.to_str().unwrap(), "--corpus", rows.to_str().unwrap(), "--out", run.to_str().unwrap()];
    arguments.extend(["--resamples", "0", "--permutations", "0", "--allow-constant-router"]);
    let outcome = openmoe_with(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let said = "ties: equal scores decided the choice of 40 tokens, summed over 1 layer; the lower expert id wins";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    let ties = json!([{ "layer": 1, "tokens": TOKENS }]);
    assert_eq!(read_json(&run.join("manifest.json"))["ties"], ties);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("equal scores decided for 40 tokens"), "the page says so");
    // A resumed run knows the ties of the parts that are there.
    let before = contents(&run.join("trace"));
    fs::remove_file(run.join("manifest.json")).unwrap();
    arguments.push("--resume");
    let resumed = openmoe_with(&arguments);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(!resumed.stderr.contains("tokens/s"), "nothing is computed again: {}", resumed.stderr);
    assert_eq!(read_json(&run.join("manifest.json"))["ties"], ties);
    assert!(before == contents(&run.join("trace")));
}
