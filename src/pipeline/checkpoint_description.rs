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
    checkpoint::{Architecture, Checkpoint},
    corpus::{PUT_TOKENIZER, Tokenizer},
    error::{Error, OptionName, Result, path_text},
    model::{Arithmetic, Cost, ForwardOptions, Model, Outputs, Wave, WaveOutput, instruction_set, multiply_rate},
    routing::{CapacityRule, LayerRouting, RoutingObserver},
};

/// The longest sequence that is assumed where none is given: models that take hundreds of thousands of tokens rarely get them.
const USUAL_LENGTH: usize = 4096;

/// The run whose capacity and cost are estimated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Tokens of the sequence for which the capacity is shown; `None`: as many as the model takes, at most 4,096.
    pub(crate) length: Option<usize>,
    /// Tokens that go through the model.
    pub(crate) tokens: u64,
    /// Bytes of memory that the run may take; `None`: a quarter of what machine and limits allow.
    pub(crate) memory: Option<u64>,
}

/// The whole description as JSON, from which both the table and the JSON output are printed.
pub(crate) fn describe_checkpoint(checkpoint: &Checkpoint, tokenizer: Option<&Tokenizer>, load: Load) -> Result<Value> {
    let architecture = checkpoint.architecture();
    let length = load.length.unwrap_or(architecture.longest_sequence.min(USUAL_LENGTH));
    if length > architecture.longest_sequence {
        return Err(Error::usage(
            format!(
                "{}; the model takes at most max_position_embeddings = {}",
                OptionName::Length.with(length),
                architecture.longest_sequence
            ),
            "capacity is that of one sequence routed alone",
        ));
    }
    let parameters = checkpoint.parameter_count();
    let files: Vec<Value> =
        checkpoint.files().iter().map(|file| json!({ "path": path_text(&file.path), "bytes": file.bytes })).collect();
    Ok(json!({
        "checkpoint": folder_label(checkpoint.dir()),
        "family": architecture.family,
        "hidden_size": architecture.hidden,
        "intermediate_size": architecture.experts.mlp.inner,
        "num_hidden_layers": architecture.layers.len(),
        "moe_layers": architecture.moe_layers(),
        "num_attention_heads": architecture.attention.heads,
        "num_key_value_heads": architecture.attention.key_value_heads,
        "head_dim": architecture.attention.key_dim,
        "vocab_size": architecture.vocabulary,
        "max_position_embeddings": architecture.longest_sequence,
        "num_experts": architecture.experts.number,
        "router_topk": architecture.experts.chosen,
        "in_words": architecture.in_words().into_iter().map(|(part, words)| json!({ "part": part, "words": words })).collect::<Vec<_>>(),
        "parameters": { "total": parameters.total, "active_per_token": parameters.active_per_token },
        "dtypes": checkpoint.dtypes().iter().map(|d| json!({ "dtype": d.dtype.name(), "tensors": d.tensors })).collect::<Vec<_>>(),
        "files": files,
        "tokenizer": tokenizer.map(|tokenizer| json!({ "file": path_text(tokenizer.file()), "ids": tokenizer.vocab_size() })),
        "capacity": capacity(architecture, length)?,
        "estimate": estimate(checkpoint, length, load.tokens, load.memory),
    }))
}

/// Slots of an expert for one sequence of so many tokens; null for a model that does not limit them.
fn capacity(architecture: &Architecture, length: usize) -> Result<Value> {
    let Some(own) = architecture.capacity else { return Ok(Value::Null) };
    let slots = |rule| architecture.router_settings(Some(rule), None).capacity(length);
    Ok(json!({
        "length": length,
        "factor": own.factor,
        "port": slots(CapacityRule::Port)?,
        "t5x": slots(CapacityRule::T5x)?,
    }))
}

/// Time and memory of a routing-only run over `tokens` tokens, from a measured multiplication rate.
fn estimate(checkpoint: &Checkpoint, length: usize, tokens: u64, limit: Option<u64>) -> Value {
    let architecture = checkpoint.architecture();
    let cost = Cost::new(checkpoint.map(), length);
    let rate = multiply_rate(architecture.hidden, architecture.experts.mlp.inner);
    let bound = Bound::for_run(limit);
    // A wave has at least one sequence, even if that needs more than the limit: the printed number then shows it.
    let wave = wave_within(architecture, &cost, false, bound.bytes).max(length).min(tokens as usize);
    json!({
        "tokens": tokens,
        "flop_per_token": cost.flop_per_token,
        "flop_per_second": rate,
        "instruction_set": instruction_set(),
        "threads": rayon::current_num_threads(),
        "seconds": cost.flop_per_token * tokens as f64 / rate,
        "memory_limit_bytes": bound.bytes,
        "memory_limit": bound.source,
        "memory_bytes": needed_memory(architecture, &cost, false, wave),
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
            PUT_TOKENIZER,
        )
    })?;
    let architecture = checkpoint.architecture();
    let bos = architecture.special_tokens.bos.map_or_else(|| tokenizer.bos(), |bos| Ok(Some(bos)))?;
    let mut ids: Vec<u32> = bos.into_iter().collect();
    ids.extend(tokenizer.encode(text)?);
    if ids.len() < 2 {
        return Err(Error::usage(
            format!("{} gives no token", OptionName::Text.with(format_args!("{text:?}"))),
            "give at least one word",
        ));
    }
    if ids.len() > architecture.longest_sequence {
        return Err(Error::usage(
            format!(
                "{} has {} tokens; the model takes at most {}",
                OptionName::Text,
                ids.len(),
                architecture.longest_sequence
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
        "uniform_perplexity": architecture.vocabulary,
        "judgement": judgement(mean, architecture.vocabulary),
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
    let shape = checkpoint.architecture().routing_shape(None, None);
    let options = ForwardOptions { shape, arithmetic: Arithmetic::F32, outputs };
    let wave = Wave { sequences: vec![ids], groups: std::iter::once(0..1).collect(), ..Wave::default() };
    Model::new(checkpoint, options).forward(&wave, &mut Deaf)
}

/// Appends the likeliest token until an EOS, the end of the context or `count` tokens; every step is a full forward pass.
fn continue_greedily(checkpoint: &Checkpoint, mut ids: Vec<u32>, count: usize) -> Result<Vec<u32>> {
    let architecture = checkpoint.architecture();
    let mut processor = LogitsProcessor::from_sampling(0, Sampling::ArgMax);
    let mut continuation = Vec::new();
    while continuation.len() < count && ids.len() < architecture.longest_sequence {
        let outputs = Outputs { final_logits: 1, ..Outputs::default() };
        let logits = forward(checkpoint, &ids, outputs)?.final_logits.concat();
        let next = Tensor::new(logits, &Device::Cpu)
            .and_then(|logits| processor.sample(&logits))
            .map_err(|error| Error::internal(format!("sampling: {error}")))?;
        if architecture.special_tokens.eos.contains(&next) {
            break;
        }
        ids.push(next);
        continuation.push(next);
    }
    Ok(continuation)
}
