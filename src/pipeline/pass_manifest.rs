//! The manifest of a forward pass.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{prepared_pass::Prepared, request::Request};
use crate::{
    error::path_text,
    trace::{Provides, recorded_layout},
};

/// The command line as it was typed. JSON is UTF-8: what is none in it is replaced.
pub(crate) fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Paths as they stand in the manifest, which is UTF-8.
pub(crate) fn texts(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path_text(path)).collect()
}

/// The manifest of a run that is about to start.
pub(crate) fn manifest(prepared: &Prepared, arguments: &Request) -> Value {
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
        "provides": Provides::forward_pass(arguments.common.execution.log_logits),
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
