//! Decides by the contents of a folder whether a run may be written into it.

use std::{fs, path::Path};

use serde_json::Value;

use super::{
    again::is_resumable,
    checksums::run_digest,
    lock::Lock,
    record::LooseRecord,
    run_entries::{ENTRIES, Holds, entry_holding, runs_below},
};
use crate::error::{Error, OptionName, Result};

/// How many levels above a folder the run may be that it belongs to: `DEMO/drift/checkpoints/LABEL`.
pub(super) const ABOVE: usize = 4;

/// What to do if the folder is not empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Occupied {
    /// Refuse (default).
    #[default]
    Refuse,
    /// Remove the run that is there and start again.
    Replace,
    /// Go on with the run that is there, if it is the same.
    Resume,
}

/// Refuses a folder that a run must not be written into, without touching anything. Returns whether an earlier run would be
/// resumed.
pub(super) fn check(root: &Path, occupied: Occupied, identity: &Value) -> Result<bool> {
    check_above(root)?;
    if !root.exists() {
        return refuse_dangling(root).map(|()| false);
    }
    if !root.is_dir() {
        return Err(Error::run_folder(
            format!(
                "{} `{}` is a file; expected a folder or a path where one can be made",
                OptionName::Out,
                root.display()
            ),
            choose_another(),
        ));
    }
    Lock::check(root)?;
    let holds = Holds::of(root)?;
    match occupied {
        Occupied::Refuse => check_empty(root, &holds, identity).map(|()| false),
        Occupied::Replace => check_replaceable(root, &holds).map(|()| false),
        Occupied::Resume => check_resumable(root, &holds, identity),
    }
}

/// Refuses a sub-folder that a pass of a run must not be written into, without touching anything. It must be called before
/// anything of the run is removed. The sub-folder may hold other files, such as a notebook.
pub(super) fn check_part(root: &Path, name: &str, occupied: Occupied, identity: &Value) -> Result<()> {
    let folder = root.join(name);
    if !folder.is_dir() {
        return check(&folder, occupied, identity).map(|_| ());
    }
    Lock::check(&folder)?;
    let holds = Holds::of(&folder)?;
    match occupied {
        Occupied::Refuse => check_empty(&folder, &holds, identity),
        Occupied::Replace => {
            check_replaceable(&folder, &holds)?;
            if runs_below(root)?.contains(&folder) { Ok(()) } else { check_cleared(&folder, &holds) }
        }
        Occupied::Resume => check_resumable_part(&folder, &holds, identity).map(|_| ()),
    }
}

/// Whether the folder holds an earlier pass that can be resumed.
pub(super) fn check_resumable_part(folder: &Path, holds: &Holds, identity: &Value) -> Result<bool> {
    match holds {
        Holds::Other if !ENTRIES.iter().any(|entry| folder.join(entry).exists()) => Ok(false),
        _ => check_resumable(folder, holds, identity),
    }
}

/// Refuses the folder of a pass if it still holds a run after everything of the run above was removed.
pub(super) fn check_cleared(folder: &Path, holds: &Holds) -> Result<()> {
    match holds {
        Holds::Nothing | Holds::Other => Ok(()),
        Holds::Run(_) | Holds::Headless(_) | Holds::Foreign => Err(Error::run_folder(
            format!("{}: `{}` holds a run that is none of this run's own", OptionName::Force, folder.display()),
            format!("move it away, or {}", choose_another()),
        )),
    }
}

/// Refuses a folder that is part of a run that another process writes.
pub(super) fn check_above(root: &Path) -> Result<()> {
    let whole = root.canonicalize().or_else(|_| std::path::absolute(root)).map_err(Error::io("find", root))?;
    let above = whole.ancestors().skip(1).take(ABOVE);
    let mut holding = above.filter(|above| entry_holding(above, &whole).is_some());
    holding.try_for_each(Lock::check)
}

/// Refuses a link whose target does not exist.
fn refuse_dangling(root: &Path) -> Result<()> {
    match fs::read_link(root) {
        Ok(target) => Err(Error::run_folder(
            format!(
                "{} `{}` is a link to `{}`, which does not exist",
                OptionName::Out,
                root.display(),
                target.display()
            ),
            format!("{}, or make the folder that the link names", choose_another()),
        )),
        Err(_) => Ok(()),
    }
}

fn check_empty(root: &Path, holds: &Holds, identity: &Value) -> Result<()> {
    let what = match holds {
        Holds::Nothing => return Ok(()),
        Holds::Run(record) if record.is_complete() => "a complete run",
        Holds::Run(_) | Holds::Headless(_) => "an incomplete run",
        Holds::Foreign | Holds::Other => "other files",
    };
    let can_go_on = match holds {
        Holds::Run(record) => is_resumable(record),
        _ => true,
    } && LooseRecord::of(identity).is_none_or(|record| is_resumable(&record));
    let replace = format!("{}, or add {} to replace the run", choose_another(), OptionName::Force);
    Err(Error::run_folder(
        format!("{} `{}` holds {what}; expected a new or empty folder", OptionName::Out, root.display()),
        if can_go_on { format!("{replace}, or {} to go on with it", OptionName::Resume) } else { replace },
    ))
}

fn choose_another() -> String {
    format!("choose another {}", OptionName::Out)
}

/// Refuses to replace files without a manifest that this program wrote: they may belong to something else.
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
    Err(Error::run_folder(format!("{}: {what}; nothing was removed", OptionName::Force), choose_another()))
}

/// Whether the folder holds a run that can be resumed. Refuses another run.
fn check_resumable(root: &Path, holds: &Holds, identity: &Value) -> Result<bool> {
    let place = root.display();
    let other_out = format!("repeat the command that made it, or {}", choose_another());
    let resume = OptionName::Resume;
    match holds {
        Holds::Nothing => Ok(false),
        Holds::Run(record) => {
            let different = record.differences(identity);
            if different.is_empty() {
                return Ok(true);
            }
            let what = format!("{resume}: `{place}` holds another run; different: {}", different.join("; "));
            Err(Error::run_folder(what, other_out))
        }
        // This is safe: parts without a checksum are made again.
        Holds::Headless(digest) if digest.as_ref().is_none_or(|digest| *digest == run_digest(identity)) => Ok(true),
        Holds::Headless(_) => Err(Error::run_folder(
            format!("{resume}: `{place}` holds another run, whose manifest.json is missing or damaged"),
            other_out,
        )),
        Holds::Foreign => Err(Error::run_folder(
            format!("{resume}: `{place}/manifest.json` was not written by openmoe-analyze, so this is no run"),
            choose_another(),
        )),
        Holds::Other => Err(Error::run_folder(
            format!("{resume}: `{place}` holds other files; expected a run, or a new or empty folder"),
            choose_another(),
        )),
    }
}
