//! Every family of models against results recorded from its original class (`fixtures/families`): choices and their order
//! identical, numbers within tolerance. Prints a table (`cargo test --test library families:: -- --nocapture`).

use std::{collections::BTreeMap, path::Path};

use openmoe_analyze::{
    checkpoint::{Checkpoint, TensorMap},
    model::{Arithmetic, ForwardOptions, Model, Outputs, Wave, WaveOutput},
    routing::{LayerRouting, RouterScore},
};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use crate::{parity::Recorder, support::files::fixture};

/// What the goldens were found to hold to: router logits, nll and logits; scores, probabilities and, relative to the largest,
/// combine weights and hidden states.
const LOGITS: f64 = 3e-4;
const SCORES: f64 = 1e-4;

/// Folder, and whether weights are stored otherwise than as plain numbers.
const GOLDENS: &[&str] = &[
    "olmoe",
    "mixtral",
    "mixtral_swa",
    "qwen2_moe",
    "qwen3_moe",
    "qwen3_moe_128e",
    "qwen3_moe_all8",
    "granitemoe",
    "phimoe",
    "deepseek",
    "deepseek_v2_lite",
    "deepseek_v2",
    "deepseek_v3",
    "deepseek_v3_fp8",
    "moonlight",
    "glm4_moe",
    "gpt_oss",
    "gpt_oss_mxfp4",
];

/// The numbers of a golden file by name.
struct Golden(BTreeMap<String, Vec<f64>>);

impl Golden {
    fn open(folder: &Path) -> Self {
        let bytes = std::fs::read(folder.join("goldens.safetensors")).unwrap();
        let numbers = |data: &[u8], dtype| -> Vec<f64> {
            let words = data.chunks_exact(4).map(|word| <[u8; 4]>::try_from(word).unwrap());
            match dtype {
                Dtype::F32 => words.map(|word| f64::from(f32::from_le_bytes(word))).collect(),
                Dtype::I32 => words.map(|word| f64::from(i32::from_le_bytes(word))).collect(),
                other => panic!("{other:?}"),
            }
        };
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        Self(tensors.tensors().into_iter().map(|(name, view)| (name, numbers(view.data(), view.dtype()))).collect())
    }

    fn of(&self, name: &str) -> &[f64] {
        self.0.get(name).unwrap_or_else(|| panic!("the golden has no `{name}`"))
    }

    fn sequences(&self) -> Vec<Vec<u32>> {
        let ids = |sequence| self.of(&format!("s{sequence}.input_ids")).iter().map(|&id| id as u32).collect();
        (0..self.of("num_sequences")[0] as usize).map(ids).collect()
    }
}

/// The largest differences from a golden.
#[derive(Default)]
struct Differences {
    choices: usize,
    router_logits: f64,
    deciding: f64,
    probabilities: f64,
    weights: f64,
    nll: f64,
    logits: f64,
    hidden: f64,
}

fn largest(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(found, expected)| (f64::from(*found) - expected).abs()).fold(0.0, f64::max)
}

fn size(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |largest, number| number.abs().max(largest))
}

fn run(checkpoint: &Checkpoint, sequences: &[Vec<u32>]) -> (Vec<LayerRouting>, WaveOutput) {
    let shape = checkpoint.architecture().routing_shape(None, None);
    let outputs = Outputs { nll: true, final_logits: 3, hidden: 2 };
    let wave = Wave {
        sequences: sequences.iter().map(Vec::as_slice).collect(),
        groups: (0..sequences.len()).map(|index| index..index + 1).collect(),
        ..Wave::default()
    };
    let mut recorder = Recorder::default();
    let options = ForwardOptions { shape, arithmetic: Arithmetic::F32, outputs };
    let output = Model::new(checkpoint, options).forward(&wave, &mut recorder).unwrap();
    (recorder.0, output)
}

fn compare_routing(name: &str, golden: &Golden, routing: &LayerRouting, differences: &mut Differences) {
    let key = |what: &str| format!("s{}.layer{}.{what}", routing.group, routing.layer);
    let expected: Vec<u16> = golden.of(&key("expert_ids")).iter().map(|&id| id as u16).collect();
    assert_eq!(routing.expert, expected, "{name}: {}", key("expert_ids"));
    assert!(routing.dropped.iter().all(|dropped| !dropped), "{name}: {} drops", key("dropped"));
    differences.choices += expected.len();
    let keep = |known: &mut f64, found: f64| *known = known.max(found);
    keep(&mut differences.router_logits, largest(&routing.router_logits, golden.of(&key("router_logits"))));
    keep(&mut differences.probabilities, largest(&routing.probability, golden.of(&key("probabilities"))));
    let weights = golden.of(&key("combine_weights"));
    keep(&mut differences.weights, largest(&routing.combine_weight, weights) / size(weights).max(1.0));
    let deciding = margins(golden.of(&key("deciding_scores")), &expected, routing);
    for (found, expected) in deciding {
        keep(&mut differences.deciding, (found - expected).abs());
    }
}

