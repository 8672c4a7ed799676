//! How the statistics of a run are computed, from its manifest.

use std::path::Path;

use serde_json::Value;

use crate::{error::Result, run::RunDir, stats::Settings, trace::manifest_number};

/// As many resamples and permutations as the command line takes.
const REPETITIONS: usize = 100_000;

/// Seeds and counts, from the manifest.
///
/// # Errors
/// [`Error::RunFolder`] for counts that no command takes.
pub(crate) fn settings(run: &RunDir, manifest: &Value) -> Result<Settings> {
    let defaults = Settings::default();
    let number = |key: &str, default: usize| match manifest.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => manifest_number(run, value, key, 0..=REPETITIONS),
    };
    Ok(Settings {
        seed: manifest["seed"].as_u64().unwrap_or(defaults.seed),
        resamples: number("resamples", defaults.resamples)?,
        permutations: number("permutations", defaults.permutations)?,
        include_bos: manifest["exclude_bos"] != true,
        ..defaults
    })
}

/// The names of the texts of a run, as typed, without folders and endings.
pub(crate) fn corpus_names(manifest: &Value) -> Vec<String> {
    let paths = |key: &str| manifest[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let name = |path: &str| Path::new(path).file_stem().map_or(path.into(), |stem| stem.to_string_lossy()).into_owned();
    paths("transcripts").chain(paths("corpus")).map(name).collect()
}

/// The token ids that were asked for, from the manifest.
pub(crate) fn tokens_of_interest(manifest: &Value) -> Vec<u32> {
    let tokens = manifest["tokens_of_interest"].as_array().into_iter().flatten();
    tokens.filter_map(|id| id.as_u64().map(|id| id as u32)).collect()
}
