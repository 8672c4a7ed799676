//! The forward pass of a prepared run into its folder.

use serde_json::{Value, json};

use super::{
    forward_waves::{Executed, execute},
    pass_manifest::manifest,
    prepared_pass::Prepared,
    quantities,
    request::Request,
};
use crate::{
    commands::terminal,
    error::Result,
    run::{REPORT_RUNS, RunDir},
    trace::write_inputs,
};

/// The forward pass of a prepared run into its folder: everything but what follows from the trace. Returns the
/// manifest, still incomplete.
pub(crate) fn forward(run: &RunDir, prepared: &Prepared, arguments: &Request) -> Result<Value> {
    let execution = &arguments.common.execution;
    let mut manifest = manifest(prepared, arguments);
    // A run that goes on keeps the report that it had; one that was replaced has no manifest any more.
    if let Some(runs) = run.manifest().ok().and_then(|earlier| earlier.get(REPORT_RUNS).cloned()) {
        manifest[REPORT_RUNS] = runs;
    }
    if !has_whole_trace(run, prepared, execution.log_logits) {
        run.write_manifest(&manifest)?;
    }
    if !execution.quiet {
        announce(prepared);
    }
    let text = |id| prepared.tokenizer.as_ref().and_then(|tokenizer| tokenizer.piece(id));
    write_inputs(run, &prepared.layout, &prepared.corpus.sequences, &prepared.label, text)?;
    let executed = execute(prepared, run, execution.log_logits, execution.quiet)?;
    run.settle_checksums()?;
    record_forward(&mut manifest, &executed, execution.quiet);
    Ok(manifest)
}

/// The first line of a run: what goes through the model.
pub(crate) fn announce(prepared: &Prepared) {
    let corpus = &prepared.corpus;
    terminal::note(&format!(
        "{}: {} in {} of {}; MoE layers {:?}, {} experts, top-{}",
        prepared.label,
        quantities::count(corpus.tokens(), "token"),
        quantities::count(corpus.sequences.len() as u64, "sequence"),
        quantities::count(corpus.documents() as u64, "document"),
        prepared.layout.shape.moe_layers(),
        prepared.layout.shape.experts_in_words(),
        prepared.layout.shape.choices_in_words(),
    ));
}

/// Whether the manifest of a run says that it is complete and its trace is there, as it was written.
pub(crate) fn has_whole_trace(run: &RunDir, prepared: &Prepared, log_logits: bool) -> bool {
    is_complete(run) && prepared.layout.missing(run, log_logits).0.is_empty()
}

pub(crate) fn is_complete(run: &RunDir) -> bool {
    run.manifest().is_ok_and(|manifest| manifest["complete"] == true)
}

fn record_forward(manifest: &mut Value, executed: &Executed, quiet: bool) {
    // A resumed run that found everything in place keeps no rate: it measured none.
    // Nor does one whose clock stood still.
    let rate = (executed.tokens > 0 && executed.seconds > 0.0).then(|| executed.tokens as f64 / executed.seconds);
    manifest["forward_seconds"] = json!(executed.seconds);
    manifest["forward_tokens"] = json!(executed.tokens);
    manifest["forward_peak_memory_bytes"] = json!(executed.peak_memory);
    manifest["tokens_per_second"] = json!(rate);
    if let Some(rate) = rate.filter(|_| !quiet) {
        let tokens = quantities::grouped(executed.tokens);
        let seconds = quantities::duration(executed.seconds);
        terminal::note(&format!(
            "forward pass: {tokens} tokens in {seconds}, {} tokens/s",
            quantities::grouped(rate as u64)
        ));
    }
}
