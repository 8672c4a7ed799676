//! Whether a run may be written into a folder, by what the folder holds.

use std::{fs, path::Path};

use serde_json::Value;

use super::{
    checksums::run_digest,
    lock::Lock,
    ours::{ENTRIES, Holds, entry_holding, runs_below},
};
use crate::error::{Error, Result};

/// How far above a folder a run may be that it belongs to: `RUN/checkpoints/LABEL`, below the one of a demonstration.
pub(super) const ABOVE: usize = 4;

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

/// Everything that forbids to write a run there, without touching anything. Returns whether an earlier run would be resumed.
pub(super) fn check(root: &Path, occupied: Occupied, identity: &Value) -> Result<bool> {
    check_above(root)?;
    if !root.exists() {
        return refuse_dangling(root).map(|()| false);
    }
    if !root.is_dir() {
        return Err(Error::run_folder(
            format!("--out `{}` is a file; expected a folder or a path where one can be made", root.display()),
            "choose another --out",
        ));
    }
    Lock::check(root)?;
    let holds = Holds::of(root)?;
    match occupied {
        Occupied::Refuse => check_empty(root, &holds).map(|()| false),
        Occupied::Replace => check_replaceable(root, &holds).map(|()| false),
        Occupied::Resume => check_resumable(root, &holds, identity),
    }
}

/// Everything that forbids to write a pass of a run into a folder below it, without touching anything: to be asked before
/// anything of the run is removed. Other files may be there, such as a notebook.
pub(super) fn check_part(root: &Path, name: &str, occupied: Occupied, identity: &Value) -> Result<()> {
    let folder = root.join(name);
    if !folder.is_dir() {
        return check(&folder, occupied, identity).map(|_| ());
    }
    Lock::check(&folder)?;
    let holds = Holds::of(&folder)?;
    match occupied {
        Occupied::Refuse => check_empty(&folder, &holds),
        Occupied::Replace => {
            check_replaceable(&folder, &holds)?;
            if runs_below(root)?.contains(&folder) { Ok(()) } else { check_cleared(&folder, &holds) }
        }
        Occupied::Resume => check_resumable_part(&folder, &holds, identity).map(|_| ()),
    }
}

/// Whether an earlier pass is there to go on with.
pub(super) fn check_resumable_part(folder: &Path, holds: &Holds, identity: &Value) -> Result<bool> {
    match holds {
        Holds::Other if !ENTRIES.iter().any(|entry| folder.join(entry).exists()) => Ok(false),
        _ => check_resumable(folder, holds, identity),
    }
}

/// Refuses the folder of a pass that is still a run's after everything of the run above was removed.
pub(super) fn check_cleared(folder: &Path, holds: &Holds) -> Result<()> {
    match holds {
        Holds::Nothing | Holds::Other => Ok(()),
        Holds::Run(_) | Holds::Headless(_) | Holds::Foreign => Err(Error::run_folder(
            format!("--force: `{}` holds a run that is none of this run's own", folder.display()),
            "move it away, or choose another --out",
        )),
    }
}

/// Refuses a folder that belongs to a run that another process writes.
pub(super) fn check_above(root: &Path) -> Result<()> {
    let whole = root.canonicalize().or_else(|_| std::path::absolute(root)).map_err(Error::io("find", root))?;
    let above = whole.ancestors().skip(1).take(ABOVE);
    let mut holding = above.filter(|above| entry_holding(above, &whole).is_some());
    holding.try_for_each(Lock::check)
}

/// A link that leads nowhere exists and does not.
fn refuse_dangling(root: &Path) -> Result<()> {
    match fs::read_link(root) {
        Ok(target) => Err(Error::run_folder(
            format!("--out `{}` is a link to `{}`, which does not exist", root.display(), target.display()),
            "choose another --out, or make the folder that the link names",
        )),
        Err(_) => Ok(()),
    }
}

fn check_empty(root: &Path, holds: &Holds) -> Result<()> {
    let what = match holds {
        Holds::Nothing => return Ok(()),
        Holds::Run(record) if record.is_complete() => "a complete run",
        Holds::Run(_) | Holds::Headless(_) => "an incomplete run",
        Holds::Foreign | Holds::Other => "other files",
    };
    Err(Error::run_folder(
        format!("--out `{}` holds {what}; expected a new or empty folder", root.display()),
        "choose another --out, or add --force to replace the run, or --resume to go on with it",
    ))
}

/// Without a manifest of ours nothing here is known to be a run's, so nothing may be removed.
fn check_replaceable(root: &Path, holds: &Holds) -> Result<()> {
    let place = root.display();
    let what = match holds {
        Holds::Nothing | Holds::Run(_) | Holds::Headless(_) => return Ok(()),
        Holds::Foreign => format!("`{place}/manifest.json` was not written by openmoe-analyze, so this is no run"),
        Holds::Other => match ENTRIES.iter().find(|entry| root.join(entry).exists()) {
            None => return Ok(()),
            Some(entry) => format!("`{place}` holds `{entry}` but no manifest.json, so it is no run"),
        },
    };
    Err(Error::run_folder(format!("--force: {what}; nothing was removed"), "choose another --out"))
}

/// Whether a run is there, and that it is the same run.
fn check_resumable(root: &Path, holds: &Holds, identity: &Value) -> Result<bool> {
    let place = root.display();
    let other_out = "repeat the command that made it, or choose another --out";
    match holds {
        Holds::Nothing => Ok(false),
        Holds::Run(record) => {
            let different = record.differences(identity);
            if different.is_empty() {
                return Ok(true);
            }
            let what = format!("--resume: `{place}` holds another run; different: {}", different.join("; "));
            Err(Error::run_folder(what, other_out))
        }
        // Parts without a checksum are made again, so that no harm is done.
        Holds::Headless(digest) if digest.as_ref().is_none_or(|digest| *digest == run_digest(identity)) => Ok(true),
        Holds::Headless(_) => Err(Error::run_folder(
            format!("--resume: `{place}` holds another run, whose manifest.json is missing or damaged"),
            other_out,
        )),
        Holds::Foreign => Err(Error::run_folder(
            format!("--resume: `{place}/manifest.json` was not written by openmoe-analyze, so this is no run"),
            "choose another --out",
        )),
        Holds::Other => Err(Error::run_folder(
            format!("--resume: `{place}` holds other files; expected a run, or a new or empty folder"),
            "choose another --out",
        )),
    }
}
