//! A checkpoint of the hub as a checkpoint of a run: its small files in the cache, its weights read where they are.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use super::{
    checkpoint_spec::{CheckpointSpec, CheckpointWeights, training_tokens},
    hub_files::{download_in_words, fetch_whole},
    progress::Progress,
    quantities,
};
use crate::{
    checkpoint::{ConfigSource, LocalFolder, WeightFolder, config_of_its_own, has_weights_in},
    error::{Error, Result},
    first_bytes::Foreign,
    hub::{HubFolder, HubName, RangeFile, RangeMode},
    read_at::ReadAt,
    run::HubOrigin,
};

/// What of a checkpoint is fetched before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubFiles {
    /// What says which model it is: enough to describe it.
    Configuration,
    /// The tokenizer too: enough to route a text.
    ConfigurationAndTokenizer,
    /// The weights too, whole, so that their hashes are compared.
    Everything,
}

/// How a checkpoint is taken from the hub.
#[derive(Clone, Copy)]
pub struct HubReading<'p> {
    /// What is fetched.
    pub files: HubFiles,
    /// What becomes of weights that are read in ranges.
    pub mode: RangeMode,
    /// Whether a ZIP of T5X, which is not read in ranges, may be fetched whole.
    pub takes_zip: bool,
    /// The configuration that was given, which is for checkpoints of T5X only.
    pub config: &'p ConfigSource,
    /// Whether a download has a bar.
    pub has_bar: bool,
    /// Is told what is downloaded.
    pub progress: &'p dyn Progress,
}

/// The weight files of a repository at one commit. Those that were fetched whole are files of this machine; of the others only what
/// is read is fetched.
#[derive(Debug)]
struct HubWeightFolder {
    folder: HubFolder,
    mode: RangeMode,
}

impl WeightFolder for HubWeightFolder {
    fn names(&self) -> BTreeSet<String> {
        self.folder.files().iter().map(|file| file.path.clone()).filter(|path| !path.contains('/')).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.folder.file(name).is_some()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, Foreign> {
        if self.folder.whole(name).is_some() {
            return LocalFolder::new(&self.folder.folder()).open(name);
        }
        let opened = self.folder.open_ranges(name, self.mode);
        let file: Arc<RangeFile> = opened.map_err(|error| {
            let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
            Foreign {
                what: format!("cannot be read in ranges: {error}{hint}"),
                hint: "fetch the checkpoint with `fetch`, or try again later",
            }
        })?;
        Ok(file)
    }

    fn stated_sha256(&self, name: &str) -> Option<String> {
        let file = self.folder.file(name).filter(|_| self.folder.whole(name).is_none())?;
        file.sha256().map(str::to_owned)
    }
}

/// A repository of the hub as a checkpoint. Its configuration, the index of its shards and, if asked for, its tokenizer are fetched into the
/// cache; of its weights nothing yet, unless everything is asked for, or they are a ZIP of T5X: these are fetched whole, after a line
/// that says how much it is. The label is the name of the repository, or `label`; a revision that is no commit and not `main`
/// is part of it, and stands for it where it says how far the training was.
///
/// # Errors
/// [`Error::Hub`]; [`Error::Interrupted`].
pub fn hub_checkpoint(folder: HubFolder, label: Option<&str>, reading: &HubReading<'_>) -> Result<CheckpointSpec> {
    let name = &folder.name().clone();
    let weights = HubWeightFolder { folder, mode: reading.mode };
    let zip = zip_or_configuration(&weights, name)?;
    let folder = &weights.folder;
    if zip.is_none() && *reading.config != ConfigSource::Found {
        return Err(config_of_its_own(&format!("hf://{}@{}", name.repository(), folder.commit())));
    }
    let mut files = folder.configuration_files();
    if reading.files != HubFiles::Configuration {
        files.extend(folder.tokenizer_files());
    }
    let whole = match &zip {
        Some(zip) => vec![zip.clone()],
        None if reading.files == HubFiles::Everything => folder.weights()?.files,
        None => Vec::new(),
    };
    if let Some(zip) = zip.as_ref().filter(|zip| !reading.takes_zip && folder.whole(zip).is_none()) {
        return Err(unfetched(folder, name, zip));
    }
    let is_whole = !whole.is_empty();
    files.extend(whole);
    let snapshot = if is_whole { fetched(folder, &files, reading)? } else { folder.fetch_small(&files)? };
    let origin = HubOrigin {
        repository: name.repository().to_owned(),
        revision: name.revision().to_owned(),
        commit: folder.commit().to_owned(),
    };
    let mut spec = CheckpointSpec::labelled(label.map_or_else(|| own_label(name), str::to_owned), snapshot);
    if is_whole {
        spec.fetched_from = Some(origin);
        return Ok(spec);
    }
    let is_streamed = reading.mode == RangeMode::Streamed;
    spec.weights = Some(CheckpointWeights { folder: Arc::new(weights), origin, is_streamed });
    Ok(spec)
}

/// Fetches files of which some are large, after a line that says how much is to come.
fn fetched(folder: &HubFolder, files: &[String], reading: &HubReading<'_>) -> Result<PathBuf> {
    let plan = folder.plan(files)?;
    reading.progress.note(&download_in_words(folder, &plan));
    fetch_whole(&[(folder, files)], &plan, reading.has_bar.then_some(reading.progress))?;
    Ok(folder.folder())
}

/// The ZIP of a repository that has no other weights, as checkpoints of T5X are released; none where there is a configuration.
///
/// # Errors
/// [`Error::Hub`] if there is neither.
fn zip_or_configuration(weights: &HubWeightFolder, name: &HubName) -> Result<Option<String>> {
    let folder = &weights.folder;
    // An adapter has words of its own.
    if weights.has("adapter_config.json") {
        return Ok(None);
    }
    if !has_weights_in(weights) {
        return Ok(folder.weights()?.files.into_iter().next());
    }
    if weights.has("config.json") {
        return Ok(None);
    }
    Err(Error::hub(
        format!(
            "{} at {} has weights but no `config.json`, which says what model they are of",
            name.repository(),
            folder.commit()
        ),
        "another revision or repository may have it",
    ))
}

/// That only the whole ZIP can be read, and it is not here.
fn unfetched(folder: &HubFolder, name: &HubName, zip: &str) -> Error {
    let size = folder.file(zip).map_or(0, |file| file.size);
    Error::hub(
        format!(
            "{} at {} is a checkpoint of T5X in one ZIP, `{zip}` of {}, which can be read only when all of it is here",
            name.repository(),
            folder.commit(),
            quantities::bytes(size as f64)
        ),
        format!("fetch it first: openmoe-analyze fetch {name}"),
    )
}

/// The label of a name that was given none.
fn own_label(name: &HubName) -> String {
    let revision = name.revision().replace('/', "-");
    if name.is_pinned() || revision == "main" {
        return name.short().to_owned();
    }
    if training_tokens(&revision).is_some() { revision } else { format!("{}-{revision}", name.short()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_part_of_the_label() {
        for (typed, label) in [
            ("OrionZheng/openmoe-8b", "openmoe-8b"),
            ("OrionZheng/openmoe-base@refs/pr/1", "openmoe-base-refs-pr-1"),
            ("allenai/OLMoE-1B-7B-0924@step5000-tokens20B", "step5000-tokens20B"),
            ("a/b@0123456789abcdef0123456789abcdef01234567", "b"),
        ] {
            let name = HubName::parse(typed, || false).unwrap().unwrap();
            assert_eq!(own_label(&name), label);
        }
    }
}
