//! Every golden through the binary: rows of `input_ids`, the trace read back from Parquet.

use std::{fs, path::Path};

use safetensors::SafeTensors;

use crate::support::{
    files::fixture,
    program::{floats, integers, openmoe, read_parts, read_table},
};

const TOLERANCE: f64 = 1e-4;

fn words(data: &[u8]) -> impl Iterator<Item = [u8; 4]> + '_ {
    data.chunks_exact(4).map(|bytes| bytes.try_into().unwrap())
}

/// A tensor of a golden file as numbers.
fn tensor(golden: &SafeTensors, name: &str) -> Vec<f64> {
    let view = golden.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    match view.dtype() {
        safetensors::Dtype::F32 => words(view.data()).map(|w| f64::from(f32::from_le_bytes(w))).collect(),
        safetensors::Dtype::I32 => words(view.data()).map(|w| f64::from(i32::from_le_bytes(w))).collect(),
        _ => view.data().iter().map(|&b| f64::from(b)).collect(),
    }
}

/// Writes the golden's rows as a corpus and routes them in one group of `rows` sequences.
fn route_rows(directory: &str, golden: &SafeTensors, out: &Path) -> usize {
    let shape = golden.tensor("input_ids").unwrap().shape().to_vec();
    let ids: Vec<u32> = tensor(golden, "input_ids").into_iter().map(|v| v as u32).collect();
    let lines: Vec<String> =
        ids.chunks(shape[1]).map(|row| serde_json::json!({ "input_ids": row }).to_string()).collect();
    fs::create_dir_all(out).unwrap();
    let corpus = out.join("rows.jsonl");
    fs::write(&corpus, lines.join("\n")).unwrap();
    let outcome = openmoe(&format!(
        "route {} --corpus {} --out {} --group batch:{} --log-logits --resamples 40 --permutations 10",
        fixture("goldens").join(directory).display(),
        corpus.display(),
        out.join("run").display(),
        shape[0],
    ));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    shape[0]
}

fn check(directory: &str, file: &str) {
    let bytes = fs::read(fixture("goldens").join(directory).join(file)).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    route_rows(directory, &golden, temporary.path());
    let run = temporary.path().join("run");
    let (trace, logits) = (read_parts(&run, "trace"), read_parts(&run, "logits"));
    let groups = read_table(&run.join("groups.parquet"));
    let (layers, logit_layers) = (integers(&trace, "layer"), integers(&logits, "layer"));
    let group_layers = integers(&groups, "layer");
    for layer in tensor(&golden, "moe_layers").into_iter().map(|v| v as u64) {
        let rows = |of: &[u64]| (0..of.len()).filter(|&row| of[row] == layer).collect::<Vec<_>>();
        let key = |what: &str| format!("layer{layer}.{what}");
        let of_trace = rows(&layers);
        for (column, what) in [("expert", "expert_ids"), ("slot", "slots")] {
            let values = integers(&trace, column);
            let found: Vec<f64> = of_trace.iter().map(|&row| values[row] as f64).collect();
            assert_eq!(found, tensor(&golden, &key(what)), "{directory}: {}", key(what));
        }
        let dropped = trace.column("dropped").unwrap().bool().unwrap();
        let dropped: Vec<f64> = of_trace.iter().map(|&row| f64::from(u8::from(dropped.get(row).unwrap()))).collect();
        assert_eq!(dropped, tensor(&golden, &key("dropped")), "{directory}: {}", key("dropped"));
        let capacity = integers(&groups, "capacity")[rows(&group_layers)[0]];
        assert_eq!(capacity as f64, tensor(&golden, &key("capacity"))[0], "{directory}: capacity");
        let probability = floats(&trace, "probability");
        let combine = tensor(&golden, &key("combine_weights"));
        let of_probability = of_trace.iter().zip(&dropped).map(|(&row, d)| probability[row] * (1.0 - d));
        let weights = of_probability.zip(&combine).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
        let expected = tensor(&golden, &key("router_logits"));
        let lists = logits.column("logits").unwrap().list().unwrap();
        let found = rows(&logit_layers).into_iter().flat_map(|row| {
            let series = lists.get_as_series(row).unwrap();
            series.f32().unwrap().iter().map(|v| f64::from(v.unwrap())).collect::<Vec<_>>()
        });
        let difference = found.zip(&expected).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
        println!(
            "{directory} layer {layer}: decisions identical, max |d| router logits {difference:.1e}, combine weights {weights:.1e}"
        );
        assert!(difference < TOLERANCE && weights < TOLERANCE);
    }
}

#[test]
fn sharded_checkpoint_with_32_experts() {
    check("A_wide_32e", "goldens.safetensors");
}

#[test]
fn top_1_checkpoint_in_torch_format() {
    check("B_top1_bin", "goldens.safetensors");
}

#[test]
fn batch_of_three() {
    check("C_batch3", "goldens.safetensors");
}

#[test]
fn a_row_of_the_batch_alone() {
    check("C_batch3", "goldens_row1_alone.safetensors");
}

#[test]
fn bf16_checkpoint() {
    check("D_bf16", "goldens.safetensors");
}
