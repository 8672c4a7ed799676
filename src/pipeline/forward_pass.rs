//! Runs the forward pass of a prepared run and writes its trace into the folder of the run.

use super::{
    forward_waves::{Executed, run_waves},
    pass::Pass,
    prepared_pass::PreparedPass,
    progress::Progress,
    quantities,
};
use crate::{
    error::Result,
    run::{ForwardPassCost, LayerTies, RunDir, RunRecord},
    trace::{recorded_ties, write_inputs},
};

/// Runs the forward pass of a prepared run and writes its trace into the folder of the run, but nothing that is computed from
/// the trace. Fills in the record that the run started with; the record does not say yet that the run is complete.
pub(crate) fn run_forward_pass(
    run: &RunDir,
    prepared: &PreparedPass,
    pass: &Pass,
    record: &mut RunRecord,
    progress: &dyn Progress,
) -> Result<()> {
    // A resumed run keeps the report that it had; a run that was replaced has no manifest any more.
    if let Ok(earlier) = run.loose_record() {
        record.report_runs = earlier.report_runs().into_iter().map(str::to_owned).collect();
    }
    if !has_whole_trace(run, prepared, pass) {
        run.write_record(record)?;
    }
    progress.note(&pass_announcement(prepared));
    let text = |id| prepared.tokenizer.as_ref().and_then(|tokenizer| tokenizer.piece(id));
    write_inputs(run, &prepared.layout, &prepared.corpus.sequences, &prepared.label, text)?;
    let executed = run_waves(prepared, run, pass, progress)?;
    run.settle_checksums()?;
    record.forward_cost = Some(cost(&executed, progress));
    let ties = recorded_ties(run, &prepared.layout)?;
    if let Some(line) = ties_in_words(&ties) {
        progress.note(&line);
    }
    record.ties = Some(ties);
    Ok(())
}

/// That equal scores decided, if they did.
fn ties_in_words(ties: &[LayerTies]) -> Option<String> {
    let tokens: u64 = ties.iter().map(|ties| ties.tokens).sum();
    (tokens > 0).then(|| {
        format!(
            "ties: equal scores decided the choice of {}, summed over {}; the lower expert id wins",
            quantities::count(tokens, "token"),
            quantities::count(ties.len() as u64, "layer")
        )
    })
}

/// The first line of a run: what goes through the model.
pub(crate) fn pass_announcement(prepared: &PreparedPass) -> String {
    let corpus = &prepared.corpus;
    format!(
        "{}: {} in {} of {}; MoE layers {:?}, {} experts, top-{}",
        prepared.label,
        quantities::count(corpus.tokens(), "token"),
        quantities::count(corpus.sequences.len() as u64, "sequence"),
        quantities::count(corpus.documents() as u64, "document"),
        prepared.layout.shape.moe_layers(),
        prepared.layout.shape.experts_in_words(),
        prepared.layout.shape.choices_in_words(),
    )
}

/// Whether the manifest of a run says that it is complete and its trace is there, as it was written.
pub(crate) fn has_whole_trace(run: &RunDir, prepared: &PreparedPass, pass: &Pass) -> bool {
    is_complete(run) && prepared.layout.missing(run, pass.provides(prepared.checkpoint.architecture())).0.is_empty()
}

/// Whether the manifest of a run says that it is complete; not where there is none.
pub(crate) fn is_complete(run: &RunDir) -> bool {
    run.loose_record().is_ok_and(|record| record.is_complete())
}

fn cost(executed: &Executed, progress: &dyn Progress) -> ForwardPassCost {
    // A resumed run that had nothing to compute measured no rate, and neither did one whose clock stood still.
    let rate = (executed.tokens > 0 && executed.seconds > 0.0).then(|| executed.tokens as f64 / executed.seconds);
    if let Some(rate) = rate {
        let tokens = quantities::grouped(executed.tokens);
        let seconds = quantities::duration(executed.seconds);
        progress.note(&format!(
            "forward pass: {tokens} tokens in {seconds}, {} tokens/s",
            quantities::grouped(rate as u64)
        ));
    }
    ForwardPassCost {
        forward_seconds: executed.seconds,
        forward_tokens: executed.tokens,
        forward_peak_memory_bytes: executed.peak_memory,
        tokens_per_second: rate,
    }
}
