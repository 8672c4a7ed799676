//! What in a folder is a run's: only that is ever removed, and only where it is known to be.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    REPORT_RUNS,
    checksums::{CHECKSUMS, Checksums},
    durable::UNFINISHED,
    lock::{LOCK, Lock},
};
use crate::error::{Error, Result};

/// What a run leaves at the top of its folder. The manifest comes last: while it is there, the folder is a run's.
pub(super) const ENTRIES: [&str; 18] = [
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
    CHECKSUMS,
    "manifest.json",
];

/// Folders of runs below a run.
const RUNS: [&str; 2] = ["checkpoints", "exact_replay"];
/// Runs of one demonstration with the run that holds them.
const BESIDE: [&str; 2] = ["drift", "drops"];
/// Folders of parts.
const PARTS: [&str; 3] = ["trace", "router", "logits"];
/// Folders that are filled anew by every pass over the statistics, and what their files end in.
const DERIVED: [(&str, [&str; 2]); 2] = [("stats", ["csv", "parquet"]), ("charts", ["svg", "png"])];

/// What a folder holds, for someone who wants to write a run there.
pub(super) enum Holds {
    /// Nothing but what a kill left of a start.
    Nothing,
    /// A run.
    Run(Value),
    /// Files of a run whose manifest is missing or cannot be read; the digest of the run, where it is recorded.
    Headless(Option<String>),
    /// A manifest of something else.
    Foreign,
    /// Other files.
    Other,
}

impl Holds {
    /// Looks, without touching anything.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn of(root: &Path) -> Result<Self> {
        if only_leftovers(root, true)? {
            return Ok(Self::Nothing);
        }
        let digest = || Checksums::open(root).map(|checksums| checksums.run().map(str::to_owned));
        match fs::read(root.join("manifest.json")) {
            Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
                Ok(manifest) if is_manifest(&manifest) => Ok(Self::Run(manifest)),
                Ok(_) => Ok(Self::Foreign),
                Err(_) => match digest()? {
                    None if !only_own_names(root)? => Ok(Self::Foreign),
                    digest => Ok(Self::Headless(digest)),
                },
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(digest()?.map_or(Self::Other, |digest| Self::Headless(Some(digest))))
            }
            Err(_) => Ok(Self::Foreign),
        }
    }
}

/// Whether a manifest is one of ours: the first that a run writes has these keys already.
pub(super) fn is_manifest(manifest: &Value) -> bool {
    matches!(manifest["command"].as_str(), Some("route" | "drift" | "drops"))
        && manifest["version"].is_string()
        && manifest["complete"].is_boolean()
}

/// Files under names that they have while they are made; a kill leaves them. Earlier versions proved with an empty file that
/// a folder can be written to.
fn is_leftover(name: &str, path: &Path) -> bool {
    let random = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    let is_empty = || fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0);
    name == LOCK || random(UNFINISHED) || (random(".tmp") && is_empty())
}

/// The entries of a folder: name, path, whether it is a folder (links are none). None if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf, bool)>> {
    let read = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        read => read.map_err(Error::io("read", folder))?,
    };
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.path(), entry.file_type()?.is_dir()))
    };
    read.map(entry).collect::<std::io::Result<_>>().map_err(Error::io("read", folder))
}

