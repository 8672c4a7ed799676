//! A checkpoint of a run as it is given: its folder, label and training tokens.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::quantities::grouped;
use crate::{
    checkpoint::{Checkpoint, ConfigSource, WeightFolder, config_of_its_own, repository_name, snapshot},
    error::{Error, Result, path_text},
    model::Arithmetic,
    run::HubOrigin,
};

/// A checkpoint of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckpointSpec {
    /// Name in tables, charts and folders; unique.
    pub label: String,
    /// The checkpoint, or a finished run of its routes.
    pub folder: PathBuf,
    /// Tokens that it was trained on, if known.
    pub training_tokens: Option<f64>,
    /// Whether it is beside the time axis instead of on it.
    pub off_axis: bool,
    /// Rounding of activations.
    pub arithmetic: Arithmetic,
    /// Where its configuration comes from, if it is a checkpoint of T5X.
    pub config: ConfigSource,
    /// Its weight files, if they are not in `folder`, which then holds the small files only.
    pub weights: Option<CheckpointWeights>,
    /// The repository that `folder` was fetched from as a whole, if it was given by its name.
    pub fetched_from: Option<HubOrigin>,
}

/// Weight files that are elsewhere, and what the place is called.
#[derive(Clone, Debug)]
pub struct CheckpointWeights {
    /// The files.
    pub folder: Arc<dyn WeightFolder>,
    /// Their repository and commit.
    pub origin: HubOrigin,
    /// Whether what is read of them is kept nowhere.
    pub is_streamed: bool,
}

impl PartialEq for CheckpointWeights {
    fn eq(&self, other: &Self) -> bool {
        self.origin == other.origin
    }
}

impl<T: AsRef<Path> + ?Sized> From<&T> for CheckpointSpec {
    fn from(folder: &T) -> Self {
        Self::in_folder(folder)
    }
}

impl From<PathBuf> for CheckpointSpec {
    fn from(folder: PathBuf) -> Self {
        Self::in_folder(folder)
    }
}

impl CheckpointSpec {
    /// The checkpoint in a folder, under the name of the folder.
    pub fn in_folder(folder: impl AsRef<Path>) -> Self {
        let folder = snapshot(folder.as_ref());
        let label = folder_label(&folder);
        Self::labelled(label, folder)
    }

    /// Reads FOLDER or LABEL=FOLDER. Text that is not UTF-8 is always a folder without a label.
    pub fn new(typed: impl AsRef<Path>, off_axis: bool) -> Self {
        let typed = typed.as_ref();
        let (name, folder) = match typed.to_str().and_then(|text| text.split_once('=')) {
            Some((name, folder)) if !typed.exists() => (Some(name), PathBuf::from(folder)),
            _ => (None, typed.to_path_buf()),
        };
        let folder = snapshot(&folder);
        let label = name.map_or_else(|| folder_label(&folder), str::to_owned);
        Self { off_axis, ..Self::labelled(label, folder) }
    }

    /// On the time axis, by the training tokens that the label says.
    pub(crate) fn labelled(label: String, folder: PathBuf) -> Self {
        let training_tokens = training_tokens(&label);
        Self { label, folder, training_tokens, off_axis: false, ..Self::default() }
    }

    /// Opens the checkpoint.
    ///
    /// # Errors
    /// As [`Checkpoint::open_as`].
    pub(crate) fn open(&self) -> Result<Checkpoint> {
        let opened = match &self.weights {
            Some(_) if self.config != ConfigSource::Found => Err(config_of_its_own(&self.place())),
            Some(weights) => Checkpoint::open_with(&self.folder, &*weights.folder),
            None => Checkpoint::open_as(&self.folder, &self.config),
        };
        // Who typed a name does not know the folder of the cache.
        opened.map_err(|error| match error {
            Error::Checkpoint { problems, left_out, hint, .. } if self.origin().is_some() => {
                Error::Checkpoint { path: self.place().into(), problems, left_out, hint }
            }
            error => error,
        })
    }

