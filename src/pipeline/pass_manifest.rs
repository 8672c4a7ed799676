//! The record of a forward pass.

use std::path::PathBuf;

use super::{prepared_pass::Prepared, request::Request};
use crate::{
    cli::StatisticsArgs,
    error::path_text,
    run::{ForwardPassExecution, RecordedLayout, RunRecord, StatisticSettings, TextSummary},
};

/// The command line as it was typed. JSON is UTF-8: what is none in it is replaced.
pub(crate) fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Paths as they stand in the manifest, which is UTF-8.
pub(crate) fn texts(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path_text(path)).collect()
}

/// How the statistics are computed, as typed.
pub(crate) fn statistic_settings(typed: &StatisticsArgs) -> StatisticSettings {
    StatisticSettings {
        seed: typed.seed,
        resamples: typed.resamples as usize,
        permutations: typed.permutations as usize,
        exclude_bos: typed.exclude_bos,
    }
}

/// The record of a run of one forward pass that is about to start.
pub(crate) fn record(prepared: &Prepared, arguments: &Request) -> RunRecord {
    let layout = RecordedLayout {
        moe_layers: prepared.layout.moe_layers.clone(),
        num_experts: prepared.router.num_experts,
        top_k: prepared.router.top_k,
        segments: prepared.layout.segments.len(),
        groups: Some(prepared.layout.groups.len()),
    };
    let transcripts = arguments.transcripts.as_ref().map(|transcripts| texts(&transcripts.paths));
    RunRecord {
        statistics: statistic_settings(&arguments.common.statistics),
        command_line: command_line(),
        config: Some(prepared.checkpoint.config().clone()),
        text: text_summary(prepared),
        threads: Some(rayon::current_num_threads()),
        forward_pass: Some(ForwardPassExecution {
            wave_tokens: prepared.wave_tokens,
            memory_limit_bytes: arguments.common.execution.memory.map(|size| size.as_u64()),
            transcripts,
        }),
        corpus: texts(&arguments.corpus),
        ..RunRecord::new(prepared.identity.clone(), prepared.label.as_str(), layout)
    }
}

fn text_summary(prepared: &Prepared) -> TextSummary {
    let corpus = &prepared.corpus;
    let summary = TextSummary {
        sequences: corpus.sequences.len(),
        documents: corpus.documents(),
        tokens: corpus.tokens(),
        documents_left_out: corpus.documents_left_out,
        conversations_cut: Some(corpus.conversations_cut),
        warnings: corpus.warnings.clone(),
        categories: corpus.categories.clone(),
        repeated_documents: Some(corpus.repeated_documents()),
        ..TextSummary::default()
    };
    summary.with_skipped(&corpus.skipped).with_notes(&prepared.notes())
}