/// The margins found, and those that follow from the deciding scores of the golden, where there are any.
fn margins(deciding: &[f64], chosen: &[u16], routing: &LayerRouting) -> Vec<(f64, f64)> {
    let (experts, top_k) = (routing.num_experts, routing.top_k);
    let mut margins = Vec::new();
    for (token, (scores, chosen)) in deciding.chunks(experts).zip(chosen.chunks(top_k)).enumerate() {
        let score = |rank: usize| scores[usize::from(chosen[rank])];
        let rest = (0..experts).filter(|expert| !chosen.contains(&(*expert as u16))).map(|expert| scores[expert]);
        let best = rest.fold(f64::NEG_INFINITY, f64::max);
        let found = f64::from(routing.margin_k[token]);
        // An expert that was left out scores 0 or minus infinity.
        if best.is_finite() && best != 0.0 {
            margins.push((found, score(top_k - 1) - best));
        }
        margins.push((f64::from(routing.margin_first[token]), score(0) - score(1)));
    }
    margins
}

fn compare_outputs(golden: &Golden, output: &WaveOutput, layers: usize, hidden: usize, differences: &mut Differences) {
    for sequence in 0..output.nll.len() {
        let key = |what: &str| format!("s{sequence}.{what}");
        if !output.nll[sequence].is_empty() {
            differences.nll = differences.nll.max(largest(&output.nll[sequence], golden.of(&key("nll"))));
        }
        let logits = largest(&output.final_logits[sequence], golden.of(&key("final_logits")));
        differences.logits = differences.logits.max(logits);
        let states = golden.of(&key("hidden"));
        let count = output.hidden[0][sequence].len() / hidden;
        assert_eq!(output.hidden.len(), layers + 2, "embeddings, every layer, the final norm");
        for (stage, found) in output.hidden.iter().enumerate() {
            let expected = &states[stage * count * hidden..(stage + 1) * count * hidden];
            differences.hidden = differences.hidden.max(largest(&found[sequence], expected) / size(states));
        }
    }
}

fn compare(name: &str) -> Differences {
    let folder = fixture("families").join(name);
    let (golden, checkpoint) = (Golden::open(&folder), Checkpoint::open(&folder).unwrap());
    let architecture = checkpoint.architecture();
    let (routings, output) = run(&checkpoint, &golden.sequences());
    let layers: Vec<u16> = golden.of("moe_layers").iter().map(|&layer| layer as u16).collect();
    assert_eq!(architecture.moe_layers(), layers, "{name}");
    assert_eq!(routings.len(), layers.len() * golden.sequences().len(), "{name}");
    let mut differences = Differences::default();
    for routing in &routings {
        compare_routing(name, &golden, routing, &mut differences);
    }
    compare_outputs(&golden, &output, architecture.layers.len(), architecture.hidden, &mut differences);
    let score = if architecture.experts.router.score == RouterScore::Logit { LOGITS } else { SCORES };
    let limits = [
        (differences.router_logits, LOGITS),
        (differences.deciding, 2.0 * score),
        (differences.probabilities, SCORES),
        (differences.weights, SCORES),
        (differences.nll, LOGITS),
        (differences.logits, LOGITS),
        (differences.hidden, SCORES),
    ];
    assert!(limits.iter().all(|(found, limit)| found <= limit), "{name}: {limits:?}");
    differences
}

#[test]
fn every_family_computes_what_its_original_computes() {
    println!(
        "{:<18} {:>6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "golden", "same", "router", "margins", "probab.", "weights", "nll", "logits", "hidden"
    );
    for name in GOLDENS {
        let Differences { choices, router_logits, deciding, probabilities, weights, nll, logits, hidden } =
            compare(name);
        println!(
            "{name:<18} {choices:>6} {router_logits:>9.1e} {deciding:>9.1e} {probabilities:>9.1e} {weights:>9.1e} {nll:>9.1e} {logits:>9.1e} {hidden:>9.1e}"
        );
    }
}

