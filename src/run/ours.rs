//! What in a folder is a run's: only that is ever removed, and only where it is known to be.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    checksums::{CHECKSUMS, Checksums, is_digest},
    durable::{UNFINISHED, write_file},
    lock::{LOCK, Lock},
    record::LooseRecord,
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

/// The entry of a run in folder `root` that is or holds `path`. Both paths are compared as they are.
pub(super) fn entry_holding(root: &Path, path: &Path) -> Option<&'static str> {
    ENTRIES.into_iter().find(|entry| path.starts_with(root.join(entry)))
}

/// Folders of runs below a run.
const RUNS: [&str; 2] = ["checkpoints", "exact_replay"];
/// Runs of one demonstration with the run that holds them.
const BESIDE: [&str; 2] = ["drift", "drops"];
/// Folders of parts.
const PARTS: [&str; 3] = ["trace", "router", "logits"];
/// What a run writes before its forward pass.
const INPUTS: [&str; 4] = ["sequences.parquet", "spans.parquet", "groups.parquet", "tokens.parquet"];
/// What is removed last: by one of them the folder is known as a run's.
const MARKS: [&str; 2] = [CHECKSUMS, "manifest.json"];
/// Folders that are filled anew by every pass over the statistics, and what their files end in.
const DERIVED: [(&str, [&str; 2]); 2] = [("stats", ["csv", "parquet"]), ("charts", ["svg", "png"])];

/// What a folder holds, for someone who wants to write a run there.
pub(super) enum Holds {
    /// Nothing but what a kill left of a start.
    Nothing,
    /// A run.
    Run(LooseRecord),
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
        // Other programs keep a file of that name too: only ours names a run.
        let digest =
            || Checksums::open(root).map(|checksums| checksums.run().filter(|run| is_digest(run)).map(str::to_owned));
        match fs::read(root.join("manifest.json")) {
            Ok(bytes) => match LooseRecord::parse(&bytes) {
                Ok(record) if record.is_of_a_run() => Ok(Self::Run(record)),
                Ok(_) => Ok(Self::Foreign),
                // What other programs write may be no JSON: NaN, comments. A power cut leaves nothing or zeros.
                Err(_) => match digest()? {
                    None if bytes.iter().any(|&byte| byte != 0) || !only_trace(root)? => Ok(Self::Foreign),
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

/// Whether nothing is there but an empty manifest and what only a run of ours names so: the trace and its inputs.
fn only_trace(root: &Path) -> Result<bool> {
    for (name, path, is_folder) in entries(root)? {
        let own = if is_folder && PARTS.contains(&name.as_str()) {
            entries(&path)?
                .iter()
                .all(|(name, path, is_folder)| !is_folder && (is_part(name) || is_leftover(name, path)))
        } else if is_folder {
            ENTRIES.contains(&name.as_str()) && only_leftovers(&path, false)?
        } else {
            INPUTS.contains(&name.as_str()) || name == "manifest.json" || is_leftover(&name, &path)
        };
        if !own {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_part(name: &str) -> bool {
    let number = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(".parquet"));
    number.is_some_and(|number| number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Removes what a kill left under temporary names, of a folder that is a run's or nobody's, and of the runs below that are its
/// own and that nobody writes.
pub(super) fn sweep(root: &Path) -> Result<()> {
    let inside = ENTRIES.iter().chain(&["reproduce/charts"]).map(|entry| root.join(entry));
    for folder in std::iter::once(root.to_path_buf()).chain(inside) {
        for (name, path, is_folder) in entries(&folder)? {
            if !is_folder && name != LOCK && is_leftover(&name, &path) {
                remove_file(&path)?;
            }
        }
    }
    runs_below(root)?.into_iter().filter(|run| Lock::check(run).is_ok()).try_for_each(|run| sweep(&run))
}

/// The runs below a run that are its own: they go with it. Others may lie there too, made by a command of their own.
pub(super) fn runs_below(root: &Path) -> Result<Vec<PathBuf>> {
    let holds = Holds::of(root)?;
    let mut runs = Vec::new();
    for folder in RUNS {
        for (name, path, is_folder) in entries(&root.join(folder))? {
            let own = match &holds {
                Holds::Run(record) => {
                    let pass = Path::new(folder).join(&name);
                    record.passes().into_iter().any(|trace| Path::new(trace) == pass)
                }
                _ => is_made_by_another(&path),
            };
            if is_folder && own {
                runs.push(path);
            }
        }
    }
    if let Holds::Run(record) = holds {
        let shown = record.report_runs().into_iter();
        runs.extend(shown.filter(|name| BESIDE.contains(name)).map(|name| root.join(name)));
    }
    runs.retain(|run| matches!(Holds::of(run), Ok(Holds::Nothing | Holds::Run(_) | Holds::Headless(_))));
    Ok(runs)
}

/// Whether a run was made as a pass of another: its command line is not that of its own command. It stands in for the manifest
/// of the other where that is lost.
fn is_made_by_another(run: &Path) -> bool {
    let Ok(Holds::Run(record)) = Holds::of(run) else { return true };
    record.is_of_a_pass()
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
fn clear(root: &Path) -> Result<()> {
    clear_results(root)?;
    MARKS.iter().try_for_each(|mark| remove_file(&root.join(mark)))
}

/// Removes everything of the run but the files by which it is known as one; its manifest says from now on that it is not
/// complete.
pub(super) fn clear_results(root: &Path) -> Result<()> {
    sweep(root)?;
    if let Holds::Run(record) = Holds::of(root)? {
        write_file(&root.join("manifest.json"), &record.incomplete())?;
    }
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
    let files = ENTRIES.iter().filter(|entry| entry.contains('.') && !MARKS.contains(entry));
    files.into_iter().try_for_each(|file| remove_file(&root.join(file)))
}

/// Removes the manifest of the run that was cleared.
pub(super) fn clear_manifest(root: &Path) -> Result<()> {
    remove_file(&root.join("manifest.json"))
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
