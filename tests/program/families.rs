//! Every family of models through the binary: rows of `input_ids`, the trace read back from Parquet, `inspect`, and what a capacity
//! means where the model has none.

use std::{fs, path::Path};

use expect_test::expect;
use safetensors::SafeTensors;
use serde_json::Value;

use crate::support::{
    files::{fixture, read_json},
    program::{floats, integers, openmoe, openmoe_with, read_parts},
    snapshot::settled,
};

/// Golden and family.
const GOLDENS: &[(&str, &str)] = &[
    ("olmoe", "OLMoE"),
    ("mixtral", "Mixtral"),
    ("mixtral_swa", "Mixtral"),
    ("qwen2_moe", "Qwen2-MoE"),
    ("qwen3_moe", "Qwen3-MoE"),
    ("qwen3_moe_128e", "Qwen3-MoE"),
    ("qwen3_moe_all8", "Qwen3-MoE"),
    ("granitemoe", "GraniteMoE"),
    ("phimoe", "Phi-3.5-MoE"),
    ("deepseek", "DeepSeek-MoE"),
    ("deepseek_v2_lite", "DeepSeek-V2"),
    ("deepseek_v2", "DeepSeek-V2"),
    ("deepseek_v3", "DeepSeek-V3"),
    ("deepseek_v3_fp8", "DeepSeek-V3"),
    ("moonlight", "DeepSeek-V3"),
    ("glm4_moe", "GLM-4.5-MoE"),
    ("gpt_oss", "gpt-oss"),
    ("gpt_oss_mxfp4", "gpt-oss"),
];

/// A tensor of a golden file as numbers.
fn tensor(golden: &SafeTensors, name: &str) -> Vec<f64> {
    let view = golden.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    let words = view.data().chunks_exact(4).map(|bytes| <[u8; 4]>::try_from(bytes).unwrap());
    match view.dtype() {
        safetensors::Dtype::F32 => words.map(|word| f64::from(f32::from_le_bytes(word))).collect(),
        _ => words.map(|word| f64::from(i32::from_le_bytes(word))).collect(),
    }
}

/// Writes the sequences of a golden as a corpus.
fn write_rows(golden: &SafeTensors, path: &Path) {
    let row = |sequence: usize| {
        let ids: Vec<u32> = tensor(golden, &format!("s{sequence}.input_ids")).iter().map(|&id| id as u32).collect();
        serde_json::json!({ "id": format!("row {sequence}"), "input_ids": ids }).to_string()
    };
    let rows: Vec<String> = (0..tensor(golden, "num_sequences")[0] as usize).map(row).collect();
    fs::write(path, rows.join("\n")).unwrap();
}

fn largest(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(found, expected)| (found - expected).abs()).fold(0.0, f64::max)
}

/// Routes the golden's rows and compares the trace with what the original computed.
fn check(name: &str, folder: &Path) {
    let bytes = fs::read(fixture("families").join(name).join("goldens.safetensors")).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let (rows, run) = (folder.join("rows.jsonl"), folder.join("run"));
    write_rows(&golden, &rows);
    let outcome = openmoe(&format!(
        "route {} --corpus {} --out {} --log-logits --resamples 0 --permutations 0 --quiet",
        fixture("families").join(name).display(),
        rows.display(),
        run.display(),
    ));
    assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
    let manifest = read_json(&run.join("manifest.json"));
    assert_eq!(manifest["ties"], serde_json::json!([]), "{name}: no golden has a tie");
    let (trace, logits) = (read_parts(&run, "trace"), read_parts(&run, "logits"));
    let (of_layer, of_sequence) = (integers(&trace, "layer"), integers(&trace, "sequence"));
    let (layer_of_logits, sequence_of_logits) = (integers(&logits, "layer"), integers(&logits, "sequence"));
    let lists = logits.column("logits").unwrap().list().unwrap();
    let dropped = trace.column("dropped").unwrap().bool().unwrap();
    assert!(dropped.iter().all(|dropped| dropped == Some(false)), "{name} drops");
    let (expert, probability, weight) =
        (integers(&trace, "expert"), floats(&trace, "probability"), floats(&trace, "combine_weight"));
    let mut differences = [0.0_f64; 3];
    for layer in tensor(&golden, "moe_layers") {
        for sequence in 0..tensor(&golden, "num_sequences")[0] as u64 {
            let is_here = |layers: &[u64], sequences: &[u64], row: usize| {
                layers[row] == layer as u64 && sequences[row] == sequence
            };
            let rows: Vec<usize> = (0..expert.len()).filter(|row| is_here(&of_layer, &of_sequence, *row)).collect();
            let key = |what: &str| format!("s{sequence}.layer{layer}.{what}");
            let chosen: Vec<f64> = rows.iter().map(|row| expert[*row] as f64).collect();
            assert_eq!(chosen, tensor(&golden, &key("expert_ids")), "{name}: {}", key("expert_ids"));
            let of_rows = |numbers: &[f64]| rows.iter().map(|row| numbers[*row]).collect::<Vec<f64>>();
            let weights = tensor(&golden, &key("combine_weights"));
            let size = weights.iter().copied().fold(1.0, f64::max);
            let of_logits = (0..layer_of_logits.len())
                .filter(|row| is_here(&layer_of_logits, &sequence_of_logits, *row))
                .flat_map(|row| {
                    let list = lists.get_as_series(row).unwrap();
                    list.f32().unwrap().iter().map(|logit| f64::from(logit.unwrap())).collect::<Vec<_>>()
                })
                .collect::<Vec<f64>>();
            let found = [
                largest(&of_logits, &tensor(&golden, &key("router_logits"))),
                largest(&of_rows(&probability), &tensor(&golden, &key("probabilities"))),
                largest(&of_rows(&weight), &weights) / size,
            ];
            differences.iter_mut().zip(found).for_each(|(known, found)| *known = known.max(found));
        }
    }
    let [logits, probabilities, weights] = differences;
    println!(
        "{name:<18} max |d| router logits {logits:.1e}, probabilities {probabilities:.1e}, combine weights {weights:.1e}"
    );
    assert!(logits < 3e-4 && probabilities < 1e-4 && weights < 1e-4, "{name}: {differences:?}");
}

