//! `--dry-run`: validates everything and shows what the run would do and cost.

use super::terminal;
use crate::{
    error::Result,
    pipeline::{
        forward_pass::pass_announcement,
        memory_bound::Bound,
        memory_plan::{group_rows, needed_memory, wave_rows},
        options::RunOptions,
        prepared_pass::PreparedPass,
        quantities,
    },
};

/// The work of a run beside its first forward pass.
#[derive(Debug)]
pub(super) struct Work {
    /// One line about each part of it.
    pub(super) lines: Vec<String>,
    /// Forward passes over the whole text.
    pub(super) passes: usize,
}

impl Work {
    /// One forward pass.
    pub(super) fn one() -> Self {
        Self { lines: Vec::new(), passes: 1 }
    }
}

/// Prints the plan of a run with at least one forward pass.
pub(super) fn print_plan(prepared: &PreparedPass, options: &RunOptions, log_logits: bool, work: &Work) -> Result<()> {
    terminal::note(&pass_announcement(prepared));
    work.lines.iter().try_for_each(|line| terminal::print(line))?;
    let wave = wave_rows(prepared.wave_tokens, &group_rows(&prepared.layout, &prepared.corpus.sequences));
    let execution = &options.execution;
    let bound = match execution.wave_tokens {
        Some(_) => "--wave-tokens".to_owned(),
        None => Bound::for_run(execution.memory).to_string(),
    };
    let memory = needed_memory(prepared.checkpoint.architecture(), &prepared.cost, log_logits, wave);
    let (router, layout) = (&prepared.router, &prepared.layout);
    let lines = [
        format!(
            "context: {} tokens, {} routing groups ({})",
            prepared.context,
            layout.groups.len(),
            options.routing.group
        ),
        format!(
            "capacity: rule {}, {}",
            router.capacity_rule,
            router.capacity_rule.factor_in_words(router.capacity_factor)
        ),
        format!(
            "waves of up to {} tokens; about {} of memory, of {bound}",
            quantities::grouped(wave as u64),
            quantities::bytes(memory)
        ),
        passes(prepared, work.passes),
        format!(
            "disk: about {} for the trace; tables and charts on top",
            quantities::bytes(disk(prepared, work.passes, log_logits))
        ),
        format!("lines that cannot be used: {}", quantities::grouped(prepared.corpus.skipped.total() as u64)),
    ];
    lines.iter().try_for_each(|line| terminal::print(line))?;
    nothing_written()
}

/// The least time that the forward passes take on this machine.
fn passes(prepared: &PreparedPass, count: usize) -> String {
    let architecture = prepared.checkpoint.architecture();
    let rate = crate::model::multiply_rate(architecture.hidden, architecture.experts.mlp.inner);
    let seconds = prepared.cost.flop_per_token * prepared.corpus.tokens() as f64 * count as f64 / rate;
    let what = if count == 1 { "forward pass".to_owned() } else { format!("{count} forward passes") };
    format!("{what}: at least {} at {:.0} GFLOP/s, statistics on top", quantities::duration(seconds), rate / 1e9)
}

/// Bytes of the traces.
fn disk(prepared: &PreparedPass, passes: usize, log_logits: bool) -> f64 {
    let token: usize = prepared.layout.shape.layers().map(|(_, layer)| layer.written_bytes(log_logits)).sum();
    (token * passes) as f64 * prepared.corpus.tokens() as f64
}

/// The last line of every plan.
pub(super) fn nothing_written() -> Result<()> {
    terminal::print("dry run: nothing was written")
}
