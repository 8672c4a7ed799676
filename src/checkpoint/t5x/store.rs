//! The files of a step, wherever they lie: in a folder, or in a ZIP of it.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::archive::Archive;

/// The files of a step.
#[derive(Debug)]
pub(super) enum Store {
    /// They lie in this folder.
    Folder(PathBuf),
    /// They lie in a ZIP, below this folder of it, which ends in `/` unless it is empty.
    Zip {
        /// The ZIP.
        path: PathBuf,
        /// Its entries.
        archive: Archive,
        /// The folder.
        root: String,
    },
}

impl Store {
    /// The path of a file, as it is shown.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Zip { path, root, .. } => path.join(root).join(name),
        }
    }

    /// The size of a file in bytes, if it is there.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        match self {
            Self::Folder(folder) => {
                let metadata = folder.join(name).metadata().ok()?;
                metadata.is_file().then_some(metadata.len())
            }
            Self::Zip { archive, root, .. } => archive.size(&format!("{root}{name}")),
        }
    }

    /// Reads a file, if it is there.
    ///
    /// # Errors
    /// The system does not open it.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Box<dyn Read + Send>>> {
        match self {
            Self::Folder(folder) => match File::open(folder.join(name)) {
                Ok(file) if file.metadata()?.is_file() => Ok(Some(Box::new(file))),
                Ok(_) => Err(io::Error::other("not a regular file")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            Self::Zip { archive, root, .. } => Ok(archive.read(&format!("{root}{name}"))),
        }
    }

    /// A whole file of at most `limit` bytes, if it is there.
    ///
    /// # Errors
    /// It is larger, or cannot be read; continues a sentence that begins with its name.
    pub(super) fn bytes(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        let unreadable = |error: io::Error| format!("cannot be read: {error}");
        let Some(file) = self.read(name).map_err(unreadable)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > limit {
            return Err(format!("has more than {limit} bytes, which no file of this kind has"));
        }
        Ok(Some(bytes))
    }

    /// What the system knows about a file, or about the ZIP that it lies in.
    ///
    /// # Errors
    /// The file is not there any more.
    pub(super) fn metadata(&self, name: &str) -> io::Result<Metadata> {
        match self {
            Self::Folder(folder) => folder.join(name).metadata(),
            Self::Zip { archive, .. } => match archive.file() {
                Some(file) => file.metadata(),
                None => Err(io::ErrorKind::Unsupported.into()),
            },
        }
    }

    /// Folders in which files that belong to the checkpoint may lie beside it, the nearest first.
    pub(super) fn beside(&self) -> Vec<PathBuf> {
        let parent = |path: &Path| match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        match self {
            Self::Folder(folder) => {
                let above = folder.canonicalize().map_or_else(|_| parent(folder), |folder| parent(&folder));
                vec![folder.clone(), above]
            }
            Self::Zip { path, .. } => vec![parent(path)],
        }
    }
}
