//! Where the weight files of a checkpoint are: in a folder of this machine, or elsewhere.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    first_bytes::{Foreign, open_regular},
    read_at::ReadAt,
};

/// The files of a checkpoint. Those that are small (`config.json`, an index of shards, the tokenizer) lie in its folder in any
/// case; weight files may be elsewhere.
pub trait WeightFolder: Send + Sync + std::fmt::Debug {
    /// Names of all files.
    fn names(&self) -> BTreeSet<String>;

    /// Whether there is something of that name, though it may be of no use.
    fn has(&self, name: &str) -> bool;

    /// Opens a file.
    ///
    /// # Errors
    /// It is absent, is not a regular file, or cannot be read.
    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, Foreign>;

    /// SHA-256 of a file in hexadecimal, as the place that holds it states it, where reading the whole file is not wanted.
    fn stated_sha256(&self, _name: &str) -> Option<String> {
        None
    }
}

/// A folder of this machine.
#[derive(Clone, Debug)]
pub struct LocalFolder(PathBuf);

impl LocalFolder {
    /// The folder of this path.
    pub fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }
}

impl WeightFolder for LocalFolder {
    fn names(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.0.join(name).symlink_metadata().is_ok()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, Foreign> {
        Ok(Arc::new(open_regular(&self.0.join(name))?))
    }
}
