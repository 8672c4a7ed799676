//! The folder of a run, and the only writer of files: everything appears under a temporary name and is renamed when
//! complete, so that a file that is there is whole.

mod difference;

pub use difference::differences;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::error::{Error, Result};

/// What a run leaves at the top of its folder; nothing else is ever removed from it. The manifest
/// comes last: while it is there, the folder is a run's.
const ENTRIES: [&str; 17] = [
    "checkpoints",
    "exact_replay",
    "drift",
    "drops",
    "reproduce",
    "sequences.parquet",
    "spans.parquet",
    "groups.parquet",
    "tokens.parquet",
    "trace",
    "router",
    "logits",
    "stats",
    "summary.json",
    "charts",
    "report.html",
    "manifest.json",
];

/// What to do when the folder holds something already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Occupied {
    /// Refuse (default).
    #[default]
    Refuse,
    /// Remove the run that is there and start anew (`--force`).
    Replace,
    /// Go on with the run that is there, if it is the same (`--resume`).
    Resume,
}

/// A run folder.
#[derive(Clone, Debug)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// Prepares a folder for a run described by `identity` (the keys of its manifest that decide its results). Creates it, and
    /// proves that it can be written to before any long work.
    ///
    /// Returns the folder and whether an earlier run is being resumed.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if it is occupied, is a file, or holds another run; [`Error::Io`] if it cannot be written.
    pub fn prepare(root: &Path, occupied: Occupied, identity: &Value) -> Result<(Self, bool)> {
        let resumed = Self::check(root, occupied, identity)?;
        let folder = Self { root: root.to_path_buf() };
        fs::create_dir_all(root).map_err(Error::io("create", root))?;
        if occupied == Occupied::Replace {
            folder.clear()?;
        }
        tempfile::NamedTempFile::new_in(root).map_err(Error::io("write into", root))?;
        Ok((folder, resumed))
    }

    /// Everything that [`Self::prepare`] would refuse for what the folder holds, without touching it. Returns whether
    /// an earlier run would be resumed.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn check(root: &Path, occupied: Occupied, identity: &Value) -> Result<bool> {
        if !root.exists() {
            return Ok(false);
        }
        if !root.is_dir() {
            return Err(Error::run_folder(
                format!("--out `{}` is a file; expected a folder or a path where one can be made", root.display()),
                "choose another --out",
            ));
        }
        let folder = Self { root: root.to_path_buf() };
        match occupied {
            Occupied::Refuse => folder.refuse_if_occupied().map(|()| false),
            Occupied::Replace => folder.check_replaceable().map(|()| false),
            Occupied::Resume => folder.check_identity(identity),
        }
    }

    /// The entry of a run in folder `root` that is or holds `path`: what a run writes there, and `--force` removes. Both
    /// paths are compared as they are.
    pub fn entry_holding(root: &Path, path: &Path) -> Option<&'static str> {
        ENTRIES.into_iter().find(|entry| path.starts_with(root.join(entry)))
    }

    /// Opens the folder of an existing run.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if there is no run.
    pub fn open(root: &Path) -> Result<Self> {
        let folder = Self { root: root.to_path_buf() };
        folder.manifest()?;
        Ok(folder)
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The path of a file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file below the folder, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_file(&self.file(name), bytes)
    }

    /// Writes JSON, indented, with a final newline.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_json(&self, name: &str, value: &Value) -> Result<()> {
        self.write(name, format!("{value:#}\n").as_bytes())
    }

    /// Removes the files of a sub-folder, so that none of an earlier pass stays behind.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn clear_folder(&self, name: &str) -> Result<()> {
        let path = self.file(name);
        if path.is_dir() { fs::remove_dir_all(&path).map_err(Error::io("remove", &path)) } else { Ok(()) }
    }

    /// The run's manifest.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if there is none or it is not JSON.
    pub fn manifest(&self) -> Result<Value> {
        let path = self.file("manifest.json");
        let missing = |what: String| Error::run_folder(what, "give the folder that --out named");
        let text = fs::read(&path).map_err(|error| {
            missing(format!("`{}` is not the folder of a run: manifest.json: {error}", self.root.display()))
        })?;
        serde_json::from_slice(&text).map_err(|error| missing(format!("`{}` is not JSON: {error}", path.display())))
    }

    fn refuse_if_occupied(&self) -> Result<()> {
        let mut entries = fs::read_dir(&self.root).map_err(Error::io("read", &self.root))?;
        if entries.next().is_none() {
            return Ok(());
        }
        let holds = match self.manifest() {
            Ok(manifest) if manifest["complete"] == true => "a complete run",
            Ok(_) => "an incomplete run",
            Err(_) => "other files",
        };
        Err(Error::run_folder(
            format!("--out `{}` holds {holds}; expected a new or empty folder", self.root.display()),
            "choose another --out, or add --force to replace the run, or --resume to go on with it",
        ))
    }

    /// Without a manifest nothing here is known to be a run's, so nothing may be removed.
    fn check_replaceable(&self) -> Result<()> {
        if self.file("manifest.json").exists() {
            return Ok(());
        }
        match ENTRIES.iter().find(|entry| self.file(entry).exists()) {
            None => Ok(()),
            Some(entry) => Err(Error::run_folder(
                format!("--force: `{}` holds `{entry}` but no manifest.json, so it is no run", self.root.display()),
                "choose another --out",
            )),
        }
    }

    /// Removes the run that is there.
    fn clear(&self) -> Result<()> {
        for entry in ENTRIES {
            let path = self.file(entry);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a run is there, and that it is the same run.
    fn check_identity(&self, identity: &Value) -> Result<bool> {
        if !self.file("manifest.json").exists() {
            self.refuse_if_occupied()?;
            return Ok(false);
        }
        let manifest = self.manifest()?;
        let different = differences(&manifest, identity);
        if different.is_empty() {
            return Ok(true);
        }
        Err(Error::run_folder(
            format!("--resume: `{}` holds another run; different: {}", self.root.display(), different.join("; ")),
            "repeat the command that made it, or choose another --out",
        ))
    }
}

/// The folder that a file is in: of a bare name the current one.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Writes a file, whole or not at all, and the folders above it that are missing.
///
/// # Errors
/// [`Error::Io`].
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = folder_of(path);
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let mut file =
        tempfile::Builder::new().prefix(".writing-").tempfile_in(parent).map_err(Error::io("write into", parent))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    make_readable(file.as_file()).map_err(Error::io("write", path))?;
    file.persist(path).map_err(|error| error.error).map_err(Error::io("write", path))?;
    Ok(())
}

