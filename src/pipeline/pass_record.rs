//! The record of a forward pass.

use std::path::PathBuf;

use super::{
    options::{RunOptions, StatisticSettings},
    pass::Pass,
    prepared_pass::PreparedPass,
};
use crate::{
    checkpoint::{Architecture, Checkpoint},
    error::path_text,
    run::{ForwardPassExecution, RecordedLayout, RecordedSettings, RunRecord, TextSummary},
    trace::TraceLayout,
};

/// Paths as the manifest records them, in UTF-8.
pub(crate) fn paths_as_text(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path_text(path)).collect()
}

/// The settings of the statistics as the manifest records them.
pub(crate) fn statistic_settings(settings: &StatisticSettings) -> RecordedSettings {
    RecordedSettings {
        seed: settings.seed,
        resamples: settings.resamples,
        permutations: settings.permutations,
        exclude_bos: !settings.include_bos,
    }
}

/// The record of a run of one forward pass, before it starts.
pub(crate) fn pass_record(prepared: &PreparedPass, pass: &Pass, options: &RunOptions) -> RunRecord {
    let TraceLayout { shape, segments, groups, .. } = &prepared.layout;
    let layout = RecordedLayout::of(shape, segments.len(), groups.len());
    let transcripts = options.conversations.as_ref().map(|conversations| paths_as_text(&conversations.paths));
    RunRecord {
        statistics: statistic_settings(&options.statistics),
        command_line: options.execution.command_line.clone(),
        provides: Some(pass.provides(prepared.checkpoint.architecture())),
        config: prepared.checkpoint.openmoe().cloned(),
        architecture: recorded_architecture(&prepared.checkpoint),
        text: text_summary(prepared),
        threads: Some(rayon::current_num_threads()),
        forward_pass: Some(ForwardPassExecution {
            wave_tokens: prepared.wave_tokens,
            memory_limit_bytes: options.execution.memory,
            transcripts,
        }),
        corpus: paths_as_text(&options.corpus),
        ..RunRecord::new(prepared.identity.clone(), prepared.label.as_str(), layout)
    }
}

/// The architecture of a model whose configuration is not recorded itself.
fn recorded_architecture(checkpoint: &Checkpoint) -> Option<Architecture> {
    checkpoint.openmoe().is_none().then(|| checkpoint.architecture().clone())
}

fn text_summary(prepared: &PreparedPass) -> TextSummary {
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
