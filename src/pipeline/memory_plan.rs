//! How many tokens go through a layer together, and how much memory that takes.

use super::{memory_bound::Bound, options::ExecutionOptions, process_memory, quantities};
use crate::{
    checkpoint::Architecture,
    corpus::Sequence,
    error::{Error, OptionName, Result},
    model::{Cost, PANEL},
    routing::LayerShape,
    trace::{SEGMENT_TOKENS, TraceLayout},
};

/// Rows of a wave that each routing group takes: its tokens, with each sequence rounded up to whole panels of attention.
pub(crate) fn group_rows(layout: &TraceLayout, sequences: &[Sequence]) -> Vec<usize> {
    let rows = |sequence: &Sequence| sequence.token_ids.len().next_multiple_of(PANEL);
    layout.groups.iter().map(|group| sequences[group.clone()].iter().map(rows).sum()).collect()
}

/// Rows of the largest wave; a group is never cut, so a large group may exceed `wave_tokens`.
pub(crate) fn wave_rows(wave_tokens: usize, group_rows: &[usize]) -> usize {
    wave_tokens.max(group_rows.iter().copied().max().unwrap_or(0)).min(group_rows.iter().sum())
}

/// Tokens of a wave: as many as were asked for, else as many as the memory holds.
///
/// # Errors
/// [`Error::Usage`] if the memory that was asked for does not hold the largest routing group.
pub(crate) fn wave_tokens(
    execution: &ExecutionOptions,
    log_logits: bool,
    architecture: &Architecture,
    cost: &Cost,
    group_rows: &[usize],
) -> Result<usize> {
    if let Some(tokens) = execution.wave_tokens {
        return Ok(tokens);
    }
    let Some(limit) = execution.memory else {
        return Ok(wave_within(architecture, cost, log_logits, Bound::for_run(None).bytes));
    };
    let wave = wave_within(architecture, cost, log_logits, limit);
    let largest_group = group_rows.iter().copied().max().unwrap_or(0);
    if wave < largest_group {
        let needed = needed_memory(architecture, cost, log_logits, largest_group);
        return Err(Error::usage(
            format!(
                "{}: the largest routing group has {} and needs about {}",
                OptionName::Memory.with(quantities::bytes(limit as f64)),
                quantities::count(largest_group as u64, "row"),
                quantities::bytes(needed),
            ),
            format!(
                "give more memory, shorter sequences ({}) or smaller routing groups ({})",
                OptionName::Context,
                OptionName::Group
            ),
        ));
    }
    Ok(wave)
}

/// Memory of the process with a wave of `rows` rows: what it holds already, what the allocator and the threads that
/// write tables take (measured: up to 90 MiB), the parts of the trace that are not written yet, and the wave itself.
pub(crate) fn needed_memory(architecture: &Architecture, cost: &Cost, log_logits: bool, rows: usize) -> f64 {
    const BESIDE: u64 = 112 << 20;
    // One segment of every MoE layer is being filled, and four finished parts are on their way to the disk, each copied once.
    let parts = architecture.moe_layers().len() + 8;
    let token =
        LayerShape::of_choices(architecture.experts.number, architecture.experts.chosen).buffered_bytes(log_logits);
    (process_memory::resident_memory() + BESIDE) as f64
        + (parts * token * SEGMENT_TOKENS) as f64
        + cost.memory(rows, rayon::current_num_threads())
}

/// As many rows as fit into `limit` bytes, at most four segments: larger waves would hardly save any reading of weights.
pub(crate) fn wave_within(architecture: &Architecture, cost: &Cost, log_logits: bool, limit: u64) -> usize {
    let rows = (limit as f64 - needed_memory(architecture, cost, log_logits, 0)) / cost.activation_bytes_per_token;
    (rows.max(0.0) as usize).min(4 * SEGMENT_TOKENS)
}