/// Temporary files are private; results are not.
fn make_readable(file: &fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    let _ = file;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_occupied_folder_is_refused_replaced_or_resumed() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("run");
        let identity = json!({"seed": 1});
        let (folder, resumed) = RunDir::prepare(&root, Occupied::Refuse, &identity).unwrap();
        assert!(!resumed);
        folder.write_json("manifest.json", &json!({"complete": false, "seed": 1})).unwrap();
        fs::write(root.join("mine.txt"), "keep").unwrap();
        let error = RunDir::prepare(&root, Occupied::Refuse, &identity).unwrap_err();
        assert!(error.to_string().contains("holds an incomplete run"), "{error}");
        assert!(RunDir::prepare(&root, Occupied::Resume, &identity).unwrap().1);
        let error = RunDir::prepare(&root, Occupied::Resume, &json!({"seed": 2})).unwrap_err();
        assert!(error.to_string().contains("seed: 1 there, 2 now"), "{error}");
        RunDir::prepare(&root, Occupied::Replace, &identity).unwrap();
        assert!(!root.join("manifest.json").exists() && root.join("mine.txt").exists());
        fs::create_dir(root.join("charts")).unwrap();
        let error = RunDir::prepare(&root, Occupied::Replace, &identity).unwrap_err();
        assert!(error.to_string().contains("holds `charts` but no manifest.json"), "{error}");
        assert!(root.join("charts").exists(), "what is no run's is not removed");
    }

    #[test]
    fn a_file_is_whole_or_absent_and_no_temporary_name_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let (folder, _) = RunDir::prepare(temporary.path(), Occupied::Refuse, &json!({})).unwrap();
        folder.write("stats/a.csv", b"x").unwrap();
        folder.write("stats/a.csv", b"y").unwrap();
        assert_eq!(fs::read(folder.file("stats/a.csv")).unwrap(), b"y");
        assert_eq!(fs::read_dir(folder.file("stats")).unwrap().count(), 1);
    }
}
