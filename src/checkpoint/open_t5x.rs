//! Opens a checkpoint whatever its form: a step of T5X, or a folder with config.json and weight files.

use std::path::{Path, PathBuf};

use super::{
    Checkpoint, hash,
    locate::has_weights,
    refusal::refusal_of_all,
    t5x::{self, ConfigSource, Opened, T5x},
    validate::about_the_head,
};
use crate::{
    error::{Error, OptionName, Result},
    hub::TEXT_FILES,
};

impl Checkpoint {
    /// As [`Self::open`]; the configuration of a T5X checkpoint, which has none, is taken from `config`.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::Usage`] if the checkpoint has a configuration and another one is given.
    pub fn open_as(path: &Path, config: &ConfigSource) -> Result<Self> {
        if is_t5x(path) {
            return open_t5x(path, config);
        }
        if *config != ConfigSource::Found {
            return Err(config_of_its_own(&path.display().to_string()));
        }
        Self::open(path)
    }

    /// The ZIP that all of it lies in, if it is a checkpoint of T5X in one.
    pub fn archive(&self) -> Option<&Path> {
        self.arrays.as_ref().and_then(T5x::archive).map(|(path, _)| path)
    }

    /// SHA-256 of that ZIP in hexadecimal; `watch` is called with the size of every block.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn hash_archive(&self, watch: &mut dyn FnMut(u64)) -> Result<String> {
        let archive = self.arrays.as_ref().and_then(T5x::archive);
        let (path, bytes) = archive.ok_or_else(|| Error::internal("a checkpoint in no ZIP was hashed as one"))?;
        hash::sha256_and_scan(bytes, &mut [], watch).map_err(Error::io("read", path))
    }

    /// The folder of the tokenizer and the chat template: the nearest one that has either.
    pub fn text_folder(&self) -> PathBuf {
        let folders = self.companions();
        let has_any = |folder: &&PathBuf| TEXT_FILES.iter().any(|name| folder.join(name).symlink_metadata().is_ok());
        folders.iter().find(has_any).unwrap_or(&folders[0]).clone()
    }

    /// Folders in which files lie that belong to the checkpoint, such as its tokenizer, the nearest first.
    pub fn companions(&self) -> Vec<PathBuf> {
        self.arrays.as_ref().map_or_else(|| vec![self.dir.clone()], t5x::T5x::beside)
    }
}

/// That a configuration was given for a checkpoint that has one.
pub(crate) fn config_of_its_own(place: &str) -> Error {
    Error::usage(
        format!("{} is for checkpoints of T5X; `{place}` is none, and has its own `config.json`", OptionName::Config),
        format!(
            "leave {} out; beside others, a checkpoint of T5X takes the `config.json` that lies beside its step",
            OptionName::Config
        ),
    )
}

/// Whether a path is, or should be, a checkpoint of T5X.
pub(super) fn is_t5x(path: &Path) -> bool {
    t5x::is_meant(path, has_weights(path))
}

/// Opens a step of T5X.
pub(super) fn open_t5x(path: &Path, config: &ConfigSource) -> Result<Checkpoint> {
    let opened = t5x::open(path, config);
    let Opened { arrays, files, tensors, map, openmoe, config, notes } =
        opened.map_err(|refused| refusal_of_all(path, refused.problems, &refused.hint))?;
    let config_sha256 = hash::sha256_bytes(config.as_bytes());
    let dir = path.to_path_buf();
    let mut checkpoint = Checkpoint {
        dir,
        map,
        openmoe,
        files,
        bytes: Vec::new(),
        arrays: Some(arrays),
        tensors,
        config,
        config_sha256,
        notes,
    };
    let head = about_the_head(&checkpoint.map, &checkpoint.tensors);
    checkpoint.notes.extend(head);
    Ok(checkpoint)
}
