//! Finds the step that a path means: the folder of a step, the folder above it, or a ZIP of either.

use std::path::{Path, PathBuf};

use super::{archive::Archive, index::ORBAX_HINT, store::Store};
use crate::{
    checkpoint::problem_list::{quoted_name as shown, quoted_names},
    first_bytes::{open_regular, peek},
};

/// The file that makes a folder that of a step.
pub(super) const INDEX: &str = "checkpoint";
/// Files and folders that only Orbax writes, or that begin so.
const OF_ORBAX: [&str; 6] =
    ["_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt", "ocdbt.process_", "_sharding", "array_metadatas"];
/// Folders that Orbax puts between the folder of a step and its content.
const ITEMS: [&str; 3] = ["state", "default", "params"];
/// How an archive of ZIP begins.
const ZIP: &[u8] = b"PK\x03\x04";

/// Why a path that is T5X's, or Orbax's, cannot be used.
#[derive(Debug)]
pub(super) struct Unusable {
    /// What is wrong.
    pub(super) problem: String,
    /// The next step.
    pub(super) hint: &'static str,
}

fn unusable<T>(problem: impl Into<String>, hint: &'static str) -> Result<T, Unusable> {
    Err(Unusable { problem: problem.into(), hint })
}

/// Whether a path is, or should be, a checkpoint of T5X. Weights in the layout of the hub come first.
pub(in crate::checkpoint) fn is_meant(path: &Path, has_weights: bool) -> bool {
    if path.is_file() {
        let is_zip = open_regular(path).and_then(|file| peek(&file)).is_ok_and(|first| first.starts_with(ZIP));
        // What torch.save writes is a ZIP too, and is refused with the other files that are no checkpoint by themselves.
        return is_zip
            && !Archive::open(path).is_ok_and(|archive| archive.names().any(|name| name.ends_with("data.pkl")));
    }
    !has_weights
        && path.is_dir()
        && (is_unfinished(&name_of(path)) || is_index(path) || of_orbax(path).is_some() || {
            names_in(path).iter().any(|name| step_number(name).is_some() || is_unfinished(name))
                || only_zip(path).is_some()
        })
}

/// The only ZIP of a folder, as the hub has the originals of OpenMoE, if it holds an index or what Orbax writes.
fn only_zip(folder: &Path) -> Option<PathBuf> {
    let zips: Vec<PathBuf> = names_in(folder)
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("zip")))
        .collect();
    let [only] = &zips[..] else { return None };
    let archive = Archive::open(only).ok()?;
    let is_part = |part: &str| part == INDEX || is_of_orbax(part);
    archive.names().any(|name| name.split('/').any(is_part)).then(|| only.clone())
}

/// Opens the files of the step that a path means.
///
/// # Errors
/// It means none, or several, or one that is not finished or of another program.
pub(super) fn open(path: &Path) -> Result<Store, Unusable> {
    if path.is_file() { in_archive(path) } else { in_folder(path) }
}

fn in_folder(folder: &Path) -> Result<Store, Unusable> {
    const FINISHED: &str = "give the folder of a finished step, checkpoint_N";
    if is_unfinished(&name_of(folder)) {
        return unusable(
            "it is the folder of a step whose writing was not finished: its name ends in `.tmp-` and a time",
            FINISHED,
        );
    }
    if let Some(mark) = of_orbax(folder) {
        return unusable(format!("it holds {}: Orbax wrote it, not T5X's own checkpointer", shown(&mark)), ORBAX_HINT);
    }
    if is_index(folder) {
        return Ok(Store::Folder(folder.to_path_buf()));
    }
    let names = names_in(folder);
    let mut steps: Vec<(u64, &str)> =
        names.iter().filter_map(|name| Some((step_number(name)?, name.as_str()))).collect();
    steps.sort_unstable();
    match &steps[..] {
        [] if names.iter().any(|name| is_unfinished(name)) => {
            let unfinished: Vec<&str> = names.iter().map(String::as_str).filter(|name| is_unfinished(name)).collect();
            unusable(format!("it holds no finished step, only {}", quoted_names(&unfinished)), FINISHED)
        }
        [] => match only_zip(folder) {
            Some(zip) => in_archive(&zip),
            None => unusable(format!("it holds no `{INDEX}`, the index that T5X writes"), FINISHED),
        },
        [(_, name)] => {
            let step = folder.join(name);
            if let Some(mark) = of_orbax(&step) {
                let what = format!("`{name}` in it holds {}: Orbax wrote it, not T5X's own checkpointer", shown(&mark));
                return unusable(what, ORBAX_HINT);
            }
            if !is_index(&step) {
                return unusable(
                    format!("`{name}` in it holds no `{INDEX}`, the index that T5X writes"),
                    "the download may be incomplete: fetch the folder again",
                );
            }
            Ok(Store::Folder(step))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(_, name)| *name).collect();
            unusable(
                format!("it holds {} steps: {}", names.len(), quoted_names(&names)),
                "give the folder of one of them",
            )
        }
    }
}

