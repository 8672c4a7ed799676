//! The forward pass against results recorded from the authors' original code (`fixtures/goldens`): decisions
//! identical, numbers within tolerance. Prints the maximum differences per layer (`cargo test --test library parity:: -- --nocapture`).

use std::{collections::BTreeMap, path::PathBuf};

use openmoe_analyze::{
    checkpoint::Checkpoint,
    error::Result,
    model::{Arithmetic, ForwardOptions, Model, Outputs, Wave, WaveOutput},
    routing::{GroupRule, LayerRouting, RoutingObserver},
};
use safetensors::{Dtype, SafeTensors};

use crate::support::files::fixture;

/// Tolerances of the specification: router logits and combine weights, nll and final logits.
const ROUTER: f32 = 1e-4;
const HEAD: f32 = 1e-3;

/// Keeps all routing that a forward pass tells of.
#[derive(Default)]
pub(crate) struct Recorder(pub(crate) Vec<LayerRouting>);

impl RoutingObserver for Recorder {
    fn observe_routing(&mut self, routing: &LayerRouting) -> Result<()> {
        self.0.push(routing.clone());
        Ok(())
    }
}

/// A golden file: tensors by name, as f32 or integers.
struct Golden {
    shapes: BTreeMap<String, Vec<usize>>,
    values: BTreeMap<String, Vec<f64>>,
}

impl Golden {
    fn open(directory: &str, file: &str) -> Self {
        let bytes = std::fs::read(directory_of(directory).join(file)).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut golden = Self { shapes: BTreeMap::new(), values: BTreeMap::new() };
        for (name, view) in tensors.tensors() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => words(data).map(|w| f64::from(f32::from_le_bytes(w))).collect(),
                Dtype::I32 => words(data).map(|w| f64::from(i32::from_le_bytes(w))).collect(),
                Dtype::U8 => data.iter().map(|&byte| f64::from(byte)).collect(),
                other => panic!("{name}: {other:?}"),
            };
            golden.shapes.insert(name.clone(), view.shape().to_vec());
            golden.values.insert(name, values);
        }
        golden
    }

    fn integers(&self, name: &str) -> Vec<u32> {
        self.values[name].iter().map(|&v| v as u32).collect()
    }

    fn rows(&self) -> Vec<Vec<u32>> {
        let length = self.shapes["input_ids"][1];
        self.integers("input_ids").chunks(length).map(<[u32]>::to_vec).collect()
    }
}

fn words(data: &[u8]) -> impl Iterator<Item = [u8; 4]> + '_ {
    data.chunks_exact(4).map(|bytes| bytes.try_into().unwrap())
}

fn directory_of(directory: &str) -> PathBuf {
    fixture("goldens").join(directory)
}

/// Runs rows as one wave under a grouping rule.
fn run(
    directory: &str,
    rows: &[Vec<u32>],
    group: GroupRule,
    arithmetic: Arithmetic,
    masks: Vec<Vec<bool>>,
) -> (Vec<LayerRouting>, WaveOutput) {
    let checkpoint = Checkpoint::open(&directory_of(directory)).unwrap();
    let shape = checkpoint.architecture().routing_shape(None, None);
    let options = ForwardOptions { shape, arithmetic, outputs: Outputs { nll: true, final_logits: 4, hidden: 2 } };
    let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
    let wave = Wave {
        sequences: rows.iter().map(Vec::as_slice).collect(),
        groups: group.partition(&lengths),
        key_masks: masks,
        ..Wave::default()
    };
    let mut recorder = Recorder::default();
    let output = Model::new(&checkpoint, options).forward(&wave, &mut recorder).unwrap();
    (recorder.0, output)
}

fn largest(found: impl IntoIterator<Item = f32>, expected: &[f64]) -> f32 {
    let mut count = 0;
    let largest = found
        .into_iter()
        .zip(expected)
        .map(|(f, e)| {
            count += 1;
            (f64::from(f) - e).abs()
        })
        .fold(0.0, f64::max);
    assert_eq!(count, expected.len());
    largest as f32
}

