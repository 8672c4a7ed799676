//! Checks the token ids that a drift run follows: they must exist, and those too rare for a statistic cause a warning.

use std::collections::BTreeMap;

use super::{checkpoint_spec::CheckpointSpec, options::DriftOptions, prepared_pass::PreparedPass, progress::Progress};
use crate::{
    error::{Error, OptionName, Result},
    routing::is_bos,
    run::{RunDir, RunRecord},
    stats::Settings,
    trace::RoutingTrace,
};

/// Refuses ids that the model does not have, and warns of ids that occur too seldom. They are counted in the text or, if every
/// checkpoint is a finished run, in the trace of the first one, BOS rows included.
///
/// # Errors
/// [`Error::Usage`] with every id that is not below `vocab_size`; reading errors.
pub(crate) fn check_token_ids(
    options: &DriftOptions,
    prepared: Option<&PreparedPass>,
    expected: &RunRecord,
    first: &CheckpointSpec,
    progress: &dyn Progress,
) -> Result<()> {
    let ids = &options.tokens_of_interest;
    if ids.is_empty() {
        return Ok(());
    }
    let vocabulary = expected.described().map_or(u64::MAX, |architecture| architecture.vocabulary as u64);
    let unknown: Vec<String> = ids.iter().filter(|id| u64::from(**id) >= vocabulary).map(u32::to_string).collect();
    if !unknown.is_empty() {
        return Err(Error::usage(
            format!(
                "{}; expected ids below vocab_size = {vocabulary}",
                OptionName::TokensOfInterest.with(unknown.join(" "))
            ),
            "tokens.parquet of a run lists the ids that occur, with their text",
        ));
    }
    let counts = match prepared {
        Some(prepared) => counts(prepared, options.run.statistics.include_bos),
        None => RoutingTrace::open(&RunDir::open(&first.folder)?)?.token_counts()?,
    };
    let least = Settings::default().minimum_occurrences as u64;
    for id in ids {
        let count = counts.get(id).copied().unwrap_or_default();
        if count < least {
            progress.warn(&format!(
                "token id {id} of {} occurs {count} times; expert shares are listed from {least} on",
                OptionName::TokensOfInterest
            ));
        }
    }
    Ok(())
}

fn counts(prepared: &PreparedPass, include_bos: bool) -> BTreeMap<u32, u64> {
    let mut counts = BTreeMap::new();
    for sequence in &prepared.corpus.sequences {
        let counted = (0..).zip(&sequence.token_ids).filter(|(position, _)| include_bos || !is_bos(*position));
        for (_, id) in counted {
            *counts.entry(*id).or_default() += 1;
        }
    }
    counts
}
