//! `inspect`: what a checkpoint is, what a run would cost, and whether the model is sane.

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling};
use serde_json::{Value, json};

use super::{
    fingerprint::read_watched,
    machine,
    memory::Bound,
    prepare::{label, memory, open_tokenizer, wave_within},
    terminal,
};
use crate::{
    checkpoint::{Checkpoint, describe_oddities, snapshot},
    cli::InspectArgs,
    corpus::Tokenizer,
    error::{Error, Result, path_text},
    model::{Arithmetic, Cost, ForwardOptions, Model, Outputs, Wave, instruction_set, multiply_rate},
    routing::{CapacityRule, LayerRouting, RoutingObserver},
};

/// Prints a checkpoint's description, and what the model makes of a text.
pub(super) fn run(arguments: &InspectArgs) -> anyhow::Result<()> {
    machine::set_threads(arguments.threads)?;
    let checkpoint = Checkpoint::open(&snapshot(&arguments.checkpoint))?;
    for line in checkpoint.notes().iter().chain(&checkpoint.constant_routers()?) {
        terminal::warn(line);
    }
    let tokenizer = open_tokenizer(&checkpoint)?;
    let mut description = describe(&checkpoint, tokenizer.as_ref(), arguments)?;
    if let Some(text) = &arguments.text {
        // The forward pass reads all weights anyway: whether they are sane is what is asked.
        for index in 0..checkpoint.files().len() {
            for line in describe_oddities(&read_watched(&checkpoint, index)?.oddities) {
                terminal::warn(&line);
            }
        }
        let sample = sample(&checkpoint, tokenizer.as_ref(), text, arguments.continuation)?;
        description["text"] = sample;
    }
    if arguments.json {
        terminal::print_json(&format!("{description:#}"))?;
    } else {
        print_description(&description)?;
    }
    Ok(())
}

/// Everything as JSON: the one description that both forms of output show.
fn describe(checkpoint: &Checkpoint, tokenizer: Option<&Tokenizer>, arguments: &InspectArgs) -> Result<Value> {
    let config = checkpoint.config();
    let length = arguments.length.map_or(config.max_position_embeddings, |length| length as usize);
    if length > config.max_position_embeddings {
        return Err(Error::usage(
            format!(
                "--length {length}; the model takes at most max_position_embeddings = {}",
                config.max_position_embeddings
            ),
            "capacity is that of one sequence routed alone",
        ));
    }
    let capacity = |rule| config.router_settings(rule, None).capacity(length);
    let parameters = checkpoint.parameter_count();
    let files: Vec<Value> =
        checkpoint.files().iter().map(|file| json!({ "path": path_text(&file.path), "bytes": file.bytes })).collect();
    Ok(json!({
        "checkpoint": label(checkpoint.dir()),
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "moe_layers": config.moe_layers(),
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.max_position_embeddings,
        "num_experts": config.num_experts,
        "router_topk": config.router_topk,
        "parameters": { "total": parameters.total, "active_per_token": parameters.active_per_token },
        "dtypes": checkpoint.dtypes().iter().map(|d| json!({ "dtype": d.dtype.name(), "tensors": d.tensors })).collect::<Vec<_>>(),
        "files": files,
        "tokenizer": tokenizer.map(|tokenizer| json!({ "file": path_text(tokenizer.file()), "ids": tokenizer.vocab_size() })),
        "capacity": {
            "length": length,
            "factor": config.router_capacity_factor_eval,
            "port": capacity(CapacityRule::Port)?,
            "t5x": capacity(CapacityRule::T5x)?,
        },
        "estimate": estimate(checkpoint, length, arguments.tokens, arguments.memory.map(|size| size.as_u64())),
    }))
}

