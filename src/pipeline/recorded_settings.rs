//! The settings of the statistics, read from the record of a run.

use crate::{run::RunRecord, stats::Settings};

/// The settings as the statistics take them.
pub(crate) fn recorded_settings(record: &RunRecord) -> Settings {
    let recorded = &record.statistics;
    Settings {
        seed: recorded.seed,
        resamples: recorded.resamples,
        permutations: recorded.permutations,
        include_bos: !recorded.exclude_bos,
        ..Settings::default()
    }
}