fn in_archive(path: &Path) -> Result<Store, Unusable> {
    const EXPECTED: &str = "expected a ZIP of the folder of a T5X checkpoint; for any other checkpoint give its folder";
    let archive = match Archive::open(path) {
        Ok(archive) => archive,
        Err(problem) => return unusable(format!("it {problem}"), "fetch the file again"),
    };
    let is_inside = |name: &&str| !name.split('/').any(|part| is_unfinished(part) || part == "__MACOSX");
    let roots = archive.names().filter(is_inside).filter_map(|name| name.strip_suffix(INDEX));
    let mut roots: Vec<String> =
        roots.filter(|root| root.is_empty() || root.ends_with('/')).map(str::to_owned).collect();
    roots.sort();
    if let Some(mark) = archive.names().find(|name| name.split('/').any(is_of_orbax)) {
        return unusable(format!("it holds {}: Orbax wrote it, not T5X's own checkpointer", shown(mark)), ORBAX_HINT);
    }
    match &roots[..] {
        [] => {
            unusable(format!("it is a ZIP archive without an entry `{INDEX}`, the index of a T5X checkpoint"), EXPECTED)
        }
        [root] => Ok(Store::Zip { path: path.to_path_buf(), root: root.clone(), archive }),
        several => {
            let folders: Vec<&str> = several.iter().map(|root| root.trim_end_matches('/')).collect();
            unusable(
                format!("it is a ZIP archive of {} steps: {}", folders.len(), quoted_names(&folders)),
                "unpack it, and give the folder of one of them",
            )
        }
    }
}

/// A file or folder that only Orbax writes, in a folder or in the one that Orbax puts inside it.
fn of_orbax(folder: &Path) -> Option<String> {
    if let Some(name) = names_in(folder).into_iter().find(|name| is_of_orbax(name)) {
        return Some(name);
    }
    ITEMS.into_iter().find_map(|item| {
        let inside = folder.join(item);
        let name = names_in(&inside)
            .into_iter()
            .find(|name| is_of_orbax(name) || (name == INDEX && inside.join(name).is_file()))?;
        Some(format!("{item}/{name}"))
    })
}

fn is_of_orbax(name: &str) -> bool {
    OF_ORBAX.into_iter().any(|mark| name == mark || (mark.ends_with('_') && name.starts_with(mark)))
}

fn is_index(folder: &Path) -> bool {
    folder.join(INDEX).is_file()
}

/// The number of a finished step, by the name of its folder.
fn step_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("checkpoint_")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Whether the name is that of a step that is being written, or was left half-written.
fn is_unfinished(name: &str) -> bool {
    name.split_once(".tmp").is_some_and(|(step, _)| step_number(step).is_some())
}

fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    whole.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Names in a folder, in order.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_step_is_found_in_its_folder_and_in_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let problem = |path: &Path| open(path).unwrap_err().problem;
        assert!(!is_meant(dir.path(), false));
        for name in ["checkpoint_9.tmp-1690000000", "checkpoint_5"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert!(is_meant(dir.path(), false) && !is_meant(dir.path(), true));
        assert!(problem(dir.path()).contains("`checkpoint_5` in it holds no `checkpoint`"));
        for name in ["checkpoint_9.tmp-1690000000", "checkpoint_5"] {
            fs::write(dir.path().join(name).join(INDEX), "").unwrap();
        }
        let step = dir.path().join("checkpoint_5");
        for path in [dir.path(), &step] {
            assert!(matches!(open(path), Ok(Store::Folder(folder)) if folder == step));
        }
        assert!(problem(&dir.path().join("checkpoint_9.tmp-1690000000")).contains("not finished"));
        for name in ["checkpoint_40", "checkpoint_x"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert!(problem(dir.path()).contains("2 steps: `checkpoint_5`, `checkpoint_40`"));
    }

    #[test]
    fn what_orbax_wrote_is_recognised() {
        for path in ["_METADATA", "ocdbt.process_0/manifest.ocdbt", "state/checkpoint", "default/manifest.ocdbt"] {
            let dir = tempfile::tempdir().unwrap();
            let step = dir.path().join("checkpoint_5");
            fs::create_dir_all(step.join(path).parent().unwrap()).unwrap();
            fs::write(step.join(path), "").unwrap();
            for given in [dir.path(), &step] {
                assert!(is_meant(given, false));
                assert!(open(given).unwrap_err().problem.contains("Orbax"), "{path}");
            }
        }
    }
}