/// Time and memory of a routing-only run over `tokens` tokens, from a measured multiplication rate.
fn estimate(checkpoint: &Checkpoint, length: usize, tokens: u64, limit: Option<u64>) -> Value {
    let config = checkpoint.config();
    let cost = Cost::new(config, length);
    let rate = multiply_rate(config.hidden_size, config.intermediate_size);
    let bound = Bound::for_run(limit);
    // One sequence is the least: if that is over the limit, the number shows it.
    let wave = wave_within(config, &cost, false, bound.bytes).max(length).min(tokens as usize);
    json!({
        "tokens": tokens,
        "flop_per_token": cost.flop_per_token,
        "flop_per_second": rate,
        "instruction_set": instruction_set(),
        "threads": rayon::current_num_threads(),
        "seconds": cost.flop_per_token * tokens as f64 / rate,
        "memory_limit_bytes": bound.bytes,
        "memory_limit": bound.of,
        "memory_bytes": memory(config, &cost, false, wave),
        "wave_tokens": wave,
    })
}

/// Nobody listens.
struct Deaf;

impl RoutingObserver for Deaf {
    fn observe_routing(&mut self, _: &LayerRouting) -> Result<()> {
        Ok(())
    }
}

/// Perplexity of the text, and a greedy continuation.
fn sample(checkpoint: &Checkpoint, tokenizer: Option<&Tokenizer>, text: &str, count: usize) -> Result<Value> {
    let tokenizer = tokenizer.ok_or_else(|| {
        Error::tokenizer(
            format!(
                "--text needs a tokenizer; `{}` has neither spiece.model nor tokenizer.json",
                checkpoint.dir().display()
            ),
            "copy the tokenizer's spiece.model into the checkpoint's folder",
        )
    })?;
    let config = checkpoint.config();
    let mut ids = vec![config.bos_token_id];
    ids.extend(tokenizer.encode(text)?);
    if ids.len() < 2 {
        return Err(Error::usage(format!("--text {text:?} gives no token"), "give at least one word"));
    }
    if ids.len() > config.max_position_embeddings {
        return Err(Error::usage(
            format!("--text has {} tokens; the model takes at most {}", ids.len(), config.max_position_embeddings),
            "give a shorter text",
        ));
    }
    let nll = forward(checkpoint, &ids, Outputs { nll: true, ..Outputs::default() })?.nll.concat();
    let mean = nll.iter().map(|&v| f64::from(v)).sum::<f64>() / nll.len() as f64;
    let continuation = continue_greedily(checkpoint, ids, count)?;
    Ok(json!({
        "tokens": nll.len(),
        "nll_per_token": mean,
        "perplexity": mean.exp(),
        "uniform_perplexity": config.vocab_size,
        "judgement": judgement(mean, config.vocab_size),
        "continuation": tokenizer.decode(&continuation),
    }))
}

/// What a perplexity says of a model, in words; the loss of guessing is ln(vocabulary).
fn judgement(nll: f64, vocabulary: usize) -> &'static str {
    match nll / (vocabulary as f64).ln() {
        share if share.is_nan() => "not a number: a weight is not finite, or activations overflow",
        share if share > 1.05 => "worse than guessing: weights, tokenizer and text do not belong together",
        share if share > 0.9 => "that of guessing: this model has learnt nothing, or its weights are damaged",
        share if share > 0.6 => "far from guessing; a trained model has some tens on prose of its languages",
        _ => "that of a trained model",
    }
}

fn forward(checkpoint: &Checkpoint, ids: &[u32], outputs: Outputs) -> Result<crate::model::WaveOutput> {
    let shape = checkpoint.config().routing_shape(CapacityRule::Port, None);
    let options = ForwardOptions { shape, arithmetic: Arithmetic::F32, outputs };
    let wave = Wave { sequences: vec![ids], groups: std::iter::once(0..1).collect(), ..Wave::default() };
    Model::new(checkpoint, options).forward(&wave, &mut Deaf)
}

