//! A checkpoint of the hub as a checkpoint of a run: its small files in the cache, its weights read where they are.

use std::{collections::BTreeSet, sync::Arc};

use super::checkpoint_spec::{CheckpointSpec, CheckpointWeights, training_tokens};
use crate::{
    checkpoint::{LocalFolder, WeightFolder},
    error::Result,
    first_bytes::Foreign,
    hub::{Hub, HubFolder, HubName, RangeFile, RangeMode},
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
        let file: Arc<RangeFile> = opened.map_err(|error| Foreign {
            what: format!("cannot be read in ranges: {error}"),
            hint: "fetch the checkpoint with `fetch`, or try again later",
        })?;
        Ok(file)
    }

    fn stated_sha256(&self, name: &str) -> Option<String> {
        let file = self.folder.file(name).filter(|_| self.folder.whole(name).is_none())?;
        file.sha256().map(str::to_owned)
    }
}

/// The checkpoint of a name on the hub. Its configuration, the index of its shards and, if asked for, its tokenizer are fetched into the
/// cache; of its weights nothing yet. The label is the name of the repository, or `label`; a revision that is no commit and not `main`
/// is part of it, and stands for it where it says how far the training was.
///
/// # Errors
/// [`Error::Hub`](crate::error::Error::Hub); [`Error::Interrupted`](crate::error::Error::Interrupted).
pub fn hub_checkpoint(
    hub: &Hub,
    name: &HubName,
    label: Option<&str>,
    files: HubFiles,
    mode: RangeMode,
) -> Result<CheckpointSpec> {
    let folder = hub.open(name)?;
    let mut small = folder.configuration_files();
    if files == HubFiles::ConfigurationAndTokenizer {
        small.extend(folder.tokenizer_files());
    }
    let snapshot = folder.fetch_small(&small)?;
    let origin = HubOrigin {
        repository: name.repository().to_owned(),
        revision: name.revision().to_owned(),
        commit: folder.commit().to_owned(),
    };
    let mut spec = CheckpointSpec::labelled(label.map_or_else(|| own_label(name), str::to_owned), snapshot);
    let is_streamed = mode == RangeMode::Streamed;
    let folder = Arc::new(HubWeightFolder { folder, mode });
    spec.weights = Some(CheckpointWeights { folder, origin, is_streamed });
    Ok(spec)
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