    /// The repository that it is read from, if it was given by its name.
    pub(crate) fn origin(&self) -> Option<&HubOrigin> {
        self.weights.as_ref().map(|weights| &weights.origin).or(self.fetched_from.as_ref())
    }

    /// Where it is: its folder, or its name and commit on the hub.
    pub(crate) fn place(&self) -> String {
        match self.origin() {
            Some(origin) => format!("hf://{}@{}", origin.repository, origin.commit),
            None => path_text(&self.folder),
        }
    }

    /// Whether the folder is a run and not a checkpoint.
    pub(crate) fn is_run(&self) -> bool {
        self.folder.join("manifest.json").is_file() && !self.folder.join("config.json").is_file()
    }

    /// The whole path of a run that is reused. It must be UTF-8, because a manifest records it.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is not.
    pub(crate) fn whole_path(&self) -> Result<String> {
        let whole = self.folder.canonicalize().ok().into_iter().chain(std::path::absolute(&self.folder));
        whole.into_iter().find_map(|path| path.to_str().map(str::to_owned)).ok_or_else(|| {
            Error::usage(
                format!("the path of the run `{}` is no UTF-8, so no manifest can name it", self.folder.display()),
                "give the run another name, or name a link to it",
            )
        })
    }

    /// The training tokens in words, for the plan that a dry run shows.
    pub(crate) fn trained(&self) -> String {
        self.training_tokens.map_or_else(String::new, |tokens| format!(" ({} training tokens)", grouped(tokens as u64)))
    }
}

/// The name of a folder, for tables and charts; for a snapshot in the cache of a hub, the name of its repository.
pub(crate) fn folder_label(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    if let Some(name) = repository_name(&folder) {
        return name;
    }
    // A ZIP of a T5X checkpoint is called what it holds.
    let name =
        if folder.extension().is_some_and(|ending| ending == "zip") { folder.file_stem() } else { folder.file_name() };
    name.map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Training tokens in a name such as openmoe-8b-200B or openmoe-tiny-2.5M: the last part that is such a number; a number after the
/// word `tokens`, as in step1000-tokens4B, comes first. Units are capital letters, so that the 8b of a model's size is not one.
pub(crate) fn training_tokens(label: &str) -> Option<f64> {
    const SEPARATORS: [char; 2] = ['-', '_'];
    let part = |text: &str| token_count(text.split(SEPARATORS).next().unwrap_or_default());
    let after = |(at, word): (usize, &str)| {
        let rest = &label[at + word.len()..];
        part(rest.strip_prefix(SEPARATORS).unwrap_or(rest))
    };
    let said = label.rmatch_indices("tokens").find_map(after);
    said.or_else(|| label.split(SEPARATORS).rev().find_map(token_count))
}

/// "2.5M" as 2,500,000; units K, M, B, T.
pub(crate) fn token_count(text: &str) -> Option<f64> {
    let power = match text.chars().last()? {
        'K' => 3,
        'M' => 6,
        'B' => 9,
        'T' => 12,
        _ => return None,
    };
    // Read as one decimal number: 4.1 times a million is a little less than 4,100,000.
    let number: f64 = format!("{}e{power}", &text[..text.len() - 1]).parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_tokens_are_read_from_names() {
        let expected = [
            ("openmoe-8b-200B", Some(2e11)),
            ("openmoe-8b-1T", Some(1e12)),
            ("olmoe-tiny-4.1M", Some(4_100_000.0)),
            ("openmoe-tiny-0.25M", Some(2.5e5)),
            ("openmoe-tiny-12.3M-chat", Some(1.23e7)),
            ("step1000-tokens4B", Some(4e9)),
            ("step-5000-tokens20B", Some(2e10)),
            ("tokens_2.5T-of-15T", Some(2.5e12)),
            ("tokens-1T-7B-base", Some(1e12)),
            ("tokens-7B", Some(7e9)),
            ("all-tokens-base", None),
            ("openmoe-8b", None),
            ("base", None),
        ];
        for (name, tokens) in expected {
            assert_eq!(training_tokens(name), tokens, "{name}");
        }
    }
}
