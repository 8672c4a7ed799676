//! Describes a checkpoint, estimates what a run would cost, and checks whether the model is sane.

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling};
use serde_json::{Value, json};

use super::{
    checkpoint_spec::folder_label,
    memory_bound::Bound,
    memory_plan::{needed_memory, wave_within},
};
use crate::{
    checkpoint::Checkpoint,
    corpus::Tokenizer,
    error::{Error, OptionName, Result, path_text},
    model::{Arithmetic, Cost, ForwardOptions, Model, Outputs, Wave, WaveOutput, instruction_set, multiply_rate},
    routing::{CapacityRule, LayerRouting, RoutingObserver},
};

/// The run whose capacity and cost are estimated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Tokens of the sequence for which the capacity is shown; `None`: as many as the model takes.
    pub(crate) length: Option<usize>,
    /// Tokens that go through the model.
    pub(crate) tokens: u64,
    /// Bytes of memory that the run may take; `None`: a quarter of what machine and limits allow.
    pub(crate) memory: Option<u64>,
}

/// The whole description as JSON, from which both the table and the JSON output are printed.
pub(crate) fn describe_checkpoint(checkpoint: &Checkpoint, tokenizer: Option<&Tokenizer>, load: Load) -> Result<Value> {
    let config = checkpoint.config();
    let length = load.length.unwrap_or(config.max_position_embeddings);
    if length > config.max_position_embeddings {
        return Err(Error::usage(
            format!(
                "{}; the model takes at most max_position_embeddings = {}",
                OptionName::Length.with(length),
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
        "checkpoint": folder_label(checkpoint.dir()),
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
        "estimate": estimate(checkpoint, length, load.tokens, load.memory),
    }))
}

/// Time and memory of a routing-only run over `tokens` tokens, from a measured multiplication rate.
fn estimate(checkpoint: &Checkpoint, length: usize, tokens: u64, limit: Option<u64>) -> Value {
    let config = checkpoint.config();
    let cost = Cost::new(config, length);
    let rate = multiply_rate(config.hidden_size, config.intermediate_size);
    let bound = Bound::for_run(limit);
    // A wave has at least one sequence, even if that needs more than the limit: the printed number then shows it.
    let wave = wave_within(config, &cost, false, bound.bytes).max(length).min(tokens as usize);
    json!({
        "tokens": tokens,
        "flop_per_token": cost.flop_per_token,
        "flop_per_second": rate,
        "instruction_set": instruction_set(),
        "threads": rayon::current_num_threads(),
        "seconds": cost.flop_per_token * tokens as f64 / rate,
        "memory_limit_bytes": bound.bytes,
        "memory_limit": bound.source,
        "memory_bytes": needed_memory(config, &cost, false, wave),
        "wave_tokens": wave,
    })
}

/// An observer that ignores all routing.
struct Deaf;

impl RoutingObserver for Deaf {
    fn observe_routing(&mut self, _: &LayerRouting) -> Result<()> {
        Ok(())
    }
}

/// Perplexity of the text, and a greedy continuation.
pub(crate) fn continue_text(
    checkpoint: &Checkpoint,
    tokenizer: Option<&Tokenizer>,
    text: &str,
    count: usize,
) -> Result<Value> {
    let tokenizer = tokenizer.ok_or_else(|| {
        Error::tokenizer(
            format!(
                "{} needs a tokenizer; `{}` has neither spiece.model nor tokenizer.json",
                OptionName::Text,
                checkpoint.dir().display()
            ),
            "copy the tokenizer's spiece.model into the checkpoint's folder",
        )
    })?;
    let config = checkpoint.config();
    let mut ids = vec![config.bos_token_id];
    ids.extend(tokenizer.encode(text)?);
    if ids.len() < 2 {
        return Err(Error::usage(
            format!("{} gives no token", OptionName::Text.with(format_args!("{text:?}"))),
            "give at least one word",
        ));
    }
    if ids.len() > config.max_position_embeddings {
        return Err(Error::usage(
            format!(
                "{} has {} tokens; the model takes at most {}",
                OptionName::Text,
                ids.len(),
                config.max_position_embeddings
            ),
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

/// What the loss per token says about a model, in words; guessing has a loss of ln(vocabulary).
fn judgement(nll: f64, vocabulary: usize) -> &'static str {
    match nll / (vocabulary as f64).ln() {
        share if share.is_nan() => "not a number: a weight is not finite, or activations overflow",
        share if share > 1.05 => "worse than guessing: weights, tokenizer and text do not belong together",
        share if share > 0.9 => "that of guessing: this model has learnt nothing, or its weights are damaged",
        share if share > 0.6 => "far from guessing; a trained model has some tens on prose of its languages",
        _ => "that of a trained model",
    }
}

fn forward(checkpoint: &Checkpoint, ids: &[u32], outputs: Outputs) -> Result<WaveOutput> {
    let shape = checkpoint.config().routing_shape(CapacityRule::Port, None);
    let options = ForwardOptions { shape, arithmetic: Arithmetic::F32, outputs };
    let wave = Wave { sequences: vec![ids], groups: std::iter::once(0..1).collect(), ..Wave::default() };
    Model::new(checkpoint, options).forward(&wave, &mut Deaf)
}

/// Appends the likeliest token until `</s>`, the end of the context or `count` tokens; every step is a full forward pass.
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
