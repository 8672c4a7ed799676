//! How the statistics of a run are computed, from its record.

use crate::{run::RunRecord, stats::Settings};

/// Seeds and counts.
pub(crate) fn settings(record: &RunRecord) -> Settings {
    let recorded = &record.statistics;
    Settings {
        seed: recorded.seed,
        resamples: recorded.resamples,
        permutations: recorded.permutations,
        include_bos: !recorded.exclude_bos,
        ..Settings::default()
    }
}