/// Whether nothing is there but left-over files, also in folders of a run.
fn only_leftovers(folder: &Path, top: bool) -> Result<bool> {
    for (name, path, is_folder) in entries(folder)? {
        let nothing = if is_folder {
            (!top || ENTRIES.contains(&name.as_str())) && only_leftovers(&path, false)?
        } else {
            is_leftover(&name, &path)
        };
        if !nothing {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether everything has a name that a run gives.
fn only_own_names(root: &Path) -> Result<bool> {
    for (name, path, _) in entries(root)? {
        if !ENTRIES.contains(&name.as_str()) && !is_leftover(&name, &path) {
            return Ok(false);
        }
    }
    for folder in PARTS {
        if entries(&root.join(folder))?.iter().any(|(name, path, _)| !is_part(name) && !is_leftover(name, path)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_part(name: &str) -> bool {
    let number = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(".parquet"));
    number.is_some_and(|number| number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Removes what a kill left under temporary names, of a folder that is a run's or nobody's.
pub(super) fn sweep(root: &Path) -> Result<()> {
    for folder in std::iter::once(root.to_path_buf()).chain(ENTRIES.iter().map(|entry| root.join(entry))) {
        for (name, path, is_folder) in entries(&folder)? {
            if !is_folder && name != LOCK && is_leftover(&name, &path) {
                remove_file(&path)?;
            }
        }
    }
    Ok(())
}

/// The runs below a run that are its own: they go with it.
fn runs_below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut runs = Vec::new();
    for folder in RUNS {
        runs.extend(entries(&root.join(folder))?.into_iter().filter(|(_, _, is_folder)| *is_folder).map(|e| e.1));
    }
    if let Holds::Run(manifest) = Holds::of(root)? {
        let shown = manifest[REPORT_RUNS].as_array().into_iter().flatten().filter_map(Value::as_str);
        runs.extend(shown.filter(|name| BESIDE.contains(name)).map(|name| root.join(name)));
    }
    runs.retain(|run| matches!(Holds::of(run), Ok(Holds::Nothing | Holds::Run(_) | Holds::Headless(_))));
    Ok(runs)
}

/// Refuses to remove what another process writes below.
pub(super) fn check_below(root: &Path) -> Result<()> {
    for run in runs_below(root)? {
        Lock::check(&run)?;
        check_below(&run)?;
    }
    Ok(())
}

/// Removes the run that is there, and nothing else: what has another name stays, with the folders that hold it.
pub(super) fn clear(root: &Path) -> Result<()> {
    sweep(root)?;
    for run in runs_below(root)? {
        clear(&run)?;
        remove_empty(&run);
    }
    for folder in PARTS {
        remove_from(&root.join(folder), is_part)?;
    }
    for folder in DERIVED.map(|(folder, _)| folder) {
        clear_derived(root, folder, &[])?;
    }
    clear_comparison(&root.join("reproduce"))?;
    for folder in RUNS {
        remove_empty(&root.join(folder));
    }
    for entry in ENTRIES.iter().filter(|entry| entry.contains('.')) {
        remove_file(&root.join(entry))?;
    }
    Ok(())
}

/// Removes what an earlier pass left in `stats` or `charts`: what has a checksum; everything that ends as its files do where
/// none were kept. What `keep` names is replaced anyway.
pub(super) fn clear_derived(root: &Path, folder: &str, keep: &[String]) -> Result<()> {
    let checksums = Checksums::open(root)?;
    let endings = DERIVED.iter().find(|(name, _)| *name == folder).map_or(["", ""], |(_, endings)| *endings);
    let of_run = |name: &str| {
        let listed = format!("{folder}/{name}");
        if keep.contains(&listed) {
            return false;
        }
        if checksums.run().is_some() {
            return checksums.lists(&listed);
        }
        Path::new(name).extension().is_some_and(|ending| endings.iter().any(|known| ending == *known))
    };
    remove_from(&root.join(folder), of_run)
}

fn clear_comparison(folder: &Path) -> Result<()> {
    let drawn = |name: &str| name.starts_with("figure_") || name.starts_with("between_categories");
    remove_from(&folder.join("charts"), drawn)?;
    remove_from(folder, |name| name.starts_with("comparison."))
}

/// Removes some files of a folder, then the folder, if nothing is left in it.
fn remove_from(folder: &Path, which: impl Fn(&str) -> bool) -> Result<()> {
    for (name, path, is_folder) in entries(folder)? {
        if !is_folder && which(&name) {
            remove_file(&path)?;
        }
    }
    remove_empty(folder);
    Ok(())
}

/// A folder that still holds something stays.
fn remove_empty(folder: &Path) {
    let _ = fs::remove_dir(folder);
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}
