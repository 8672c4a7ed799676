//! Checks that checkpoints belong together: everything that decides shapes, tokens and arithmetic must be the same.

use super::checkpoint_spec::CheckpointSpec;
use crate::{
    checkpoint::{Checkpoint, Config, sha256_file},
    corpus::Tokenizer,
    error::{Error, Result, bullets},
};

/// Opens every checkpoint once and compares it with the first: shapes, arithmetic, routing, tokenizer. Finished runs are
/// compared later, when the record that they must agree with is known.
///
/// # Errors
/// Every error of opening the checkpoints; if all open, [`Error::Usage`] with every difference.
pub(crate) fn check_compatible(specs: &[CheckpointSpec]) -> Result<()> {
    let checkpoints = open(specs)?;
    let mut known: Vec<(&CheckpointSpec, Vec<(&'static str, String)>)> = Vec::new();
    for (spec, checkpoint) in &checkpoints {
        let mut facts = facts(checkpoint.config());
        facts.insert(0, ("tokenizer (SHA-256)", tokenizer_hash(checkpoint)?));
        known.push((spec, facts));
    }
    let mut problems = Vec::new();
    if let Some(((reference, expected), others)) = known.split_first() {
        for (spec, facts) in others {
            for ((key, found), (_, expected)) in facts.iter().zip(expected).filter(|(a, b)| a.1 != b.1) {
                problems.push(format!("{key}: {expected} in `{}`, {found} in `{}`", reference.label, spec.label));
            }
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("the checkpoints are not of one run:{}", bullets(&problems)),
        "the same tokens go through all of them: tokenizer, vocabulary, experts and MoE layers must agree",
    ))
}

/// Opens all checkpoints. The error lists what is wrong with each of them.
fn open(specs: &[CheckpointSpec]) -> Result<Vec<(&CheckpointSpec, Checkpoint)>> {
    let mut opened = Vec::new();
    let mut failed = Vec::new();
    for spec in specs.iter().filter(|spec| !spec.is_run()) {
        match Checkpoint::open(&spec.folder) {
            Ok(checkpoint) => opened.push((spec, checkpoint)),
            // The noise floor has the same folder as the last checkpoint: its error is listed once.
            Err(error) if failed.iter().all(|known: &Error| known.to_string() != error.to_string()) => {
                failed.push(error);
            }
            Err(_) => {}
        }
    }
    match (failed.pop(), failed.is_empty()) {
        (None, _) => Ok(opened),
        (Some(only), true) => Err(only),
        (Some(last), false) => {
            let hint = last.hint().unwrap_or_default();
            failed.push(last);
            let lines: Vec<String> = failed.iter().map(|error| error.to_string().replace('\n', "\n  ")).collect();
            Err(Error::usage(
                format!("{} checkpoints cannot be used:\n  - {}", lines.len(), lines.join("\n  - ")),
                hint,
            ))
        }
    }
}

fn tokenizer_hash(checkpoint: &Checkpoint) -> Result<String> {
    match Tokenizer::open(checkpoint.dir())? {
        Some(tokenizer) => sha256_file(tokenizer.file()),
        None => Ok("none".to_owned()),
    }
}

/// Every value of a configuration that decides what the forward pass computes, or which token is at position 0.
pub(crate) fn facts(config: &Config) -> Vec<(&'static str, String)> {
    vec![
        ("vocab_size", config.vocab_size.to_string()),
        ("num_experts", config.num_experts.to_string()),
        ("MoE layers", format!("{:?}", config.moe_layers())),
        ("router_topk", config.router_topk.to_string()),
        ("num_hidden_layers", config.num_hidden_layers.to_string()),
        ("hidden_size", config.hidden_size.to_string()),
        ("intermediate_size", config.intermediate_size.to_string()),
        ("num_attention_heads", config.num_attention_heads.to_string()),
        ("num_key_value_heads", config.num_key_value_heads.to_string()),
        ("head_dim", config.head_dim.to_string()),
        ("max_position_embeddings", config.max_position_embeddings.to_string()),
        ("rms_norm_eps", config.rms_norm_eps.to_string()),
        ("bos_token_id", config.bos_token_id.to_string()),
        ("router_capacity_factor_eval", config.router_capacity_factor_eval.to_string()),
        ("router_min_capacity", config.router_min_capacity.to_string()),
    ]
}