fn config(name: &str) -> Map<String, Value> {
    let text = std::fs::read_to_string(fixture("families").join(name).join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn parse(config: &Map<String, Value>) -> std::result::Result<TensorMap, Vec<String>> {
    TensorMap::parse(&serde_json::to_string(config).unwrap())
}

#[test]
fn both_spellings_of_a_configuration_are_read_to_the_same_description() {
    for name in ["deepseek_v3", "gpt_oss"] {
        let new = std::fs::read_to_string(fixture("families").join(name).join("config.v5.json")).unwrap();
        let (new, old) = (TensorMap::parse(&new).unwrap(), parse(&config(name)).unwrap());
        assert_eq!(new.architecture(), old.architecture(), "{name}");
        assert_eq!(new.expected(), old.expected(), "{name}");
    }
    for name in GOLDENS {
        let old = config(name);
        let mut new = old.clone();
        let mut rope = new.remove("rope_scaling").and_then(|rope| rope.as_object().cloned()).unwrap_or_default();
        rope.entry("rope_type").or_insert_with(|| json!("default"));
        rope.extend(new.remove("rope_theta").map(|theta| ("rope_theta".to_owned(), theta)));
        rope.extend(new.remove("partial_rotary_factor").map(|share| ("partial_rotary_factor".to_owned(), share)));
        if let Some(kind) = rope.remove("type") {
            rope.insert("rope_type".to_owned(), kind);
        }
        new.insert("rope_parameters".to_owned(), Value::Object(rope));
        for experts in ["num_experts", "n_routed_experts"] {
            new.remove(experts).map(|number| new.insert("num_local_experts".to_owned(), number));
        }
        new.remove("architectures");
        assert_eq!(parse(&new).unwrap().architecture(), parse(&old).unwrap().architecture(), "{name}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (name, key, value, expected) in [
        ("qwen2_moe", "use_sliding_window", json!(true), "`use_sliding_window` is true"),
        ("deepseek_v2", "norm_topk_prob", json!(true), "`norm_topk_prob` is true"),
        ("deepseek_v2", "topk_method", json!("best"), "`topk_method` is best"),
        ("deepseek_v3", "topk_method", json!("greedy"), "`topk_method` is greedy"),
        ("deepseek_v3", "scoring_func", json!("softmax"), "`scoring_func` is softmax"),
        ("deepseek_v3", "n_group", json!(5), "`n_group` is 5"),
        ("deepseek_v3", "n_group", json!(16), "`n_group` is 16"),
        ("deepseek_v3", "topk_group", json!(5), "`topk_group` is 5"),
        ("deepseek_v2", "topk_group", json!(0), "`topk_group` is 0"),
        ("deepseek", "scoring_func", json!("sigmoid"), "`scoring_func` is sigmoid"),
        ("deepseek_v2", "scoring_func", json!("sigmoid"), "`scoring_func` is sigmoid"),
        ("deepseek_v2", "topk_method", json!("noaux_tc"), "`topk_method` is noaux_tc"),
        ("deepseek_v2", "n_group", json!(5), "`n_group` is 5"),
        ("deepseek_v2", "topk_group", json!(5), "`topk_group` is 5"),
        ("deepseek_v2", "num_experts_per_tok", json!(7), "groups that hold at least num_experts_per_tok = 7"),
        ("deepseek_v3", "num_experts_per_tok", json!(9), "groups that hold at least num_experts_per_tok = 9"),
        ("deepseek_v2", "qk_rope_head_dim", json!(7), "an even number of rotated dimensions"),
        ("glm4_moe", "scoring_func", json!("softmax"), "`scoring_func` is softmax"),
        ("glm4_moe", "topk_method", json!("greedy"), "`topk_method` is greedy"),
        ("glm4_moe", "partial_rotary_factor", json!(0.01), "at least two rotated dimensions"),
        ("olmoe", "num_attention_heads", json!(64), "`head_dim` is 0"),
        ("glm4_moe", "partial_rotary_factor", json!(1.5), "`partial_rotary_factor` is 1.5"),
        ("glm4_moe", "routed_scaling_factor", json!(1e300), "a positive number that f32 holds"),
        ("olmoe", "rms_norm_eps", json!(1e-60), "a positive number that f32 holds"),
        ("phimoe", "router_jitter_noise", json!(1e300), "a number that f32 holds"),
        ("phimoe", "router_jitter_noise", json!(-0.1), "`router_jitter_noise` is -0.1"),
        ("gpt_oss", "sliding_window", json!(null), "`sliding_window` is missing"),
        ("gpt_oss", "quantization_config", json!({"quant_method": "awq"}), "`quant_method` is awq"),
        ("deepseek_v3", "quantization_config", json!({"quant_method": "fp8", "fmt": "e5m2"}), "`fmt` is e5m2"),
        ("qwen3_moe", "rope_scaling", json!({"type": "dynamic", "factor": 2.0}), "`type` is dynamic"),
        ("olmoe", "hidden_act", json!("gelu"), "`hidden_act` is gelu"),
        ("granitemoe", "activation_function", json!("relu"), "`activation_function` is relu"),
        ("olmoe", "mlp_bias", json!(true), "`mlp_bias` is true"),
        ("olmoe", "rope_scaling", json!({"type": "linear", "factor": 2.0}), "`type` is linear"),
        ("olmoe", "rope_scaling", json!({"factor": 2.0}), "`rope_type` is missing beside a factor"),
        ("olmoe", "rope_scaling", json!({"rope_type": "llama3"}), "`rope_type` is llama3"),
        ("mixtral", "rope_scaling", json!({"rope_type": "longrope"}), "`rope_type` is longrope"),
        ("phimoe", "num_experts_per_tok", json!(3), "`num_experts_per_tok` is 3"),
        ("olmoe", "num_experts_per_tok", json!(9), "`num_experts_per_tok` is 9"),
        ("mixtral", "num_local_experts", json!(100_000), "`num_local_experts` is 100000"),
        ("olmoe", "partial_rotary_factor", json!(0.5), "`partial_rotary_factor` is 0.5; OLMoE expects 1"),
        ("olmoe", "num_key_value_heads", json!(3), "`num_key_value_heads` is 3"),
        ("qwen3_moe", "head_dim", json!(15), "`head_dim` is 15"),
        ("qwen3_moe", "mlp_only_layers", json!([0, 1, 2, 3]), "at least one layer that routes"),
        ("olmoe", "quantization_config", json!({"quant_method": "awq"}), "`quant_method` is awq"),
        ("olmoe", "quantization_config", json!({"quant_method": "mxfp4"}), "`quant_method` is mxfp4"),
        ("deepseek_v3", "quantization_config", json!({"quant_method": "fp8"}), "`weight_block_size` is []"),
        ("gpt_oss", "layer_types", json!(["full_attention"]), "`layer_types` is 1 kinds"),
        ("gpt_oss_mxfp4", "intermediate_size", json!(40), "`intermediate_size` is 40"),
        ("mixtral", "hidden_size", json!("32"), "`hidden_size` is \"32\""),
        ("mixtral", "vocab_size", json!(null), "`vocab_size` is missing"),
        ("mixtral", "architectures", json!(["Dots1ForCausalLM"]), "Dots1ForCausalLM"),
    ] {
        let mut config = config(name);
        config.insert(key.to_owned(), value);
        let problems = parse(&config).unwrap_err();
        assert!(problems.iter().any(|line| line.contains(expected)), "{name}, {key}: {problems:?}");
    }
}

/// Whatever a key holds, the configuration is read or refused.
#[test]
fn no_value_of_any_key_stops_the_program() {
    let values = [
        json!(null),
        json!(0),
        json!(-1),
        json!(7),
        json!(1_u64 << 24),
        json!(1e300),
        json!("text"),
        json!([1, -1, "a"]),
        json!({"rope_type": "yarn", "factor": 0.5, "original_max_position_embeddings": 1}),
        json!({"type": "longrope", "short_factor": [1.0], "long_factor": []}),
        json!({"quant_method": "fp8", "weight_block_size": [0, 1]}),
    ];
    for name in ["olmoe", "mixtral", "qwen2_moe", "qwen3_moe", "granitemoe", "phimoe", "deepseek", "deepseek_v2"]
        .into_iter()
        .chain(["deepseek_v3", "glm4_moe", "gpt_oss"])
    {
        let whole = config(name);
        let mut read = 0;
        for key in whole.keys().filter(|key| *key != "architectures") {
            for value in &values {
                let mut changed = whole.clone();
                changed.insert(key.clone(), value.clone());
                if let Ok(map) = parse(&changed) {
                    assert!(!map.architecture().moe_layers().is_empty() && !map.attention().is_empty());
                    read += 1;
                }
            }
        }
        assert!(read > 0, "{name}");
    }
}