/// Margins are in the unit of the score that decides.
fn check_margins(name: &str, run: &Path) {
    let unit = match name {
        "deepseek_v3" | "deepseek_v3_fp8" | "moonlight" | "glm4_moe" => "score",
        "gpt_oss" | "gpt_oss_mxfp4" | "granitemoe" | "phimoe" => "logit",
        _ => "probability",
    };
    let table = fs::read_to_string(run.join("stats/router_margin.csv")).unwrap();
    assert!(table.lines().skip(1).all(|row| row.contains(&format!(",{unit}"))), "{name}: {table}");
    let folder = run.join("figures");
    let [drawn, out] = [run, &folder].map(|path| path.display().to_string());
    let only = ["--only", "router_confidence", "--format", "svg", "--width", "170", "--out", &out, "--quiet"];
    let outcome = openmoe_with(&[&["chart", &drawn][..], &only].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let chart = fs::read_to_string(folder.join("router_confidence_170mm.svg")).unwrap();
    assert!(chart.contains(&format!("\n{unit}\n")), "{name}: the axis of the margins says {unit}");
}

#[test]
fn the_trace_of_every_family_is_what_its_original_computes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, _) in GOLDENS {
        let own = folder.path().join(name);
        fs::create_dir(&own).unwrap();
        check(name, &own);
        check_margins(name, &own.join("run"));
    }
}

#[test]
fn inspect_says_what_every_family_computes() {
    for (name, family) in GOLDENS {
        let outcome = openmoe(&format!("inspect {} --json", fixture("families").join(name).display()));
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let description: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!((description["family"].as_str(), &description["capacity"]), (Some(*family), &Value::Null), "{name}");
        let words: Vec<&str> =
            description["in_words"].as_array().unwrap().iter().map(|part| part["part"].as_str().unwrap()).collect();
        assert_eq!(words, ["attention", "rotary", "router", "experts", "norms"], "{name}");
    }
}

#[test]
fn a_capacity_is_a_question_where_the_model_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, run) = (folder.path().join("rows.jsonl"), folder.path().join("run"));
    let bytes = fs::read(fixture("families/olmoe/goldens.safetensors")).unwrap();
    write_rows(&SafeTensors::deserialize(&bytes).unwrap(), &rows);
    let route = |more: &str| {
        openmoe(&format!(
            "route {} --corpus {} --out {} --resamples 0 --permutations 0 --quiet {more}",
            fixture("families/olmoe").display(),
            rows.display(),
            run.display(),
        ))
    };
    let refused = route("--capacity-factor 1.25");
    assert_eq!(refused.code, 2);
    expect![[r#"
        error: --capacity-factor 1.25; OLMoE does not limit the slots of an expert

        hint: for what a limit would do, give --capacity-rule port too
    "#]]
    .assert_eq(&settled(&refused.stderr));
    let asked = route("--capacity-factor 1.25 --capacity-rule port");
    assert_eq!(asked.code, 0, "{}", asked.stderr);
    expect![[r#"
        warning: OLMoE does not limit the slots of an expert: what this run drops is what rule port at factor 1.25 would drop, not what the model does
    "#]]
    .assert_eq(&settled(&asked.stderr));
    let dropped = read_parts(&run, "trace");
    let dropped = dropped.column("dropped").unwrap().bool().unwrap();
    assert!(dropped.iter().any(|dropped| dropped == Some(true)));
}
