//! Recognizes which files of a folder belong to a run. Only these are ever removed, and only if they certainly do.

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

/// The entries that a run writes at the top of its folder. The manifest comes last: while it is there, the folder can be
/// recognized as that of a run.
pub(super) const ENTRIES: [&str; 21] = [
    "checkpoints",
    "exact_replay",
    "passes",
    "drift",
    "drops",
    "reproduce",
    "sequences.parquet",
    "spans.parquet",
    "groups.parquet",
    "tokens.parquet",
    "counts.parquet",
    "trace",
    "router",
    "logits",
    "losses",
    "stats",
    "summary.json",
    "charts",
    "report.html",
    CHECKSUMS,
    "manifest.json",
];

/// The entry of a run in folder `root` that is or contains `path`. Both paths are compared as they are.
pub(super) fn entry_holding(root: &Path, path: &Path) -> Option<&'static str> {
    ENTRIES.into_iter().find(|entry| path.starts_with(root.join(entry)))
}

/// Folders of runs below a run.
const RUNS: [&str; 3] = ["checkpoints", "exact_replay", "passes"];
/// Folders of the other runs of a demonstration, inside its first run.
const BESIDE: [&str; 2] = ["drift", "drops"];
/// Folders of parts.
const PARTS: [&str; 4] = ["trace", "router", "logits", "losses"];
/// Files that a run writes before its forward pass.
const INPUTS: [&str; 5] = ["sequences.parquet", "spans.parquet", "groups.parquet", "tokens.parquet", "counts.parquet"];
/// Files that are removed last: either of them is enough to recognize the folder as that of a run.
const MARKS: [&str; 2] = [CHECKSUMS, "manifest.json"];
/// Folders whose files are all replaced whenever statistics are computed, and the endings of these files.
const DERIVED: [(&str, [&str; 2]); 2] = [("stats", ["csv", "parquet"]), ("charts", ["svg", "png"])];

/// What a folder holds, as far as it matters for writing a run there.
pub(super) enum Holds {
    /// Nothing, or only temporary files of a process that was killed at its start.
    Nothing,
    /// A run.
    Run(LooseRecord),
    /// Files of a run whose manifest is missing or cannot be read, with the digest of the run if it is recorded.
    Headless(Option<String>),
    /// A `manifest.json` of another program.
    Foreign,
    /// Other files.
    Other,
}

impl Holds {
    /// Examines a folder without touching anything.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn of(root: &Path) -> Result<Self> {
        if only_leftovers(root, true)? {
            return Ok(Self::Nothing);
        }
        // Other programs write a `checksums.sha256` too, but only this program writes the digest of a run into it.
        let digest =
            || Checksums::open(root).map(|checksums| checksums.run().filter(|run| is_digest(run)).map(str::to_owned));
        match fs::read(root.join("manifest.json")) {
            Ok(bytes) => match LooseRecord::parse(&bytes) {
                Ok(record) if record.is_of_a_run() => Ok(Self::Run(record)),
                Ok(_) => Ok(Self::Foreign),
                // A manifest of another program may not be strict JSON (NaN, comments); after a power cut a file may be empty or zeros.
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

/// Whether a file is a temporary file that a killed process left. Earlier versions also wrote an empty file to prove that a
/// folder can be written to.
fn is_leftover(name: &str, path: &Path) -> bool {
    let random = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    let is_empty = || fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0);
    name == LOCK || random(UNFINISHED) || (random(".tmp") && is_empty())
}

/// The entries of a folder: name, path, and whether it is a folder (a link is not). Empty if there is no such folder.
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

/// Whether the folder and the sub-folders of a run in it hold nothing but left-over files.
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

/// Whether the folder holds nothing but an empty manifest and files with the names of a trace and its inputs.
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

/// Removes the temporary files that a killed process left, if the folder is that of a run or holds nothing else; also in the
/// runs below that belong to it and that no process is writing.
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

/// The runs below a run that were made with it and are removed with it. Runs that other commands made may lie there too.
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

/// Whether a run was made as a pass of another run: its command line is that of another command. This decides when the
/// manifest of the other run is lost.
fn is_made_by_another(run: &Path) -> bool {
    let Ok(Holds::Run(record)) = Holds::of(run) else { return true };
    record.is_of_a_pass()
}

/// Refuses to remove a run below that another process is writing.
pub(super) fn check_below(root: &Path) -> Result<()> {
    for run in runs_below(root)? {
        Lock::check(&run)?;
        check_below(&run)?;
    }
    Ok(())
}

/// Removes the run that is there and nothing else: files with other names stay, with the folders that hold them.
fn clear(root: &Path) -> Result<()> {
    clear_results(root)?;
    MARKS.iter().try_for_each(|mark| remove_file(&root.join(mark)))
}

/// Removes everything of the run but the files by which it is recognized; its manifest now says that it is not complete.
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

/// Removes the files that an earlier computation left in `stats` or `charts`: those with a checksum or, in a run without
/// checksums, those with the endings of such files. Files named by `keep` stay, because they are replaced anyway.
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

/// Removes some files of a folder, then the folder itself if it is empty.
fn remove_from(folder: &Path, which: impl Fn(&str) -> bool) -> Result<()> {
    for (name, path, is_folder) in entries(folder)? {
        if !is_folder && which(&name) {
            remove_file(&path)?;
        }
    }
    remove_empty(folder);
    Ok(())
}

/// Removes a folder if it is empty.
fn remove_empty(folder: &Path) {
    let _ = fs::remove_dir(folder);
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}
