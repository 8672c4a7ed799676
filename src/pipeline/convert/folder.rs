//! The folder of a converted checkpoint: made beside the place where it will be, then moved there as a whole.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    error::{Error, OptionName, Result, quoted_name},
    pipeline::result_folder::ResultFolder,
    run::{folder_of, sync_folder},
};

/// The file that says how a folder was made, by which one is recognized.
pub(super) const RECORD: &str = "conversion.json";
/// How the names of folders begin in which a conversion is written.
const UNFINISHED: &str = ".conversion-";
const FOLDER: ResultFolder = ResultFolder { what: "conversion", files: &[RECORD], charts: &[] };

/// Refuses a folder that holds anything but an earlier conversion, and that too unless `force` allows to replace it. Nothing is
/// touched.
///
/// # Errors
/// [`Error::RunFolder`]; [`Error::Io`] if the folder cannot be read.
pub(super) fn check(out: &Path, force: bool) -> Result<()> {
    FOLDER.check(out, force)?;
    let others = others(out)?;
    if others.is_empty() {
        return Ok(());
    }
    Err(Error::run_folder(
        format!(
            "{} `{}` holds an earlier conversion and other files: {}; expected nothing else, because it is replaced as a whole",
            OptionName::Out,
            out.display(),
            others.join(", ")
        ),
        format!("move these files away, or choose another {}", OptionName::Out),
    ))
}

/// Names in an earlier conversion that it did not write.
fn others(out: &Path) -> Result<Vec<String>> {
    let Ok(record) = std::fs::read_to_string(out.join(RECORD)) else { return Ok(Vec::new()) };
    let record: serde_json::Value = serde_json::from_str(&record).unwrap_or_default();
    let own: Vec<&str> =
        record["files"].as_array().into_iter().flatten().filter_map(|file| file["name"].as_str()).collect();
    let entries = std::fs::read_dir(out).map_err(Error::io("read", out))?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<std::io::Result<_>>().map_err(Error::io("read", out))?;
    names.retain(|name| name != RECORD && !own.contains(&name.as_str()));
    names.sort();
    Ok(names.iter().map(|name| quoted_name(name)).collect())
}

/// A new folder beside the place where it will be. Dropping it removes it.
pub(super) struct Unfinished {
    folder: TempDir,
    /// Locked while this process lives, so that what a killed one left is told from what is being written; `None` where the file
    /// system does not lock folders.
    _lock: Option<File>,
}

impl Unfinished {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes the folder in which a conversion is written.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn unfinished(out: &Path) -> Result<Unfinished> {
    let parent = folder_of(out);
    std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let folder = hidden(UNFINISHED).tempdir_in(parent).map_err(Error::io("write into", parent))?;
    let lock = File::open(folder.path()).ok().filter(|folder| folder.try_lock().is_ok());
    Ok(Unfinished { folder, _lock: lock })
}

/// Lines about unfinished conversions beside a place to which no process writes: what was left when one was killed.
pub(super) fn left_over(out: &Path) -> Vec<String> {
    let parent = folder_of(out);
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut left: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && File::open(path).is_ok_and(|folder| folder.try_lock().is_ok()))
        .collect();
    left.sort();
    let line =
        |path: &PathBuf| format!("`{}` is left of a conversion that was killed, and can be removed", path.display());
    left.iter().map(line).collect()
}

/// A hidden folder with the mode of any new folder under the user's umask.
fn hidden(prefix: &str) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder
}

/// Moves a finished folder to its place; an earlier conversion there is removed after that.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn finish(made: Unfinished, out: &Path) -> Result<()> {
    sync_folder(made.path())?;
    let parent = folder_of(out);
    let earlier = if out.exists() {
        let aside = hidden(".replaced-conversion-").tempdir_in(parent).map_err(Error::io("write into", parent))?;
        std::fs::rename(out, aside.path()).map_err(Error::io("replace", out))?;
        Some(aside)
    } else {
        None
    };
    if let Err(error) = std::fs::rename(made.path(), out) {
        if let Some(aside) = earlier {
            // What was there comes back; the first error is the one that matters.
            let _ = std::fs::rename(aside.keep(), out);
        }
        return Err(Error::io("write", out)(error));
    }
    // Its folder is not there any more under this name, and needs not be removed.
    let _ = made.folder.keep();
    sync_folder(parent)?;
    if let Some(aside) = earlier {
        let path = aside.path().to_path_buf();
        aside.close().map_err(Error::io("remove", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_conversion_replaces_an_earlier_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("deep/out");
        let make = |content: &str| {
            check(&out, true).unwrap();
            let made = unfinished(&out).unwrap();
            fs::write(made.path().join("a"), content).unwrap();
            fs::write(made.path().join(RECORD), r#"{"files": [{"name": "a"}]}"#).unwrap();
            finish(made, &out).unwrap();
            fs::read_to_string(out.join("a")).unwrap()
        };
        assert_eq!((make("1"), make("2")), ("1".to_owned(), "2".to_owned()));
        assert_eq!(fs::read_dir(dir.path().join("deep")).unwrap().count(), 1, "nothing is left beside it");
        assert!(check(&out, false).unwrap_err().to_string().contains("holds an earlier conversion"));
        fs::write(out.join("notes.txt"), "mine").unwrap();
        assert!(check(&out, true).unwrap_err().to_string().contains("`notes.txt`"));
        let running = unfinished(&out).unwrap();
        assert!(left_over(&out).is_empty(), "a process writes to it");
        drop(running);
        let killed = dir.path().join("deep/.conversion-killed");
        fs::create_dir(&killed).unwrap();
        assert!(left_over(&out).concat().contains("deep/.conversion-killed` is left"));
        fs::remove_dir(&killed).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("deep")).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_folder_is_a_place_and_any_other_is_not() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), false).unwrap();
        fs::write(dir.path().join("config.json"), "{}").unwrap();
        assert!(check(dir.path(), true).unwrap_err().to_string().contains("other files"));
    }
}