/// Appends the likeliest token until `</s>`, the context's end or `count` tokens; every step is a full forward pass.
fn continue_greedily(checkpoint: &Checkpoint, mut ids: Vec<u32>, count: usize) -> Result<Vec<u32>> {
    let config = checkpoint.config();
    let mut processor = LogitsProcessor::from_sampling(0, Sampling::ArgMax);
    let mut continuation = Vec::new();
    while continuation.len() < count && ids.len() < config.max_position_embeddings {
        let outputs = Outputs { final_logits: 1, ..Outputs::default() };
        let logits = forward(checkpoint, &ids, outputs)?.final_logits.concat();
        let next = Tensor::new(logits, &Device::Cpu)
            .and_then(|logits| processor.sample(&logits))
            .map_err(|error| Error::internal(format!("sampling: {error}")))?;
        if next == config.eos_token_id {
            break;
        }
        ids.push(next);
        continuation.push(next);
    }
    Ok(continuation)
}

fn print_description(d: &Value) -> Result<()> {
    let mut lines = shape_lines(d);
    lines.extend(file_lines(d));
    lines.extend(cost_lines(d));
    lines.extend(d.get("text").into_iter().flat_map(text_lines));
    lines.iter().try_for_each(|line| terminal::print(line))
}

/// A number of the description, with its thousands grouped where it is a count.
fn number(value: &Value) -> String {
    value.as_u64().map_or_else(|| value.to_string(), terminal::grouped)
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn shape_lines(d: &Value) -> Vec<String> {
    vec![
        format!("checkpoint      {}", d["checkpoint"].as_str().unwrap_or_default()),
        format!(
            "shape           hidden {}, intermediate {}, {} layers, {} heads of {} ({} key-value), vocabulary {}, context {}",
            d["hidden_size"],
            d["intermediate_size"],
            d["num_hidden_layers"],
            d["num_attention_heads"],
            d["head_dim"],
            d["num_key_value_heads"],
            d["vocab_size"],
            d["max_position_embeddings"]
        ),
        format!("MoE layers      {} with {} experts, top-{}", d["moe_layers"], d["num_experts"], d["router_topk"]),
        format!(
            "parameters      {} in total, {} active per token",
            number(&d["parameters"]["total"]),
            number(&d["parameters"]["active_per_token"])
        ),
    ]
}

fn file_lines(d: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dtypes = d["dtypes"].as_array().into_iter().flatten();
    let mut lines: Vec<String> = dtypes
        .map(|dtype| format!("dtype           {} ({} tensors)", text(&dtype["dtype"]), dtype["tensors"]))
        .collect();
    let files = d["files"].as_array().into_iter().flatten();
    lines.extend(
        files.map(|file| {
            format!("file            {} ({})", text(&file["path"]), terminal::bytes(float(&file["bytes"])))
        }),
    );
    lines.push(match d["tokenizer"]["file"].as_str() {
        Some(file) => format!("tokenizer       {file} ({} ids)", number(&d["tokenizer"]["ids"])),
        None => "tokenizer       none: only rows with `input_ids` can be routed".to_owned(),
    });
    lines
}

fn cost_lines(d: &Value) -> [String; 2] {
    let (capacity, estimate) = (&d["capacity"], &d["estimate"]);
    [
        format!(
            "capacity        {} slots per expert for {} tokens at factor {} (rule port); {} with rule t5x",
            capacity["port"], capacity["length"], capacity["factor"], capacity["t5x"]
        ),
        format!(
            "estimate        {} tokens: at least {} for the forward pass and {} of memory ({:.1} MFLOP per token, {:.0} GFLOP/s measured, {} threads, {})",
            number(&estimate["tokens"]),
            terminal::duration(float(&estimate["seconds"])),
            terminal::bytes(float(&estimate["memory_bytes"])),
            float(&estimate["flop_per_token"]) / 1e6,
            float(&estimate["flop_per_second"]) / 1e9,
            estimate["threads"],
            estimate["instruction_set"].as_str().unwrap_or_default(),
        ),
    ]
}

fn text_lines(text: &Value) -> [String; 2] {
    [
        format!(
            "perplexity      {:.1} over {} tokens (nll {:.3} per token; a uniform guess has {}): {}",
            float(&text["perplexity"]),
            text["tokens"],
            float(&text["nll_per_token"]),
            number(&text["uniform_perplexity"]),
            text["judgement"].as_str().unwrap_or_default()
        ),
        format!("continuation    {}", text["continuation"]),
    ]
}
