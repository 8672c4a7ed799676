//! Checks that checkpoints belong together: everything that decides shapes, tokens and arithmetic must be the same.

use super::checkpoint_spec::CheckpointSpec;
use crate::{
    checkpoint::{Architecture, Checkpoint, sha256_file},
    corpus::Tokenizer,
    error::{Error, Result, bullets},
    routing::CapacityPolicy,
};

/// Opens every checkpoint once and compares it with the first: shapes, arithmetic, routing, tokenizer. Finished runs are
/// compared later, when the record that they must agree with is known. Gives the checkpoints in the order of `specs`.
///
/// # Errors
/// Every error of opening the checkpoints; if all open, [`Error::Usage`] with every difference.
pub(crate) fn check_compatible(specs: &[CheckpointSpec]) -> Result<Vec<Checkpoint>> {
    let checkpoints = open(specs)?;
    let mut known: Vec<(&CheckpointSpec, Vec<(&'static str, String)>)> = Vec::new();
    for (spec, checkpoint) in &checkpoints {
        let mut facts = facts(checkpoint.architecture());
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
        return Ok(checkpoints.into_iter().map(|(_, checkpoint)| checkpoint).collect());
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
        match spec.open() {
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
    match Tokenizer::open(&checkpoint.text_folder())? {
        Some(tokenizer) => sha256_file(tokenizer.file()),
        None => Ok("none".to_owned()),
    }
}

/// Every value of an architecture that decides what the forward pass computes, or which token is at position 0.
pub(crate) fn facts(architecture: &Architecture) -> Vec<(&'static str, String)> {
    let Architecture { attention, experts, .. } = architecture;
    let of_capacity =
        |value: fn(CapacityPolicy) -> String| architecture.capacity.map_or_else(|| "none".to_owned(), value);
    let bos = architecture.special_tokens.bos.map_or_else(|| "none".to_owned(), |bos| bos.to_string());
    let mut facts = vec![
        ("vocab_size", architecture.vocabulary.to_string()),
        ("num_experts", experts.number.to_string()),
        ("MoE layers", format!("{:?}", architecture.moe_layers())),
        ("router_topk", experts.chosen.to_string()),
        ("num_hidden_layers", architecture.layers.len().to_string()),
        ("hidden_size", architecture.hidden.to_string()),
        ("intermediate_size", architecture.dense.inner.to_string()),
        ("num_attention_heads", attention.heads.to_string()),
        ("num_key_value_heads", attention.key_value_heads.to_string()),
        ("head_dim", attention.key_dim.to_string()),
        ("max_position_embeddings", architecture.longest_sequence.to_string()),
        ("rms_norm_eps", architecture.norm.epsilon.to_string()),
        ("bos_token_id", bos),
        ("router_capacity_factor_eval", of_capacity(|own| own.factor.to_string())),
        ("router_min_capacity", of_capacity(|own| own.minimum.to_string())),
        ("family", architecture.family.clone()),
    ];
    if !architecture.is_openmoe() {
        facts.extend(architecture.in_words());
    }
    facts
}