/// Compares one routing group per MoE layer with a golden file; `tolerance` of router logits and combine weights.
fn compare_routing(name: &str, golden: &Golden, routings: &[LayerRouting], tolerance: f32) {
    let layers = golden.integers("moe_layers");
    assert_eq!(routings.iter().map(|r| u32::from(r.layer)).collect::<Vec<_>>(), layers, "{name}: MoE layers");
    for routing in routings {
        let key = |what: &str| format!("layer{}.{what}", routing.layer);
        let same =
            |found: Vec<u32>, what: &str| assert_eq!(found, golden.integers(&key(what)), "{name}: {}", key(what));
        same(routing.expert.iter().map(|&e| e.into()).collect(), "expert_ids");
        same(routing.slot.clone(), "slots");
        same(routing.dropped.iter().map(|&d| d.into()).collect(), "dropped");
        same(vec![routing.capacity], "capacity");
        same(routing.used_capacity.clone(), "used_capacity");
        let logits = largest(routing.router_logits.iter().copied(), &golden.values[&key("router_logits")]);
        let combine = routing.probability.iter().zip(&routing.dropped).map(|(&p, &d)| if d { 0.0 } else { p });
        let combine = largest(combine, &golden.values[&key("combine_weights")]);
        println!(
            "{name:<34} layer {:>2}: decisions identical ({} tokens, {} dropped), max |d| router logits {logits:.1e}, combine weights {combine:.1e}",
            routing.layer,
            routing.tokens,
            routing.dropped.iter().filter(|&&d| d).count(),
        );
        assert!(logits <= tolerance && combine <= tolerance, "{name} layer {}: {logits} {combine}", routing.layer);
    }
}

fn compare_outputs(name: &str, golden: &Golden, output: &WaveOutput, tolerance: f32) {
    let nll = largest(output.nll.concat(), &golden.values["nll"]);
    let logits = largest(output.final_logits.concat(), &golden.values["final_logits"]);
    // The golden has the last layer after the final norm alone.
    let before_norm = output.hidden.len() - 2;
    let stages = output.hidden.iter().enumerate().filter(|(stage, _)| *stage != before_norm);
    let hidden = largest(stages.flat_map(|(_, states)| states.concat()), &golden.values["hidden"]);
    println!("{name:<34} max |d| nll {nll:.1e}, final logits {logits:.1e}, hidden states {hidden:.1e}");
    assert!(nll <= tolerance && logits <= tolerance && hidden <= tolerance, "{name}: {nll} {logits} {hidden}");
}

fn check(directory: &str, file: &str, arithmetic: Arithmetic, tolerance: (f32, f32)) {
    let golden = Golden::open(directory, file);
    let rows = golden.rows();
    let masks = match golden.shapes.get("attention_mask") {
        Some(shape) => golden
            .integers("attention_mask")
            .chunks(shape[1])
            .map(|row| row.iter().map(|&m| m == 1).collect())
            .collect(),
        None => Vec::new(),
    };
    let (routings, output) = run(directory, &rows, GroupRule::Batch(rows.len()), arithmetic, masks);
    let name = format!("{directory}/{}", file.trim_end_matches(".safetensors"));
    compare_routing(&name, &golden, &routings, tolerance.0);
    compare_outputs(&name, &golden, &output, tolerance.1);
}

#[test]
fn sharded_checkpoint_with_32_experts() {
    check("A_wide_32e", "goldens.safetensors", Arithmetic::F32, (ROUTER, HEAD));
}

#[test]
fn top_1_checkpoint_in_torch_format() {
    check("B_top1_bin", "goldens.safetensors", Arithmetic::F32, (ROUTER, HEAD));
}

#[test]
fn batch_of_three_shares_its_capacity() {
    check("C_batch3", "goldens.safetensors", Arithmetic::F32, (ROUTER, HEAD));
}

#[test]
fn left_padded_batch() {
    check("C_batch3", "goldens_left_padded.safetensors", Arithmetic::F32, (ROUTER, HEAD));
}

#[test]
fn right_padded_batch() {
    check("C_batch3", "goldens_right_padded.safetensors", Arithmetic::F32, (ROUTER, HEAD));
}

