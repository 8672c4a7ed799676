//! `route`: checkpoint and text -> trace, statistics, charts, report.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::{Value, json};

use super::{
    analyse::{Analysis, analyse},
    execute::{Executed, execute},
    machine,
    passes::has_whole_trace,
    plan::{Work, announce, print_plan},
    prepare::Prepared,
    protect,
    request::Request,
    terminal,
};
use crate::{
    cli::{ExecutionArgs, RouteArgs},
    error::{Error, Result, path_text},
    run_dir::{Occupied, REPORT_RUNS, RunDir},
    trace::{recorded_layout, write_inputs},
};

/// Runs `route` and prints the result.
pub(super) fn run(arguments: &RouteArgs) -> anyhow::Result<()> {
    let Some((run, analysis)) = route(arguments)? else { return Ok(()) };
    analysis.print(&run, arguments.common.execution.json)?;
    Ok(())
}

/// The whole run; `None` after `--dry-run`.
pub(super) fn route(arguments: &RouteArgs) -> Result<Option<(RunDir, Analysis)>> {
    let clock = Instant::now();
    let request = Request::from(arguments);
    let execution = &request.common.execution;
    machine::watch_for_interrupts();
    machine::set_threads(execution.threads)?;
    if let Some(out) = &arguments.out {
        protect::folders(out, [arguments.checkpoint.as_path()])?;
    }
    let prepared = Prepared::new(&request)?;
    let identity = Value::Object(prepared.identity.clone());
    if let Some(out) = &arguments.out {
        protect::texts(out, &request, &prepared.corpus)?;
        RunDir::check(out, execution.occupied(), &identity)?;
    }
    if execution.dry_run {
        print_plan(&prepared, &request, &Work::one())?;
        return Ok(None);
    }
    let out = out(arguments.out.as_deref())?;
    let (run, resumed) = RunDir::prepare(out, execution.occupied(), &identity)?;
    note_resumed(&run, resumed, execution.quiet);
    let mut manifest = forward(&run, &prepared, &request)?;
    drop(prepared);
    let analysis = analyse(&run, &mut manifest, execution.quiet, Some(clock))?;
    Ok(Some((run, analysis)))
}

/// Says what an earlier run in the folder is good for.
pub(super) fn note_resumed(run: &RunDir, resumed: bool, quiet: bool) {
    let place = run.path().display();
    match run.manifest() {
        _ if !resumed || quiet => {}
        Ok(manifest) if manifest["complete"] == true => {
            terminal::note(&format!("`{place}` is complete already; its statistics and charts are made anew"));
        }
        Ok(_) => {}
        Err(_) => terminal::note(&format!(
            "manifest.json of `{place}` is missing or damaged and is made again; parts that have their checksum are kept"
        )),
    }
}

/// The folder of the run; only `--dry-run` needs none.
pub(super) fn out(typed: Option<&Path>) -> Result<&Path> {
    typed.ok_or_else(|| Error::usage("--out is missing", "name a new folder"))
}

impl ExecutionArgs {
    /// What to do with a folder that holds something.
    pub(super) fn occupied(&self) -> Occupied {
        match (self.force, self.resume) {
            (true, _) => Occupied::Replace,
            (_, true) => Occupied::Resume,
            _ => Occupied::Refuse,
        }
    }
}

/// The forward pass of a prepared run into its folder: everything but what follows from the trace. Returns the
/// manifest, still incomplete.
pub(super) fn forward(run: &RunDir, prepared: &Prepared, arguments: &Request) -> Result<Value> {
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

/// The command line as it was typed. JSON is UTF-8: what is none in it is replaced.
pub(super) fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Paths as they stand in the manifest, which is UTF-8.
pub(super) fn texts(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path_text(path)).collect()
}

/// The manifest of a run that is about to start.
pub(super) fn manifest(prepared: &Prepared, arguments: &Request) -> Value {
    let mut manifest = prepared.identity.clone();
    let (corpus, notes) = (&prepared.corpus, prepared.notes());
    let additions = json!({
        "complete": false,
        "seed": arguments.common.statistics.seed,
        "resamples": arguments.common.statistics.resamples,
        "permutations": arguments.common.statistics.permutations,
        "exclude_bos": arguments.common.statistics.exclude_bos,
        "command_line": command_line(),
        "label": prepared.label,
        "layout": recorded_layout(&prepared.layout),
        "config": prepared.checkpoint.config(),
        "sequences": corpus.sequences.len(),
        "documents": corpus.documents(),
        "tokens": corpus.tokens(),
        "skipped": corpus.skipped,
        "skipped_total": corpus.skipped.total(),
        "documents_left_out": corpus.documents_left_out,
        "conversations_cut": corpus.conversations_cut,
        "notes": notes,
        "notes_total": notes.total(),
        "warnings": corpus.warnings,
        "categories": corpus.categories,
        "repeated_documents": corpus.repeated_documents(),
        "threads": rayon::current_num_threads(),
        "wave_tokens": prepared.wave_tokens,
        "memory_limit_bytes": arguments.common.execution.memory.map(|size| size.as_u64()),
        "corpus": texts(&arguments.corpus),
        "transcripts": arguments.transcripts.as_ref().map(|transcripts| texts(&transcripts.paths)),
    });
    if let Value::Object(additions) = additions {
        manifest.extend(additions);
    }
    Value::Object(manifest)
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
        let tokens = terminal::grouped(executed.tokens);
        let seconds = terminal::duration(executed.seconds);
        terminal::note(&format!(
            "forward pass: {tokens} tokens in {seconds}, {} tokens/s",
            terminal::grouped(rate as u64)
        ));
    }
}