#[test]
fn a_row_alone_has_another_capacity_than_in_its_batch() {
    check("C_batch3", "goldens_row1_alone.safetensors", Arithmetic::F32, (ROUTER, HEAD));
}

#[test]
fn bf16_checkpoint_widened_to_f32() {
    check("D_bf16", "goldens.safetensors", Arithmetic::F32, (ROUTER, HEAD));
}

/// The original computed in bf16: the same rounding points give the same decisions (one token per MoE layer routes
/// otherwise than in f32).
#[test]
fn bf16_checkpoint_with_bf16_activations() {
    check("D_bf16", "goldens_bf16_compute.safetensors", Arithmetic::Bf16, (ROUTER, HEAD));
}

/// Rows of a wave that are their own groups route as if each were alone, and with the same bits.
#[test]
fn company_in_a_wave_changes_nothing() {
    let golden = Golden::open("C_batch3", "goldens.safetensors");
    let rows = golden.rows();
    let (together, output) = run("C_batch3", &rows, GroupRule::Sequence, Arithmetic::F32, Vec::new());
    for (index, row) in rows.iter().enumerate() {
        let (alone, alone_output) =
            run("C_batch3", std::slice::from_ref(row), GroupRule::Sequence, Arithmetic::F32, Vec::new());
        let of_row: Vec<_> = together.iter().filter(|r| r.group as usize == index).collect();
        assert_eq!(of_row.len(), alone.len());
        for (a, b) in of_row.into_iter().zip(&alone) {
            assert_eq!((&a.expert, &a.slot, a.capacity), (&b.expert, &b.slot, b.capacity));
            assert!(a.router_logits.iter().zip(&b.router_logits).all(|(x, y)| x.to_bits() == y.to_bits()));
        }
        assert!(output.nll[index].iter().zip(&alone_output.nll[0]).all(|(x, y)| x.to_bits() == y.to_bits()));
    }
    let golden = Golden::open("C_batch3", "goldens_row1_alone.safetensors");
    let row_1: Vec<LayerRouting> = together.into_iter().filter(|r| r.group == 1).collect();
    compare_routing("C_batch3/row 1 of a wave of groups", &golden, &row_1, ROUTER);
}

/// The authors' own dump format (`gate_output`, `used_capacity`, `dispatch_mask`, `combine_score`, one JSON object per
/// MoE layer) of the f32 run of `D_bf16`.
#[test]
fn the_authors_dump_says_the_same() {
    let golden = Golden::open("D_bf16", "goldens.safetensors");
    let (routings, _) = run("D_bf16", &golden.rows(), GroupRule::Sequence, Arithmetic::F32, Vec::new());
    let dump = std::fs::read_to_string(directory_of("D_bf16").join("authors_dump_output.json")).unwrap();
    assert_eq!(dump.lines().count(), routings.len());
    for (line, routing) in dump.lines().zip(&routings) {
        let layer: serde_json::Value = serde_json::from_str(line).unwrap();
        let used: Vec<u64> = layer["used_capacity"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
        assert_eq!(used, routing.used_capacity.iter().map(|&v| u64::from(v)).collect::<Vec<_>>());
        let mut dispatched = 0;
        for (index, (&expert, &slot)) in routing.expert.iter().zip(&routing.slot).enumerate() {
            let token = index / routing.top_k;
            let place = |what: &str| layer[what][token][usize::from(expert)][slot as usize].clone();
            if !routing.dropped[index] {
                assert_eq!(place("dispatch_mask"), true);
                let score = place("combine_score").as_f64().unwrap() as f32;
                assert!((score - routing.probability[index]).abs() < ROUTER);
                dispatched += 1;
            }
        }
        let is_true = |value: &serde_json::Value| *value == true;
        let in_dump = layer["dispatch_mask"].as_array().unwrap().iter().flat_map(|t| t.as_array().unwrap());
        assert_eq!(in_dump.flat_map(|e| e.as_array().unwrap()).filter(|v| is_true(v)).count(), dispatched);
    }
}
